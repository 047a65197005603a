"""How much of a ranking hangs on the scale of single coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ragdiag.geometry.intervals import mean_interval
from ragdiag.statistics.neighbors import overlap
from ragdiag.types import Float32, IntArray, Measure, Similarity

SIGMA = 0.25
DRAWS = 5


@dataclass(frozen=True)
class Rescaled:
    """A similarity after every coordinate is multiplied by a factor, in queries and documents alike."""

    inner: Similarity
    scale: Float32
    name: str = "rescaled"

    def documents(self, X: Float32) -> Float32:
        """Scale, then map."""
        return self.inner.documents(X * self.scale)

    def queries(self, Q: Float32) -> Float32:
        """Scale, then map."""
        return self.inner.queries(Q * self.scale)


def random_scalings(inner: Similarity, dim: int, rng: np.random.Generator) -> list[Rescaled]:
    """Return `DRAWS` rescaled similarities with factors e^{σN(0,1)}, σ = .25."""
    factors = np.exp(SIGMA * rng.standard_normal((DRAWS, dim))).astype(np.float32)
    return [Rescaled(inner, scale) for scale in factors]


def axis_scaling(base: IntArray, rescaled: list[IntArray]) -> Measure:
    """Mean share of the top k lost when coordinates are rescaled at random, 1 − overlap, 0 … 1.

    Controls at d = 384, σ = .25: .57 for isotropic vectors, .21 for clustered ones. A true symmetry only for
    models trained by dot product, so that it is a sensitivity and no proof of arbitrariness.
    Source: Steck et al. 2024, arXiv:2403.05440. Interval over queries, each averaged over the draws.

    Parameters
    ----------
    base : ndarray of int64, shape (m, k)
    rescaled : list of ndarray of int64, shape (m, k)

    Returns
    -------
    Measure
        No null: the control depends on n, d and k alike.
    """
    lost = 1 - np.mean([overlap(base, other) for other in rescaled], axis=0)
    return mean_interval(lost, null=None)
