"""Are two similarities different on these queries? Paired, by resampling the queries."""

from __future__ import annotations

import math

import numpy as np

from ragdiag.retrieval.clusters import in_order
from ragdiag.types import Float64, IntArray, Measure

RESAMPLES = 9999
SIGNIFICANT = 0.05  # p of a test, after correction
FEWEST = 10  # independent queries, or groups of them, below which resampling says nothing of others
_CHUNK = 200


def bootstrap_mean(
    values: Float64, rng: np.random.Generator, *, null: float | None = None, clusters: IntArray | None = None
) -> Measure:
    """Return the mean over queries with its percentile bootstrap interval.

    Clusters are resampled whole, and the mean of a resample is the sum of its scores over the number of its queries.
    Without an interval, for the reason in `undefined`, when the clusters count for fewer than 10 of equal size:
    (Σ n_c)²/Σ n_c² of them.

    Parameters
    ----------
    values : ndarray, shape (m,)
        One score per query; for a paired comparison, the differences.
    clusters : ndarray of int64, shape (m,), optional
        Which queries belong together, such as by `query_clusters`; by default each is alone.

    Examples
    --------
    >>> m = bootstrap_mean(np.array([0.0, 1.0] * 50), np.random.default_rng(0))
    >>> m.value, round(m.low, 2), round(m.high, 2)
    (0.5, 0.4, 0.6)
    """
    m = len(values)
    mean = float(values.mean())
    sums, sizes = _by_cluster(values, clusters)
    n = len(sums)
    if m**2 < FEWEST * float(np.sum(sizes**2)):
        why = f"an interval needs {FEWEST} independent groups of queries; there are {n}, of unequal size"
        if n < FEWEST:
            why = why.removesuffix(", of unequal size")
        return Measure(mean, None, None, null, m, undefined=why)
    alike = bool(np.all(sizes == sizes[0]))
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, _CHUNK):
        size = min(_CHUNK, RESAMPLES - start)
        drawn = rng.integers(0, n, size=(size, n))
        means[start : start + size] = sums[drawn].sum(axis=1) / (m if alike else sizes[drawn].sum(axis=1))
    low, high = np.quantile(means, [0.025, 0.975])
    return Measure(mean, float(low), float(high), null, m)


def randomisation_test(differences: Float64, rng: np.random.Generator, *, clusters: IntArray | None = None) -> float:
    """Return the two-sided p of a paired randomisation test: the signs of the differences are exchangeable.

    (1 + number of sign flips at least as extreme)/(1 + B), so that p ≥ 1/(B + 1). The differences of one cluster
    keep their signs to each other. Of up to 13 clusters that differ all 2ᶜ flips are tried, without chance: p ≥ 2/2ᶜ.
    Source: Smucker, Allan & Carterette 2007, doi:10.1145/1321440.1321528.

    Parameters
    ----------
    differences : ndarray, shape (m,)
        Of the scores of each query.
    clusters : ndarray of int64, shape (m,), optional
        Which queries belong together; by default each is alone.

    Examples
    --------
    >>> randomisation_test(np.zeros(10), np.random.default_rng(0))
    1.0
    >>> randomisation_test(np.ones(10), np.random.default_rng(0)) == 2 / 2**10
    True
    """
    sums, _ = _by_cluster(differences, clusters)
    moved = sums[sums != 0]
    if len(moved) == 0:
        return 1.0
    # Flips that differ by rounding alone are equally extreme.
    observed = abs(float(moved.sum())) - 1e-12 * float(np.abs(moved).sum())
    if 2 ** len(moved) <= RESAMPLES:
        every = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1
        return float(np.mean(np.abs((2.0 * every - 1) @ moved) >= observed))
    extreme = 0
    for start in range(0, RESAMPLES, _CHUNK):
        size = min(_CHUNK, RESAMPLES - start)
        signs = rng.integers(0, 2, size=(size, len(moved)), dtype=np.int8) * 2 - 1
        extreme += int(np.sum(np.abs(signs @ moved) >= observed))
    return (1 + extreme) / (1 + RESAMPLES)


def _by_cluster(values: Float64, clusters: IntArray | None) -> tuple[Float64, Float64]:
    """Return the sum and the number of values of each cluster, in the order of their first members."""
    if clusters is None:
        return values, np.ones(len(values))
    labels = in_order(clusters)
    sizes = np.bincount(labels, minlength=1)
    members = np.split(values[np.argsort(labels, kind="stable")], np.cumsum(sizes)[:-1])
    # What cancels but for rounding is no difference, and must not become one by its sign.
    sums = [total if abs(total := math.fsum(v)) > 1e-12 * math.fsum(abs(v)) else 0.0 for v in members]
    return np.array(sums), sizes.astype(np.float64)


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
