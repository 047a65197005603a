"""Upper bounds of inner products that cost less than the products: no neighbour is lost by them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ragdiag.types import Float32, Float64
from ragdiag.vectors import quick_norms, row_norms

UNIT_ROUNDOFF = 2.0**-24  # of float32
UNDERFLOW = 2.0**-125  # what one product and one sum below the range of float32 can lose
_FLOOR = 2.0**-112  # more than what products below the range of float32 lose, per unit of a rest of a query


@dataclass(frozen=True)
class Whole:
    """Bounds by all p coordinates: q·v ≤ fl(q·v) + r_q r_v, where the rests are a proven share of the lengths.

    A float32 product of p + 1 terms, summed in whatever order, is off by at most γ‖q‖‖v‖, γ = (p + 4)u/(1 − (p + 4)u),
    u = 2⁻²⁴. With r = √s‖·‖ and s = 1.05γ ≥ γ(1 + s), r_q r_v = s‖q‖‖v‖ is no less than that, the error of adding
    the rests included.

    Parameters
    ----------
    dim : int
        p, of the mapped vectors.
    """

    dim: int

    def lower(self, X: Float32, norms: Float64) -> tuple[Float32, Float64]:
        """Return what is multiplied of vectors, shape (n, p), of lengths `norms`; and their rests, shape (n,)."""
        return X, norms * math.sqrt(1.05 * lost(self.dim + 4)) + self.dim * _FLOOR * (norms > 0)


@dataclass(frozen=True)
class Prefix:
    """Bounds by r < p coordinates in another basis B, with Cauchy and Schwarz on the rest; p/r times fewer products.

    With P the projection on the columns of B, q·v = Pq·Pv + (q − Pq)·(v − Pv) ≤ Pq·Pv + σρ, where
    σ² = ‖q‖² − ‖Pq‖² and ρ² = ‖v‖² − ‖Pv‖². B is a float32 matrix and so not quite orthonormal: with
    E = BᵀB − I, measured in float64, ε = ‖E‖ (Frobenius) and β = √(1 + ε),

    - coordinates y = fl(Bᵀv) differ from Bᵀv by at most η‖v‖, η = γ_p √r β, and z of q likewise;
    - Pq·Pv = (Bᵀq)ᵀ(I + E)⁻¹Bᵀv differs from z·y by at most (ε/(1 − ε) β² + η(2β + η))‖q‖‖v‖;
    - ρ² ≤ ‖v‖² − (‖y‖ − η‖v‖)²/(1 + ε), where the bracket is positive;
    - the float32 product of r + 1 terms is off by at most γ_{r+4}((β + η)² + 1.1)‖q‖‖v‖.

    s is the sum of the factors of ‖q‖‖v‖. Rests √(ρ² + s‖v‖²) and √(σ² + s‖q‖²) have, by Cauchy and Schwarz, a
    product of at least σρ + s‖q‖‖v‖, and so z·y + r_q r_v, as computed, is never below q·v.

    Parameters
    ----------
    basis : ndarray of float32, shape (p, r)
        Columns orthonormal but for rounding.
    """

    basis: Float32
    slant: float

    @classmethod
    def of(cls, basis: Float32) -> Prefix:
        """Measure how far `basis` is from orthonormal."""
        exact = basis.astype(np.float64)
        slant = float(np.linalg.norm(exact.T @ exact - np.eye(basis.shape[1])))
        return cls(basis, 1.01 * slant + 1e-12)

    def lower(self, X: Float32, norms: Float64) -> tuple[Float32, Float64]:
        """Return the coordinates of vectors, shape (n, p), of lengths `norms`, shape (n, r); and their rests."""
        dim, r = self.basis.shape
        eps, beta = self.slant, math.sqrt(1 + self.slant)
        eta = lost(dim) * math.sqrt(r) * beta
        y = X @ self.basis
        inside = np.maximum(row_norms(y) - eta * norms, 0.0)
        left = np.maximum(norms**2 * (1 + 1e-12) - inside**2 / (1 + eps), 0.0)
        s = eps / (1 - eps) * beta**2 + eta * (2 * beta + eta) + lost(r + 4) * ((beta + eta) ** 2 + 1.1)
        rest: Float64 = np.sqrt(left + 1.01 * s * norms**2) + dim * math.sqrt(r) * _FLOOR * (norms > 0)
        return y, rest


def long_enough(X: Float32) -> Float64:
    """Return lengths that are at least those of the rows, shape (n,), and hardly more."""
    # A sum of squares, none of them negative, is off by a share γ in whatever order; its root by less.
    lengths: Float64 = quick_norms(X) * (1 + lost(X.shape[1] + 4))
    return lengths


def lost(terms: int) -> float:
    """Return γ: what a float32 sum of so many products may lose, as a share of the product of the lengths."""
    return terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)


def product_error(X: Float32) -> Float64:
    """Return what a float32 inner product with each row may be off by, per unit of query length, shape (n,)."""
    error: Float64 = row_norms(X) * lost(X.shape[1] + 4) + X.shape[1] * UNDERFLOW
    return error


def below(limit: Float64) -> Float32:
    """Return limits in float32, below the given ones by more than scores are rounded by."""
    low = limit.astype(np.float32)
    for _ in range(2):
        low = np.nextafter(low, np.float32(-np.inf))
    return np.maximum(low, np.finfo(np.float32).min)
