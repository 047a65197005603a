"""Scores of single pairs in float64."""

from __future__ import annotations

import threading

import numpy as np

from ragdiag.statistics.best import rounded
from ragdiag.types import Float32, Float64, IntArray

_TOGETHER = 128  # pairs: in float64 they stay in the cache


class Exact(threading.local):
    """Scores candidates in float64, in memory of each thread: fresh memory for every part would cost ten times as much.

    Parameters
    ----------
    queries : ndarray of float32, shape (m, p)
        Mapped.
    """

    def __init__(self, queries: Float32) -> None:
        shape = _TOGETHER, queries.shape[1]
        self._queries = queries
        self._single, self._other = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
        self._asked, self._found = np.empty(shape), np.empty(shape)

    def near(self, query: IntArray, documents: Float32, row: IntArray) -> Float32:
        """Return the inner products of pairs in float32: half the time of `scores`."""
        near = np.empty(len(row), dtype=np.float32)
        for i in range(0, len(row), _TOGETHER):
            n = min(_TOGETHER, len(row) - i)
            asked, found = self._single[:n], self._other[:n]
            np.take(self._queries, query[i : i + n], axis=0, out=asked, mode="clip")
            np.take(documents, row[i : i + n], axis=0, out=found, mode="clip")
            np.matmul(asked[:, None, :], found[:, :, None], out=near[i : i + n, None, None])
        return near

    def scores(self, query: IntArray, documents: Float32, row: IntArray) -> Float64:
        """Return the inner products of pairs, `rounded`: rows of the queries with rows of `documents`."""
        exact = np.empty(len(row))
        for i in range(0, len(row), _TOGETHER):
            n = min(_TOGETHER, len(row) - i)
            single, asked, found = self._single[:n], self._asked[:n], self._found[:n]
            np.take(self._queries, query[i : i + n], axis=0, out=single, mode="clip")
            asked[...] = single
            np.take(documents, row[i : i + n], axis=0, out=single, mode="clip")
            found[...] = single
            np.matmul(asked[:, None, :], found[:, :, None], out=exact[i : i + n, None, None])
        return rounded(exact)
