"""Inverted softmax: the share a query has in all that the bank of queries gives to a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.similarities.bank import Banked, bank_of, stored_bank
from ragdiag.similarities.base import Training, number
from ragdiag.types import Float32, Float64, FloatArray


@dataclass(frozen=True)
class InvertedSoftmax:
    """``cos(q, d) − log Z(d) / β`` with ``Z(d) = mean over the bank of exp(β cos(b, d))``.

    Ranks as ``exp(β cos(q, d)) / Z(d)``. A large β looks at the nearest query of the bank alone, a small one at
    all alike. A bank of other subjects than the queries hurts.
    Source: Smith et al. 2017, arXiv:1702.03859; for retrieval, with β = 20: Bogolin et al. 2022 (QB-Norm),
    arXiv:2112.12777, without its choice of the queries it is applied to.

    Parameters
    ----------
    beta : float
        Inverse temperature, above 0 and up to 1000.

    Examples
    --------
    >>> bank = np.tile(np.float32([[1, 0]]), (20, 1))
    >>> InvertedSoftmax().fit(Training(bank, bank)).documents(np.float32([[3, 0], [-3, 0]])).tolist()
    [[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]]
    """

    beta: float = 20

    kind: ClassVar[str] = "inverted-softmax"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    uses_queries: ClassVar[bool] = True

    def __post_init__(self) -> None:
        number(self.beta, "inverted-softmax has beta", 0, 1000)

    def fit(self, training: Training) -> SoftmaxOfBank:
        """Keep the queries as the bank."""
        return SoftmaxOfBank(bank_of(training, self.kind), self.beta)

    def restore(self, arrays: Mapping[str, FloatArray]) -> SoftmaxOfBank:
        """Rebuild the map."""
        return SoftmaxOfBank(stored_bank(arrays), self.beta)


@dataclass(frozen=True)
class SoftmaxOfBank(Banked):
    """The penalty log(mean(exp(β cos))) / β."""

    beta: float

    def penalty(self, cosines: Float32) -> Float64:
        """Return the soft maximum over the bank."""
        wide = cosines.astype(np.float64)
        most = wide.max(axis=1)
        soft: Float64 = most + np.log(np.exp(self.beta * (wide - most[:, None])).mean(axis=1)) / self.beta
        return soft

    @property
    def heaviest(self) -> float:
        """The soft maximum of cosines is 1 at most."""
        return 2.0
