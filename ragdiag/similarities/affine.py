"""Shift, then multiply: the map behind every linear remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ragdiag.types import Float32, Float64, FloatArray


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
        shifted = (X.astype(np.float64) - mean) * X.any(axis=1, keepdims=True)
        narrow: Float32 = shifted.astype(np.float32)
        return narrow if self.matrix is None else narrow @ self.matrix.astype(np.float32)

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The means and, unless it is the identity, the matrix."""
        means: dict[str, FloatArray] = {"document_mean": self.document_mean, "query_mean": self.query_mean}
        return means if self.matrix is None else {**means, "matrix": self.matrix}

    @classmethod
    def of(cls, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map from its arrays."""
        wide = {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}
        return cls(wide["document_mean"], wide["query_mean"], wide.get("matrix"))


def centred_on_documents(mean: Float64, matrix: Float64 | None = None) -> Affine:
    """Return the map that takes the document mean from both sides."""
    return Affine(mean, mean, matrix)
