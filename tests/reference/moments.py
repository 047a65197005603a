"""Covariance in two passes, and tr Σ² by its definition as a U-statistic."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from ragdiag.types import Float64


def covariance(X: Float64) -> Float64:
    """Unbiased covariance: first the mean, then the products of the deviations."""
    deviations = X - X.mean(axis=0)
    total = np.zeros((X.shape[1], X.shape[1]))
    for row in deviations:
        total += np.outer(row, row)
    return total / (len(X) - 1)


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
