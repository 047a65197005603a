"""The intervals behind the measures."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from ragdiag.types import Float64, Measure

Z = 1.959963984540054  # two-sided 95 %


def normal(value: float, variance: float, *, n: int, null: float | None = None) -> Measure:
    """Return value ± 1.96 standard errors."""
    half = Z * math.sqrt(max(variance, 0.0))
    return Measure(value, value - half, value + half, null, n)


def log_normal(value: float, log_variance: float, *, n: int, null: float | None = None) -> Measure:
    """Return the interval of a positive quantity that is symmetric on the log scale."""
    factor = math.exp(Z * math.sqrt(max(log_variance, 0.0)))
    return Measure(value, value / factor, value * factor, null, n)


def wilson(hits: int, n: int, *, null: float | None = None) -> Measure:
    """Return a share with its Wilson interval; undefined for n = 0.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> m = wilson(0, 100)
    >>> m.value, m.low, round(m.high, 4)
    (0.0, 0.0, 0.037)
    """
    if n == 0:
        return Measure.missing("nothing was sampled", null=null)
    p = hits / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return Measure(p, 0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half, null, n)


def mean_interval(values: Float64, *, null: float | None = None) -> Measure:
    """Return the mean of independent values with its t interval."""
    n = len(values)
    if n < 2:
        return Measure.missing(f"{n} values give no interval", n=n, null=null)
    mean = float(values.mean())
    half = float(stats.t.ppf(0.975, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Measure(mean, mean - half, mean + half, null, n)


def pair_mean_variance(row_means: Float64, pair_variance: float) -> float:
    """Return the variance of the mean over all pairs of n independent rows (a U-statistic).

    The pairs are not independent. With kernel h, ζ₁ = Var(E[h | one row]) and T = Var(h):
    Var = 4ζ₁/n + 2(T − 2ζ₁)/n². The variance of the row means over-states ζ₁ by about
    (T − 2ζ₁)/(n − 1), which is taken off; without that the interval of a mean near zero
    would be √2 too wide.

    Parameters
    ----------
    row_means : ndarray, shape (n,)
        Mean of h over all pairs of each row.
    pair_variance : float
        Variance of h over all pairs.

    Returns
    -------
    float
    """
    n = len(row_means)
    spread = float(row_means.var(ddof=1))
    zeta = max((spread - pair_variance / (n - 1)) / (1 - 2 / (n - 1)), 0.0)
    return 4 * zeta / n + 2 * max(pair_variance - 2 * zeta, 0.0) / n**2


def grouped_jackknife(groups: int, leave_out: Callable[[int], float], *, of_population: float = 0.0) -> float:
    """Return the delete-a-group jackknife variance of a statistic.

    Parameters
    ----------
    groups : int
        Number of random groups of equal size.
    leave_out : callable
        ``leave_out(g)`` is the statistic without group g.
    of_population : float
        Share of a finite population that was observed; the variance shrinks by 1 − share.

    Returns
    -------
    float
        NaN when a leave-one-out value is not finite.
    """
    values = np.array([leave_out(g) for g in range(groups)])
    spread = float(np.sum((values - values.mean()) ** 2))
    return (groups - 1) / groups * spread * (1 - of_population)
