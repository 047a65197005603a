"""How much of a ranking hangs on the scale of single coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ragdiag.geometry import isotropic
from ragdiag.geometry.intervals import within
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


def axis_scaling(base: IntArray, rescaled: list[IntArray], *, n: int, dim: int, similarity: str) -> Measure:
    """Mean share of the top k lost when coordinates are rescaled at random, 1 − overlap, 0 … 1.

    Controls at d = 384, σ = .25: .57 for isotropic vectors, .21 for clustered ones. A true symmetry only for
    models trained by dot product, so that it is a sensitivity and no proof of arbitrariness.
    Source: Steck et al. 2024, arXiv:2403.05440. Interval over queries and over draws.

    Parameters
    ----------
    base : ndarray of int64, shape (m, k)
    rescaled : list of ndarray of int64, shape (m, k)
    n, dim : int
        Documents searched, and their dimension.
    similarity : str
        By which both were ranked.

    Returns
    -------
    Measure
        Null: isotropic directions of the same n, d and k, by simulation.
    """
    lost = 1 - np.array([overlap(base, other) for other in rescaled])  # (draws, m)
    draws, m = lost.shape
    null = isotropic.axis_scaling(n, dim, base.shape[1], SIGMA, similarity)
    if m < 2:
        return Measure.missing(f"{m} values give no interval", n=m, null=null)
    by_query, by_draw = lost.mean(axis=0), lost.mean(axis=1)
    of_queries = float(stats.t.ppf(0.975, m - 1)) * float(by_query.std(ddof=1)) / math.sqrt(m)
    of_draws = float(stats.t.ppf(0.975, draws - 1)) * float(by_draw.std(ddof=1)) / math.sqrt(draws)
    half, value = math.hypot(of_queries, of_draws), float(lost.mean())
    return within(Measure(value, value - half, value + half, null, m), 0.0, 1.0)
