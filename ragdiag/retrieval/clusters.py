"""Queries that are not independent of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ragdiag.types import IntArray


def query_clusters(relevant: Sequence[Mapping[int, int]]) -> IntArray:
    """Return the cluster of each query: queries with a relevant document in common share one.

    Five questions about one passage are found or missed together; taken for five independent queries
    they would make every interval too narrow.

    Parameters
    ----------
    relevant : sequence of mappings, length m
        Document to grade, of each query.

    Returns
    -------
    ndarray of int64, shape (m,)
        From 0, in order of first appearance.

    Examples
    --------
    >>> query_clusters([{1: 1}, {2: 1}, {1: 1, 3: 1}, {3: 2}]).tolist()
    [0, 1, 0, 0]
    """
    m = len(relevant)
    pairs = [(query, document) for query, graded in enumerate(relevant) for document in graded]
    if not pairs:
        return np.arange(m, dtype=np.int64)
    rows, documents = np.array(pairs, dtype=np.int64).T
    _, columns = np.unique(documents, return_inverse=True)
    # Queries and documents are the nodes of one graph, judgements its edges.
    size = m + int(columns.max()) + 1
    graph = coo_array((np.ones(len(rows)), (rows, m + columns)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    _, first, cluster = np.unique(labels[:m], return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[cluster]
