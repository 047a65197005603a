"""What the lengths of the vectors do."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from ragdiag.geometry.intervals import mean_interval, normal, within
from ragdiag.statistics.neighbors import overlap
from ragdiag.types import Float64, IntArray, Measure


def variation(norms: Float64) -> Measure:
    """Coefficient of variation of the lengths, sd/mean, from 0 (all equal); counted over all documents."""
    mean = float(norms.mean()) if len(norms) else 0.0
    if mean == 0:
        return Measure.missing("no vector has a length", n=len(norms), null=0.0)
    cv = float(norms.std()) / mean
    return Measure.counted(cv if cv > 1e-6 else 0.0, n=len(norms), null=0.0)


def ranking_overlap(a: IntArray, b: IntArray) -> Measure:
    """Mean share of the top k that two similarities have in common for the same queries, 0 … 1.

    Parameters
    ----------
    a, b : ndarray of int64, shape (m, k)
        Positions found by each.

    Returns
    -------
    Measure
        Null 1: where lengths say nothing, both rank alike.
    """
    measure = mean_interval(overlap(a, b), null=1.0)
    return within(measure, 0.0, 1.0)


def rank_correlation(a: Float64, b: Float64) -> Measure:
    """Spearman's ρ of two properties of the same documents, −1 … 1; interval by Fisher's z.

    Undefined when one of them is constant. The standard error is that of Bonett & Wright 2000,
    doi:10.1007/BF02294183.
    """
    n = len(a)
    if n < 10:
        return Measure.missing(f"{n} documents are too few", n=n, null=0.0)
    if np.ptp(a) <= 1e-6 * abs(float(a.mean())) or np.ptp(b) == 0:
        return Measure.missing("one of the two is the same for all", n=n, null=0.0)
    rho = float(stats.spearmanr(a, b).statistic)
    if abs(rho) >= 1:
        return Measure.counted(rho, n=n, null=0.0)
    z = normal(math.atanh(rho), (1 + rho**2 / 2) / (n - 3), n=n)
    return Measure(rho, math.tanh(z.low or 0.0), math.tanh(z.high or 0.0), 0.0, n)
