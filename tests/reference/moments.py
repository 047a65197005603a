"""Covariance in two passes, and tr Σ² by its definition as a U-statistic."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np

from ragdiag.types import Float32, Float64


def covariance(X: Float64) -> Float64:
    """Unbiased covariance: first the mean, then the products of the deviations."""
    deviations = X - X.mean(axis=0)
    total = np.zeros((X.shape[1], X.shape[1]))
    for row in deviations:
        total += np.outer(row, row)
    return total / (len(X) - 1)


def directions(X: Float32) -> Float64:
    """Rows at length one by long double, without those of length 0."""
    wide = X.astype(np.longdouble)
    lengths = np.sqrt((wide * wide).sum(axis=1))
    found: Float64 = (wide[lengths > 0] / lengths[lengths > 0, None]).astype(np.float64)
    return found


def covariance_in_long_double(X: Float64) -> Float64:
    """Unbiased covariance in two passes of long double."""
    wide = X.astype(np.longdouble)
    wide = wide - wide.mean(axis=0)
    found: Float64 = np.array([(wide * column[:, None]).sum(axis=0) for column in wide.T]).astype(np.float64)
    return found / (len(X) - 1)


def centred_quartic(X: Float64) -> float:
    """Σ‖x − mean‖⁴ in two passes, added up without rounding."""
    mean = [math.fsum(column) / len(X) for column in X.T]
    return math.fsum(float(square) ** 2 for square in ((X - mean) ** 2).sum(axis=1))


def trace_of_square(X: Float64) -> float:
    """Mean of ((a − b)·(c − d))²/4 over all quadruples of different rows: E = tr Σ²."""
    G = X @ X.T
    values = [(G[a, c] - G[a, d] - G[b, c] + G[b, d]) ** 2 / 4 for a, b, c, d in permutations(range(len(X)), 4)]
    return float(np.mean(values))


def split_participation_ratio(X: Float64, splits: int, rng: np.random.Generator) -> float:
    """tr(S_A)·tr(S_B)/tr(S_A S_B) for random disjoint halves A and B; numerator and denominator averaged."""
    above, below = [], []
    for _ in range(splits):
        order = rng.permutation(len(X))
        half = len(X) // 2
        A, B = np.cov(X[order[:half]].T), np.cov(X[order[half : 2 * half]].T)
        above.append(np.trace(A) * np.trace(B))
        below.append(np.sum(A * B))
    return float(np.mean(above) / np.mean(below))


def naive_participation_ratio(X: Float64) -> float:
    """(Σλ)²/Σλ² of the sample covariance, biased when n is not much larger than d."""
    S = np.cov(X.T)
    return float(np.trace(S) ** 2 / np.sum(S * S))
