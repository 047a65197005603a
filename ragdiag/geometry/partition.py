"""Partition isotropy of unit vectors, by Mu & Viswanath."""

from __future__ import annotations

import numpy as np

from ragdiag.geometry import isotropic
from ragdiag.geometry.intervals import log_normal, within
from ragdiag.geometry.spectrum import FEWEST_PER_DIMENSION
from ragdiag.statistics.moments import Moments
from ragdiag.types import Float64, Measure


def partition_isotropy(spectrum_rows: Float64, moments: Moments) -> Measure:
    """I(W) = min Z/max Z over the eigenvectors ±c, with Z(c) = Σ exp(c·x): 1 isotropic, 0 degenerate.

    Not scale-invariant, so that it is taken on unit vectors alone. Interval: delta method on the log scale
    over the sampled rows. Source: Mu & Viswanath 2018, arXiv:1702.01417.

    Parameters
    ----------
    spectrum_rows : ndarray, shape (s, d)
        Sampled vectors at unit length.
    moments : Moments
        Of vectors at unit length; the eigenvectors are those of their Gram matrix.

    Returns
    -------
    Measure
        Null: isotropic directions of the same n and d, by simulation; near 1. Undefined below n = 2d.
    """
    n, d = moments.n, moments.dim
    if n < FEWEST_PER_DIMENSION * d or len(spectrum_rows) < 2:
        why = f"n = {n:,} < {FEWEST_PER_DIMENSION}·d = {FEWEST_PER_DIMENSION * d:,}"
        return Measure.missing(why, n=n)
    _, vectors = np.linalg.eigh(moments.gram)
    projected = spectrum_rows @ vectors
    z = np.concatenate([np.exp(projected).mean(axis=0), np.exp(-projected).mean(axis=0)])
    low, high = int(np.argmin(z)), int(np.argmax(z))

    def influence(column: int) -> Float64:
        sign = 1 if column < d else -1
        values: Float64 = np.exp(sign * projected[:, column % d]) / z[column]
        return values

    log_variance = float((influence(low) - influence(high)).var(ddof=1)) / len(spectrum_rows)
    null = isotropic.partition(n, d, len(spectrum_rows))
    measure = log_normal(float(z[low] / z[high]), log_variance, n=len(spectrum_rows), null=null)
    return within(measure, 0.0, 1.0)
