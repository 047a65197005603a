"""How far the directions of the vectors are from covering the sphere evenly: the common mean."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from ragdiag.geometry.intervals import normal, pair_mean_interval, within
from ragdiag.statistics.moments import Moments
from ragdiag.types import Float32, Float64, Measure


def mean_cosine(unit: Moments) -> Measure:
    """Mean cosine of two different vectors, exact over all pairs.

    ρ̄ = (n‖mean x̂‖² − 1)/(n − 1), from −1/(n−1) to 1; 0 when directions cancel (isotropic), towards 1
    when they share a cone. It sees the mean alone: a space collapsed onto a plane through 0 reads 0.
    Interval: by the variance of a U-statistic, from the same moments, for the law that the documents were
    drawn from. Cost: O(d³) beyond the moments. Undefined below four vectors.
    Source: Ethayarajh 2019, arXiv:1909.00512.

    Parameters
    ----------
    unit : Moments
        Of vectors at unit length.

    Returns
    -------
    Measure
        Null 0, the isotropic value.

    Examples
    --------
    >>> X = np.float32([[1, 0], [0, 1], [1, 0], [0, 1]])
    >>> round(mean_cosine(Moments.of(X)).value, 4)
    0.3333
    """
    n = unit.n
    if n < 4:
        return Measure.missing(f"{n} non-zero vectors are too few", n=n, null=0.0)
    mu = unit.mean
    rho = (n * float(mu @ mu) - 1) / (n - 1)
    low, high = _cone_interval(unit, rho)
    return within(Measure(rho, low, high, 0.0, n), -1.0, 1.0)


def sampled_mean_cosine(directions: Float32 | Float64) -> float:
    """Return ρ̄ of the rows of a sample, for where a threshold needs it and an interval does not; 0 for fewer than two.

    Parameters
    ----------
    directions : ndarray, shape (n, d)
        Unit vectors.

    Examples
    --------
    >>> round(sampled_mean_cosine(np.float32([[1, 0], [0, 1], [1, 0], [0, 1]])), 4)
    0.3333
    """
    n = len(directions)
    if n < 2:
        return 0.0
    mu = directions.mean(axis=0, dtype=np.float64)
    return (n * float(mu @ mu) - 1) / (n - 1)


def _cone_interval(unit: Moments, rho: float) -> tuple[float, float]:
    """Return the interval of the mean cosine by `pair_mean_interval`: ζ = μᵀΣμ, τ = tr Σ².

    A mean cosine of 0 is a space without a common mean, where ζ = 0, and ζ ≤ λ₁ρ̄ always.
    """
    n, mu, S = unit.n, unit.mean, unit.covariance
    square = max(unit.trace_of_square(), 0.0)
    if square == 0:
        return rho, rho
    once = S @ mu
    # The plug-ins are too large by tr Σ²/n and tr Σ³/n, since μ is estimated from the same vectors.
    cube = float(np.sum((S @ S) * S))
    zeta = float(mu @ once) - square / n
    zeta_2 = max(float(once @ once) - cube / n, 0.0)
    slope = (4 * zeta_2 + 2 * cube / n) / (4 * max(zeta, 0.0) + 2 * square / n)
    return pair_mean_interval(rho, zeta=zeta, slope=slope, tau=square * n / (n - 1), n=n, steepest=math.sqrt(square))


def largest_by_chance(dim: int) -> float:
    """Return what the largest share of a coordinate in a random direction passes once in a thousand.

    One squared coordinate follows Beta(½, (d − 1)/2); d of them, by Bonferroni.

    Examples
    --------
    >>> round(largest_by_chance(64), 2), round(largest_by_chance(384), 2)
    (0.26, 0.06)
    """
    return float(stats.beta.isf(0.001 / dim, 0.5, (dim - 1) / 2)) if dim > 1 else 1.0


def rogue_dimension(unit: Moments) -> tuple[Measure, int]:
    """Largest share that one coordinate has in the mean cosine, and which coordinate it is.

    Share of coordinate i: mean(x̂)ᵢ²/Σⱼ mean(x̂)ⱼ², each square less its sampling variance;
    from 1/d to 1. Above .1 a single coordinate moves every similarity. It depends on the basis, as the
    phenomenon does. Undefined where the mean cosine is not distinguishable from 0, since
    there is nothing to share. Interval: delta method. Cost: O(d²).
    Source: Timkey & van Schijndel 2021, arXiv:2109.04404.

    Parameters
    ----------
    unit : Moments
        Of vectors at unit length.

    Returns
    -------
    Measure
        Null: the median of the same for a mean of random direction, the (½)^(1/d) quantile of χ²₁ over d;
        .025 at d = 384.
    int
        The coordinate, −1 where undefined.
    """
    cone = mean_cosine(unit)
    null = float(stats.chi2.ppf(0.5 ** (1 / unit.dim), 1)) / unit.dim
    if cone.value is None or cone.low is None or cone.low <= 0:
        return Measure.missing("the mean cosine is not above 0", n=unit.n, null=null), -1
    mu, S = unit.mean, unit.covariance
    squares = np.maximum(mu**2 - np.diag(S) / unit.n, 0.0)
    total = float(squares.sum())
    i = int(np.argmax(squares))
    share = float(squares[i]) / total
    gradient = -2 * share * mu / total
    gradient[i] += 2 * mu[i] / total
    measure = normal(share, float(gradient @ S @ gradient) / unit.n, n=unit.n, null=null)
    return within(measure, 0.0, 1.0), i
