"""Exact nearest neighbours of m queries among all n documents, in one pass, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine.base import Block
from ragdiag.types import Float32, Float64, FloatArray, IntArray, Similarity
from ragdiag.vectors import row_norms

TILE = 1024  # queries per tile: with 4,096 documents a block of scores is 16 MB
CANDIDATES = 1 << 19  # ranked at once: with thousands of equal vectors nearly every pair is a candidate
RESCORE = 128  # candidates rescored at once: in float64 they and their queries stay in the cache
UNIT_ROUNDOFF = 2.0**-24  # of float32
UNDERFLOW = 2.0**-125  # what one product and one sum below the range of float32 can lose


@dataclass(frozen=True)
class Neighbors:
    """The k best documents of each query, best first.

    Attributes
    ----------
    similarity : str
        Name of the similarity they are ranked by.
    positions : ndarray of int64, shape (m, k)
        Rows of the documents in scan order; −1 where there are fewer than k documents.
    scores : ndarray of float64, shape (m, k)
        Inner products of the mapped float32 vectors; −inf where the position is −1.
    """

    similarity: str
    positions: IntArray
    scores: Float64

    @property
    def k(self) -> int:
        """Neighbours per query."""
        return int(self.positions.shape[1])

    def top(self, k: int) -> Neighbors:
        """Return the first k neighbours of each query."""
        return Neighbors(self.similarity, self.positions[:, :k], self.scores[:, :k])


class NeighborSearch:
    """Finds `Neighbors` block by block, exactly.

    Scores come from a float32 matrix product, which decides who is a candidate; candidates are scored
    again in float64. With p coordinates the float32 product of q and d is off by at most
    ``p·u/(1 − p·u)·‖q‖·‖d‖``, u = 2⁻²⁴, in whatever order it is summed, so a document that scores
    that much below the k-th best cannot belong to the k best, and no neighbour is lost. Queries are
    brought to a length of ½ … 1 for that product, by a power of two, so that it neither overflows nor
    underflows. Scores equal to a relative 2⁻⁴⁰ are ties, and ties are broken by a seeded random priority of
    the pair: a priority of the document, or its position, would make a hub of one of every group of
    duplicates.

    Parameters
    ----------
    similarity : Similarity
    queries : ndarray of float32, shape (m, d)
        Finite, not yet mapped.
    k : int
        Neighbours per query, at least 1.
    exclude : ndarray of int64, shape (m,), optional
        Position of the document that each query is; it is no neighbour of itself.
    seed : int
        Of the tie-breaking.

    Examples
    --------
    >>> from ragdiag.similarities import Cosine
    >>> X = np.float32([[1, 0], [0, 1], [1, 1]])
    >>> search = NeighborSearch(Cosine(), X, k=1, exclude=np.arange(3))
    >>> search.search(0, X, np.ones(3, dtype=bool))
    >>> search.result().positions.ravel().tolist()
    [2, 2, 0]
    """

    def __init__(
        self,
        similarity: Similarity,
        queries: Float32,
        k: int,
        *,
        exclude: IntArray | None = None,
        seed: int = 0,
    ) -> None:
        self.similarity = similarity
        self.asked = queries
        self._queries = similarity.queries(queries)
        self._norms = row_norms(self._queries)
        self._exclude = exclude
        self._seed = np.uint64(seed)
        m = len(queries)
        self._scores = np.full((m, k), -np.inf)
        self._positions = np.full((m, k), -1, dtype=np.int64)

    def step(self, block: Block) -> None:
        """Search one block; unusable vectors are no hits."""
        self.search(block.start, block.batch.vectors, block.usable)

    def search(self, start: int, vectors: Float32, usable: NDArray[np.bool_]) -> None:
        """Search rows `start`, `start` + 1, … of the store; only `usable` rows can be hits."""
        positions = start + np.flatnonzero(usable)
        if len(positions) == 0:
            return
        self.search_mapped(positions, self.similarity.documents(vectors[usable]))

    def search_mapped(self, positions: IntArray, documents: Float32) -> None:
        """Search documents, shape (b, p), that the similarity has mapped."""
        self.take(positions, documents, product_error(documents), lambda tile: self.scaled(tile)[0] @ documents.T)

    def scaled(self, tile: slice) -> tuple[Float32, IntArray]:
        """Return mapped queries at a length of ½ … 1, and the powers of two they were divided by; zeros stay."""
        exponents = np.frexp(self._norms[tile])[1]
        return np.ldexp(self._queries[tile], -exponents[:, None]), exponents.astype(np.int64)

    def take(
        self, positions: IntArray, documents: Float32, error: Float64, product: Callable[[slice], Float32]
    ) -> None:
        """Search mapped documents, given a product that says who is a candidate.

        Parameters
        ----------
        positions : ndarray of int64, shape (b,)
        documents : ndarray of float32, shape (b, p)
            Mapped by the similarity.
        error : ndarray of float64, shape (b,)
            What `product` may be off by for a document, per unit of length of a scaled query.
        product : callable
            Takes a slice of the queries, returns their inner products, scaled, with the documents: a fresh array.
        """
        for first in range(0, len(self._queries), TILE):
            tile = slice(first, first + TILE)
            row, col = self._candidates(tile, positions, product(tile), error)
            for i in range(0, len(row), CANDIDATES):
                part = slice(i, i + CANDIDATES)
                exact = self._rescore(self._queries[tile], documents, row[part], col[part])
                touched, index = np.unique(row[part], return_inverse=True)
                self._merge(first + touched, index, positions[col[part]], exact)

    def _candidates(
        self, tile: slice, positions: IntArray, scores: Float32, error: Float64
    ) -> tuple[IntArray, IntArray]:
        """Return the pairs (row of the tile, column of `scores`) that may belong to the k best.

        `error` bounds each document's float32 score per unit of query length.
        """
        norms, exponents = np.frexp(self._norms[tile])
        worst, k = np.ldexp(self._scores[tile, -1], -exponents), self._scores.shape[1]
        if self._exclude is not None:
            column = np.searchsorted(positions, self._exclude[tile])
            column[column == len(positions)] = 0
            own = np.flatnonzero(positions[column] == self._exclude[tile])
            scores[own, column[own]] = -np.inf
        wide = error.max() > 2 * error.min()
        if wide:
            # One long document must not widen the margin of all the others.
            scores += np.outer(norms, error).astype(np.float32)
        threshold = worst if wide else worst - norms * error.max()
        fresh = ~np.isfinite(threshold)
        if fresh.any() and len(positions) > k:
            # Fewer than k documents seen so far: the k-th best lower bound of this block will do.
            known = scores[fresh]
            if wide:
                threshold[fresh] = _at_least_kth(known - 2 * np.outer(norms[fresh], error), k)
            else:
                threshold[fresh] = _at_least_kth(known, k) - 2 * norms[fresh] * error.max()
        # −inf marks the query itself; two steps down, since both sides were rounded to float32.
        limit = threshold.astype(np.float32)
        for _ in range(2):
            limit = np.nextafter(limit, np.float32(-np.inf))
        # Flat: a mask of rows and columns takes numpy twenty times as long to look through.
        found = np.flatnonzero(scores >= np.maximum(limit, np.finfo(np.float32).min)[:, None])
        row, col = np.divmod(found, len(positions))
        return row, col

    def _rescore(self, queries: Float32, documents: Float32, row: IntArray, col: IntArray) -> Float64:
        exact = np.empty(len(row))
        for i in range(0, len(row), RESCORE):
            part = slice(i, i + RESCORE)
            exact[part] = np.einsum(
                "ij,ij->i", queries[row[part]].astype(np.float64), documents[col[part]].astype(np.float64)
            )
        return rounded(exact)

    def _merge(self, queries: IntArray, row: IntArray, positions: IntArray, scores: Float64) -> None:
        """Keep the k best of what was known and what was found; `row` indexes `queries`."""
        k = self._scores.shape[1]
        all_rows = np.concatenate([np.repeat(np.arange(len(queries)), k), row])
        all_scores = np.concatenate([self._scores[queries].ravel(), scores])
        all_positions = np.concatenate([self._positions[queries].ravel(), positions])
        priority = pair_priority(queries[all_rows], all_positions, self._seed)
        order = np.lexsort((priority, -all_scores, all_rows))
        sorted_rows = all_rows[order]
        rank = np.arange(len(order)) - np.searchsorted(sorted_rows, sorted_rows)
        kept = order[rank < k]
        self._scores[queries] = all_scores[kept].reshape(-1, k)
        self._positions[queries] = all_positions[kept].reshape(-1, k)

    def merge(self, found: Neighbors) -> None:
        """Take in the neighbours that another search found for the same queries among other documents."""
        rows = np.arange(len(found.positions))
        self._merge(rows, np.repeat(rows, found.k), found.positions.ravel(), found.scores.ravel())

    def result(self) -> Neighbors:
        """Return the neighbours among the blocks seen so far."""
        return Neighbors(self.similarity.name, self._positions.copy(), self._scores.copy())


def _at_least_kth(scores: FloatArray, k: int) -> FloatArray:
    """Return for each row a number that at least k of its entries reach, near its k-th largest.

    The k-th largest of the maxima of disjoint groups: k groups, so k entries. A tenth of the time of all entries.
    """
    rows, columns = scores.shape
    size = max(1, columns // (16 * k))
    groups = columns // size
    best = scores[:, : groups * size].reshape(rows, size, groups).max(axis=1)
    kth: FloatArray = np.partition(best, groups - k, axis=1)[:, groups - k]
    return kth


def product_error(documents: Float32) -> Float64:
    """Return what a float32 inner product with each document may be off by, per unit of query length, shape (n,)."""
    p = documents.shape[1]
    p_u = (p + 2) * UNIT_ROUNDOFF  # two more than p: for the rounding of bounds and thresholds
    error: Float64 = row_norms(documents) * (p_u / (1 - p_u)) + p * UNDERFLOW
    return error


def rounded(scores: Float64) -> Float64:
    """Return scores to a relative 2⁻⁴⁰, so that those which differ by rounding alone are equal."""
    mantissa, exponent = np.frexp(scores)
    equal: Float64 = np.ldexp(np.round(mantissa * 2.0**40), exponent - 40)
    return equal


def pair_priority(queries: IntArray, positions: IntArray, seed: np.uint64) -> NDArray[np.uint64]:
    """Return a fixed random 64-bit number per query and position."""
    with np.errstate(over="ignore"):
        stream = _mixed(queries.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15) * (seed + np.uint64(1)))
        return _mixed(stream + positions.astype(np.uint64))


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the finaliser of splitmix64, a bijection whose output bits look random."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def occurrences(positions: IntArray, n: int) -> IntArray:
    """Return the k-occurrence N_k of each document: in how many lists it stands.

    Parameters
    ----------
    positions : ndarray of int64, shape (m, k)
        −1 entries do not count.
    n : int
        Documents in the store.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> occurrences(np.array([[0, 1], [0, -1]]), 3).tolist()
    [2, 1, 0]
    """
    return np.bincount(positions[positions >= 0], minlength=n).astype(np.int64)


def overlap(a: IntArray, b: IntArray) -> Float64:
    """Return for each query the share of its neighbours in `a` that also stand in `b`, shape (m,).

    Examples
    --------
    >>> overlap(np.array([[1, 2]]), np.array([[2, 3]])).tolist()
    [0.5]
    """
    same = (a[:, :, None] == b[:, None, :]) & (a[:, :, None] >= 0)
    counts: Float64 = same.any(axis=2).sum(axis=1) / np.maximum((a >= 0).sum(axis=1), 1)
    return counts
