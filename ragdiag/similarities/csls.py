"""Cross-domain similarity local scaling: cosine less the mean cosine of a document with the queries nearest to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.similarities.bank import Banked, bank_of, stored_bank
from ragdiag.similarities.base import Training, number, whole
from ragdiag.types import Float32, Float64, FloatArray


@dataclass(frozen=True)
class CSLS:
    """``cos(q, d) − α · r(d)``, where r(d) is the mean cosine of d with the k queries of a bank nearest to it.

    With α = .5 the ranking of CSLS, ``2 cos(q, d) − r(q) − r(d)``, whose r(q) changes no ranking. Takes
    slots from hubs. The bank has to be at least twice as large as k: the mean over nearly all of it is the
    cosine with the mean query, and can make hubs worse.
    Source: Conneau et al. 2018, arXiv:1710.04087.

    Parameters
    ----------
    k : int
        Nearest queries of the bank.
    alpha : float
        Weight of the penalty, above 0 and up to 10.

    Examples
    --------
    >>> bank = np.tile(np.eye(2, dtype=np.float32), (10, 1))
    >>> fitted = CSLS(k=10).fit(Training(bank[:2], bank))
    >>> fitted.documents(np.float32([[2, 0]])).tolist(), fitted.queries(np.float32([[0, 3]])).tolist()
    ([[1.0, 0.0, -0.5]], [[0.0, 1.0, 1.0]])
    """

    k: int = 10
    alpha: float = 0.5

    kind: ClassVar[str] = "csls"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    uses_queries: ClassVar[bool] = True

    def __post_init__(self) -> None:
        whole(self.k, f"{self.kind} has k")
        number(self.alpha, f"{self.kind} has alpha", 0, 10)

    def fit(self, training: Training) -> NearestOfBank:
        """Keep the queries as the bank."""
        return NearestOfBank(bank_of(training, f"{self.kind}(k={self.k})", 2 * self.k), self.k, self.alpha)

    def restore(self, arrays: Mapping[str, FloatArray]) -> NearestOfBank:
        """Rebuild the map."""
        return NearestOfBank(stored_bank(arrays), self.k, self.alpha)


@dataclass(frozen=True)
class NearestOfBank(Banked):
    """The penalty α · mean of the k largest cosines."""

    k: int
    alpha: float

    def penalty(self, cosines: Float32) -> Float64:
        """Return α times the mean over the k nearest queries."""
        nearest = np.partition(cosines, cosines.shape[1] - self.k, axis=1)[:, -self.k :]
        means: Float64 = self.alpha * nearest.mean(axis=1, dtype=np.float64)
        return means

    @property
    def heaviest(self) -> float:
        """A mean cosine is 1 at most."""
        return 1.0 + self.alpha
