"""All that the figures of a report show, from what the audit has read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.geometry import duplicates
from ragdiag.geometry.portrait import Portrait
from ragdiag.pictures.eigenvalues import SpectrumPicture, spectrum_picture
from ragdiag.pictures.groups import Groups, groups
from ragdiag.pictures.histogram import Cosines, GapPicture, Histogram, cosines, gap, norms
from ragdiag.pictures.listed import Chunk, Occurrence, chunk, hub_positions, occurrence
from ragdiag.pictures.map import POINTS, QUERIES, MapPicture, Mask, project
from ragdiag.statistics.census import Census
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
    counts = [occurrences(found, census.n) for _, found in lists]
    hubs = [hub_positions(one, census.usable) for one in counts]
    of_vectors = duplicates.groups(census.vector_hashes, census.live)
    of_texts = duplicates.groups(census.text_hashes, census.text_lengths > 0)
    clusters = _largest(of_vectors, of_texts)
    named = _Named.of([*np.concatenate(hubs).tolist(), *(int(group[0]) for _, group in clusters)], census, fetch)

    sampled = list(zip(docs.sample.positions.tolist(), docs.sample.texts, strict=True))
    shown = (
        occurrence(
            side, found, census, counts=own, hubs=top, query=_asker(seen, side), text=named.chunk, sampled=sampled
        )
        for (side, found), own, top in zip(lists, counts, hubs, strict=True)
    )
    grouped, note = groups(docs.sample.metadata, docs.sample.texts, counts[0][docs.sample.positions], key=group_by)
    return Pictures(
        cosines=cosines(docs, of_pairs),
        spectrum=spectrum_picture(portrait.shape, docs.moments) if portrait.shape is not None else None,
        occurrences=tuple(one for one in shown if one is not None),
        norms=lengths,
        one_length=float(live.mean()) if lengths is None and len(live) else None,
        clusters=tuple(
            Cluster(
                kind,
                len(group),
                tuple(chunk(census.ids[p], None).id for p in group[:_MEMBERS]),
                named.chunk(int(group[0])).text,
            )
            for kind, group in clusters
        ),
        gap=gap(docs, seen.queries, of_gap) if seen.queries is not None else None,
        map=_map(seen, portrait, counts[0], hubs[0], [*of_vectors, *of_texts], named, of_map),
        groups=grouped,
        groups_note=note,
    )


@dataclass(frozen=True)
class _Named:
    """Documents that were looked up, all at once: a look may cost as much as a scan."""

    ids: Sequence[str]
    row: dict[int, int]
    found: Batch

    @classmethod
    def of(cls, positions: Sequence[int], census: Census, fetch: Callable[[Sequence[str]], Batch]) -> _Named:
        wanted = list(dict.fromkeys(positions))
        nothing = Batch([], np.empty((0, 0), dtype=np.float32))
        try:
            found = fetch([census.ids[position] for position in wanted]) if wanted else nothing
        except StoreError:  # written to meanwhile: no reason to lose the audit
            wanted, found = [], nothing
        return cls(census.ids, {position: row for row, position in enumerate(wanted)}, found)

    def chunk(self, position: int) -> Chunk:
        row, texts = self.row.get(position), self.found.texts
        return chunk(self.ids[position], texts[row] if texts is not None and row is not None else None)

    def vector(self, position: int) -> Float32:
        vector: Float32 = self.found.vectors[self.row[position]]
        return vector


def _largest(of_vectors: Sequence[IntArray], of_texts: Sequence[IntArray]) -> list[tuple[str, IntArray]]:
    """Return the largest groups of repeated documents; equal texts with equal vectors are told once."""
    found = [("vectors", group) for group in of_vectors[:CLUSTERS]]
    known = {tuple(group.tolist()) for _, group in found}
    return (
        found
        + [("texts", group) for group in of_texts[: 2 * CLUSTERS] if tuple(group.tolist()) not in known][:CLUSTERS]
    )


def _asker(seen: Observed, side: str) -> Callable[[int], Chunk]:
    """Return what names a query by its row."""
    if side == "query" and seen.queries is not None:
        texts = seen.queries.texts
        return lambda row: chunk(f"query {row + 1}", texts[row] if row < len(texts) else None)
    drawn, ids = seen.documents.queries, seen.documents.census.ids
    return lambda row: chunk(ids[int(drawn.positions[row])], drawn.texts[row])


def _map(
    seen: Observed,
    portrait: Portrait,
    counts: IntArray,
    hubs: IntArray,
    repeats: Sequence[IntArray],
    named: _Named,
    rng: np.random.Generator,
) -> MapPicture | None:
    """Lay out hubs, outliers, repeated documents, then others; and queries. Points are a sample but for the hubs."""
    docs, census = seen.documents, seen.documents.census
    if len(docs.sample) < 3 or portrait.shape is None or portrait.shape.dim < 2:
        return None
    hubs = hubs[census.live[hubs]]
    repeated, far = np.zeros(census.n, dtype=bool), np.zeros(census.n, dtype=bool)
    for group in repeats:
        repeated[group] = True
    far[portrait.marks["outliers.far"]] = True

    rows: dict[int, tuple[Float32, str | None]] = {
        position: (named.vector(position), named.chunk(position).text)
        for position in hubs.tolist()
        if position in named.row
    }

    def take(positions: IntArray, vectors: Float32, texts: Sequence[str | None], wanted: Mask, most: int) -> None:
        taken = np.isin(positions, np.fromiter(rows, dtype=np.int64))
        for row in np.flatnonzero(wanted & ~taken)[:most].tolist():
            rows[int(positions[row])] = (vectors[row], texts[row])

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
        docs.moments.mean,
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
