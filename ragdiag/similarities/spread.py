"""Mean and principal axes of the documents that a similarity is fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.types import Float32, Float64

ROUNDING = 1e-13  # of the squared mean: what float32 rounding leaves between vectors that are the same
NEGLIGIBLE = 1e-10  # of the largest variance: what float32 rounding leaves of a coordinate that is constant


@dataclass(frozen=True)
class Spread:
    """Mean and eigen-decomposition of the covariance, largest variance first, in float64.

    Attributes
    ----------
    n : int
        Documents.
    mean : ndarray, shape (d,)
    variances : ndarray, shape (d,)
        Eigenvalues, not negative.
    axes : ndarray, shape (d, d)
        One unit eigenvector per column; its largest coordinate is positive, so that the same documents
        give the same axes everywhere.
    """

    n: int
    mean: Float64
    variances: Float64
    axes: Float64

    @property
    def rank(self) -> int:
        """Directions in which the documents differ at all."""
        return int(np.sum(self.variances > NEGLIGIBLE * self.variances[0]))


def spread(documents: Float32) -> Spread:
    """Return the spread of the rows of `documents`, shape (n, d); at least two different ones.

    Examples
    --------
    >>> s = spread(np.float32([[0, 0], [2, 0], [0, 1], [2, 1]]))
    >>> s.mean.tolist(), s.variances.round(2).tolist(), s.rank
    ([1.0, 0.5], [1.33, 0.33], 2)
    """
    X = documents.astype(np.float64)
    mean = X.mean(axis=0)
    X -= mean
    values, vectors = np.linalg.eigh(X.T @ X / max(len(X) - 1, 1))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if len(X) < 2 or values[0] <= ROUNDING * float(mean @ mean):
        raise SimilarityError("all documents are the same vector", hint="there is no direction to learn from them")
    largest = np.abs(vectors).argmax(axis=0)
    return Spread(len(X), mean, values, vectors * np.sign(vectors[largest, np.arange(len(values))]))
