"""Shift, then multiply: the map behind every linear remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.base import array_of, refuse_other_width
from ragdiag.types import Float32, Float64, FloatArray

FEW = 32  # directions, of four times as many, that a map may change and still be the identity but for them


@dataclass(frozen=True)
class Affine:
    """``(d − document_mean) A`` and ``(q − query_mean) A``; a zero vector has no direction and stays zero.

    Attributes
    ----------
    document_mean, query_mean : ndarray of float64, shape (d,)
    matrix : ndarray of float64, shape (d, p), or None
        None for the identity.

    Examples
    --------
    >>> shift = Affine(np.array([1.0, 0.0]), np.zeros(2))
    >>> shift.documents(np.float32([[3, 1], [0, 1]])).tolist()
    [[2.0, 1.0], [-1.0, 1.0]]
    """

    document_mean: Float64
    query_mean: Float64
    matrix: Float64 | None = None

    def documents(self, X: Float32) -> Float32:
        """Map documents."""
        return self._map(X, self.document_mean)

    def queries(self, Q: Float32) -> Float32:
        """Map queries."""
        return self._map(Q, self.query_mean)

    def _map(self, X: Float32, mean: Float64) -> Float32:
        refuse_other_width(X, len(mean))
        moved = (X.astype(np.float64) - mean) * X.any(axis=1, keepdims=True)
        if self.matrix is None:
            return moved.astype(np.float32)
        # In float64: whitening enlarges the coordinates that vary least, with the rounding of the others in them.
        if self._change is None:
            return (moved @ self.matrix).astype(np.float32)
        left, right = self._change
        moved += (moved @ left) @ right
        return moved.astype(np.float32)

    @cached_property
    def _change(self) -> tuple[Float64, Float64] | None:
        """L and R with matrix = I + LR, where few directions change: a fraction of the products."""
        if self.matrix is None or self.matrix.shape[0] != self.matrix.shape[1]:
            return None
        change = self.matrix - np.eye(len(self.matrix))
        rows = few_directions(change)
        if rows is None or not np.allclose(change @ rows.T @ rows, change, rtol=0, atol=1e-15):
            return None
        return change @ rows.T, rows

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The means and, unless it is the identity, the matrix."""
        means: dict[str, FloatArray] = {"document_mean": self.document_mean, "query_mean": self.query_mean}
        return means if self.matrix is None else {**means, "matrix": self.matrix}

    @classmethod
    def of(cls, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map from its arrays."""
        means = [array_of(arrays, name, 1).astype(np.float64) for name in ("document_mean", "query_mean")]
        matrix = array_of(arrays, "matrix", 2).astype(np.float64) if "matrix" in arrays else None
        if len(means[0]) != len(means[1]) or (matrix is not None and len(matrix) != len(means[0])):
            raise SimilarityError("the arrays of a linear map disagree on its dimension", hint="fit and save it again")
        return cls(means[0], means[1], matrix)


def few_directions(matrix: Float64) -> Float64 | None:
    """Return rows that span the range of a symmetric matrix of low rank, or None where the rank is not low.

    From its products with a few random vectors (Halko, Martinsson & Tropp 2011, doi:10.1137/090771806).
    """
    few = min(FEW, len(matrix) // 4)
    probes = np.random.default_rng(0).standard_normal((len(matrix), few + 1))
    axes, values, _ = np.linalg.svd(matrix @ probes, full_matrices=False)
    kept = values > 2.0**-30 * values[0]
    return axes[:, kept].T if kept.sum() <= few else None


def centred_on_documents(mean: Float64, matrix: Float64 | None = None) -> Affine:
    """Return the map that takes the document mean from both sides."""
    return Affine(mean, mean, matrix)
