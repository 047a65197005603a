"""How many dimensions the vectors use: the eigenvalues of their covariance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ragdiag.geometry import isotropic
from ragdiag.geometry.intervals import log_normal, normal, pair_components, pair_mean_interval, within
from ragdiag.statistics.moments import Moments
from ragdiag.types import Float64, Measure

FEWEST_PER_DIMENSION = 2  # below n = 2d single eigenvalues are noise
_PAIRED = 1000  # rows whose pairs give a second-order variance: half a million pairs


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of a covariance, with what is needed for the intervals of their functions.

    Attributes
    ----------
    n, dim : int
        Vectors behind the covariance, and its dimension.
    eigenvalues : ndarray, shape (d,)
        Largest first.
    trace, trace_of_square : float
        tr Σ and the unbiased tr Σ² (`Moments.trace_of_square`).
    basis : ndarray, shape (d, d)
        Eigenvectors, one per column.
    mean : ndarray, shape (d,)
        The mean in the eigenbasis.
    squares : ndarray, shape (s, d)
        Squared coordinates of s sampled rows in the eigenbasis, centred: row means are eigenvalues.
    pair_noise : float
        τ/(tr Σ²)² of the squared products (x·y)² of pairs, see `pair_components`; 2 when they are normal.
    """

    n: int
    dim: int
    eigenvalues: Float64
    trace: float
    trace_of_square: float
    basis: Float64
    mean: Float64
    squares: Float64
    pair_noise: float = 2.0

    @classmethod
    def of(cls, moments: Moments, rows: Float64) -> Spectrum:
        """Decompose; `rows`, shape (s, d), are a uniform sample of the vectors behind `moments`."""
        S = moments.covariance
        if np.trace(S) * moments.n <= 1e-10 * np.trace(moments.gram):  # the rounding of equal vectors
            S = np.zeros_like(S)
        values, vectors = np.linalg.eigh(S)
        values, vectors = values[::-1].clip(min=0.0), vectors[:, ::-1]
        projected = (rows - moments.mean) @ vectors
        return cls(
            n=moments.n,
            dim=moments.dim,
            eigenvalues=values,
            trace=float(np.trace(S)),
            trace_of_square=moments.trace_of_square() if S.any() else 0.0,
            basis=vectors,
            mean=moments.mean @ vectors,
            squares=projected**2,
            pair_noise=_pair_noise(projected[:_PAIRED]),
        )

    @property
    def refusal(self) -> str:
        """Why single eigenvalues mean nothing here; "" when they do."""
        if self.n < FEWEST_PER_DIMENSION * self.dim:
            return f"n = {self.n:,} < {FEWEST_PER_DIMENSION}·d = {FEWEST_PER_DIMENSION * self.dim:,}"
        return "" if self.trace > 0 else "all vectors are equal"

    def variance_of(self, gradient: Float64) -> float:
        """Return the delta-method variance of a function of the eigenvalues, given its gradient.

        To first order an eigenvalue moves by the change of variance along its own eigenvector.
        """
        influence = self.squares @ gradient
        return float(influence.var(ddof=1)) / self.n if len(influence) > 1 else math.nan


def _pair_noise(rows: Float64) -> float:
    """Return `Spectrum.pair_noise` from centred rows."""
    s = len(rows)
    products = (rows @ rows.T) ** 2
    np.fill_diagonal(products, 0.0)
    mean = float(products.sum()) / max(s * (s - 1), 1)
    if s < 10 or mean <= 0:
        return 2.0
    variance = float(np.sum(products**2)) / (s * (s - 1)) - mean**2
    return pair_components(products.sum(axis=1) / (s - 1), max(variance, 0.0))[1] / mean**2


def participation_ratio(spectrum: Spectrum) -> Measure:
    """Number of equally strong dimensions that would spread as much: (tr Σ)²/tr Σ².

    From 1 (a line) to d (isotropic). The plug-in reads nd/(n+d) on an isotropic space; here tr Σ² is
    unbiased, the closed form of the average over all splits into disjoint parts. Interval: delta method
    with the second-order term, on the log scale. Undefined below ten vectors and where all are equal.
    Source: Rudman et al. 2022, arXiv:2108.07344, in which IsoScore = (PR − 1)/(d − 1).

    Returns
    -------
    Measure
        Null d.

    Examples
    --------
    >>> X = np.random.default_rng(2).standard_normal((384, 768)).astype(np.float32)
    >>> round(participation_ratio(Spectrum.of(Moments.of(X), X)).value / 768, 2)
    1.0
    """
    n, d = spectrum.n, spectrum.dim
    if n < 10 or spectrum.trace <= 0 or not spectrum.trace_of_square > 0:
        why = f"{n} vectors are too few" if n < 10 else "all vectors are equal"
        return Measure.missing(why, n=n, null=float(d))
    value = spectrum.trace**2 / spectrum.trace_of_square
    # What each row adds to log PR; its product with itself belongs to no pair and is taken out.
    lengths = spectrum.squares.sum(axis=1)
    with_others = spectrum.squares @ spectrum.eigenvalues - lengths**2 / (n - 1)
    influence = 2 * lengths / spectrum.trace - 2 * with_others / spectrum.trace_of_square
    spread = float(influence.var(ddof=1)) if len(influence) > 1 else math.nan
    # tr Σ² is a mean over pairs with second-order variance 2τ/n². The same sample gives Σ and the rows, so
    # that the first-order term of 4ζ/n holds 4τ/n² already.
    tau = spectrum.pair_noise
    zeta = spread / 4 - tau / n
    # Both parts come from how unequal the sample's eigenvalues are beyond the law's: an estimate too low by
    # the whole of that (the bias of the plug-in) has a ζ too large by τ/n.
    bias = float(spectrum.eigenvalues @ spectrum.eigenvalues) / spectrum.trace_of_square - 1
    slope = -tau / (n * bias) if bias > 0 else 0.0
    low, high = pair_mean_interval(math.log(value), zeta=zeta, slope=slope, tau=tau, n=n)
    # The estimate is unbiased and can pass d, which no law can.
    return within(Measure(value, math.exp(low), math.exp(high), float(d), n), 1.0, float(d))


def isoscore(spectrum: Spectrum) -> Measure:
    """IsoScore of the spectrum, (PR − 1)/(d − 1).

    0 for a line, (k − 1)/(d − 1) for k equal dimensions, 1 isotropic. It ignores the mean: a cone can be
    isotropic around its axis.
    Source: Rudman et al. 2022, arXiv:2108.07344. Undefined as `participation_ratio`, and for d = 1.
    """
    pr = participation_ratio(spectrum)
    if spectrum.dim < 2:
        return Measure.missing("one dimension", n=spectrum.n)
    if pr.value is None or pr.low is None or pr.high is None:
        return Measure.missing(pr.undefined, n=pr.n, null=1.0)
    scale = spectrum.dim - 1
    return Measure((pr.value - 1) / scale, (pr.low - 1) / scale, (pr.high - 1) / scale, 1.0, pr.n)


def top_share(spectrum: Spectrum) -> Measure:
    """Share of the variance on the first principal component: λ₁/Σλ, from 1/d to 1.

    Null: the upper edge of the Marchenko–Pastur law, (1 + √(d/n))²/d, which an isotropic sample reaches.
    Undefined below n = 2d.
    """
    n, d = spectrum.n, spectrum.dim
    null = (1 + math.sqrt(d / n)) ** 2 / d if n else None
    if spectrum.refusal:
        return Measure.missing(spectrum.refusal, n=n, null=null)
    share = float(spectrum.eigenvalues[0]) / spectrum.trace
    gradient = np.full(d, -share / spectrum.trace)
    gradient[0] += 1 / spectrum.trace
    return within(normal(share, spectrum.variance_of(gradient), n=n, null=null), 1 / d, 1.0)


def effective_rank(spectrum: Spectrum) -> Measure:
    """Exp of the entropy of the normalised eigenvalues λ (not of the singular values: RankMe differs).

    From 1 to d. Eigenvalues are shrunk towards their mean by the oracle-approximating rule, which takes off
    part of the downward bias: an isotropic space reads
    21 % low at n = 2d, 9 % at 5d, 5 % at 10d. Undefined below n = 2d.
    Source: Roy & Vetterli 2007; shrinkage: Chen et al. 2010, doi:10.1109/TSP.2010.2053029.

    Returns
    -------
    Measure
        Null: isotropic vectors of the same n and d, by simulation.
    """
    n, d = spectrum.n, spectrum.dim
    if spectrum.refusal:
        return Measure.missing(spectrum.refusal, n=n)
    null = float(np.mean([math.exp(_entropy(_oas(values, n))[0]) for values in isotropic.eigenvalues(n, d)]))
    shrunk = _oas(spectrum.eigenvalues, n)
    entropy, p_log = _entropy(shrunk)
    gradient = -(p_log + entropy) / shrunk.sum()
    measure = log_normal(math.exp(entropy), spectrum.variance_of(gradient), n=n, null=null)
    return within(measure, 1.0, float(d))


def _entropy(values: Float64) -> tuple[float, Float64]:
    """Return the entropy of shares, and their logarithms (0 for a share of 0)."""
    p = values / values.sum()
    p_log = np.log(p, out=np.zeros_like(p), where=p > 0)
    return -float(p @ p_log), p_log


def _oas(values: Float64, n: int) -> Float64:
    """Shrink eigenvalues towards their mean (the oracle-approximating coefficient)."""
    d = len(values)
    mean, mean_square = float(values.mean()), float(values @ values) / d
    denominator = (n + 1) * (mean_square - mean**2 / d)
    weight = 1.0 if denominator <= 0 else min(1.0, (mean_square + mean**2) / denominator)
    return (1 - weight) * values + weight * mean


def alpha_req(spectrum: Spectrum) -> Measure:
    """Decay exponent of the spectrum: minus the slope of log λᵢ on log i for i = 10 … min(100, d/2).

    About 1 for many trained embeddings, near 0 for an isotropic space, above 1 when few dimensions carry all.
    Null: isotropic vectors of the same n and d, by simulation; sampling alone makes eigenvalues decay.
    Undefined below n = 2d, for d < 40, and where an eigenvalue in range is 0.
    Source: Agrawal et al. 2022, α-ReQ, NeurIPS.
    """
    n, d = spectrum.n, spectrum.dim
    last = min(100, d // 2)
    if spectrum.refusal or d < 40:
        return Measure.missing(spectrum.refusal or f"d = {d} < 40", n=n)
    lam = spectrum.eigenvalues[9:last]
    if lam[-1] <= spectrum.trace * 1e-12:
        return Measure.missing(f"fewer than {last} live dimensions", n=n)
    x = np.log(np.arange(10, last + 1))
    weights = (x - x.mean()) / float(np.sum((x - x.mean()) ** 2))
    gradient = np.zeros(d)
    gradient[9:last] = -weights / lam
    null = -float(np.mean([weights @ np.log(values[9:last]) for values in isotropic.eigenvalues(n, d)]))
    return normal(-float(weights @ np.log(lam)), spectrum.variance_of(gradient), n=n, null=null)


def w2_uniformity(unit: Moments, spectrum: Spectrum) -> Measure:
    """Wasserstein distance of unit vectors, taken as normal, to the uniform law on the sphere.

    √(‖μ‖² + 1 + tr Σ − (2/√d)·tr Σ^½): 0 for uniform, √(2 − 2√(k/d)) when k of d dimensions are live,
    √2 for a point. Duplicates do not change it. Undefined below n = 2d.
    Source: Fang et al. 2024, arXiv:2403.00642.

    Parameters
    ----------
    unit : Moments
        Of vectors at unit length.
    spectrum : Spectrum
        Of the same moments.

    Returns
    -------
    Measure
        Null: uniform directions of the same n and d, by simulation; a sample of them does not read 0.
    """
    n, d = spectrum.n, spectrum.dim
    if spectrum.refusal:
        return Measure.missing(spectrum.refusal, n=n)
    # Their mean has the length 1/√n, their covariance the trace 1.
    sums_of_roots = np.array([np.sqrt(values).sum() for values in isotropic.eigenvalues(n, d)])
    nulls = np.sqrt(np.maximum(1 / n + 2 - 2 / math.sqrt(d) * sums_of_roots, 0.0))
    null = float(nulls.mean())
    roots = np.sqrt(spectrum.eigenvalues)
    mu = unit.mean
    square = float(mu @ mu) + 1 + spectrum.trace - 2 / math.sqrt(d) * float(roots.sum())
    value = math.sqrt(max(square, 0.0))
    if value == 0:
        return Measure.counted(0.0, n=n, null=null)
    # For unit vectors ‖μ‖² + tr Σ = 1 whatever the sample, so that only the roots vary.
    live = spectrum.eigenvalues > spectrum.trace * 1e-9
    gradient = np.where(live, -1 / (math.sqrt(d) * np.where(live, roots, 1.0)), 0.0) / (2 * value)
    # To first order a flat spectrum hardly varies; the second order is that of isotropic samples.
    variance = spectrum.variance_of(gradient) + float(nulls.var(ddof=1))
    return within(normal(value, variance, n=n, null=null), 0.0, math.sqrt(2))
