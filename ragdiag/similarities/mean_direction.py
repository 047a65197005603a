"""Without the direction of the mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.affine import Affine
from ragdiag.similarities.base import Training, refuse_few
from ragdiag.types import FloatArray
from ragdiag.vectors import row_norms

NO_MEAN = 1e-5  # of the typical length: the mean of centred float32 vectors is rounding, and has no direction


@dataclass(frozen=True)
class MeanDirection:
    """Cosine of ``x − (x·μ̂)μ̂``, where μ̂ is the unit vector along the mean of the documents.

    Takes the cone away without moving the origin; widens the range of scores, changes few ranks.

    Examples
    --------
    >>> X = np.float32([[3, 1], [3, -1]])
    >>> MeanDirection().fit(Training(X)).documents(X).tolist()
    [[0.0, 1.0], [0.0, -1.0]]
    """

    kind: ClassVar[str] = "mean-direction"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False
    uses_queries: ClassVar[bool] = False

    def fit(self, training: Training) -> Affine:
        """Learn the direction of the mean; refused where the documents have none, as when they are centred."""
        refuse_few(training, self.kind)
        mean = training.documents.mean(axis=0, dtype=np.float64)
        length = float(np.linalg.norm(mean))
        if length <= NO_MEAN * float(np.sqrt(np.mean(row_norms(training.documents) ** 2))):
            raise SimilarityError("the documents have no mean direction", hint="they are centred already")
        direction, zero = mean / length, np.zeros(training.dim)
        return Affine(zero, zero, np.eye(training.dim) - np.outer(direction, direction))

    def restore(self, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map."""
        return Affine.of(arrays)
