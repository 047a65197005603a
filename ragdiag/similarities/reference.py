"""A sample of the documents in which each document finds its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ragdiag.similarities.base import Training, refuse_few, refuse_other_width
from ragdiag.types import Float32, Float64
from ragdiag.vectors import unit

SIZE = 2_000
ITSELF = 1e-5  # distance of a unit vector from its own copy: the rounding of the maps before this one
_CELLS = 2**21  # numbers gathered at once


@dataclass(frozen=True)
class Reference:
    """Unit vectors of documents, drawn once.

    A document that is in it is not its own neighbour: one row that equals it up to rounding is passed over.

    Attributes
    ----------
    rows : ndarray of float32, shape (r, d)
    k : int
        Neighbours; at most half of the rows.
    """

    rows: Float32
    k: int

    def neighbourhoods(self, directions: Float32) -> Iterator[tuple[slice, Float64]]:
        """Yield for each block of unit vectors its slice and its neighbours, shape (b, k, d), nearest first."""
        refuse_other_width(directions, self.rows.shape[1])
        step = max(1, _CELLS // max(len(self.rows), (self.k + 1) * self.rows.shape[1]))
        for start in range(0, len(directions), step):
            block = directions[start : start + step]
            cosines = block @ self.rows.T
            near = np.argpartition(-cosines, self.k, axis=1)[:, : self.k + 1]
            found = self.rows[near].astype(np.float64)
            # From the differences, since cosines in float32 cannot tell a copy from a near copy.
            away = np.linalg.norm(found - block[:, None, :], axis=2)
            order = np.argsort(away, axis=1, kind="stable")
            own = np.take_along_axis(away, order[:, :1], axis=1) <= ITSELF
            chosen = np.where(own, order[:, 1:], order[:, :-1])
            yield slice(start, start + len(block)), np.take_along_axis(found, chosen[:, :, None], axis=1)


def reference_of(training: Training, kind: str, k: int) -> Reference:
    """Draw the reference from the documents; there have to be twice as many as neighbours, and one more."""
    alive = training.documents[training.documents.any(axis=1)]
    refuse_few(Training(alive), f"{kind}(k={k})", 2 * k + 1)
    if len(alive) > SIZE:
        rng = np.random.default_rng(training.seed)
        alive = alive[np.sort(rng.choice(len(alive), SIZE, replace=False))]
    return Reference(unit(alive), k)
