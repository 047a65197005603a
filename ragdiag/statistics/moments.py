"""First to fourth moments of vectors, exact, in one pass, mergeable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ragdiag.engine.base import Block
from ragdiag.types import Float32, Float64


@dataclass(frozen=True)
class Moments:
    """Sums over n vectors, all in float64, so that two of them add up to that of the union.

    Attributes
    ----------
    n : int
    sum : ndarray, shape (d,)
        Σx.
    gram : ndarray, shape (d, d)
        Σxxᵀ.
    cubic : ndarray, shape (d,)
        Σ‖x‖²x.
    quartic : float
        Σ‖x‖⁴. With `cubic` it gives the unbiased estimate of tr Σ² without a second pass.

    Examples
    --------
    >>> a = Moments.of(np.float32([[1, 0], [0, 1]]))
    >>> b = Moments.of(np.float32([[2, 2]]))
    >>> (a + b).mean.tolist()
    [1.0, 1.0]
    >>> (a + b).covariance.tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """

    n: int
    sum: Float64
    gram: Float64
    cubic: Float64
    quartic: float

    @classmethod
    def empty(cls, dim: int) -> Moments:
        """Return the moments of no vectors."""
        return cls(0, np.zeros(dim), np.zeros((dim, dim)), np.zeros(dim), 0.0)

    @classmethod
    def of(cls, X: Float32 | Float64) -> Moments:
        """Return the moments of the rows of X, shape (n, d)."""
        X64 = X.astype(np.float64)
        squares = np.einsum("ij,ij->i", X64, X64)
        return cls(len(X64), X64.sum(axis=0), X64.T @ X64, squares @ X64, float(squares @ squares))

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.n + other.n,
            self.sum + other.sum,
            self.gram + other.gram,
            self.cubic + other.cubic,
            self.quartic + other.quartic,
        )

    @property
    def dim(self) -> int:
        """The dimension d."""
        return len(self.sum)

    @property
    def mean(self) -> Float64:
        """The mean vector, shape (d,)."""
        return self.sum / max(self.n, 1)

    @property
    def covariance(self) -> Float64:
        """The unbiased covariance, shape (d, d); zero for fewer than two vectors."""
        mean = self.mean
        centred: Float64 = (self.gram - self.n * np.outer(mean, mean)) / max(self.n - 1, 1)
        return (centred + centred.T) / 2

    @property
    def centred_quartic(self) -> float:
        """Σ‖x − mean‖⁴."""
        mu = self.mean
        mu2 = float(mu @ mu)
        total = (
            self.quartic
            + 4 * float(mu @ self.gram @ mu)
            + self.n * mu2**2
            - 4 * float(mu @ self.cubic)
            + 2 * mu2 * float(np.trace(self.gram))
            - 4 * mu2 * float(mu @ self.sum)
        )
        return max(total, 0.0)

    def trace_of_square(self) -> float:
        """Return the unbiased estimate of tr Σ².

        The plug-in tr S² is too large by about (tr Σ)²/n: at n = d it is twice the truth. This is the
        closed form of the average of tr(S_A S_B) over all splits of the sample into disjoint parts
        (Himeno & Yamada 2014, Journal of Multivariate Analysis 130:27). NaN below four vectors.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((400, 400)).astype(np.float32)
        >>> plug_in = float(np.sum(Moments.of(X).covariance ** 2))
        >>> round(plug_in / 400, 1), round(Moments.of(X).trace_of_square() / 400, 1)
        (2.0, 1.0)
        """
        n = self.n
        if n < 4:
            return float("nan")
        S = self.covariance
        trace = float(np.trace(S))
        square = float(np.sum(S * S))
        q = self.centred_quartic / (n - 1)
        return (n - 1) / (n * (n - 2) * (n - 3)) * ((n - 1) * (n - 2) * square + trace**2 - n * q)


@dataclass(frozen=True)
class DocumentMoments:
    """Moments of the documents as stored and of their directions.

    Attributes
    ----------
    raw : Moments
        Of the finite vectors.
    unit : Moments
        Of the finite non-zero vectors at unit length.
    """

    raw: Moments
    unit: Moments


class MomentsStep:
    """Accumulates `DocumentMoments` batch by batch.

    The Gram matrix is the cost. As long as every vector seen has unit length, one serves both.
    """

    def __init__(self, dim: int) -> None:
        self._unit = Moments.empty(dim)
        self._raw: Moments | None = None

    def step(self, block: Block) -> None:
        """Take in one block; unusable vectors are left out."""
        self.add(block.batch.vectors[block.usable], block.norms[block.usable])

    def add(self, vectors: Float32, norms: Float64) -> None:
        """Add finite rows, shape (b, d), with their lengths, shape (b,)."""
        if self._raw is None and np.any(np.abs(norms - 1) > 1e-5):
            self._raw = self._unit
        live = norms > 0
        directions = vectors[live].astype(np.float64) / norms[live, None]
        self._unit += Moments.of(directions)
        if self._raw is not None:
            self._raw += Moments.of(vectors)

    def result(self) -> DocumentMoments:
        """Return the moments so far."""
        return DocumentMoments(raw=self._raw or self._unit, unit=self._unit)
