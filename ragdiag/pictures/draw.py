"""All that the figures of a report show, from what the audit has read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ragdiag.geometry import duplicates
from ragdiag.geometry.portrait import Portrait
from ragdiag.pictures.eigenvalues import SpectrumPicture, spectrum_picture
from ragdiag.pictures.groups import Groups, groups
from ragdiag.pictures.histogram import Cosines, GapPicture, Histogram, cosines, gap, norms
from ragdiag.pictures.listed import Chunk, Occurrence, chunk, hub_positions, occurrence
from ragdiag.pictures.map import POINTS, QUERIES, MapPicture, Mask, project
from ragdiag.statistics.neighbors import occurrences
from ragdiag.statistics.observed import Observed
from ragdiag.types import Batch, Float32, IntArray
from ragdiag.vectors import unit

CLUSTERS = 5  # of duplicates that are shown, of either kind
_MEMBERS = 5
_MARKED = 400  # points of one layer of documents, at most


@dataclass(frozen=True)
class Cluster:
    """Documents that repeat each other.

    Attributes
    ----------
    kind : str
        ``"vectors"`` or ``"texts"``: what is equal; texts but for case and white space.
    size : int
    ids : tuple of str
        The first five, untrusted.
    text : str or None
        The start of the first one's, untrusted.
    """

    kind: str
    size: int
    ids: tuple[str, ...]
    text: str | None


@dataclass(frozen=True)
class Pictures:
    """What the figures show; every part is None or empty where there is nothing to show.

    Attributes
    ----------
    cosines : Cosines or None
    spectrum : SpectrumPicture or None
    occurrences : tuple of Occurrence
        Of the queries that were given, then of documents as queries.
    norms : Histogram or None
        None where all vectors have one length, which is `one_length`.
    one_length : float or None
    clusters : tuple of Cluster
        The largest ones of equal vectors, then of equal texts.
    gap : GapPicture or None
    map : MapPicture or None
    groups : tuple of Groups
    groups_note : str
        What there is to know of them, such as that no document has the key asked for.
    """

    cosines: Cosines | None = None
    spectrum: SpectrumPicture | None = None
    occurrences: tuple[Occurrence, ...] = ()
    norms: Histogram | None = None
    one_length: float | None = None
    clusters: tuple[Cluster, ...] = ()
    gap: GapPicture | None = None
    map: MapPicture | None = None
    groups: tuple[Groups, ...] = ()
    groups_note: str = ""


def draw(
    seen: Observed,
    portrait: Portrait,
    fetch: Callable[[Sequence[str]], Batch],
    rng: np.random.Generator,
    *,
    group_by: str = "",
) -> Pictures:
    """Return what the figures show; bounded in size whatever that of the store.

    Parameters
    ----------
    seen : Observed
    portrait : Portrait
    fetch : callable
        Looks up documents by id: hubs and repeated ones.
    rng : numpy.random.Generator
    group_by : str
        Key of the metadata; "" to guess.
    """
    docs, census = seen.documents, seen.documents.census
    of_pairs, of_gap, of_map = rng.spawn(3)
    live = census.norms[census.live]
    lengths = norms(live)
    lists = [("document", docs.neighbors.positions[:, : seen.k])]
    if seen.queries is not None:
        lists.insert(0, ("query", seen.queries.neighbors.positions[:, : seen.k]))

    def chunks(positions: Sequence[int]) -> list[Chunk]:
        ids = [census.ids[position] for position in positions]
        texts = (fetch(ids).texts if ids else None) or [None] * len(ids)
        return [chunk(id_, text) for id_, text in zip(ids, texts, strict=True)]

    sampled = list(zip(docs.sample.positions.tolist(), docs.sample.texts, strict=True))
    shown = (
        occurrence(side, found, census, query=_asker(seen, side), text=chunks, sampled=sampled) for side, found in lists
    )
    counts = occurrences(lists[0][1], census.n)
    grouped, note = groups(docs.sample.metadata, docs.sample.texts, counts[docs.sample.positions], key=group_by)
    return Pictures(
        cosines=cosines(docs, of_pairs),
        spectrum=spectrum_picture(portrait.shape, docs.moments.unit) if portrait.shape is not None else None,
        occurrences=tuple(one for one in shown if one is not None),
        norms=lengths,
        one_length=float(live.mean()) if lengths is None and len(live) else None,
        clusters=_clusters(seen, chunks),
        gap=gap(docs, seen.queries, of_gap) if seen.queries is not None else None,
        map=_map(seen, portrait, counts, fetch, of_map),
        groups=grouped,
        groups_note=note,
    )


def _asker(seen: Observed, side: str) -> Callable[[int], Chunk]:
    """Return what names a query by its row."""
    if side == "query" and seen.queries is not None:
        texts = seen.queries.texts
        return lambda row: chunk(f"query {row + 1}", texts[row] if row < len(texts) else None)
    drawn, ids = seen.documents.queries, seen.documents.census.ids
    return lambda row: chunk(ids[int(drawn.positions[row])], drawn.texts[row])


def _clusters(seen: Observed, chunks: Callable[[Sequence[int]], list[Chunk]]) -> tuple[Cluster, ...]:
    census = seen.documents.census
    found = [("vectors", group) for group in duplicates.groups(census.vector_hashes, census.live)[:CLUSTERS]]
    known = {tuple(group.tolist()) for _, group in found}
    repeated = duplicates.groups(census.text_hashes, census.text_lengths > 0)[: 2 * CLUSTERS]
    # Equal texts usually have equal vectors; those are told already.
    found += [("texts", group) for group in repeated if tuple(group.tolist()) not in known][:CLUSTERS]
    first = chunks([int(group[0]) for _, group in found])
    return tuple(
        Cluster(kind, len(group), tuple(chunk(census.ids[p], None).id for p in group[:_MEMBERS]), own.text)
        for (kind, group), own in zip(found, first, strict=True)
    )


def _map(
    seen: Observed,
    portrait: Portrait,
    counts: IntArray,
    fetch: Callable[[Sequence[str]], Batch],
    rng: np.random.Generator,
) -> MapPicture | None:
    """Lay out hubs, outliers, repeated documents, then others; and queries. Points are a sample but for the hubs."""
    docs, census = seen.documents, seen.documents.census
    if len(docs.sample) < 3 or portrait.shape is None or portrait.shape.dim < 2:
        return None
    hubs = hub_positions(counts, census.usable)
    hubs = hubs[census.live[hubs]]
    repeated = np.zeros(census.n, dtype=bool)
    for hashes, where in ((census.vector_hashes, census.live), (census.text_hashes, census.text_lengths > 0)):
        for group in duplicates.groups(hashes, where):
            repeated[group] = True
    far = np.zeros(census.n, dtype=bool)
    far[portrait.marks["outliers.far"]] = True

    rows: dict[int, tuple[Float32, str | None]] = {}

    def take(positions: IntArray, vectors: Float32, texts: Sequence[str | None], wanted: Mask, most: int) -> None:
        for row in np.flatnonzero(wanted)[:most].tolist():
            rows.setdefault(int(positions[row]), (vectors[row], texts[row]))

    if len(hubs):
        found = fetch([census.ids[p] for p in hubs.tolist()])
        take(hubs, found.vectors, found.texts or [None] * len(hubs), np.ones(len(hubs), dtype=bool), len(hubs))
    asked, sample = docs.queries, docs.sample
    take(asked.positions, asked.vectors, asked.texts, far[asked.positions], _MARKED)
    take(sample.positions, sample.vectors, sample.texts, repeated[sample.positions], _MARKED)
    queries = 0 if seen.queries is None else min(len(seen.queries.vectors), QUERIES)
    room = POINTS - queries - len(rows)
    take(sample.positions, sample.vectors, sample.texts, np.ones(len(sample), dtype=bool), max(room, 0))

    positions = np.fromiter(rows, dtype=np.int64)
    vectors = [vector for vector, _ in rows.values()]
    chunks = [chunk(census.ids[p], text) for p, (_, text) in zip(rows, rows.values(), strict=True)]
    if seen.queries is not None:
        drawn = np.sort(rng.permutation(len(seen.queries.vectors))[:queries])
        ask = _asker(seen, "query")
        vectors += list(seen.queries.vectors[drawn])
        chunks += [ask(int(row)) for row in drawn]
    of_queries = np.arange(len(chunks)) >= len(positions)

    def layer(mask: Mask) -> Mask:
        return np.concatenate([mask[positions], np.zeros(queries, dtype=bool)])

    is_hub = np.zeros(census.n, dtype=bool)
    is_hub[hubs] = True
    return project(
        unit(np.array(vectors, dtype=np.float32)),
        portrait.shape,
        docs.moments.unit.mean,
        tuple(chunks),
        {
            "hubs": layer(is_hub),
            "orphans": layer(counts == 0),
            "duplicates": layer(repeated),
            "outliers": layer(far),
            "queries": of_queries,
        },
        census.n,
    )
