"""The k best documents of each query, kept while candidates come in; ties are broken at random, reproducibly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ragdiag.types import Float32, Float64, IntArray

_STEP = 0x9E3779B97F4A7C15  # odd: between the streams of two seeds
_WIDE = 4  # times k: a query with more candidates at once is sorted apart


class Best:
    """The k best documents of m queries.

    Scores equal to a relative 2⁻⁴⁰ are ties, and ties are broken by a seeded random priority of the pair: a priority
    of the document, or its position, would make a hub of one of every group of duplicates.

    Parameters
    ----------
    m, k : int
    seed : int
        Of the tie-breaking.

    Examples
    --------
    >>> best = Best(1, 2)
    >>> best.add(np.array([0, 0, 0]), np.array([7, 8, 9]), np.array([0.1, 0.3, 0.2]))
    >>> best.positions.tolist(), best.scores.tolist()
    ([[8, 9]], [[0.3, 0.2]])
    """

    def __init__(self, m: int, k: int, *, seed: int = 0) -> None:
        self.scores = np.full((m, k), -np.inf)
        self.positions = np.full((m, k), -1, dtype=np.int64)
        self._seed = np.uint64(seed)

    @property
    def k(self) -> int:
        """How many are kept."""
        return self.scores.shape[1]

    def add(self, queries: IntArray, positions: IntArray, scores: Float64) -> None:
        """Take in candidates, one per entry; a document that the query has already is not to come again."""
        if len(queries) == 0:
            return
        order = np.argsort(queries, kind="stable")
        touched, first, counts = np.unique(queries[order], return_index=True, return_counts=True)
        few = counts <= max(_WIDE * self.k, 16)
        row = np.repeat(np.arange(len(touched)), counts)
        if few.all():
            self._add_few(touched, row, np.arange(len(row)) - first[row], positions[order], scores[order])
            return
        some = few[row]
        rank = (np.arange(len(row)) - first[row])[some]
        self._add_few(touched[few], (np.cumsum(few) - 1)[row[some]], rank, positions[order[some]], scores[order[some]])
        many = order[~some]
        self._add_many(queries[many], positions[many], scores[many])

    def _add_few(self, touched: IntArray, row: IntArray, rank: IntArray, positions: IntArray, scores: Float64) -> None:
        """Sort the known and the new of every touched query side by side; `row` is of `touched`, `rank` within it."""
        if len(touched) == 0:
            return
        k = self.k
        shape = len(touched), k + int(rank.max()) + 1
        every, where = np.full(shape, -np.inf), np.full(shape, -1, dtype=np.int64)
        every[:, :k], where[:, :k] = self.scores[touched], self.positions[touched]
        every[row, k + rank], where[row, k + rank] = scores, positions
        order = np.argsort(-every, axis=1)[:, : k + 1]
        best = np.take_along_axis(every, order, axis=1)
        self.scores[touched] = best[:, :k]
        self.positions[touched] = np.take_along_axis(where, order[:, :k], axis=1)
        tied = ((best[:, :-1] == best[:, 1:]) & (best[:, 1:] > -np.inf)).any(axis=1)
        if tied.any():
            queries, column = np.repeat(touched[tied], shape[1]), where[tied].ravel()
            some = column >= 0
            self._sort(queries[some], column[some], every[tied].ravel()[some])

    def _add_many(self, queries: IntArray, positions: IntArray, scores: Float64) -> None:
        touched = np.unique(queries)
        known = self.positions[touched] >= 0
        self._sort(
            np.concatenate([np.repeat(touched, self.k)[known.ravel()], queries]),
            np.concatenate([self.positions[touched][known], positions]),
            np.concatenate([self.scores[touched][known], scores]),
        )

    def _sort(self, queries: IntArray, positions: IntArray, scores: Float64) -> None:
        """Replace what is known of these queries by the k best of all that is given."""
        priority = pair_priority(queries, positions, self._seed)
        order = np.lexsort((priority, -scores, queries))
        queries = queries[order]
        rank = np.arange(len(order)) - np.searchsorted(queries, queries)
        kept = rank < self.k
        row, rank, order = queries[kept], rank[kept], order[kept]
        self.scores[row], self.positions[row] = -np.inf, -1
        self.scores[row, rank], self.positions[row, rank] = scores[order], positions[order]


class Floor:
    """What the k-th best score of each of m queries is at least, from lower bounds of scores.

    Attributes
    ----------
    kth : ndarray of float32, shape (m,)
        −inf where fewer than k bounds have been seen.
    """

    def __init__(self, m: int, k: int) -> None:
        self._known = np.full((m, k), -np.inf, dtype=np.float32)
        self.kth = np.full(m, -np.inf, dtype=np.float32)

    def raise_to(self, queries: IntArray, low: Float32) -> None:
        """Take in lower bounds of the scores of other documents, one per entry; sorted by query."""
        if len(queries) == 0:
            return
        k = self._known.shape[1]
        first = np.flatnonzero(np.diff(queries, prepend=-1))
        touched = queries[first]
        row = np.cumsum(np.diff(queries, prepend=queries[0]) > 0)
        rank = np.arange(len(queries)) - first[row]
        # Of very many bounds some will do: it is still a lower bound.
        some = rank < 8 * k
        every = np.full((len(touched), k + min(int(rank.max()) + 1, 8 * k)), -np.inf, dtype=np.float32)
        every[:, :k] = self._known[touched]
        every[row[some], k + rank[some]] = low[some]
        every.partition(every.shape[1] - k, axis=1)
        self._known[touched] = every[:, -k:]
        self.kth[touched] = every[:, -k]


def rounded(scores: Float64) -> Float64:
    """Return scores to a relative 2⁻⁴⁰, so that those which differ by rounding alone are equal."""
    mantissa, exponent = np.frexp(scores)
    equal: Float64 = np.ldexp(np.round(mantissa * 2.0**40), exponent - 40)
    return equal


def pair_priority(queries: IntArray, positions: IntArray, seed: np.uint64) -> NDArray[np.uint64]:
    """Return a fixed random 64-bit number per query and position."""
    with np.errstate(over="ignore"):
        stream = mixed(queries.astype(np.uint64) + np.uint64(_STEP) * (seed + np.uint64(1)))
        return mixed(stream + positions.astype(np.uint64))


def seed_from(seed: int, first: int) -> int:
    """Return the seed by which a search breaks ties for its query 0 as one with `seed` does for its query `first`.

    `pair_priority` mixes the query's number and a multiple of the seed, modulo 2⁶⁴; the multiple is odd, so that any
    number of queries is some number of seeds.

    Examples
    --------
    >>> a = pair_priority(np.arange(5, 8), np.arange(3), np.uint64(1))
    >>> b = pair_priority(np.arange(3), np.arange(3), np.uint64(seed_from(1, 5)))
    >>> bool((a == b).all())
    True
    """
    return (seed + first * pow(_STEP, -1, 2**64)) % 2**64


def mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the finaliser of splitmix64, a bijection whose output bits look random."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
