"""DisSimLocal: distances less the distance from the centre of the neighbourhood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.similarities.base import Training, array_of, whole
from ragdiag.similarities.reference import Reference, reference_of
from ragdiag.types import Float32, FloatArray
from ragdiag.vectors import unit


@dataclass(frozen=True)
class DisSimLocal:
    """``−‖q̂ − d̂‖² + ‖d̂ − c(d)‖²``, where c(d) is the mean of the k documents nearest to d.

    DisSimLocal also takes ‖q̂ − c(q)‖² off, which changes no ranking. Of unit vectors, with neighbours in a sample of
    2,000 documents. Flattens the density, whose peaks are hubs: a document at the centre of its neighbourhood
    gets nothing back.
    Source: Hara et al. 2016, Flattening the density gradient for eliminating spatial centrality to reduce hubness,
    AAAI 2016, 1659–1665.

    Parameters
    ----------
    k : int
        Neighbours; there have to be more than twice as many documents.

    Examples
    --------
    >>> X = np.float32([[1, 0], [0, 1], [-1, 0]])
    >>> fitted = DisSimLocal(k=1).fit(Training(X))
    >>> (fitted.queries(X[:1]) @ fitted.documents(X).T).round(3).tolist()
    [[2.0, 1.0, 0.0]]
    """

    k: int = 10

    kind: ClassVar[str] = "dis-sim-local"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    uses_queries: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole(self.k, "dis-sim-local has k")

    def fit(self, training: Training) -> Flattened:
        """Draw the reference."""
        return Flattened(reference_of(training, self.kind, self.k))

    def restore(self, arrays: Mapping[str, FloatArray]) -> Flattened:
        """Rebuild the map."""
        return Flattened(Reference(array_of(arrays, "reference", 2).astype(np.float32), self.k))


@dataclass(frozen=True)
class Flattened:
    """``[q̂, 1] · [d̂, ‖d̂ − c(d)‖² / 2]``."""

    reference: Reference

    def documents(self, X: Float32) -> Float32:
        """Map documents; a zero one scores no more than any other can."""
        directions = unit(X)
        bonus = np.empty(len(X))
        for near in self.reference.around(directions):
            bonus[near.rows] = np.sum(np.einsum("bkd,bk->bd", near.offsets, near.shares) ** 2, axis=1) / 2
        bonus[~X.any(axis=1)] = -1.0
        return np.concatenate([directions, bonus[:, None].astype(np.float32)], axis=1)

    def queries(self, Q: Float32) -> Float32:
        """Append 1."""
        return np.concatenate([unit(Q), np.ones((len(Q), 1), dtype=np.float32)], axis=1)

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The reference."""
        return {"reference": self.reference.rows}
