"""Whitening, whole, partial or shrunk: principal coordinates scaled to more equal variance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.affine import Affine, centred_on_documents
from ragdiag.similarities.base import Training, whole
from ragdiag.similarities.spread import Spread, spread
from ragdiag.types import Float64, FloatArray

METHODS = ("none", "ledoit-wolf", "oas")
SAFE_RATIO = 2  # documents per dimension below which whole whitening is noise


@dataclass(frozen=True)
class Whitened:
    """Cosine of ``Λ^(−γ/2) Uᵀ (x − μ)`` with the eigenvalues Λ of the documents' covariance, shrunk or not.

    γ = 1 without shrinkage makes every direction count the same, which amplifies noise and loses where the leading
    directions carry meaning; γ = .5, or a covariance mixed half and half with its mean eigenvalue, is
    milder and can be fitted on few documents. Directions without variance are dropped.
    Source: Su et al. 2021, arXiv:2103.15316; shrinkage: Ledoit & Wolf 2004,
    doi:10.1016/S0047-259X(03)00096-4; Chen et al. 2010, doi:10.1109/TSP.2010.2053029.

    Parameters
    ----------
    k : int or None
        Leading coordinates to keep; None for all.
    gamma : float
        From 0 (none: principal coordinates as they are) to 1 (whole).
    shrinkage : str or float
        ``none``, ``ledoit-wolf``, ``oas``, or the weight of the mean eigenvalue from 0 to 1.

    Examples
    --------
    >>> X = np.float32([[9, 1], [-9, 1], [9, -1], [-9, -1]] * 3)
    >>> Whitened().fit(Training(X)).documents(X[:1]).round(1).tolist()
    [[9.0, 9.0]]
    """

    k: int | None = None
    gamma: float = 1.0
    shrinkage: str | float = "none"

    kind: ClassVar[str] = "whitened"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False
    uses_queries: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.k is not None:
            whole(self.k, "whitened has k")
        if type(self.gamma) not in (int, float) or not 0 <= self.gamma <= 1:
            raise SimilarityError(f"whitened has gamma={self.gamma}", hint="give a number from 0 to 1")
        named = isinstance(self.shrinkage, str) and self.shrinkage in METHODS
        weight = type(self.shrinkage) in (int, float) and 0 <= float(self.shrinkage) <= 1
        if not (named or weight):
            raise SimilarityError(
                f"whitened has shrinkage={self.shrinkage}", hint=f"give {', '.join(METHODS)}, or a number from 0 to 1"
            )

    def fit(self, training: Training) -> Affine:
        """Learn mean, axes and scales; whole whitening needs two documents per dimension."""
        n, dim = training.documents.shape
        kept = self.k or dim
        if kept > dim:
            raise SimilarityError(f"whitened(k={kept}) would keep more than the {dim} dimensions", hint="lower k")
        if self.gamma == 1 and self.shrinkage in ("none", 0) and n < SAFE_RATIO * kept:
            raise SimilarityError(
                f"whole whitening of {kept} dimensions has {n:,} documents to learn from, fewer than"
                f" {SAFE_RATIO} per dimension: the small eigenvalues would be noise",
                hint="whiten partly (gamma=0.5), shrink (shrinkage=0.5), or keep fewer coordinates (k)",
            )
        return self.unchecked(training)

    def unchecked(self, training: Training) -> Affine:
        """Learn the map whether or not it is wise, to show what it costs."""
        found = spread(training.documents)
        kept = min(self.k or found.rank, found.rank)
        scales = self._variances(found, training)[:kept] ** (-self.gamma / 2)
        # All scores by one factor: float32 keeps what it can, whatever the unit of the vectors.
        scales /= scales[0]
        return centred_on_documents(found.mean, found.axes[:, :kept] * scales)

    def _variances(self, found: Spread, training: Training) -> Float64:
        weight = self._weight(training)
        return (1 - weight) * found.variances + weight * float(found.variances.mean())

    def _weight(self, training: Training) -> float:
        if not isinstance(self.shrinkage, str):
            return float(self.shrinkage)
        if self.shrinkage == "none":
            return 0.0
        from sklearn.covariance import ledoit_wolf_shrinkage, oas

        X = training.documents.astype(np.float64)
        return float(ledoit_wolf_shrinkage(X) if self.shrinkage == "ledoit-wolf" else oas(X)[1])

    def restore(self, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map."""
        return Affine.of(arrays)
