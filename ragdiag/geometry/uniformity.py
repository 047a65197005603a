"""How evenly unit vectors cover the sphere, in the sense of Wang & Isola."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from ragdiag.geometry.intervals import mean_interval, normal, pair_components, pair_mean_interval, within
from ragdiag.types import Float32, Measure

LARGEST_SAMPLE = 4000  # all pairs of these: 8 million
_BLOCK = 500


def sphere(dim: int) -> float:
    """Return the uniformity of the uniform law on the unit sphere: −4 + log ₀F₁(; d/2; 4) ≈ −4 + 8/d.

    Examples
    --------
    >>> round(sphere(384), 5), round(sphere(768), 5)
    (-3.97917, -3.98958)
    """
    return -4 + math.log(float(special.hyp0f1(dim / 2, 4.0)))


def uniformity(X: Float32) -> Measure:
    """Log of the mean of exp(−2‖x̂ − ŷ‖²) over pairs of different vectors.

    From `sphere` (about −4: uniform) to 0 (all equal); about −4(1 − ρ̄) on a cone. Hardly sees collapse:
    16 live dimensions of 128 read −3.51. Interval: U-statistic of all pairs of the sample. Undefined below
    ten vectors. Cost: one product of the sample with itself.
    Source: Wang & Isola 2020, arXiv:2005.10242.

    Parameters
    ----------
    X : ndarray, shape (s, d)
        A uniform sample of vectors at unit length; the first 4,000 rows are used.

    Returns
    -------
    Measure
        Null: the uniform law in this dimension.
    """
    X = X[:LARGEST_SAMPLE]
    n = len(X)
    null = sphere(X.shape[1])
    if n < 10:
        return Measure.missing(f"{n} vectors are too few", n=n, null=null)
    # All is computed of the difference to one value near the mean, so that float32 loses nothing of the spread.
    near = float(np.float32(_kernel(X[:1], X[1:]).mean()))
    blocks = _pairs(X, near)
    sums, squares = np.zeros(n), 0.0
    for start, pairs in blocks.items():
        sums[start : start + len(pairs)] += pairs.sum(axis=1)
        sums[start:] += np.ones(len(pairs), dtype=np.float32) @ pairs
        squares += 2 * float(np.einsum("ij,ij->i", pairs, pairs).sum(dtype=np.float64))
    above = sums / (n - 1)
    excess = float(above.mean())
    mean = near + excess
    zeta, tau = pair_components(above, max(squares / (n * (n - 1)) - excess**2, 0.0))
    # How far ζ moves with the mean, from what each row adds to the one and to the other.
    linear = above - excess
    square = float(linear @ linear)
    if square == 0:
        return Measure(math.log(mean), math.log(mean), math.log(mean), null, n)
    few = linear.astype(np.float32)
    moved = sum(float(linear[start : start + len(pairs)] @ (pairs @ few[start:])) for start, pairs in blocks.items())
    # The entries of `linear` add up to 0: those of the others to minus its own.
    slope = (2 * (2 * moved - near * square) / (n - 1) + float(np.sum(linear**3))) / (2 * square)
    low, high = pair_mean_interval(mean, zeta=zeta, slope=slope, tau=tau, n=n)
    return within(Measure(math.log(mean), math.log(max(low, math.exp(-8))), math.log(high), null, n), -8.0, 0.0)


def _pairs(X: Float32, near: float) -> dict[int, Float32]:
    """Return exp(−2‖x̂ − ŷ‖²) − near of each pair once: by first row, a block of rows with themselves and later rows.

    Pairs of a row with itself, and those of a block that stand there twice, are 0. In float32 and once, it takes a
    quarter of the time of float64 and twice, and 32 MB for 4,000 rows.
    """
    blocks = {}
    for start in range(0, len(X), _BLOCK):
        pairs = _kernel(X[start : start + _BLOCK], X[start:])
        pairs -= np.float32(near)
        size = len(pairs)
        pairs[:, :size] = np.triu(pairs[:, :size], 1)
        blocks[start] = pairs
    return blocks


def _kernel(X: Float32, Y: Float32) -> Float32:
    """Return exp(−2‖x̂ − ŷ‖²) = exp(4(x̂·ŷ − 1)) of all pairs, within 1e-6 of itself."""
    kernel: Float32 = X @ Y.T
    kernel -= 1
    kernel *= 4
    return np.exp(kernel, out=kernel)


def cross_uniformity(Q: Float32, X: Float32) -> Measure:
    """Log of the mean of exp(−2‖q̂ − x̂‖²) over pairs of one query and one document, both sampled.

    Scale and null as `uniformity`; higher than both of the single ones when queries and documents
    occupy the same region, lower when they do not. Interval: two-sample U-statistic.
    """
    Q, X = Q[:LARGEST_SAMPLE], X[:LARGEST_SAMPLE]
    null = sphere(X.shape[1])
    m, n = len(Q), len(X)
    if min(m, n) < 10:
        return Measure.missing(f"{min(m, n)} vectors are too few", n=min(m, n), null=null)
    rows, columns = np.empty(m), np.zeros(n)
    for start in range(0, m, _BLOCK):
        block = slice(start, start + _BLOCK)
        kernel = _kernel(Q[block], X)
        rows[block] = kernel.mean(axis=1)
        columns += np.ones(len(kernel), dtype=np.float32) @ kernel
    columns /= m
    mean = float(rows.mean())
    variance = float(rows.var(ddof=1)) / m + float(columns.var(ddof=1)) / n
    return within(normal(math.log(mean), variance / mean**2, n=min(m, n), null=null), -8.0, 0.0)


def alignment(Q: Float32, positives: Float32) -> Measure:
    """Mean squared distance of labelled pairs at unit length: mean ‖q̂ − d̂⁺‖², 0 (equal) to 4 (opposite).

    Source: Wang & Isola 2020, arXiv:2005.10242. The null is that of unrelated directions, 2.

    Parameters
    ----------
    Q, positives : ndarray, shape (pairs, d)
        Unit vectors; row i of `positives` is relevant to row i of Q.
    """
    distances = ((Q.astype(np.float64) - positives) ** 2).sum(axis=1)
    return within(mean_interval(distances, null=2.0), 0.0, 4.0)
