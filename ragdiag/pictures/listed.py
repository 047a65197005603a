"""How often documents are listed: the counts against Poisson, the hubs with what they capture, and the orphans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ragdiag.pictures.histogram import Histogram
from ragdiag.statistics.census import Census
from ragdiag.types import Float64, IntArray

HUBS = 10
CAPTURED = 5  # queries named for each hub
ORPHANS = 5
TEXT = 240  # characters kept of a text
_ID = 200  # and of an id
_SINGLE = 50  # bins before they widen
_WIDER = 1.3
_UNLIKELY = 0.05  # Poisson tail, over all documents, from which a document is a hub


@dataclass(frozen=True)
class Chunk:
    """A document or a query by its id, and the start of its text, untrusted; None where there is none."""

    id: str
    text: str | None


@dataclass(frozen=True)
class Hub:
    """A document that is listed far more often than chance does.

    Attributes
    ----------
    position : int
    chunk : Chunk
    lists : int
        N_k.
    captured : tuple of Chunk
        Queries that list it, those first where it stands highest.
    """

    position: int
    chunk: Chunk
    lists: int
    captured: tuple[Chunk, ...]


@dataclass(frozen=True)
class Occurrence:
    """How often the documents stand in the top k lists of one kind of queries.

    Attributes
    ----------
    side : str
        ``"query"`` for queries that were given, ``"document"`` for documents as queries.
    counts : Histogram
        Of N_k over the usable documents; bins hold their lower edge and not their upper. Expected by the Poisson
        law of the same mean.
    mean : float
        μ = mk/n.
    m, k : int
        Queries and the length of their lists.
    hubs : tuple of Hub
        Listed at least 2μ times and beyond chance (.05 over all documents), most often first; at most ten.
    orphans : int
        Documents in no list.
    expected_orphans : float
        n·e^−μ.
    orphan_examples : tuple of Chunk
        Some of those sampled.
    """

    side: str
    counts: Histogram
    mean: float
    m: int
    k: int
    hubs: tuple[Hub, ...]
    orphans: int
    expected_orphans: float
    orphan_examples: tuple[Chunk, ...]


def chunk(id_: str, text: str | None) -> Chunk:
    """Return a chunk with the start of its id and of its text."""
    return Chunk(id_[:_ID], None if text is None else text[:TEXT])


def poisson_counts(edges: Float64, n: int, mean: float) -> Float64:
    """Return how many of n Poisson counts fall in each bin [a, b) of whole numbers.

    Examples
    --------
    >>> poisson_counts(np.array([0.0, 1.0, 2.0]), 100, 1.0).round(2).tolist()
    [36.79, 36.79]
    """
    counts: Float64 = n * np.diff(stats.poisson.cdf(edges - 1, mean))
    return counts


def _edges(mean: float, largest: int) -> Float64:
    """Return whole bin edges: even ones over the reach of chance, wider ones over the tail of hubs."""
    reach = int(stats.poisson.isf(1e-6, mean)) + 2
    edges = list(range(0, reach + 1, max(reach // _SINGLE, 1)))
    while edges[-1] <= largest:
        edges.append(max(edges[-1] + 1, round(edges[-1] * _WIDER)))
    return np.array(edges, dtype=np.float64)


def hub_positions(counts: IntArray, usable: NDArray[np.bool_]) -> IntArray:
    """Return documents listed at least 2μ times and beyond chance, most often first, at most ten."""
    mean = float(counts[usable].mean()) if usable.any() else 0.0
    if mean == 0:
        return np.empty(0, dtype=np.int64)
    least = max(2 * mean, float(stats.poisson.isf(_UNLIKELY / int(usable.sum()), mean)) + 1)
    order = np.argsort(-counts, kind="stable")[:HUBS]
    return order[counts[order] >= least].astype(np.int64)


def occurrence(
    side: str,
    positions: IntArray,
    census: Census,
    *,
    counts: IntArray,
    hubs: IntArray,
    query: Callable[[int], Chunk],
    text: Callable[[int], Chunk],
    sampled: Sequence[tuple[int, str | None]],
) -> Occurrence | None:
    """Describe the lists `positions`, shape (m, k); None where none holds a document.

    Parameters
    ----------
    side : str
    positions : ndarray of int64, shape (m, k)
    census : Census
    counts : ndarray of int64, shape (n,)
        N_k of the lists.
    hubs : ndarray of int64
        Of `hub_positions`.
    query : callable
        The chunk of a query, by its row.
    text : callable
        The chunk of a hub, by its position.
    sampled : sequence of (position, text)
        Among which orphans are looked for.
    """
    usable = counts[census.usable]
    if not usable.any():
        return None
    mean = float(usable.mean())
    edges = _edges(mean, int(usable.max()))
    tally = Histogram.of(usable.astype(np.float64), edges, poisson_counts(edges, len(usable), mean))
    named = []
    for position in hubs.tolist():
        rows, ranks = np.nonzero(positions == position)
        first = rows[np.argsort(ranks, kind="stable")][:CAPTURED]
        named.append(Hub(position, text(position), int(counts[position]), tuple(query(int(row)) for row in first)))
    unlisted = [(position, words) for position, words in sampled if counts[position] == 0][:ORPHANS]
    return Occurrence(
        side=side,
        counts=tally,
        mean=mean,
        m=len(positions),
        k=positions.shape[1],
        hubs=tuple(named),
        orphans=int((usable == 0).sum()),
        expected_orphans=len(usable) * float(np.exp(-mean)),
        orphan_examples=tuple(chunk(census.ids[position], words) for position, words in unlisted),
    )
