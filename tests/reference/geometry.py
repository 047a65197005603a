"""Measures of directions and counts by their definitions, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
from scipy import stats

from ragdiag.types import Float64, IntArray


def mean_cosine(X: Float64) -> float:
    """Mean cosine over all pairs of different rows."""
    return float(np.mean([x @ y / math.sqrt((x @ x) * (y @ y)) for x, y in combinations(X, 2)]))


def mean_cosine_variance(X: Float64) -> float:
    """Jackknife variance of the mean cosine."""
    return jackknife_variance(len(X), lambda kept: mean_cosine(X[kept]))


def uniformity(X: Float64) -> float:
    """Log of the mean of exp(−2‖x − y‖²) over all pairs of different rows."""
    return math.log(np.mean([math.exp(-2 * float((x - y) @ (x - y))) for x, y in combinations(X, 2)]))


def cross_uniformity(Q: Float64, X: Float64) -> float:
    """The same over all pairs of a query and a document."""
    return math.log(np.mean([math.exp(-2 * float((q - x) @ (q - x))) for q in Q for x in X]))


def jackknife_variance(n: int, statistic: Callable[[IntArray], float]) -> float:
    """Delete-one jackknife variance."""
    values = np.array([statistic(np.delete(np.arange(n), i)) for i in range(n)])
    return float((n - 1) / n * np.sum((values - values.mean()) ** 2))


def occurrences(positions: IntArray, n: int) -> IntArray:
    """In how many lists each document stands, one by one."""
    return np.array([sum(int(i in row) for row in positions.tolist()) for i in range(n)], dtype=np.int64)


def skewness(counts: IntArray) -> float:
    """Third standardised moment."""
    return float(stats.skew(counts))


def robin_hood(counts: IntArray) -> float:
    """Share of all slots held above the mean."""
    mean = counts.mean()
    return float(sum(c - mean for c in counts if c > mean) / counts.sum())


def gini(counts: IntArray) -> float:
    """Mean absolute difference of two documents over twice the mean."""
    n = len(counts)
    total = sum(abs(int(a) - int(b)) for a in counts for b in counts)
    return total / (2 * n * n * float(counts.mean()))


def gini_null(pmf: Float64) -> float:
    """The same for two independent draws of a law on 0, 1, 2, …"""
    support = np.arange(len(pmf))
    return float(pmf @ np.abs(support[:, None] - support[None, :]) @ pmf / (2 * support @ pmf))


def w2_to_sphere(X: Float64) -> float:
    """Wasserstein distance of N(μ, Σ) to N(0, I/d), by the general formula with matrix roots."""
    d = X.shape[1]
    mu, S = X.mean(axis=0), np.cov(X.T)
    T = np.eye(d) / d
    values, vectors = np.linalg.eigh(S)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    middle = np.linalg.eigvalsh(root @ T @ root).clip(0)
    square = mu @ mu + np.trace(S) + np.trace(T) - 2 * np.sum(np.sqrt(middle))
    return math.sqrt(max(float(square), 0.0))


def squared_gap(Q: Float64, X: Float64) -> float:
    """Unbiased ‖μ_q − μ_x‖²: mean of (qᵢ − xₖ)·(qⱼ − xₗ) over i ≠ j, k ≠ l."""
    within_q = np.mean([a @ b for a, b in combinations(Q, 2)])
    within_x = np.mean([a @ b for a, b in combinations(X, 2)])
    return float(within_q + within_x - 2 * np.mean(Q @ X.T))
