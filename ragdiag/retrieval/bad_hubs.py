"""Documents that stand in the lists of many queries that they do not answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ragdiag.geometry.matched import TIMES
from ragdiag.retrieval.significance import SIGNIFICANT
from ragdiag.types import IntArray


@dataclass(frozen=True)
class BadHub:
    """A document and how often it is listed without being relevant.

    Attributes
    ----------
    position : int
        In scan order.
    lists : int
        Queries that list it and to which it is not relevant.
    p : float
        Holm-corrected over the documents.
    """

    position: int
    lists: int
    p: float


def wrong_hits(positions: IntArray, relevant: Sequence[Mapping[int, int]]) -> tuple[IntArray, IntArray]:
    """Return the hits that are not relevant: the query and the document of each.

    Examples
    --------
    >>> query, document = wrong_hits(np.array([[4, 7], [7, -1]]), [{4: 1}, {}])
    >>> query.tolist(), document.tolist()
    ([0, 1], [7, 7])
    """
    wrong = [[p for p in row if p >= 0 and p not in own] for row, own in zip(positions.tolist(), relevant, strict=True)]
    query = np.repeat(np.arange(len(wrong), dtype=np.int64), [len(row) for row in wrong])
    return query, np.array([p for row in wrong for p in row], dtype=np.int64)


def bad_hubs(
    positions: IntArray, relevant: Sequence[Mapping[int, int]], clusters: IntArray, n: int
) -> tuple[BadHub, ...]:
    """Return the documents that are listed wrongly far more often than an even share, most often first.

    Only lists of queries to which the document is not relevant count, so that a document that answers
    many queries is no hub for it. A hub has at least 5 times the even share p = wrong places/(m·n) of
    these lists, and chance would not bring any of the n documents that far (Holm, .05). Questions about
    one passage list the same neighbours, so that p is that of the number of query clusters which list it:
    C clusters list it independently with the mean of 1 − (1 − p)^size; the binomial law with that mean has
    the heavier tail (Hoeffding 1956, doi:10.1214/aoms/1177728178). With too few clusters nothing is a hub.

    Parameters
    ----------
    positions : ndarray of int64, shape (m, k)
        The top k lists; −1 ends a list.
    relevant : sequence of mappings, length m
        Position to grade.
    clusters : ndarray of int64, shape (m,)
        The cluster of each query.
    n : int
        Documents that can be listed.

    Examples
    --------
    >>> lists = np.array([[0, 2 + i] for i in range(40)])
    >>> [(hub.position, hub.lists) for hub in bad_hubs(lists, [{2 + i: 1} for i in range(40)], np.arange(40), 50)]
    [(0, 40)]
    """
    query, document = wrong_hits(positions, relevant)
    if len(document) == 0:
        return ()
    m, answered = len(positions), sum(p >= 0 for own in relevant for p in own)
    even = len(document) / max(m * n - answered, 1)
    hits, lists = np.unique(document, return_counts=True)
    seen = np.unique(np.stack([document, clusters[query]]), axis=1)
    _, reached = np.unique(seen[0], return_counts=True)
    _, sizes = np.unique(clusters, return_counts=True)
    chance = float(np.mean(-np.expm1(sizes * np.log1p(-min(even, 1 - 1e-12)))))
    raw = stats.binom.sf(reached - 1, len(sizes), chance)
    order = np.lexsort((hits, -lists, raw))
    corrected = np.maximum.accumulate(np.minimum(raw[order] * (n - np.arange(len(order))), 1.0))
    hubs = [
        BadHub(int(hits[i]), int(lists[i]), float(p))
        for i, p in zip(order, corrected, strict=True)
        if p < SIGNIFICANT and lists[i] >= TIMES * even * m
    ]
    return tuple(sorted(hubs, key=lambda hub: (-hub.lists, hub.position)))
