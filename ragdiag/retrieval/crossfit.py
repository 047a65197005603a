"""Rank queries by a similarity that was fitted without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ragdiag.engine import Step
from ragdiag.similarities import FittedSimilarity, Pipeline, Similarity, Training
from ragdiag.statistics.neighbors import Neighbors, NeighborSearch
from ragdiag.types import Float32, IntArray


@dataclass(frozen=True)
class CrossFit:
    """One similarity, ready to search: its searches, and how their results make one run.

    Attributes
    ----------
    name : str
    steps : sequence of Step
        To run over the store.
    run : callable
        Returns the `Neighbors` of all queries, after the steps have seen the store.
    bytes_per_vector : float
        What a store needs for one mapped document; 0 where nothing was fitted.
    """

    name: str
    steps: tuple[Step, ...]
    run: Callable[[], Neighbors]
    bytes_per_vector: float = 0.0


@dataclass(frozen=True)
class _ByFold:
    """One document map, and for each fold of the queries its own query map."""

    name: str
    fits: tuple[FittedSimilarity, ...]
    folds: IntArray

    def documents(self, X: Float32) -> Float32:
        return self.fits[0].documents(X)

    def queries(self, Q: Float32) -> Float32:
        mapped = [(self.folds == fold, fit.queries(Q[self.folds == fold])) for fold, fit in enumerate(self.fits)]
        out = np.empty((len(Q), mapped[0][1].shape[1]), dtype=np.float32)
        for rows, vectors in mapped:
            out[rows] = vectors
        return out


def fixed(similarity: Similarity, queries: Float32, k: int, seed: int) -> CrossFit:
    """Return the search by a similarity that learnt nothing from queries."""
    search = NeighborSearch(similarity, queries, k, seed=seed)
    return CrossFit(similarity.name, (search,), search.result)


def crossfit(
    pipeline: Pipeline, training: Training, queries: Float32, judged: IntArray, folds: IntArray, k: int
) -> CrossFit:
    """Fit `pipeline`, once for each fold when it learns from queries, and return its search.

    Parameters
    ----------
    pipeline : Pipeline
    training : Training
        Its queries are all that there are; those of a fold are left out of the fit that ranks them.
    queries : ndarray of float32, shape (m, d)
        All queries.
    judged : ndarray of int64, shape (j,)
        Rows of `queries` to rank.
    folds : ndarray of int64, shape (j,)
        Fold of each of them.
    k : int
        Length of the lists.

    Raises
    ------
    SimilarityError
        When it must not be fitted on what there is.
    """
    asked = queries[judged]
    if not pipeline.uses_queries:
        fitted = pipeline.fit(training)
        return replace(fixed(fitted, asked, k, training.seed), bytes_per_vector=fitted.bytes_per_vector)
    fits = []
    for fold in range(int(folds.max()) + 1):
        others = np.ones(len(queries), dtype=bool)
        others[judged[folds == fold]] = False
        others &= queries.any(axis=1)
        fits.append(pipeline.fit(Training(training.documents, queries[others], training.seed)))
    if all(_same_documents(fits[0], fit) for fit in fits[1:]):
        together_fitted = fixed(_ByFold(pipeline.name, tuple(fits), folds), asked, k, training.seed)
        return replace(together_fitted, bytes_per_vector=fits[0].bytes_per_vector)
    rows = [np.flatnonzero(folds == fold) for fold in range(len(fits))]
    parts = [NeighborSearch(fit, asked[own], k, seed=training.seed) for fit, own in zip(fits, rows, strict=True)]

    def together() -> Neighbors:
        positions, scores = np.full((len(asked), k), -1, dtype=np.int64), np.full((len(asked), k), -np.inf)
        for own, part in zip(rows, parts, strict=True):
            found = part.result()
            positions[own], scores[own] = found.positions, found.scores
        return Neighbors(pipeline.name, positions, scores)

    return CrossFit(pipeline.name, tuple(parts), together, fits[0].bytes_per_vector)


def _same_documents(a: FittedSimilarity, b: FittedSimilarity) -> bool:
    """Whether both map documents alike, so that one search serves both."""
    return all(
        np.array_equal(array, b.arrays[name])
        for name, array in a.arrays.items()
        if not name.split(".", 1)[1].startswith("query_")
    )
