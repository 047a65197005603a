"""Do the vectors relate a query to the documents that are relevant to it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ragdiag.geometry.intervals import wilson
from ragdiag.types import Float32, Float64, IntArray, Measure

REFERENCE = 2000  # documents among which a relevant one is placed
_BLOCK = 1024


@dataclass(frozen=True)
class Misplaced:
    """Relevant documents that are no nearer to their queries than documents are at random.

    Attributes
    ----------
    share : Measure
        See `misplaced`.
    documents : ndarray of int64
        Positions of the documents that are misplaced for more than half of their queries, farthest first.
    """

    share: Measure
    documents: IntArray


def misplaced(Q: Float32, X: Float32, positives: Float32, rows: IntArray, documents: IntArray) -> Misplaced:
    """Share of the relevant documents that are farther from their query than the median document.

    0 … 1, 0 where the vectors mean what the labels say. Null: unrelated vectors are on either side of the median
    alike, ½; so that when the documents fall in two parts, one found and one embedded by another model, the
    second is between once and twice this share of all. A document that several queries share counts once,
    with the mean over them. Distance is by cosine, the median that of up to 2,000 sampled documents.

    Interval: Wilson, with the smaller of the numbers of judged documents and of queries, since pairs that share
    either are not independent. Undefined without a pair.

    Parameters
    ----------
    Q : ndarray of float32, shape (m, d)
        Unit vectors of the queries; those of length 0 are left out.
    X : ndarray of float32, shape (s, d)
        Unit vectors of documents in random order.
    positives : ndarray of float32, shape (pairs, d)
        Unit vectors of relevant documents.
    rows, documents : ndarray of int64, shape (pairs,)
        The row of Q, and the position of the document, of each pair.

    Examples
    --------
    >>> X = np.eye(4, dtype=np.float32)
    >>> rows = np.arange(4)
    >>> misplaced(X, X, X, rows, rows).share.value, misplaced(X, X, -X, rows, rows).share.value
    (0.0, 1.0)
    """
    kept = (Q[rows] != 0).any(axis=1)
    rows, documents = rows[kept], documents[kept]
    if len(rows) == 0:
        return Misplaced(Measure.missing("no relevant document has a direction", null=0.5), documents)
    margin = _cosines(Q[rows], positives[kept]) - _medians(Q, X[:REFERENCE])[rows]
    found, place = np.unique(documents, return_inverse=True)
    pairs = np.bincount(place)
    far = np.bincount(place, weights=margin < 0) / pairs
    n = min(len(found), len(np.unique(rows)))
    share = _share(float(far.mean()), n)
    mean_margin = np.bincount(place, weights=margin) / pairs
    order = np.argsort(mean_margin, kind="stable")
    return Misplaced(share, found[order[far[order] > 0.5]])


def _share(value: float, n: int) -> Measure:
    # Shares of a document lie between 0 and 1, which varies less than counts of 0 and 1: Wilson is wide enough.
    span = wilson(round(value * n), n)
    low, high = span.low or 0.0, span.high or 0.0
    return Measure(value, min(low, value), max(high, value), 0.5, n)


def _cosines(a: Float32, b: Float32) -> Float64:
    return np.asarray(np.einsum("ij,ij->i", a, b, dtype=np.float64), dtype=np.float64)


def _medians(Q: Float32, X: Float32) -> Float64:
    """Return the median cosine of each query to the documents, shape (m,)."""
    medians = np.empty(len(Q))
    for start in range(0, len(Q), _BLOCK):
        block = slice(start, start + _BLOCK)
        medians[block] = np.median(Q[block] @ X.T, axis=1)
    return medians
