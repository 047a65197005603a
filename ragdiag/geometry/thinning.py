"""The interval of the skewness that all queries would give, from a sample of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, sparse

from ragdiag.geometry.intervals import Z
from ragdiag.types import Float64, IntArray

MOST_TOGETHER = 5_000_000  # pairs of documents in one list


def interval(
    counts: IntArray, positions: IntArray, group: IntArray, *, at: int, share: float
) -> tuple[float | None, float | None]:
    """Return every skewness θ that is at most 1.96 standard errors away, or None where there is no end.

    Fieller's interval of the ratio M₃/σ³: θ is held when D(θ) = M̂₃ − θσ̂³ is within 1.96 of its standard errors
    from 0. An interval around the ratio itself would be wrong on both sides, since σ̂ errs with M̂₃. The
    variance of D is that of statistics of one, two and three queries, which a jackknife counts once, twice and
    three times, and which sampling a share f of the population reduces by f, f² and f³. The variance is that of
    a store of skewness θ: what the estimate owes to its error is taken off (`_slope`).

    Parameters
    ----------
    counts : ndarray of int64, shape (n,)
        k-occurrence from the sampled queries.
    positions : ndarray of int64, shape (m, k)
        Their lists.
    group : ndarray of int64, shape (m,)
        A random group for each query.
    at : int
        All queries.
    share : float
        f, below 1; 0 for queries from an unbounded stream.

    Returns
    -------
    low, high : float or None
    """
    m, n, f = len(positions), len(counts), share
    third, cube = _third_and_cube(_falling_sums(counts), n, m, at)
    thirds, cubes = _third_and_cube(_falling_sums_without(counts, positions), n, m - 1, at)
    single = (m - 1) ** 2 / m * np.cov(thirds, cubes)
    pairs, triples = _higher_orders(counts, positions, at)
    slope = _slope(counts, positions, group, at)
    value = float(third / cube)

    def excess(theta: float) -> float:
        """Squared distance of D(θ) from 0 less that of the limit; below 0 where θ is held."""
        c = np.array([1.0, -theta])
        of_pairs = float(c @ pairs @ c)
        moved = float(cube) ** 2 * slope * (theta - value)
        of_single = max(float(c @ single @ c) + moved - 2 * of_pairs - 3 * triples, 0.0)
        variance = of_single * (1 - f) + of_pairs * (1 - f**2) + triples * (1 - f**3)
        if variance <= 0:  # it is an estimate; the triples are counted exactly
            variance = triples * (1 - f**3)
        return float(third - theta * cube) ** 2 - Z**2 * variance

    return _end(excess, value, -1.0), _end(excess, value, 1.0)


def _end(excess: Callable[[float], float], start: float, direction: float) -> float | None:
    """Return where `excess` becomes positive on one side of `start`; None when it does not."""
    if excess(start) >= 0:
        return start
    step = 1e-3
    while excess(start + direction * step) < 0:
        step *= 1.5
        if step > 1e6:
            return None
    return float(optimize.brentq(excess, start, start + direction * step))


def _slope(counts: IntArray, positions: IntArray, group: IntArray, at: int) -> float:
    """Return the regression coefficient, over samples, of the variance of the skewness on the skewness.

    A sample that happens to hold many of a hub's queries reads a larger skewness and a larger variance.
    """
    n = len(counts)
    values, variances = [], []
    for g in range(int(group.max()) + 1):
        kept, gone = positions[group != g], positions[group == g]
        m = len(kept)
        N = counts - np.bincount(gone[gone >= 0], minlength=n)
        third, cube = _third_and_cube(_falling_sums(N), n, m, at)
        thirds, cubes = _third_and_cube(_falling_sums_without(N, kept), n, m - 1, at)
        if cube <= 0:
            return 0.0
        values.append(third / cube)
        variances.append((m - 1) ** 2 / m * np.var(thirds - third / cube * cubes) / cube**2)
    covariance = np.cov(values, variances)
    return float(covariance[0, 1] / covariance[0, 0]) if covariance[0, 0] > 0 else 0.0


def _falling_sums(counts: IntArray) -> Float64:
    """Return Σ(N)_r for r = 1, 2, 3."""
    N = counts.astype(np.float64)
    return np.array([N.sum(), (N * (N - 1)).sum(), (N * (N - 1) * (N - 2)).sum()])


def _falling_sums_without(counts: IntArray, positions: IntArray) -> Float64:
    """Return the same sums without each single query, shape (3, m): (N)_r − (N − 1)_r = r·(N − 1)_{r−1}."""
    N = np.append(counts, 0).astype(np.float64)
    lost = np.stack([np.ones_like(N), 2 * (N - 1), 3 * (N - 1) * (N - 2)])
    gone = np.where(positions >= 0, lost[:, positions], 0.0).sum(axis=2)
    result: Float64 = _falling_sums(counts)[:, None] - gone
    return result


def _third_and_cube(sums: Float64, n: int, m: int, at: int) -> tuple[Float64, Float64]:
    """Return the third central moment and σ³ that `at` queries would give, from sums over m of them."""
    F1 = sums[0] / n * at / m
    F2 = sums[1] / n * at * (at - 1) / (m * (m - 1))
    F3 = sums[2] / n * at * (at - 1) * (at - 2) / (m * (m - 1) * (m - 2))
    M2, M3 = F2 + F1, F3 + 3 * F2 + F1
    return M3 - 3 * F1 * M2 + 2 * F1**3, np.maximum(M2 - F1**2, 0.0) ** 1.5


def _higher_orders(counts: IntArray, positions: IntArray, at: int) -> tuple[Float64, float]:
    """Return the variances of (M̂₃, σ̂³) due to pairs, a 2×2 matrix, and of M̂₃ due to triples of queries.

    A pair of queries that both list documents i and j adds to the terms of both, so that it counts once for
    each such (i, j); the same holds for triples. Over a finite population this is exact for M̂₃ (the variance
    of a Horvitz–Thompson sum by the overlaps of its terms), up to a single query's part.
    """
    m, n, N = len(positions), len(counts), counts.astype(np.float64)
    sums = _falling_sums(counts)
    by_2 = at * (at - 1) / (m * (m - 1)) / n
    by_3 = at * (at - 1) * (at - 2) / (m * (m - 1) * (m - 2)) / n
    F1, F2 = float(sums[0]) / n * at / m, float(sums[1]) * by_2
    sigma = math.sqrt(max(F2 + F1 - F1**2, 0.0))
    i, j, shared = _listed_together(counts, positions)
    twice, three = 2 * shared * (shared - 1), shared * (shared - 1) * (shared - 2)
    # What a pair adds to M̂₃: 3 − 3F₁ by (N)₂, and 3(N − 2) by (N)₃; to σ̂³ by (N)₂ alone.
    to_third = (3 - 3 * F1) * by_2 + 3 * by_3 * (N - 2)
    to_cube = 1.5 * sigma * by_2
    cross = float(twice @ to_third[i]) * to_cube
    # (Nᵢ − 2)(Nⱼ − 2) also counts a third query that both share, which makes a triple and no pair.
    over = 9 * by_3**2 * float(twice @ (shared - 2))
    of_third = float(twice @ (to_third[i] * to_third[j])) - over
    pairs = np.array([[of_third, cross], [cross, float(twice.sum()) * to_cube**2]])
    return pairs, 6 * float(three.sum()) * by_3**2


def _listed_together(counts: IntArray, positions: IntArray) -> tuple[IntArray, IntArray, Float64]:
    """Return documents i and j, i = j among them, and how many lists hold both."""
    (m, k), n = positions.shape, len(counts)
    if m * k * k > MOST_TOGETHER:  # then each document with itself alone, which is most of it
        return np.arange(n), np.arange(n), counts.astype(np.float64)
    query, rank = np.nonzero(positions >= 0)
    ones = np.ones(len(query))
    lists = sparse.csr_matrix((ones, (query, positions[query, rank])), shape=(m, n))
    both = sparse.coo_matrix(lists.T @ lists)
    return both.row.astype(np.int64), both.col.astype(np.int64), both.data
