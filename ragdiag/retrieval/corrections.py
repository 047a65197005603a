"""How the maps of a similarity differ from a scale: a correction to a product that several similarities share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragdiag.engine.products import rounded_up
from ragdiag.similarities.affine import Affine, few_directions
from ragdiag.statistics.bounds import UNDERFLOW, UNIT_ROUNDOFF
from ragdiag.statistics.neighbors import NeighborSearch
from ragdiag.types import Float32, Float64, Similarity
from ragdiag.vectors import row_norms

ROWS = 256  # documents fitted at once, so that they stay in the cache
_ONE = np.float32(2.0**-20)  # a scale as near to 1 is 1: what that is wrong by is measured with the rest
_SQUARES = 2.0**-63  # a coordinate below it has no square in float32


@dataclass(frozen=True)
class Fit:
    """β, [v, y] and the bound of ‖ρ‖ of mapped documents."""

    scale: Float32
    along: Float32
    rest: Float64


@dataclass(frozen=True)
class Correction:
    """a and [BᵀU, x, ‖U‖]/a of scaled mapped queries U, and the largest of each factor of the error, for ‖U‖ = 1.

    A corrected product is at most `reach` times ‖β d⊥‖ + ‖[v, y, error]‖.
    """

    scale: Float32
    along: Float32
    across_most: float
    along_most: float
    scale_most: float
    slant_most: float
    rest_most: float
    reach: float

    def error(self, fit: Fit, lengths: Float64, slant: Float64, dim: int) -> Float64:
        """Return the error of the corrected product for each document, shape (n,), per unit of query length."""
        p = dim + self.along.shape[1] + 8
        gamma = p * UNIT_ROUNDOFF / (1 - p * UNIT_ROUNDOFF)
        scale = np.abs(fit.scale.astype(np.float64))
        rounding = self.across_most * scale * lengths + self.along_most * row_norms(fit.along)
        underflow = 2 * p * UNDERFLOW * (1 + self.scale_most) * (1 + scale)
        # A thousandth more than measured: for what measuring it was off by.
        measured = 1.001 * scale * (self.slant_most * slant + self.rest_most * lengths)
        total: Float64 = gamma * rounding + measured + fit.rest + underflow
        return total


def correction_of(search: NeighborSearch, queries: Float32, basis: Float32) -> Correction | None:
    """Return how the mapped queries of `search` differ from `queries`; None when in more than `basis` and a scale."""
    mapped = search.scaled.astype(np.float64)
    d = queries.shape[1]
    if mapped.shape[1] < d:
        return None
    norms = np.linalg.norm(mapped, axis=1)
    norms = np.where(norms == 0, 1.0, norms)
    q, inside = queries.astype(np.float64), mapped[:, :d]
    square = np.einsum("ij,ij->i", q, q)
    w = inside @ basis
    left = inside - w @ basis.T
    a = (np.einsum("ij,ij->i", left, q) / np.where(square == 0, 1.0, square)).astype(np.float32)
    rest = np.linalg.norm(left - a[:, None].astype(np.float64) * q, axis=1)
    along = np.concatenate([w, mapped[:, d:]], axis=1).astype(np.float32)
    error = _most(rest, norms)
    if not error <= 64 * UNIT_ROUNDOFF:
        return None
    a[square == 0] = 1
    if not (a > 0).all():
        return None
    with np.errstate(over="ignore"):
        beside = np.concatenate([along, rounded_up(norms)[:, None]], axis=1) / a[:, None]
    if not np.isfinite(beside).all():
        return None
    return Correction(
        a,
        beside,
        across_most=_most(np.abs(a) * np.sqrt(square), norms),
        along_most=_most(row_norms(along), norms),
        scale_most=_most(np.abs(a), norms),
        slant_most=_most(np.linalg.norm(w, axis=1), norms),
        rest_most=error + UNIT_ROUNDOFF / 16,
        reach=float((np.sqrt(square) + row_norms(beside)).max(initial=0.0)),
    )


def _most(values: Float64, norms: Float64) -> float:
    return float((values / norms).max(initial=0.0))


def fitted(documents: Float32, across: Float32, basis: Float32, lengths: Float64) -> Fit:
    """Fit mapped documents by `across` and `basis`, and bound what is left, its own rounding included."""
    n, d = across.shape
    r = basis.shape[1]
    scale, rest = np.zeros(n, dtype=np.float32), np.full(n, np.inf)
    along = np.zeros((n, r + max(documents.shape[1] - d, 0)), dtype=np.float32)
    if documents.shape[1] < d:
        return Fit(scale, along, rest)
    along[:, r:] = documents[:, d:]
    square = lengths**2
    for start in range(0, n, ROWS):
        rows = slice(start, start + ROWS)
        inside, straight = documents[rows, :d], across[rows]
        along[rows, :r] = inside @ basis
        left = inside - along[rows, :r] @ basis.T
        size = np.sqrt(np.einsum("ij,ij->i", left, left))
        products = np.einsum("ij,ij->i", left, straight)
        scale[rows] = np.where(square[rows] == 0, 0.0, products / np.where(square[rows] == 0, 1.0, square[rows]))
        scale[rows][np.abs(scale[rows] - 1) < _ONE] = 1
        left -= straight * scale[rows, None]
        rest[rows] = 1.001 * np.sqrt(np.einsum("ij,ij->i", left, left))
        # What float32 lost in B v, in β d⊥ and in the differences; the columns of B have length one, nearly.
        parts = np.abs(scale[rows]) * lengths[rows] + np.sqrt(r) * np.linalg.norm(along[rows, :r], axis=1)
        rest[rows] += 1.01 * (r + 4) * UNIT_ROUNDOFF * (parts + size) + 2 * np.sqrt(d) * _SQUARES
    return Fit(scale, along, rest)


def basis_of(directions: Sequence[Float64], dim: int) -> Float64:
    """Return an orthonormal basis of all directions, shape (dim, r)."""
    rows = np.concatenate([np.zeros((0, dim)), *directions])
    lengths = np.linalg.norm(rows, axis=1)
    rows = rows[lengths > 0] / lengths[lengths > 0, None]
    if len(rows) == 0:
        return np.zeros((dim, 0))
    _, values, axes = np.linalg.svd(rows, full_matrices=False)
    basis: Float64 = axes[values > 2.0**-40 * values[0]].T
    return basis


def directions_of(similarity: Similarity, dim: int) -> Float64 | None:
    """Return the directions, shape (r, dim), by which its linear stages differ from the identity; None for many."""
    rows = [np.zeros((0, dim))]
    for fit in getattr(similarity, "fits", (similarity,)):
        for stage in getattr(fit, "stages", ()):
            if not isinstance(stage, Affine):
                continue
            rows.append(np.stack([stage.document_mean, stage.query_mean]))
            if stage.matrix is not None:
                if stage.matrix.shape != (dim, dim):
                    return None
                removed = few_directions(stage.matrix - np.eye(dim))
                if removed is None:
                    return None
                rows.append(removed)
    return np.concatenate(rows)
