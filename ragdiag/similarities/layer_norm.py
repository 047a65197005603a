"""Each vector at mean 0 and variance 1 over its own coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.similarities.base import Given
from ragdiag.types import Float32

NEGLIGIBLE = 1e-6  # of the largest coordinate: what float32 rounding leaves of a vector of equal coordinates


@dataclass(frozen=True)
class LayerNorm(Given):
    """Cosine of ``(x − mean(x)) / std(x)``, both taken over the coordinates of the one vector.

    The correlation of the coordinates (Pearson's r) instead of their cosine. There is nothing to learn. A vector of
    equal coordinates becomes zero.
    Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450, without gain and bias.

    Examples
    --------
    >>> LayerNorm().documents(np.float32([[1, 3], [2, 2]])).tolist()
    [[-1.0, 1.0], [0.0, 0.0]]
    """

    kind: ClassVar[str] = "layer-norm"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False

    def documents(self, X: Float32) -> Float32:
        """Map documents."""
        wide = X.astype(np.float64)
        moved = wide - wide.mean(axis=1, keepdims=True)
        deviation = moved.std(axis=1, keepdims=True)
        alive = deviation > NEGLIGIBLE * np.abs(wide).max(axis=1, keepdims=True)
        return np.where(alive, moved / np.where(alive, deviation, 1.0), 0.0).astype(np.float32)

    def queries(self, Q: Float32) -> Float32:
        """Map queries in the same way."""
        return self.documents(Q)
