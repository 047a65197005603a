"""Which queries are judged together, so that what is fitted on the others is judged on new ones."""

from __future__ import annotations

import numpy as np

from ragdiag.types import IntArray

FOLDS = 5


def query_folds(clusters: IntArray, folds: int, rng: np.random.Generator) -> IntArray:
    """Deal queries to folds of nearly equal size, whole clusters at a time.

    Parameters
    ----------
    clusters : ndarray of int64, shape (m,)
        The cluster of each query: those that share a relevant document stay together.
    folds : int
        At most; never more than there are clusters.

    Returns
    -------
    ndarray of int64, shape (m,)
        From 0 to folds − 1.

    Examples
    --------
    >>> folds = query_folds(np.array([0, 0, 1, 2, 2, 3]), 2, np.random.default_rng(0))
    >>> np.bincount(folds).tolist(), bool(folds[0] == folds[1])
    ([3, 3], True)
    """
    _, cluster, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    folds = min(folds, len(sizes))
    shuffled = rng.permutation(len(sizes))
    # Large clusters first, each to the fold with the fewest queries: chance decides among equal ones.
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    filled, fold_of = np.zeros(folds, dtype=np.int64), np.empty(len(sizes), dtype=np.int64)
    for index in order:
        fold_of[index] = filled.argmin()
        filled[fold_of[index]] += sizes[index]
    assigned: IntArray = fold_of[cluster]
    return assigned
