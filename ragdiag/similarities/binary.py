"""Documents in one bit per coordinate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.base import Training, array_of, refuse_few, refuse_other_width
from ragdiag.similarities.spread import ROUNDING
from ragdiag.types import Float32, Float64, FloatArray
from ragdiag.vectors import unit

DEAD = 1e-5  # of the root mean square deviation: the sign of a constant coordinate is that of its rounding


@dataclass(frozen=True)
class Binary:
    """``q̂ · sign(d̂ − μ)``, where μ is the mean of the documents at unit length.

    Ranks as rescoring does when every document is a candidate: a float query against bits. Without rescoring
    queries become bits too, ``sign(q̂ − μ) · sign(d̂ − μ)``, and the ranking is that of the Hamming distance, with
    many ties. Coordinates that are the same in all documents count for nothing.

    Parameters
    ----------
    rescore : bool
        Whether queries stay as they are.

    Examples
    --------
    >>> X = np.float32([[1, 0], [0, 1], [0.6, 0.8]])
    >>> Binary().fit(Training(X)).documents(X).tolist()
    [[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """

    rescore: bool = True

    kind: ClassVar[str] = "binary"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    uses_queries: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.rescore, bool):
            raise SimilarityError(f"binary has rescore={self.rescore}", hint="give true or false")

    def fit(self, training: Training) -> Signs:
        """Learn the mean, and which coordinates vary."""
        refuse_few(training, self.kind)
        directions = unit(training.documents).astype(np.float64)
        deviation = directions.std(axis=0)
        typical = float(np.sqrt(np.mean(deviation**2)))
        mean = directions.mean(axis=0)
        if typical**2 <= ROUNDING * float(np.mean(mean**2)):
            raise SimilarityError("all documents point the same way", hint="there is no bit that tells them apart")
        return Signs(mean, (deviation > DEAD * typical).astype(np.float64), self.rescore)

    def restore(self, arrays: Mapping[str, FloatArray]) -> Signs:
        """Rebuild the map."""
        mean, alive = (array_of(arrays, name, 1).astype(np.float64) for name in ("mean", "alive"))
        return Signs(mean, alive, self.rescore)


@dataclass(frozen=True)
class Signs:
    """Signs of unit vectors about a mean.

    Attributes
    ----------
    mean : ndarray of float64, shape (d,)
    alive : ndarray of float64, shape (d,)
        1 where documents differ, else 0.
    rescore : bool
    """

    mean: Float64
    alive: Float64
    rescore: bool

    def documents(self, X: Float32) -> Float32:
        """Return 1 and −1; a zero row stays zero."""
        refuse_other_width(X, len(self.mean))
        signs = np.where(unit(X) > self.mean, 1.0, -1.0) * self.alive
        return (signs * X.any(axis=1, keepdims=True)).astype(np.float32)

    def queries(self, Q: Float32) -> Float32:
        """Return directions, or their signs."""
        refuse_other_width(Q, len(self.mean))
        return unit(Q) if self.rescore else self.documents(Q)

    @property
    def bytes_per_vector(self) -> float:
        """One for eight coordinates."""
        return float(-(-len(self.mean) // 8))

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The mean, and which coordinates vary."""
        return {"mean": self.mean, "alive": self.alive}
