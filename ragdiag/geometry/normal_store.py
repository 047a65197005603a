"""Stores drawn from a normal law with the mean and the spectrum of a real one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ragdiag.geometry.spectrum import Spectrum
from ragdiag.statistics.moments import Moments
from ragdiag.types import Float32, Float64
from ragdiag.vectors import unit

_BLOCK = 1 << 21  # numbers drawn at once: 8 MB
_PILOT = 2000


@dataclass(frozen=True)
class NormalLaw:
    """A normal law of directions, in the eigenbasis of the vectors that it was fitted to.

    Directions are normal vectors at unit length. What that step does to the cosine to the mean is undone, since
    documents near the mean are what makes the hubs of a cone.

    Attributes
    ----------
    scale : ndarray of float32, shape (d,)
        Standard deviations.
    mean : ndarray of float32, shape (d,)
    axis : ndarray of float32, shape (d,)
        Direction of the mean.
    basis : ndarray of float64, shape (d, d)
        Eigenvectors, one per column.
    centre, stretch, start : float
        The cosine to the axis is moved from around `start` to around `centre`, and stretched; unless 0.
    """

    scale: Float32
    mean: Float32
    axis: Float32
    basis: Float64
    centre: float = 0.0
    stretch: float = 0.0
    start: float = 0.0

    @classmethod
    def of(cls, X: Float32, spectrum: Spectrum, rng: np.random.Generator) -> NormalLaw:
        """Fit the law to unit vectors X, shape (s, d), and their spectrum (which may rest on more of them).

        Mean and spectrum are freed from sampling error. A sample spreads eigenvalues: they are shrunk towards their
        mean until their sum of squares is the unbiased tr Σ². A sample has a mean of length √(tr Σ/n) even where
        the law has none: the mean is shortened by that.
        """
        values, trace, d = spectrum.eigenvalues, spectrum.trace, spectrum.dim
        even = trace**2 / d
        spread = float(values @ values) - even
        weight = math.sqrt(min(max((spectrum.trace_of_square - even) / spread, 0.0), 1.0)) if spread > 0 else 0.0
        shrunk = weight * values + (1 - weight) * trace / d
        # A normal vector brought to length 1 has less variance where there is much: λ(1 − 2λ) to first order.
        before = shrunk / (1 - 2 * np.minimum(shrunk, 0.3))
        scale = np.sqrt(before * (trace / max(float(before.sum()), 1e-12))).astype(np.float32)
        length = float(np.linalg.norm(spectrum.mean))
        true_length = math.sqrt(max(length**2 - trace / spectrum.n, 0.0))
        axis = (spectrum.mean / max(length, 1e-12)).astype(np.float32)
        plain = cls(scale, axis * np.float32(true_length), axis, spectrum.basis)
        if true_length == 0:
            return plain
        drawn, there = plain.draw(_PILOT, rng) @ axis, X @ (spectrum.basis @ axis).astype(np.float32)
        stretch = _upper_spread(there) / max(_upper_spread(drawn), 1e-9)
        return replace(plain, centre=float(np.median(there)), stretch=stretch, start=float(np.median(drawn)))

    def draw(self, n: int, rng: np.random.Generator) -> Float32:
        """Return n documents at unit length, shape (n, d)."""
        X = rng.standard_normal((n, len(self.scale)), dtype=np.float32)
        X *= self.scale
        X += self.mean
        X = unit(X)
        if self.stretch == 0:
            return X
        before = X @ self.axis
        after = np.clip(self.centre + (before - self.start) * np.float32(self.stretch), -0.999, 0.999)
        X -= before[:, None] * self.axis
        X *= np.sqrt((1 - after**2) / np.maximum(1 - before**2, 1e-6))[:, None]
        X += after[:, None] * self.axis
        return X


def _upper_spread(cosines: Float32) -> float:
    """Return the standard deviation as the upper half tells it: hubs are there, outliers far below."""
    middle, high = np.quantile(cosines.astype(np.float64), [0.5, 0.975])
    return float(high - middle)


@dataclass(frozen=True)
class NormalStore:
    """One normal law, or one for each of several populations.

    Attributes
    ----------
    laws : list of NormalLaw
    shares : list of float
        Of the documents; they add up to 1.
    """

    laws: list[NormalLaw]
    shares: list[float]

    @classmethod
    def of(
        cls, X: Float32, spectrum: Spectrum, minor: NDArray[np.bool_] | None, rng: np.random.Generator
    ) -> NormalStore:
        """Fit one law to all unit vectors X, shape (s, d); or one to `minor`, shape (s,), and one to the others."""
        if minor is None:
            return cls([NormalLaw.of(X, spectrum, rng)], [1.0])
        laws = []
        for rows in (X[~minor], X[minor]):
            own = Spectrum.of(Moments.of(rows), rows.astype(np.float64))
            law = NormalLaw.of(rows, own, rng)
            laws.append(law)
        share = float(minor.mean())
        return cls(laws, [1 - share, share])

    def centred(self, queries: Float32) -> Float32:
        """Return queries, shape (m, d), with the mean of the documents, at unit length and as `draw` gives them."""
        spread = queries.astype(np.float64) - queries.mean(axis=0, dtype=np.float64)
        turned = spread @ self.laws[0].basis
        for law, share in zip(self.laws, self.shares, strict=True):
            turned += share * self._turned(law, law.mean)
        return unit(turned.astype(np.float32))

    def _turned(self, law: NormalLaw, X: Float32) -> Float32:
        """Bring rows from the eigenbasis of a law to that of the first."""
        if law is self.laws[0]:
            return X
        return X @ (law.basis.T @ self.laws[0].basis).astype(np.float32)

    def blocks(self, n: int, rng: np.random.Generator) -> Iterator[Float32]:
        """Yield n documents at unit length, in blocks of bounded size in which the laws are mixed."""
        most = max(_BLOCK // len(self.laws[0].scale), 1)
        for start in range(0, n, most):
            rows = min(most, n - start)
            which = rng.choice(len(self.laws), size=rows, p=self.shares) if len(self.laws) > 1 else np.zeros(rows)
            X = np.empty((rows, len(self.laws[0].scale)), dtype=np.float32)
            for i, law in enumerate(self.laws):
                X[which == i] = self._turned(law, law.draw(int(np.sum(which == i)), rng))
            yield X
