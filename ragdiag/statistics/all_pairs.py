"""Exact nearest neighbours of every document among all others, at half the products: each serves both its documents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.engine.base import Progress
from ragdiag.engine.products import HOST, Held, Products, parts
from ragdiag.statistics.best import Best, Floor
from ragdiag.statistics.bounds import Prefix, Whole, below, lost
from ragdiag.statistics.exact import Exact
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.statistics.tuning import DOCUMENTS, QUERIES, promising, tuned
from ragdiag.types import Float32, Float64, IntArray, Similarity
from ragdiag.vectors import quick_norms, row_norms

TILE = 2048
PROBED = 200  # vectors by which both maps are compared
_FARTHEST = 2.0**60
_FLOOR = 2.0**-55
FEWEST = 4096  # documents among which a cheaper bound is looked for
_SCORED = 1 << 16  # pairs that one core scores at a time
_WAITING = 1 << 22  # pairs that wait for their scores: 80 MB
STAGE = "comparing all pairs"


def is_symmetric(similarity: Similarity, vectors: Float32) -> bool:
    """Whether both maps of `similarity` are one, so that a score is the same from both sides.

    Not where lengths are so far apart that no one scale suits all of them.
    """
    lengths = quick_norms(vectors)
    lengths = lengths[lengths > 0]
    if len(lengths) and lengths.max() > _FARTHEST * lengths.min():
        return False
    some = vectors[:PROBED]
    return np.array_equal(similarity.queries(some), similarity.documents(some))


class AllPairs:
    """Finds the k best documents of every document, itself left out.

    Pairs of tiles are taken once, in rounds as of a tournament, so that those of a round share no document. With
    bounds by all coordinates, lower bounds say who can still be among the k best, and scores are taken of those that
    are left at the end; with bounds by fewer, candidates are scored at once. The answer is that of `NeighborSearch`
    with every document as a query.

    Parameters
    ----------
    similarity : Similarity
        Whose maps are one (`is_symmetric`).
    vectors : ndarray of float32, shape (n, d)
        Finite, not yet mapped.
    positions : ndarray of int64, shape (n,)
        In the store.
    k : int
    seed : int
        Of the tie-breaking.

    Examples
    --------
    >>> from ragdiag.similarities import Cosine
    >>> X = np.float32([[1, 0], [0, 1], [1, 1]])
    >>> AllPairs(Cosine(), X, np.arange(3), k=1).result().positions.ravel().tolist()
    [2, 2, 0]
    """

    def __init__(
        self,
        similarity: Similarity,
        vectors: Float32,
        positions: IntArray,
        k: int,
        *,
        seed: int = 0,
        products: Products = HOST,
    ) -> None:
        self._name, self._positions, self._products = similarity.name, positions, products
        mapped = similarity.documents(vectors)
        norms = row_norms(mapped)
        # One power of two for all, so that a bound is the same from both sides.
        self._exponent = int(np.frexp(norms.max(initial=0.0))[1])
        self._vectors: Float32 = np.ldexp(mapped, -self._exponent)
        self._norms: Float64 = np.ldexp(norms, -self._exponent)
        self._exact = Exact(self._vectors)
        self._best = Best(len(vectors), k, seed=seed)
        self._floor = Floor(len(vectors), k)
        self._waiting: list[tuple[IntArray, IntArray, Float32]] = []
        self._bound: Whole | Prefix = Whole(mapped.shape[1])
        self._held = self._hold()

    def result(self, progress: Progress | None = None) -> Neighbors:
        """Search, and return the neighbours in the order of `vectors`."""
        n = len(self._vectors)
        tiles = parts(n, 2 * self._products.threads, TILE)  # a round is of half as many pairs
        total, done = len(tiles) * (len(tiles) + 1) // 2, len(tiles)
        self._products.each(self._within, tiles)
        if n >= max(FEWEST, 8 * self._best.k):
            self._products.each(self._tune, [self._products.candidate])
        for pairs in _rounds(tiles):
            self._products.each(self._between, pairs)
            done += len(pairs)
            if progress is not None:
                progress(STAGE, done * n // total, n)
            if sum(len(query) for query, _, _ in self._waiting) > _WAITING:
                self._settle()
        self._settle()
        scores = np.ldexp(self._best.scores, 2 * self._exponent)
        return Neighbors(self._name, self._best.positions.copy(), scores)

    def _within(self, tile: slice) -> None:
        """Search one tile for its own documents."""
        held = self._held[tile]
        upper = self._products.upper(held, held)
        k, size = self._best.k, tile.stop - tile.start
        if size > 2 * k:
            row = self._products.leaders(upper, k + 1)
            query = np.broadcast_to(np.arange(size), row.shape)
            low = self._low_of(tile.start + query, tile.start + row, self._products.at(upper, row, query))
            low[row == query] = -np.inf
            limit: Float64 = np.partition(low, 1, axis=0)[1]
        else:
            limit = np.full(size, -np.inf)
        row, query = self._products.reached(upper, below(limit))
        row, query = row[row != query], query[row != query]
        self._wait(tile.start + query, tile.start + row, self._products.at(upper, row, query))

    def _between(self, pair: tuple[slice, slice]) -> None:
        """Search two tiles for each other's documents."""
        rows, columns = pair
        upper = self._products.upper(self._held[rows], self._held[columns])
        across, down = self._limit(columns), self._limit(rows)
        row, column = self._products.reached(upper, below(across))
        row_too, column_too = self._products.reached_rows(upper, below(down))
        if isinstance(self._bound, Whole):
            self._wait(columns.start + column, rows.start + row, self._products.at(upper, row, column))
            self._wait(rows.start + row_too, columns.start + column_too, self._products.at(upper, row_too, column_too))
            return
        either = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=bool)
        either[row, column] = either[row_too, column_too] = True
        row, column = np.divmod(np.flatnonzero(either), either.shape[1])
        # Most of what a loose bound lets through falls short by more than float32 is off by.
        near = self._exact.near(columns.start + column, self._vectors, rows.start + row)
        lengths = self._norms[columns.start + column] * self._norms[rows.start + row]
        hit = near + lost(self._vectors.shape[1] + 4) * lengths + _FLOOR**2 >= np.minimum(across[column], down[row])
        row, column = row[hit], column[hit]
        exact = self._exact.scores(columns.start + column, self._vectors, rows.start + row)
        hit = exact >= across[column]
        self._best.add(columns.start + column[hit], self._positions[rows.start + row[hit]], exact[hit])
        hit = exact >= down[row]
        self._best.add(rows.start + row[hit], self._positions[columns.start + column[hit]], exact[hit])

    def _limit(self, tile: slice) -> Float64:
        limit: Float64 = np.maximum(self._best.scores[tile, -1], self._floor.kth[tile])
        return limit

    def _low_of(self, query: IntArray, document: IntArray, upper: Float32) -> Float64:
        rests = self._held.rests
        low: Float64 = upper - self._products.rounding * np.abs(upper) - 2.01 * rests[query] * rests[document]
        return low

    def _wait(self, query: IntArray, document: IntArray, upper: Float32) -> None:
        order = np.argsort(query, kind="stable") if len(query) and (np.diff(query) < 0).any() else slice(None)
        low = self._low_of(query, document, upper)
        self._floor.raise_to(query[order], np.nextafter(low[order].astype(np.float32), np.float32(-np.inf)))
        self._waiting.append((query, document, upper))

    def _settle(self) -> None:
        """Score the pairs that wait and still matter, those of both directions once."""
        if not self._waiting:
            return
        query, document, upper = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting.clear()
        kept = upper >= below(self._limit(slice(None)))[query]
        query, document = query[kept], document[kept]
        n = len(self._vectors)
        key = np.minimum(query, document) * n + np.maximum(query, document)
        pairs, which = np.unique(key, return_inverse=True)
        exact = np.empty(len(pairs))

        def score(part: slice) -> None:
            exact[part] = self._exact.scores(pairs[part] // n, self._vectors, pairs[part] % n)

        self._products.each(score, parts(len(pairs), self._products.threads, _SCORED))
        self._best.add(query, self._positions[document], exact[which])

    def _tune(self, candidate: float) -> None:
        """Look for a cheaper bound, with the limits of some documents among a quarter: between first and last."""
        chosen = np.random.default_rng(0).permutation(len(self._vectors))
        some = chosen[:QUERIES]
        if not promising(self._vectors[chosen[QUERIES : QUERIES + DOCUMENTS]], self._vectors[some]):
            return
        quarter = chosen[QUERIES : QUERIES + len(chosen) // 4]
        limit = np.partition(self._vectors[some] @ self._vectors[quarter].T, -self._best.k, axis=1)[:, -self._best.k]
        documents = self._vectors[chosen[QUERIES : QUERIES + DOCUMENTS]]
        found = tuned(
            documents,
            self._vectors[some],
            limit.astype(np.float64),
            asked=len(self._vectors),
            candidate=candidate,
        )
        if found is not None:
            self._use(found)

    def _use(self, bound: Prefix) -> None:
        self._settle()
        self._bound = bound
        self._held = self._hold()

    def _hold(self) -> Held:
        lowered, rests = self._bound.lower(self._vectors, self._norms)
        # Scaled all alike, two short vectors may have a product below the range of float32; that of their rests is in.
        return self._products.hold(lowered, np.maximum(rests, _FLOOR * np.sqrt(self._vectors.shape[1])))


def _rounds(tiles: list[slice]) -> Iterator[list[tuple[slice, slice]]]:
    """Yield every pair of tiles once, in rounds in which no tile occurs twice (the circle method)."""
    places: list[slice | None] = [*tiles, *([None] if len(tiles) % 2 else [])]
    half = len(places) // 2
    for _ in range(len(places) - 1):
        pairs = zip(places[:half], reversed(places[half:]), strict=True)
        yield [(a, b) for a, b in pairs if a is not None and b is not None]
        places.insert(1, places.pop())
