"""Queries that share a relevant document do not speak for themselves alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ragdiag.types import IntArray


def query_clusters(relevant: Sequence[Mapping[int, int]]) -> IntArray:
    """Number the groups of queries that are joined by relevant documents.

    Two queries belong together when they have a relevant document in common, or are so joined through other
    queries: the connected components of queries and documents. A document that answers both rises or sinks for
    both, so that their scores are not independent.

    Parameters
    ----------
    relevant : sequence of mappings, length m
        Document to grade, of each query. Only the documents count.

    Returns
    -------
    ndarray of int64, shape (m,)
        The number of each query's cluster, 0, 1, … in the order of their first queries. A query without a
        relevant document is alone.

    Examples
    --------
    >>> query_clusters([{7: 1}, {8: 1, 9: 1}, {}, {9: 2, 7: 1}]).tolist()
    [0, 0, 1, 0]
    """
    m = len(relevant)
    numbers: dict[int, int] = {}
    pairs = [
        (query, m + numbers.setdefault(document, len(numbers)))
        for query, graded in enumerate(relevant)
        for document in graded
    ]
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    size = m + len(numbers)
    graph = csr_array((np.ones(len(pairs)), (rows, columns)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][:m]
    return in_order(labels.astype(np.int64))


def in_order(labels: IntArray) -> IntArray:
    """Return the same clusters numbered 0, 1, … in the order of their first members.

    Examples
    --------
    >>> in_order(np.array([5, 2, 5, 9])).tolist()
    [0, 1, 0, 2]
    """
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    ranks: IntArray = np.argsort(np.argsort(first))[number].astype(np.int64)
    return ranks
