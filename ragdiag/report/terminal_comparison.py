"""A labelled comparison for people: the verdict, then every similarity beside the baseline."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from rich.cells import cell_len

from ragdiag.numbers import count, counted, number, probability, score
from ragdiag.report.page import Page, Part
from ragdiag.report.terminal_losses import advice, losses_section
from ragdiag.retrieval.comparison import WORDS, Comparison, PairedScore, SimilarityScores
from ragdiag.retrieval.losses import Cause
from ragdiag.types import StoreInfo

_SCORE, _DELTA, _P = 20, 23, 6
_LEAST_NAME = 20


def comparison_to_text(
    store: StoreInfo, comparison: Comparison, *, width: int = 80, color: bool = False, encoding: str = "utf-8"
) -> str:
    """Return a comparison as text for a terminal or a log; see `ragdiag.report.terminal.to_text`."""
    page = Page(width, encoding=encoding)
    page.line((store.name, "bold"))
    page.gap()
    metric = store.metric.value if store.metric is not None else "cosine (assumed: it does not say)"
    page.field("Store", f"{counted(store.count, 'vector')} × {store.dim}, ranks by {metric}")
    page.field("Searched", "all documents, exactly, under each similarity")
    page.field("Labels", _labels(comparison))
    page.field("Fitted", _fitted(comparison))
    page.field("Tested", _tested(comparison))
    if comparison.note:
        page.field("Note", comparison.note)
    page.gap()
    for sentence in comparison_verdict(comparison):
        page.line((sentence, "bold green" if comparison.winner is None else "bold"))
    comparison_section(page, comparison, told=(comparison.note,), alone=True)
    _next(page, comparison)
    return page.render(color=color)


def comparison_section(page: Page, comparison: Comparison, *, told: Collection[str] = (), alone: bool = False) -> None:
    """Add each similarity's scores beside the baseline's; unless they stand `alone`, with what was done and proven.

    A note that was `told` already is not repeated.
    """
    page.heading("Labelled retrieval")
    if not alone:
        page.line(f"{_labels(comparison)} {_tested(comparison)}")
        if comparison.note and comparison.note not in told:
            page.line(f"Note: {comparison.note}")
    metrics = sorted(comparison.runs[0].scores, key=lambda name: name != comparison.metric) if comparison.runs else []
    for metric in metrics:
        page.gap()
        _block(page, comparison, metric)
    _frontier(page, comparison)
    for name, reason in comparison.refused.items():
        page.gap()
        page.line("Not tried: ", (name, "bold"), f". {reason}", indent=2, hang=4)
    # Of one similarity alone there is nothing to choose.
    said = () if alone else comparison_verdict(comparison) if len(comparison.runs) > 1 else _of_words(comparison)
    if said:
        page.gap()
    for sentence in said:
        page.line((sentence, "bold"))
    if comparison.losses is not None:
        losses_section(page, comparison.losses, winner=comparison.winner)


def comparison_verdict(comparison: Comparison) -> list[str]:
    """Return what the comparison proved, one sentence or two.

    Examples
    --------
    >>> comparison_verdict(Comparison("cosine", "nDCG@10", (), None, 0.01, 9_999, 150, 140, 5, 0))
    ['Leave it alone: nothing is proven better than cosine by 0.01 nDCG@10 or more.']
    """
    metric = comparison.metric
    if comparison.at_chance and comparison.winner is None:
        said = [f"{comparison.baseline} ranks at chance: mend that first, then compare similarities."]
    elif comparison.winner is None:
        counts = f"{comparison.min_effect:g} {metric}"
        said = [f"Leave it alone: nothing is proven better than {comparison.baseline} by {counts} or more."]
    else:
        run = next(run for run in comparison.runs if run.similarity == comparison.winner)
        p = run.scores[metric].p
        gain = score(comparison.chosen, sign=True) if comparison.chosen else ""
        said = [
            f"Rank by {comparison.winner}: choosing so gains {gain} {metric} over {comparison.baseline} on queries"
            f" that had no part in the choice{f', p={probability(p)}' if p is not None else ''}."
        ]
    return said + _of_words(comparison)


def _of_words(comparison: Comparison) -> list[str]:
    words = comparison.lexical_wins
    if words is None:
        return []
    if not comparison.lexical_far:
        return [
            f"BM25 on the stored texts is a little better than the vectors: {score(words.mean)} {comparison.metric}."
            " Questions that were written beside their texts share words with them, which may be all there is to it."
        ]
    return [
        f"BM25 on the stored texts is better than the vectors are: {score(words.mean)} {comparison.metric}. The"
        " embedding model does not fit these texts; no similarity here makes up for that."
    ]


def _labels(comparison: Comparison) -> str:
    queries = counted(comparison.queries, "labelled query", "labelled queries")
    if comparison.clusters < comparison.queries:
        return f"{queries} in {count(comparison.clusters)} groups that share relevant documents."
    return f"{queries}."


def _fitted(comparison: Comparison) -> str:
    return f"on other queries than judged: {comparison.folds} folds, seed {comparison.seed}"


def _tested(comparison: Comparison) -> str:
    resampled = "groups" if comparison.clusters < comparison.queries else "queries"
    resamples = f"{count(comparison.resamples)} resamples of the {resampled}"
    if len(comparison.runs) == 1 and comparison.lexical is None:
        return f"Intervals from {resamples}."
    return f"Differences to {comparison.baseline} in pairs; intervals and p from {resamples}, p Holm-corrected."


def _block(page: Page, comparison: Comparison, metric: str) -> None:
    """Add every similarity under one metric, the baseline first, the others best first."""
    compared = len(comparison.runs) > 1 or comparison.lexical is not None
    header = (f"{metric} [95 %]", "difference [95 %]" if compared else "", "p" if compared else "")
    _row(page, [(text, "dim") for text in header], "similarity", "dim")
    for run, label in _ordered(comparison, metric):
        style = "bold" if run.similarity == comparison.winner else ""
        _row(page, _cells(run.scores[metric], baseline=run is comparison.runs[0]), label, style)
    null = comparison.runs[0].scores[metric].mean.null
    if null is not None:
        _row(page, [(f"{null:.3f}", "dim"), "", ""], "(chance)", "dim")


def _ordered(comparison: Comparison, metric: str) -> Iterator[tuple[SimilarityScores, str]]:
    """Yield the baseline, then the others, best first; BM25 under its own name."""
    rest = [(run, run.similarity) for run in comparison.runs[1:]]
    if comparison.lexical is not None:
        rest.append((comparison.lexical, WORDS))
    yield from ((run, run.similarity) for run in comparison.runs[:1])
    yield from sorted(rest, key=lambda pair: -(pair[0].scores[metric].mean.value or 0.0))


def _cells(paired: PairedScore, *, baseline: bool) -> tuple[str, str, str]:
    if baseline:
        return score(paired.mean), "baseline", ""
    return score(paired.mean), score(paired.delta, sign=True), "" if paired.p is None else probability(paired.p)


def _row(page: Page, cells: Sequence[Part], name: str, style: str) -> None:
    """Add a row whose last cell, a name, goes on under itself where it is too long."""
    widths = (_SCORE, _DELTA, -_P)
    room = page.width - 2 - _SCORE - _DELTA - _P - 3 * 2
    parts = _split(name, room) if room >= _LEAST_NAME else [name]
    if room < _LEAST_NAME:
        page.line((name, style), indent=2)
        page.row(list(zip(cells, widths, strict=True)), indent=4)
        return
    page.row([*zip(cells, widths, strict=True), ((parts[0], style), room)])
    for part in parts[1:]:
        page.line((part, style), indent=page.width - room)


def _split(name: str, width: int) -> list[str]:
    """Break a name after its bars, and where that is not enough after its commas.

    Examples
    --------
    >>> _split("query-centred | whitened(gamma=0.5)", 23)
    ['query-centred |', 'whitened(gamma=0.5)']
    """
    lines = [""]
    for piece in re.split(r"(?<=\|) |(?<=,) ", name):
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(piece) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {piece}".strip()
    return lines


def _frontier(page: Page, comparison: Comparison) -> None:
    if not comparison.smaller:
        return
    page.heading("Quality against size")
    page.row([(("bytes", "dim"), -8), ((comparison.metric, "dim"), -8), (("difference [95 %]", "dim"), _DELTA)])
    for run in sorted(comparison.smaller, key=lambda run: -(run.bytes_per_vector or 0.0)):
        paired = run.scores[comparison.metric]
        size = number(run.bytes_per_vector) if run.bytes_per_vector is not None else ""
        mean = f"{paired.mean.value:.3f}" if paired.mean.value is not None else ""
        page.row([(size, -8), (mean, -8), (score(paired.delta, sign=True), _DELTA), (run.similarity, 24)])


def _next(page: Page, comparison: Comparison) -> None:
    page.heading("What to do next")
    if comparison.winner is None:
        page.line("Nothing about the similarity.", indent=2)
    else:
        page.line((f'ragdiag fix STORE --remedy "{comparison.winner}" --to URI', "bold"), indent=2)
        page.line(
            "with the same --queries and vectors: writes a store that ranks so, without embedding a document again.",
            indent=4,
        )
    if comparison.lexical_far:
        page.line("Try a model made for the language and the subject of these texts, or hybrid search.", indent=2)
    told = (Cause.LEXICAL,) if comparison.lexical_far else ()
    for sentence in advice(comparison.losses, told=told) if comparison.losses is not None else ():
        page.line(sentence, indent=2)
