"""A sample of the documents in which each document finds its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ragdiag.similarities.base import Training, refuse_few, refuse_other_width
from ragdiag.types import Float32
from ragdiag.vectors import unit

SIZE = 2_000
ITSELF = 1e-5  # distance of a unit vector from its own copy: the rounding of the maps before this one
_CELLS = 2**21  # numbers gathered at once


@dataclass(frozen=True)
class Neighbourhoods:
    """Some unit vectors and the rows of the reference around them.

    Attributes
    ----------
    rows : slice
        Which of the vectors that were asked for.
    offsets : ndarray of float32, shape (b, k + 1, d)
        From each vector to the k + 1 rows nearest to it.
    distances : ndarray of float32, shape (b, k + 1)
        Their lengths.
    shares : ndarray of float32, shape (b, k + 1)
        1/k for a neighbour; 0 for the vector itself, or else for the farthest.
    """

    rows: slice
    offsets: Float32
    distances: Float32
    shares: Float32


@dataclass(frozen=True)
class Reference:
    """Unit vectors of documents, drawn once.

    A document that is in it is not its own neighbour: one row that equals it up to rounding is passed over.

    Attributes
    ----------
    rows : ndarray of float32, shape (r, d)
    k : int
        Neighbours; fewer than half of the rows.
    """

    rows: Float32
    k: int

    def around(self, directions: Float32) -> Iterator[Neighbourhoods]:
        """Yield the neighbourhoods of unit vectors, shape (n, d), some at a time."""
        refuse_other_width(directions, self.rows.shape[1])
        step = max(1, _CELLS // max(len(self.rows), (self.k + 1) * self.rows.shape[1]))
        for start in range(0, len(directions), step):
            block = directions[start : start + step]
            near = np.argpartition(-(block @ self.rows.T), self.k, axis=1)[:, : self.k + 1]
            # From the differences, since cosines in float32 cannot tell a copy from a near copy.
            offsets = self.rows[near] - block[:, None, :]
            distances = np.sqrt(np.einsum("bkd,bkd->bk", offsets, offsets))
            nearest, farthest = distances.argmin(axis=1), distances.argmax(axis=1)
            each = np.arange(len(block))
            shares = np.full(distances.shape, 1.0 / self.k, dtype=np.float32)
            shares[each, np.where(distances[each, nearest] <= ITSELF, nearest, farthest)] = 0.0
            yield Neighbourhoods(slice(start, start + len(block)), offsets, distances, shares)


def reference_of(training: Training, kind: str, k: int) -> Reference:
    """Draw the reference from the documents; there have to be twice as many as neighbours, and one more."""
    alive = training.documents[training.documents.any(axis=1)]
    refuse_few(Training(alive), f"{kind}(k={k})", 2 * k + 1)
    if len(alive) > SIZE:
        rng = np.random.default_rng(training.seed)
        alive = alive[np.sort(rng.choice(len(alive), SIZE, replace=False))]
    return Reference(unit(alive), k)
