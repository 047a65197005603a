"""Which of the documents in a list say the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ragdiag.geometry.duplicates import NEAR
from ragdiag.types import Float32, IntArray
from ragdiag.vectors import unit

_LISTS = 64  # whose documents are fetched at once


def near_duplicate_groups(
    lists: IntArray,
    n: int,
    fetch: Callable[[IntArray], Float32],
    *,
    text_hashes: NDArray[np.uint64] | None = None,
    cosine: float = NEAR,
) -> IntArray:
    """Group documents that stand in one list and are near-duplicates, or have equal texts.

    Only documents that stand in a list together are compared, since only they take each other's place:
    m·l² cosines. Groups are the connected components, so that two members of one may be less alike than
    `cosine`. Zero vectors are near nothing.

    Parameters
    ----------
    lists : ndarray of int64, shape (m, l)
        Positions; −1 ends a list.
    n : int
        Documents in the store.
    fetch : callable
        Given sorted positions, shape (u,), returns their vectors, shape (u, d); u ≤ 64·l at a time.
    text_hashes : ndarray of uint64, shape (n,), optional
        Equal for equal texts; 0 where there is none.
    cosine : float
        From which two are near-duplicates. In a narrow cone .98 is nothing:
        `ragdiag.geometry.duplicates.near_cosine` gives the value to use.

    Returns
    -------
    ndarray of int64, shape (n,)
        The smallest position of the group of each document; its own where it has no duplicate.

    Examples
    --------
    >>> X = np.float32([[1, 0], [0, 1], [2, 0.01]])
    >>> near_duplicate_groups(np.array([[2, 1, 0]]), 3, lambda positions: X[positions]).tolist()
    [0, 1, 0]
    """
    edges = [np.empty((0, 2), dtype=np.int64)]
    for first in range(0, len(lists), _LISTS):
        part = lists[first : first + _LISTS]
        listed = np.unique(part[part >= 0])
        if len(listed) == 0:
            continue
        directions = unit(fetch(listed)).astype(np.float64)
        for row in part:
            own = row[row >= 0]
            rows = directions[np.searchsorted(listed, own)]
            a, b = np.nonzero(np.triu(rows @ rows.T >= cosine, 1))
            edges.append(np.unique(np.stack([own[a], own[b]], axis=1), axis=0))
    if text_hashes is not None:
        edges.append(_equal_texts(np.unique(lists[lists >= 0]), text_hashes))
    return _components(np.concatenate(edges), n)


def _equal_texts(listed: IntArray, text_hashes: NDArray[np.uint64]) -> IntArray:
    listed = listed[text_hashes[listed] != 0]
    order = listed[np.argsort(text_hashes[listed], kind="stable")]
    same = np.flatnonzero(text_hashes[order[1:]] == text_hashes[order[:-1]])
    return np.stack([order[same], order[same + 1]], axis=1)


def _components(edges: IntArray, n: int) -> IntArray:
    graph = coo_array((np.ones(len(edges), dtype=np.int8), (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    _, smallest = np.unique(labels, return_index=True)
    groups: IntArray = smallest[labels]
    return groups
