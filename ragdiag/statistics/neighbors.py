"""Exact nearest neighbours of m queries among all n documents, in one pass, in bounded memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine.base import Block
from ragdiag.engine.products import HOST, Held, Products, parts
from ragdiag.statistics.best import Best
from ragdiag.statistics.bounds import Prefix, Whole, below, long_enough
from ragdiag.statistics.exact import Exact
from ragdiag.statistics.tuning import DOCUMENTS, QUERIES, promising, tuned
from ragdiag.types import Float32, Float64, IntArray, Similarity
from ragdiag.vectors import row_norms

TILE = 1024  # queries per tile at most: with 4,096 documents a block of bounds is 16 MB
TUNE_AT = 8192  # documents seen before a cheaper bound is looked for, and then at four times as many
FEWEST = 512  # queries that make up for the projection of the documents
CANDIDATES = 1 << 19  # ranked at once: with thousands of equal vectors nearly every pair is a candidate


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

    Upper bounds of the inner products (`Whole`, `Prefix`) decide who is a candidate: a document whose bound is below
    the k-th best score known cannot belong to the k best, and no neighbour is lost. Candidates are scored in
    float64. Queries are brought to a length of ½ … 1 for the bounds, by a power of two, so that these neither
    overflow nor underflow. Ties are broken by `Best`.

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
        mapped = similarity.queries(queries)
        norms, exponents = np.frexp(row_norms(mapped))
        self.exponents = exponents.astype(np.int64)
        self.scaled: Float32 = np.ldexp(mapped, -self.exponents[:, None].astype(np.int32))
        self.norms: Float64 = norms
        self.bound: Whole | Prefix = Whole(mapped.shape[1])
        self._exclude = exclude
        self._best = Best(len(queries), k, seed=seed)
        self._held: tuple[Products, Held] | None = None
        self._exact = Exact(self.scaled)
        self._seen, self._tune_at = 0, TUNE_AT
        self._lock = threading.Lock()

    def step(self, block: Block) -> None:
        """Search one block; unusable vectors are no hits."""
        self.search(block.start, block.batch.vectors, block.usable, block.products)

    def search(self, start: int, vectors: Float32, usable: NDArray[np.bool_], products: Products = HOST) -> None:
        """Search rows `start`, `start` + 1, … of the store; only `usable` rows can be hits."""
        positions = start + np.flatnonzero(usable)
        vectors = vectors if len(positions) == len(vectors) else vectors[usable]
        if len(vectors) == 0:
            return
        by_rows, by_queries = (parts(n, products.threads, most) for n, most in ((len(vectors), None), (self._m, TILE)))
        queries = self._held_by(products)
        if self._seen and len(by_rows) >= len(by_queries):
            products.each(
                lambda part: self.search_mapped(positions[part], self.similarity.documents(vectors[part]), products),
                by_rows,
            )
        else:  # small blocks; and the first, of which the whole gives the first limits
            documents = self.similarity.documents(vectors)
            held = products.hold(*self.bound.lower(documents, long_enough(documents)))
            products.each(
                lambda tile: self.take(tile, positions, documents, products, products.upper(held, queries[tile])),
                by_queries,
            )
        self._note(vectors, products)

    def search_mapped(self, positions: IntArray, documents: Float32, products: Products) -> None:
        """Search documents, shape (b, p), that the similarity has mapped; parts of a block may be searched at once."""
        held, queries = products.hold(*self.bound.lower(documents, long_enough(documents))), self._held_by(products)
        for tile in self.tiles:
            self.take(tile, positions, documents, products, products.upper(held, queries[tile]))

    @property
    def tiles(self) -> list[slice]:
        """The queries, some at a time."""
        return [slice(first, min(first + TILE, self._m)) for first in range(0, self._m, TILE)]

    @property
    def _m(self) -> int:
        return len(self.scaled)

    def _note(self, vectors: Float32, products: Products) -> None:
        """Note that a block has been searched; now and then, look for a bound that makes the rest cheaper."""
        self._seen += len(vectors)
        if self._seen >= self._tune_at:
            self._tune_at *= 4
            products.each(lambda candidate: self._tune(vectors, candidate), [products.candidate])

    def _held_by(self, products: Products) -> Held:
        """Return the queries where products are computed; they are taken there once."""
        if self._held is None or self._held[0] is not products:
            self._held = products, products.hold(*self.bound.lower(self.scaled, self.norms))
        return self._held[1]

    def _tune(self, vectors: Float32, candidate: float) -> None:
        rng = np.random.default_rng(0)
        some = rng.permutation(len(self.scaled))[:QUERIES]
        limit = np.ldexp(self._best.scores[some, -1], -self.exponents[some])
        if self._m < FEWEST or not np.isfinite(limit).all():
            return
        documents = self.similarity.documents(vectors[rng.permutation(len(vectors))[:DOCUMENTS]])
        if promising(documents, self.scaled[some]):
            self.bound = tuned(documents, self.scaled[some], limit, asked=self._m, candidate=candidate) or self.bound
            self._held = None

    def take(
        self,
        tile: slice,
        positions: IntArray,
        documents: Float32,
        products: Products,
        bounds: Any,
        scale: Float64 | None = None,
    ) -> None:
        """Search mapped documents for a slice of the queries, given bounds that say who is a candidate.

        Parameters
        ----------
        tile : slice
        positions : ndarray of int64, shape (b,)
        documents : ndarray of float32, shape (b, p)
            Mapped by the similarity.
        products : Products
            What understands the bounds.
        bounds : array of `products`, shape (b, t)
            Upper bounds of the inner products of the documents with the queries, scaled.
        scale : ndarray of float64, shape (t,), optional
            Positive; what the bounds of each query were divided by.
        """
        with self._lock:
            limit: Float64 = np.ldexp(self._best.scores[tile, -1], -self.exponents[tile])
        fresh = np.flatnonzero(~np.isfinite(limit))  # those that know fewer than k documents
        if len(fresh) and len(positions) > 2 * self._best.k:
            limit[fresh] = self._proposed(tile, fresh, positions, documents, products.leaders(bounds, self._lead))
        row, query = products.reached(bounds, below(limit if scale is None else limit / scale))
        query += tile.start
        other = self._others(query, positions[row])
        row, query = row[other], query[other]
        for i in range(0, len(row), CANDIDATES):
            part = slice(i, i + CANDIDATES)
            exact = self._score(query[part], documents, row[part])
            with self._lock:
                self._best.add(query[part], positions[row[part]], exact)

    @property
    def _lead(self) -> int:
        return self._best.k + (self._exclude is not None)

    def _proposed(
        self, tile: slice, fresh: IntArray, positions: IntArray, documents: Float32, leaders: IntArray
    ) -> Float64:
        """Return what the k-th best of proposed documents score, for the `fresh` queries of the tile."""
        row = leaders[:, fresh]
        query = np.broadcast_to(tile.start + fresh, row.shape).ravel()
        exact = self._score(query, documents, row.ravel())
        exact[~self._others(query, positions[row.ravel()])] = -np.inf
        exact = np.ldexp(exact, -self.exponents[query]).reshape(row.shape)
        kth: Float64 = np.partition(exact, len(row) - self._best.k, axis=0)[len(row) - self._best.k]
        return kth

    def _others(self, query: IntArray, positions: IntArray) -> NDArray[np.bool_]:
        """Return which pairs are not a query and itself."""
        if self._exclude is None:
            return np.ones(len(query), dtype=bool)
        others: NDArray[np.bool_] = positions != self._exclude[query]
        return others

    def _score(self, query: IntArray, documents: Float32, row: IntArray) -> Float64:
        return np.ldexp(self._exact.scores(query, documents, row), self.exponents[query])

    def merge(self, found: Neighbors) -> None:
        """Take in the neighbours that another search found for the same queries among other documents."""
        known = found.positions >= 0
        self._best.add(np.nonzero(known)[0], found.positions[known], found.scores[known])

    def result(self) -> Neighbors:
        """Return the neighbours among the blocks seen so far."""
        return Neighbors(self.similarity.name, self._best.positions.copy(), self._best.scores.copy())


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
