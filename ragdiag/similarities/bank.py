"""What scores with a bank of queries have in common: each document bears a penalty for being near to all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.base import Training, array_of, refuse_other_width
from ragdiag.types import Float32, Float64, FloatArray
from ragdiag.vectors import unit

FEWEST_QUERIES = 20
_CELLS = 2**24  # scores held at once


@dataclass(frozen=True)
class Banked:
    """``[q̂, 1] · [d̂, −penalty(d)]`` for unit vectors q̂, d̂.

    The penalty of a document is a function of its cosines with the bank alone, so that a new document
    changes nothing for the others. A zero document gets a penalty that no other reaches.

    Attributes
    ----------
    bank : ndarray of float32, shape (m, d)
        Unit vectors of queries.
    """

    bank: Float32

    def penalty(self, cosines: Float32) -> Float64:
        """Return the penalty, shape (b,), from the cosines of documents with the bank, shape (b, m)."""
        raise NotImplementedError

    @property
    def heaviest(self) -> float:
        """More than any penalty by 1, the largest cosine a document may have fallen behind by."""
        raise NotImplementedError

    def documents(self, X: Float32) -> Float32:
        """Append the penalty, negative; it is of the size of a cosine, so that float32 keeps it as well as one."""
        refuse_other_width(X, self.bank.shape[1])
        directions = unit(X)
        penalties = np.empty(len(X))
        step = max(1, _CELLS // len(self.bank))
        for start in range(0, len(X), step):
            penalties[start : start + step] = self.penalty(directions[start : start + step] @ self.bank.T)
        penalties[~X.any(axis=1)] = self.heaviest
        return np.concatenate([directions, -penalties[:, None].astype(np.float32)], axis=1)

    def queries(self, Q: Float32) -> Float32:
        """Append 1."""
        refuse_other_width(Q, self.bank.shape[1])
        return np.concatenate([unit(Q), np.ones((len(Q), 1), dtype=np.float32)], axis=1)

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The bank."""
        return {"bank": self.bank}


def bank_of(training: Training, kind: str, fewest: int = FEWEST_QUERIES) -> Float32:
    """Return the directions of the queries, or refuse: there have to be `fewest`."""
    found = 0 if training.queries is None else len(training.queries)
    fewest = max(fewest, FEWEST_QUERIES)
    if training.queries is None or found < fewest:
        raise SimilarityError(
            f"{kind} has a bank of {found:,} queries",
            hint=f"give at least {fewest:,}{', better 1,000' if fewest < 1000 else ''}; they need no labels",
        )
    return unit(training.queries)


def stored_bank(arrays: Mapping[str, FloatArray]) -> Float32:
    """Return the bank that `Banked.arrays` holds."""
    return array_of(arrays, "bank", 2).astype(np.float32)
