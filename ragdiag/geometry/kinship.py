"""Do two groups of vectors vary along the same directions? Two topics under one model do; two models do not."""

from __future__ import annotations

import math

import numpy as np

from ragdiag.geometry.intervals import normal
from ragdiag.types import Float32, Float64, Measure

FEWEST = 10
MOST_EVEN = 0.5  # of the dimensions: where a spectrum is nearly flat, any two are alike


def kinship(A: Float32, B: Float32) -> Measure:
    """Likeness of two covariances beyond that of two with unrelated eigenvectors: 0 unrelated … 1 proportional.

    With r = tr(Σ_A Σ_B)/√(tr Σ_A² · tr Σ_B²), which is 1 for proportional covariances, and r₀ = √(PR_A · PR_B)/d,
    what two of these spectra give on average when their eigenvectors have nothing to do with each other: (r − r₀)/
    (1 − r₀). All traces are free of the bias that estimated covariances give them. Two languages under one model read
    .3 to .9, a part embedded by another model .0 to .1; a small part about a single thing can read .1 under one model
    too. Interval: first-order, over the rows of both groups. Null 1: one model.

    Parameters
    ----------
    A, B : ndarray of float32, shape (a, d) and (b, d)
        Directions.

    Returns
    -------
    Measure
        Undefined below ten vectors of each, and where r₀ is above one half: of flat spectra nothing can be told.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scale = np.arange(1, 65) ** -0.5
    >>> X, Y = (rng.standard_normal((200, 64)) * scale for _ in range(2))
    >>> round(kinship(X, Y).value, 1), round(kinship(X, Y[:, rng.permutation(64)]).value, 1)
    (1.0, 0.0)
    """
    fewest = min(len(A), len(B))
    if fewest < FEWEST:
        return Measure.missing(f"{fewest} vectors of one group are too few", n=fewest, null=1.0)
    a, b = (X.astype(np.float64) - X.mean(axis=0, dtype=np.float64) for X in (A, B))
    square_a, square_b = _trace_of_square(a), _trace_of_square(b)
    if not (square_a > 0 and square_b > 0):
        return Measure.missing("the vectors of one group are all alike", n=fewest, null=1.0)
    products = (a @ b.T) ** 2
    cross = float(products.sum()) / ((len(a) - 1) * (len(b) - 1))
    alike = cross / math.sqrt(square_a * square_b)
    ratio_a, ratio_b = _trace(a) ** 2 / square_a, _trace(b) ** 2 / square_b
    unrelated = math.sqrt(ratio_a * ratio_b) / a.shape[1]
    if unrelated > MOST_EVEN:
        return Measure.missing("the spectra are nearly flat", n=fewest, null=1.0)
    # What each row adds to log r: by its products with the other group, less by those with its own.
    by_a = products.mean(axis=1) / products.mean() - _own(a)
    by_b = products.mean(axis=0) / products.mean() - _own(b)
    variance = alike**2 * (float(by_a.var(ddof=1)) / len(a) + float(by_b.var(ddof=1)) / len(b))
    scale = 1 - unrelated
    return normal((alike - unrelated) / scale, variance / scale**2, n=fewest, null=1.0)


def _trace(centred: Float64) -> float:
    return float(np.sum(centred**2)) / (len(centred) - 1)


def _trace_of_square(centred: Float64) -> float:
    """Return the unbiased tr Σ² as `Moments.trace_of_square` does, from products of rows instead of coordinates."""
    n = len(centred)
    square = float(np.sum((centred @ centred.T) ** 2)) / (n - 1) ** 2
    q = float(np.sum(np.sum(centred**2, axis=1) ** 2)) / (n - 1)
    return (n - 1) / (n * (n - 2) * (n - 3)) * ((n - 1) * (n - 2) * square + _trace(centred) ** 2 - n * q)


def _own(centred: Float64) -> Float64:
    """Return the mean squared product of each row with the others, over the mean of all."""
    products = (centred @ centred.T) ** 2
    np.fill_diagonal(products, 0.0)
    means: Float64 = products.mean(axis=1) / max(float(products.mean()), 1e-300)
    return means
