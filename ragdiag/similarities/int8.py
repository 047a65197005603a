"""Documents in one byte per coordinate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.similarities.base import Training, array_of, refuse_few, refuse_other_width
from ragdiag.types import Float32, Float64, FloatArray
from ragdiag.vectors import unit

LEVELS = 255  # steps between 256 codes


@dataclass(frozen=True)
class Int8:
    """``q̂ · Q⁻¹(Q(d̂))``: each coordinate of a unit vector as one of 256 levels from its least to its largest value.

    The range of a coordinate is that of the training documents; what is beyond it takes the nearest end.
    Queries stay as they are, and the codes are turned back into coordinates before they are scored:
    the codes themselves, under cosine, rank by where the ranges happen to lie.
    One byte per coordinate; the ranges are kept once for the store.

    Examples
    --------
    >>> X = np.float32([[1, 0], [0, 1], [0.6, 0.8]])
    >>> Int8().fit(Training(X)).documents(X[2:]).round(3).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """

    kind: ClassVar[str] = "int8"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    uses_queries: ClassVar[bool] = False

    def fit(self, training: Training) -> Ranges:
        """Learn the range of each coordinate."""
        refuse_few(training, self.kind)
        directions = unit(training.documents).astype(np.float64)
        low = directions.min(axis=0)
        return Ranges(low, (directions.max(axis=0) - low) / LEVELS)

    def restore(self, arrays: Mapping[str, FloatArray]) -> Ranges:
        """Rebuild the map."""
        return Ranges(*(array_of(arrays, name, 1).astype(np.float64) for name in ("low", "step")))


@dataclass(frozen=True)
class Ranges:
    """Codes ``round((d̂ − low) / step)``, from 0 to 255, and back.

    Attributes
    ----------
    low, step : ndarray of float64, shape (d,)
        A step of 0 is a coordinate that is the same everywhere.
    """

    low: Float64
    step: Float64

    def documents(self, X: Float32) -> Float32:
        """Quantise unit vectors and turn them back; a zero row stays zero."""
        refuse_other_width(X, len(self.low))
        codes = np.rint((unit(X) - self.low) / np.where(self.step > 0, self.step, 1.0)).clip(0, LEVELS)
        back = (self.low + codes * self.step) * X.any(axis=1, keepdims=True)
        return back.astype(np.float32)

    def queries(self, Q: Float32) -> Float32:
        """Return the directions of queries."""
        refuse_other_width(Q, len(self.low))
        return unit(Q)

    @property
    def bytes_per_vector(self) -> float:
        """One for each coordinate."""
        return float(len(self.low))

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The ranges."""
        return {"low": self.low, "step": self.step}
