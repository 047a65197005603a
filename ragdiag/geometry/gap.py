"""The gap between where queries lie and where documents lie."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from ragdiag.geometry.intervals import Z, normal, within
from ragdiag.statistics.moments import Moments
from ragdiag.types import Float32, Float64, Measure


def mean_distance(queries: Moments, documents: Moments) -> Measure:
    """Distance between the mean direction of queries and that of documents, ‖μ_q − μ_d‖, 0 … 2.

    The square is freed from the sampling variance of both means; where nothing is left it reads 0.
    Null 0. Source: Liang et al. 2022, arXiv:2203.02053.

    Parameters
    ----------
    queries, documents : Moments
        Of unit vectors.
    """
    if min(queries.n, documents.n) < 4:
        return Measure.missing("fewer than four queries or documents", n=queries.n, null=0.0)
    square, variance = _squared_gap(queries, documents)
    half = Z * math.sqrt(variance)
    low, high = math.sqrt(max(square - half, 0.0)), math.sqrt(max(square + half, 0.0))
    return Measure(math.sqrt(max(square, 0.0)), low, high, 0.0, queries.n)


def gap_ratio(queries: Moments, documents: Moments) -> Measure:
    """Squared gap over the spread, Δ²/(tr S_q + tr S_d): 0 none; 1 when the gap is as large as the clouds."""
    if min(queries.n, documents.n) < 4:
        return Measure.missing("fewer than four queries or documents", n=queries.n, null=0.0)
    square, variance = _squared_gap(queries, documents)
    spread = float(np.trace(queries.covariance) + np.trace(documents.covariance))
    if spread == 0:
        return Measure.missing("all vectors are equal", n=queries.n, null=0.0)
    ratio = normal(max(square, 0.0) / spread, variance / spread**2, n=queries.n, null=0.0)
    return within(ratio, 0.0, math.inf)


def _squared_gap(queries: Moments, documents: Moments) -> tuple[float, float]:
    """Return the unbiased squared gap and its variance."""
    Sq, Sd = queries.covariance, documents.covariance
    delta = queries.mean - documents.mean
    noise = float(np.trace(Sq)) / queries.n + float(np.trace(Sd)) / documents.n
    V = Sq / queries.n + Sd / documents.n
    square = float(delta @ delta) - noise
    # Var‖δ‖² = 4δᵀVδ + 2 tr V² for normal means; the plug-in δ carries V itself.
    second = float(np.sum(V * V))
    variance = 4 * max(float(delta @ V @ delta) - second, 0.0) + 2 * second
    return square, variance


def probe_auc(queries: Float32, documents: Float32, rng: np.random.Generator) -> Measure:
    """AUC of a linear probe that tells queries from documents, .5 (it cannot) … 1.

    Linear discriminant with shrunk covariance, fitted on one half and read on the other, both ways.
    Interval: Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747. Undefined below 20 of each.
    """
    m = min(len(queries), len(documents))
    if m < 20:
        return Measure.missing(f"{m} queries are too few", n=m, null=0.5)
    Q = queries[rng.permutation(len(queries))].astype(np.float64)
    X = documents[rng.permutation(len(documents))[: 4 * len(Q)]].astype(np.float64)
    halves = [(Q[0::2], X[0::2], Q[1::2], X[1::2]), (Q[1::2], X[1::2], Q[0::2], X[0::2])]
    auc = float(np.mean([_auc(q @ w, x @ w) for fq, fx, q, x in halves for w in [_discriminant(fq, fx)]]))
    a, b = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    nq, nx = len(Q), len(X)
    variance = (auc * (1 - auc) + (nq - 1) * (a - auc**2) + (nx - 1) * (b - auc**2)) / (nq * nx)
    measure = normal(auc, variance, n=nq, null=0.5)
    return within(measure, 0.0, 1.0)


def _discriminant(Q: Float64, X: Float64) -> Float64:
    pooled = (np.cov(Q.T) * (len(Q) - 1) + np.cov(X.T) * (len(X) - 1)) / (len(Q) + len(X) - 2)
    pooled = np.atleast_2d(pooled)
    d = len(pooled)
    weight = min(1.0, d / (len(Q) + len(X)))
    shrunk = (1 - weight) * pooled + weight * np.trace(pooled) / d * np.eye(d)
    shrunk += 1e-9 * np.trace(pooled) / d * np.eye(d)
    return np.linalg.solve(shrunk, Q.mean(axis=0) - X.mean(axis=0))


def _auc(positive: Float64, negative: Float64) -> float:
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    p, n = len(positive), len(negative)
    return (float(ranks[:p].sum()) - p * (p + 1) / 2) / (p * n)


def query_gaps(queries: Float32, documents: Float32) -> Float64:
    """Return how far each query lies from where the documents lie, −2 … 2; 0 where the median document does.

    The median cosine of a document to the mean direction of the others, less the cosine of the query to the mean
    direction of all. NaN for a query of length 0, and where the documents have no mean direction.

    Parameters
    ----------
    queries : ndarray of float32, shape (m, d)
        Unit vectors, or 0.
    documents : ndarray of float32, shape (s, d)
        Unit vectors, at least two.

    Returns
    -------
    ndarray of float64, shape (m,)

    Examples
    --------
    >>> X = np.float32([[1, 0], [1, 0], [1, 0]])
    >>> query_gaps(np.float32([[1, 0], [0, 1]]), X).tolist()
    [0.0, 1.0]
    """
    X, Q = documents.astype(np.float64), queries.astype(np.float64)
    total = X.sum(axis=0)
    rest = total - X
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = float(np.median(np.einsum("ij,ij->i", X, rest) / np.linalg.norm(rest, axis=1)))
        gaps: Float64 = usual - Q @ total / np.linalg.norm(total)
    gaps[~Q.any(axis=1)] = np.nan
    return gaps
