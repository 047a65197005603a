"""How cosines, lengths and the query–document gap are spread: counts in bins, beside what chance would count."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ragdiag.statistics.observed import Documents, Queries, lengths_vary
from ragdiag.types import Float32, Float64, IntArray
from ragdiag.vectors import unit

BINS = 60
PAIRS = 20_000  # of documents, whose cosines are counted
_FEWEST = 10  # of documents and of queries: fewer have no halves worth a mean


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins.

    Attributes
    ----------
    edges : ndarray of float64, shape (b + 1,)
        Ascending; the last bin holds its upper edge too.
    counts : ndarray of int64, shape (b,)
        They add up to `n`.
    expected : ndarray of float64, shape (b,), or None
        Counts under the null; None where there is none. They add up to at most `n`.
    n : int
    """

    edges: Float64
    counts: IntArray
    expected: Float64 | None
    n: int

    @classmethod
    def of(cls, values: Float64, edges: Float64, expected: Float64 | None = None) -> Histogram:
        """Count values, all of which lie within the edges.

        Examples
        --------
        >>> Histogram.of(np.array([0.1, 0.2, 0.9, 1.0]), np.array([0.0, 0.5, 1.0])).counts.tolist()
        [2, 2]
        """
        return cls(edges, np.histogram(values, edges)[0].astype(np.int64), expected, len(values))

    @property
    def middles(self) -> Float64:
        """Middle of each bin, shape (b,)."""
        middles: Float64 = (self.edges[:-1] + self.edges[1:]) / 2
        return middles


@dataclass(frozen=True)
class Cosines:
    """Cosines of documents.

    Attributes
    ----------
    pairs : Histogram
        Of random pairs; expected of directions without any order, for which (1 + cos)/2 follows
        Beta((d − 1)/2, (d − 1)/2).
    nearest : Histogram
        Of sampled documents and their nearest other document, over the same bins.
    mean : float
        Of the random pairs.
    dim : int
    """

    pairs: Histogram
    nearest: Histogram
    mean: float
    dim: int


def isotropic_counts(edges: Float64, n: int, dim: int) -> Float64:
    """Return how many of n pairs of uniform directions in d dimensions have their cosine in each bin.

    Examples
    --------
    >>> isotropic_counts(np.array([-1.0, 0.0, 1.0]), 100, 384).round(6).tolist()
    [50.0, 50.0]
    """
    if dim == 1:
        raise ValueError("in one dimension a cosine is 1 or −1")
    half = (dim - 1) / 2
    below = stats.beta.cdf((1 + edges) / 2, half, half)
    counts: Float64 = n * np.diff(below)
    return counts


def cosines(docs: Documents, rng: np.random.Generator) -> Cosines | None:
    """Return how cosines of random pairs and of nearest neighbours are spread; None below three documents."""
    X = unit(docs.sample.vectors)
    n, dim = len(X), X.shape[1]
    if n < 3 or dim < 2:
        return None
    first = rng.integers(0, n, PAIRS)
    second = (first + rng.integers(1, n, PAIRS)) % n
    pairs = np.clip(np.einsum("ij,ij->i", X[first], X[second], dtype=np.float64), -1, 1)
    nearest = docs.cosines.scores[:, 0]
    nearest = np.clip(nearest[np.isfinite(nearest)], -1, 1)
    spread = 4 / math.sqrt(dim)  # the null in view: four of its standard deviations
    low = max(min(float(pairs.min()), -spread), -1.0)
    high = min(max(float(pairs.max()), float(nearest.max(initial=-1.0)), spread), 1.0)
    low = min(low, float(nearest.min(initial=1.0)))
    edges = np.linspace(low, high, BINS + 1)
    return Cosines(
        pairs=Histogram.of(pairs, edges, isotropic_counts(edges, PAIRS, dim)),
        nearest=Histogram.of(nearest, edges),
        mean=float(pairs.mean()),
        dim=dim,
    )


def norms(lengths: Float64) -> Histogram | None:
    """Return how the lengths of the vectors are spread; None where all are equal but for rounding."""
    if not lengths_vary(lengths):
        return None
    return Histogram.of(lengths, np.linspace(float(lengths.min()), float(lengths.max()), BINS + 1))


@dataclass(frozen=True)
class GapPicture:
    """Documents and queries along the line through their means.

    The line is found on one half of both and the other half is seen along it, so that two samples of one
    law lie upon each other. 0 is half way between the means; documents are on the left.

    Attributes
    ----------
    documents, queries : Histogram
        Over the same bins; directions, projected on the line.
    """

    documents: Histogram
    queries: Histogram


def gap(docs: Documents, queries: Queries, rng: np.random.Generator) -> GapPicture | None:
    """Return documents and queries along the line through their means; None below ten of either."""
    X, Q = unit(docs.sample.vectors), unit(queries.vectors)
    if min(len(X), len(Q)) < _FEWEST:
        return None
    X, Q = X[rng.permutation(len(X))], Q[rng.permutation(len(Q))]
    along: list[tuple[Float64, Float64]] = []
    for fit in (0, 1):
        see = 1 - fit
        line, middle = _line(X[fit::2], Q[fit::2])
        along.append(((X[see::2] - middle) @ line, (Q[see::2] - middle) @ line))
    of_docs, of_queries = (np.concatenate([part[side] for part in along]).astype(np.float64) for side in (0, 1))
    both = np.concatenate([of_docs, of_queries])
    edges = np.linspace(float(both.min()), float(both.max()) + 1e-12, BINS + 1)
    return GapPicture(Histogram.of(of_docs, edges), Histogram.of(of_queries, edges))


def _line(X: Float32, Q: Float32) -> tuple[Float64, Float64]:
    """Return the direction from the mean of X to that of Q, and the point half way."""
    mean_x, mean_q = X.mean(axis=0, dtype=np.float64), Q.mean(axis=0, dtype=np.float64)
    line = mean_q - mean_x
    return line / max(float(np.linalg.norm(line)), 1e-12), (mean_x + mean_q) / 2
