"""Local scaling: distances in units of how far a document is from its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.base import Training, array_of, whole
from ragdiag.similarities.reference import ITSELF, Reference, reference_of
from ragdiag.types import Float32, Float64, FloatArray
from ragdiag.vectors import unit

FLOOR = 0.05  # of the mean radius: a document that is stored many times has neighbours at distance 0


@dataclass(frozen=True)
class LocalScaling:
    """``−‖q̂ − d̂‖² / r(d)``, where r(d) is the mean distance of d̂ from its k nearest documents (NICDM).

    The distance of NICDM is ``‖q̂ − d̂‖ / √(r(q) r(d))``; r(q) changes no ranking. Of unit vectors, with neighbours in a
    sample of 2,000 documents, r in units of its mean over that sample and no smaller than .05 of it. A
    document amid many others has to be nearer to win, so that hubs lose slots.
    Source: Schnitzer et al. 2012, Local and global scaling reduce hubs in space, JMLR 13, 2871–2902.

    Parameters
    ----------
    k : int
        Neighbours; there have to be more than twice as many documents.

    Examples
    --------
    >>> X = np.float32([[1, 0], [0, 1], [-1, 0]])
    >>> fitted = LocalScaling(k=1).fit(Training(X))
    >>> (fitted.queries(X[:1]) @ fitted.documents(X).T).round(3).tolist()
    [[0.0, -2.0, -4.0]]
    """

    k: int = 10

    kind: ClassVar[str] = "local-scaling"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    uses_queries: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole(self.k, "local-scaling has k")

    def fit(self, training: Training) -> Scaled:
        """Draw the reference, and take the mean radius over it."""
        reference = reference_of(training, self.kind, self.k)
        mean = float(radii(reference, reference.rows).mean())
        if mean <= ITSELF:
            raise SimilarityError("all documents are the same vector", hint="there are no distances to learn from them")
        return Scaled(reference, mean)

    def restore(self, arrays: Mapping[str, FloatArray]) -> Scaled:
        """Rebuild the map."""
        reference = Reference(array_of(arrays, "reference", 2).astype(np.float32), self.k)
        return Scaled(reference, float(array_of(arrays, "mean_radius", 0)))


@dataclass(frozen=True)
class Scaled:
    """``[q̂, 1] · [2d̂, −2] / r(d)``.

    Attributes
    ----------
    reference : Reference
    mean_radius : float
        Over the reference.
    """

    reference: Reference
    mean_radius: float

    def documents(self, X: Float32) -> Float32:
        """Map documents; a zero one scores lower than any other can."""
        directions = unit(X)
        radius = np.maximum(radii(self.reference, directions) / self.mean_radius, FLOOR)
        mapped = np.concatenate([directions, np.full((len(X), 1), -1.0)], axis=1) * (2.0 / radius)[:, None]
        mapped[~X.any(axis=1), -1] = -4.0 / FLOOR
        return mapped.astype(np.float32)

    def queries(self, Q: Float32) -> Float32:
        """Append 1."""
        return np.concatenate([unit(Q), np.ones((len(Q), 1), dtype=np.float32)], axis=1)

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The reference, and the mean radius over it."""
        return {"reference": self.reference.rows, "mean_radius": np.array(self.mean_radius)}


def radii(reference: Reference, directions: Float32) -> Float64:
    """Return the mean distance of each unit vector from its neighbours, shape (n,)."""
    found = np.empty(len(directions))
    for near in reference.around(directions):
        found[near.rows] = np.sum(near.distances * near.shares, axis=1)
    return found
