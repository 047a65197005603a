"""The figures of the page, each with what it says in words and the numbers behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragdiag.numbers import count, counted, number, percent, probability, score
from ragdiag.pictures.draw import Pictures
from ragdiag.pictures.histogram import Cosines, GapPicture, Histogram
from ragdiag.pictures.listed import HUBS, Occurrence
from ragdiag.pictures.map import MapPicture
from ragdiag.report import figures, figures_comparison
from ragdiag.retrieval.comparison import Comparison
from ragdiag.types import IntArray

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_ROWS = 60


@dataclass(frozen=True)
class Plate:
    """One figure with its words.

    Attributes
    ----------
    key : str
        Its anchor in the page.
    title : str
    caption : str
        What it shows here and how to read it; also its text alternative.
    figure : plotly.graph_objects.Figure
    header : tuple of str
    rows : tuple of tuple of str
        The numbers behind it; at most sixty.
    """

    key: str
    title: str
    caption: str
    figure: Figure
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def portrait_plates(pictures: Pictures) -> Iterator[Plate]:
    """Yield the figures of the store's portrait that there are; hubs and groups stand beside them."""
    if pictures.cosines is not None:
        yield _cosines(pictures.cosines)
    if pictures.spectrum is not None:
        shape = pictures.spectrum
        above = int(np.sum(shape.shares > shape.edge))
        passing = f"{count(above) if above else 'none'}{' of those shown' if shape.dim > len(shape.ranks) else ''}"
        noise = f" Single eigenvalues are noise here: {shape.refusal}." if shape.refusal else ""
        numbers = np.stack([shape.ranks, shape.shares, shape.isotropic], axis=1)
        yield Plate(
            "spectrum",
            "Spectrum",
            f"The first principal component has {percent(float(shape.shares[0]))} of the variance; without any order no"
            f" eigenvalue would pass the Marchenko–Pastur edge, {percent(shape.edge)}, which {passing}"
            f" do. With the mean left in, the largest takes"
            f" {percent(shape.uncentred)}: the mean cosine alone demands {percent(shape.floor)} (n = {count(shape.n)},"
            f" d = {count(shape.dim)}).{noise}",
            figures.spectrum_figure(shape),
            ("rank", "share", "without order"),
            tuple(
                (count(int(rank)), percent(float(own)), percent(float(null)))
                for rank, own, null in numbers[_few(len(shape.ranks))]
            ),
        )
    for listed in pictures.occurrences:
        yield _occurrence(listed)
    if pictures.norms is not None:
        lengths = pictures.norms
        yield Plate(
            "norms",
            "Lengths",
            f"Lengths run from {number(float(lengths.edges[0]))} to {number(float(lengths.edges[-1]))} over"
            f" {counted(lengths.n, 'vector')}. Under dot product and L2 they take part in the"
            " ranking; under cosine they do not.",
            figures.norms_figure(lengths),
            ("length", "documents"),
            _bins(lengths),
        )
    if pictures.gap is not None:
        yield _gap(pictures.gap)


def _cosines(picture: Cosines) -> Plate:
    pairs = picture.pairs
    assert pairs.expected is not None
    near = picture.nearest
    median = _median(near)
    beside = f"; the nearest neighbour is at about {number(median)}" if median is not None else ""
    return Plate(
        "cosines",
        "Cosines",
        f"Two documents at random have a cosine of {number(picture.mean)} on average{beside}. Directions without any"
        f" order in {count(picture.dim)} dimensions would lie around 0 within ±{number(2 / picture.dim**0.5)} (dashed)."
        " The further apart both heaps are, the better a search can tell near from far.",
        figures.cosines_figure(picture),
        ("cosine", "random pairs", "without order", "nearest neighbours"),
        tuple(
            (*span, number(null), count(int(other)))
            for span, null, other in zip(_bins(pairs), pairs.expected.tolist(), near.counts, strict=True)
        ),
    )


def _occurrence(picture: Occurrence) -> Plate:
    given = picture.side == "query"
    asked = "queries" if given else "documents as queries"
    assert picture.counts.expected is not None
    return Plate(
        f"listed-{picture.side}",
        "How often documents are found " + ("by the queries" if given else "by each other"),
        f"{count(picture.m)} {asked} list {count(picture.k)} documents each, {number(picture.mean)} lists per document."
        f" {counted(picture.orphans, 'document is', 'documents are')} in no list where chance leaves"
        f" {number(picture.expected_orphans)}; {count(len(picture.hubs))}"
        f"{' or more' if len(picture.hubs) == HUBS else ''} are listed beyond chance. Dashed: Poisson counts of the"
        " same mean. Bins widen to the right, heights are square roots.",
        figures.occurrence_figure(picture),
        ("lists", "documents", "by chance"),
        tuple(
            (f"{int(low)}" if high - low == 1 else f"{int(low)} to {int(high) - 1}", count(int(own)), number(null))
            for low, high, own, null in zip(
                picture.counts.edges[:-1],
                picture.counts.edges[1:],
                picture.counts.counts,
                picture.counts.expected.tolist(),
                strict=True,
            )
        ),
    )


def _gap(picture: GapPicture) -> Plate:
    docs, queries = picture.documents, picture.queries
    middles = docs.middles
    of_docs, of_queries = (float(np.average(middles, weights=side.counts)) for side in (docs, queries))
    return Plate(
        "gap",
        "Queries and documents",
        f"Along the line from the mean document to the mean query, documents lie at {number(of_docs)} and queries at"
        f" {number(of_queries)} on average. The line is found on one half of both and shows the other half. Two heaps"
        " that do not overlap are a gap: that line alone tells a query from a document.",
        figures.gap_figure(picture),
        ("place", "documents", "queries"),
        tuple((*span, count(int(other))) for span, other in zip(_bins(docs), queries.counts, strict=True)),
    )


def map_caption(picture: MapPicture) -> str:
    """Return what the map shows and how to read it."""
    queries = int(picture.layers["queries"].sum())
    drawn = len(picture.chunks) - queries
    both = percent(sum(picture.explained))
    asked = f" and {counted(queries, 'query', 'queries')}" if queries else ""
    return (
        f"{count(drawn)} of {counted(picture.documents, 'document')}{asked}. The first two principal components show"
        f" {both} of the variance, so that points apart are apart and points together need not be. t-SNE shows who"
        " neighbours whom, on a sample; distances between its heaps and their sizes say nothing."
    )


def comparison_plates(comparison: Comparison) -> Iterator[Plate]:
    """Yield the figures of a labelled comparison that there are."""
    metric = comparison.metric
    others = figures_comparison.candidates(comparison)
    if others:
        yield Plate(
            "differences",
            "Differences to the store's own similarity",
            f"Mean paired difference of {metric} to {comparison.baseline} over {count(comparison.queries)} queries,"
            f" with 95 % intervals. Green is proven better, red proven worse (Holm), grey neither; the"
            f" dotted line is the smallest difference that counts, {comparison.min_effect:g}.",
            figures_comparison.differences_figure(comparison),
            ("similarity", metric, "difference", "p"),
            tuple(
                (
                    name,
                    score(run.scores[metric].mean),
                    score(run.scores[metric].delta, sign=True),
                    _p(run.scores[metric].p),
                )
                for name, run in others
            ),
        )
    other = figures_comparison.compared(comparison)
    if other is not None:
        x, y = (comparison.per_query_scores[name][metric] for name in (comparison.baseline, other))
        better, worse = int(np.sum(y > x + 1e-9)), int(np.sum(y < x - 1e-9))
        yield Plate(
            "queries",
            "Query by query",
            f"{other} ranks {counted(better, 'query', 'queries')} better than {comparison.baseline} and {count(worse)}"
            f" worse; {count(len(x) - better - worse)} are the same. Larger marks are more queries.",
            figures_comparison.queries_figure(comparison),
            ("queries", "number"),
            (("better", count(better)), ("worse", count(worse)), ("the same", count(len(x) - better - worse))),
        )
    losses = comparison.losses
    if losses is not None and losses.total > 0:
        parts = [("ranked low though found", losses.low_ranked, "")]
        parts += [(c.cause.value, c.loss, count(c.pairs)) for c in losses.causes if c.pairs]
        yield Plate(
            "losses",
            "Where the loss comes from",
            f"{losses.metric} is {losses.score:.3f} where {losses.attainable:.3f} is possible: {losses.total:.3f} is"
            f" lost, and the bars add up to it. {count(losses.missing)} of {counted(losses.pairs, 'relevant document')}"
            f" are missing from the top {losses.k}.",
            figures_comparison.losses_figure(losses),
            ("cause", "lost", "share", "documents"),
            tuple((name, f"{loss:.3f}", percent(losses.share(loss)), pairs) for name, loss, pairs in parts),
        )
    if comparison.smaller:
        sized = [r for r in (*comparison.runs, *comparison.smaller) if r.bytes_per_vector is not None]
        yield Plate(
            "size",
            "Quality against bytes",
            f"{metric} of truncated and quantised vectors beside the full ones, with 95 % intervals; up and to the left"
            " is better.",
            figures_comparison.size_figure(comparison),
            ("similarity", "bytes", metric, "difference"),
            tuple(
                (
                    run.similarity,
                    number(run.bytes_per_vector or 0.0),
                    score(run.scores[metric].mean),
                    score(run.scores[metric].delta, sign=True),
                )
                for run in sized
            ),
        )


def _p(value: float | None) -> str:
    return "" if value is None else probability(value)


def _bins(histogram: Histogram) -> tuple[tuple[str, str], ...]:
    edges = histogram.edges
    return tuple(
        (f"{number(float(low))} to {number(float(high))}", count(int(own)))
        for low, high, own in zip(edges[:-1], edges[1:], histogram.counts, strict=True)
    )


def _median(histogram: Histogram) -> float | None:
    if not histogram.n:
        return None
    half = int(np.searchsorted(np.cumsum(histogram.counts), histogram.n / 2))
    return float(histogram.middles[half])


def _few(rows: int) -> IntArray:
    """Return at most sixty row numbers, denser at the start."""
    if rows <= _MOST_ROWS:
        return np.arange(rows)
    return np.unique(np.geomspace(1, rows, _MOST_ROWS).astype(np.int64)) - 1
