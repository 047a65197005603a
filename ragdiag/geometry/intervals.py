"""The intervals behind the measures."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

from ragdiag.types import Float64, Measure

_WIDEST = 600.0  # of a logarithm: what float64 can hold
Z = 1.959963984540054  # two-sided 95 %


def normal(value: float, variance: float, *, n: int, null: float | None = None) -> Measure:
    """Return value ± 1.96 standard errors."""
    half = Z * math.sqrt(max(variance, 0.0))
    return Measure(value, value - half, value + half, null, n)


def log_normal(value: float, log_variance: float, *, n: int, null: float | None = None) -> Measure:
    """Return the interval of a positive quantity that is symmetric on the log scale."""
    factor = math.exp(min(Z * math.sqrt(max(log_variance, 0.0)), _WIDEST))
    return Measure(value, value / factor, value * factor, null, n)


def within(measure: Measure, least: float, most: float) -> Measure:
    """Return the measure with everything outside its range moved to the nearest end.

    An unbiased estimate and a symmetric interval can leave the range that the quantity has.

    Examples
    --------
    >>> within(Measure(0.99, 0.97, 1.01, 0.0, 10), 0.0, 1.0).high
    1.0
    """

    def moved(x: float | None) -> float | None:
        return None if x is None else min(max(x, least), most)

    ends = (moved(measure.value), moved(measure.low), moved(measure.high), moved(measure.null))
    return Measure(*ends, measure.n, measure.undefined)


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


def share_mean(values: Float64, *, null: float | None = None) -> Measure:
    """Return the mean of independent values from 0 to 1 with an interval that knows what may not have been drawn.

    The wider of the t interval and that of Agresti & Coull (1.92 values of 0 and as many of 1 are added): where nearly
    all values are 1, their spread says nothing of the rare 0 that is still to come. m values of 1 give a lower end
    of about 1 − 4.6/m.

    Source: Agresti & Coull 1998, doi:10.1080/00031305.1998.10480550, for values of 0 and 1.

    Examples
    --------
    >>> m = share_mean(np.ones(200))
    >>> m.value, round(m.low, 3), m.high
    (1.0, 0.977, 1.0)
    """
    n = len(values)
    if n < 2:
        return Measure.missing(f"{n} values give no interval", n=n, null=null)
    added = Z**2 / 2
    centre = (float(values.sum()) + added) / (n + 2 * added)
    spread = float(np.sum((values - centre) ** 2)) + added * (centre**2 + (1 - centre) ** 2)
    half = Z * math.sqrt(spread) / (n + 2 * added)
    usual = mean_interval(values)
    ends = [centre - half, centre + half, *(end for end in (usual.low, usual.high) if end is not None)]
    return Measure(float(values.mean()), max(min(ends), 0.0), min(max(ends), 1.0), null, n)


def pair_components(row_means: Float64, pair_variance: float) -> tuple[float, float]:
    """Return the two parts of the variance of a mean over all pairs of n rows (a U-statistic).

    The pairs are not independent. With kernel h, ζ = Var(E[h | one row]) and τ = Var(h) − 2ζ the variance is
    4ζ/n + 2τ/n². The variance of the row means over-states ζ by about τ/n, which is taken off, so that ζ̂ has
    no bias and can be negative.

    Parameters
    ----------
    row_means : ndarray, shape (n,)
        Mean of h over all pairs of each row.
    pair_variance : float
        Variance of h over all pairs.

    Returns
    -------
    zeta, tau : float
    """
    n = len(row_means)
    spread = float(row_means.var(ddof=1))
    zeta = (spread - pair_variance / (n - 1)) / (1 - 2 / (n - 1))
    return zeta, max(pair_variance - 2 * max(zeta, 0.0), 0.0)


def pair_mean_interval(
    value: float, *, zeta: float, slope: float, tau: float, n: int, steepest: float = math.inf
) -> tuple[float, float]:
    """Return every r from which a mean over pairs is at most 1.96 standard errors away.

    The standard error is that of a law whose true value is r. The usual interval takes it at the estimate,
    which is wrong where ζ is near 0: by chance ζ̂ is large just when the estimate is (the same rows raise
    both), so that the interval around a large estimate would be too wide and that around a small one too
    narrow. So ζ̂ is freed from what it owes to the estimate being off by value − r:
    ζ(r) = ζ̂ − slope·(value − r), never below 0.

    Parameters
    ----------
    value : float
        The mean over pairs.
    zeta, tau : float
        As `pair_components`.
    slope : float
        Regression coefficient of ζ̂ on the value, over samples.
    n : int
        Rows.
    steepest : float
        Where it is known that ζ ≤ steepest·r.

    Returns
    -------
    low, high : float
    """
    step = Z * math.sqrt(2 * tau) / n
    if step == 0 and zeta <= 0:
        return value, value

    def distance(r: float) -> float:
        at_r = max(zeta - slope * (value - r), 0.0)
        if math.isfinite(steepest):
            at_r = min(at_r, steepest * max(r, 0.0))
        return abs(value - r) - Z * math.sqrt(4 * at_r / n + 2 * tau / n**2)

    step = max(step, Z * math.sqrt(max(4 * zeta, 0.0) / n))
    if step <= 1e-9 * max(abs(value), 1e-3):  # rounding, as where all vectors are equal: nothing to search
        return value, value
    below, above = value - step, value + step
    while distance(below) < 0:
        below -= 2 * (value - below)
    while distance(above) < 0:
        above += 2 * (above - value)
    low = optimize.brentq(distance, below, value) if distance(value) < 0 else value
    high = optimize.brentq(distance, value, above) if distance(value) < 0 else value
    return float(low), float(high)


def grouped_jackknife(groups: int, leave_out: Callable[[int], float]) -> float:
    """Return the delete-a-group jackknife variance of a statistic.

    Parameters
    ----------
    groups : int
        Number of random groups of equal size.
    leave_out : callable
        ``leave_out(g)`` is the statistic without group g.

    Returns
    -------
    float
        NaN when a leave-one-out value is not finite.
    """
    values = np.array([leave_out(g) for g in range(groups)])
    spread = float(np.sum((values - values.mean()) ** 2))
    return (groups - 1) / groups * spread
