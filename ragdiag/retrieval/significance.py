"""Are two similarities different on these queries? Paired, by resampling the queries."""

from __future__ import annotations

import numpy as np

from ragdiag.types import Float64, IntArray, Measure

RESAMPLES = 9999
FEWEST = 10  # queries below which resampling them says nothing of others
_CHUNK = 200


def bootstrap_mean(
    values: Float64, rng: np.random.Generator, *, null: float | None = None, clusters: IntArray | None = None
) -> Measure:
    """Return the mean over queries with its percentile bootstrap interval; without one below ten clusters.

    Parameters
    ----------
    values : ndarray, shape (m,)
        One score per query; for a paired comparison, the differences.
    clusters : ndarray of int64, shape (m,), optional
        Queries of one cluster are drawn together; without it, each alone.

    Examples
    --------
    >>> m = bootstrap_mean(np.array([0.0, 1.0] * 50), np.random.default_rng(0))
    >>> m.value, round(m.low, 2), round(m.high, 2)
    (0.5, 0.4, 0.6)
    """
    sums, sizes = _by_cluster(values, clusters)
    m = len(sums)
    if m < FEWEST:
        return Measure(float(values.mean()), None, None, null, len(values))
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, _CHUNK):
        drawn = rng.integers(0, m, size=(min(_CHUNK, RESAMPLES - start), m))
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Measure(float(values.mean()), float(low), float(high), null, len(values))


def _by_cluster(values: Float64, clusters: IntArray | None) -> tuple[Float64, Float64]:
    """Return the sum of the values and their number, of each cluster."""
    if clusters is None:
        return values, np.ones(len(values))
    _, cluster = np.unique(clusters, return_inverse=True)
    sums: Float64 = np.bincount(cluster, weights=values).astype(np.float64)
    return sums, np.bincount(cluster).astype(np.float64)


def randomisation_test(differences: Float64, rng: np.random.Generator, *, clusters: IntArray | None = None) -> float:
    """Return the two-sided p of a paired randomisation test: the signs of the differences are exchangeable.

    (1 + number of sign flips at least as extreme)/(1 + B), so that p ≥ 1/(B + 1). Queries of one cluster
    flip together. Source: Smucker, Allan & Carterette 2007, doi:10.1145/1321440.1321528.

    Examples
    --------
    >>> randomisation_test(np.zeros(10), np.random.default_rng(0))
    1.0
    """
    sums, _ = _by_cluster(differences, clusters)
    moved = sums[sums != 0]
    if len(moved) == 0:
        return 1.0
    observed = abs(float(moved.sum())) * (1 - 1e-12)
    extreme = 0
    for start in range(0, RESAMPLES, _CHUNK):
        size = min(_CHUNK, RESAMPLES - start)
        signs = rng.integers(0, 2, size=(size, len(moved)), dtype=np.int8) * 2 - 1
        extreme += int(np.sum(np.abs(signs @ moved) >= observed))
    return (1 + extreme) / (1 + RESAMPLES)


def holm(p: list[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    corrected, running = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = running
    return corrected
