"""Do the vectors come from one source? Looks for two populations that do not mix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ragdiag.geometry import isotropic
from ragdiag.geometry.intervals import log_normal, wilson
from ragdiag.geometry.kinship import kinship
from ragdiag.types import Float32, Float64, Measure

NULL_SEPARATION = 2.65  # a normal law cut at its best threshold
INNER = 0.6  # of the separation: what a part may have within, where there are two populations and not many
APART = 8.0  # what two languages under one model can reach
_PRINCIPAL = 5
_FARTHEST = 24
LARGEST_SAMPLE = 2000
_COORDINATES = 64  # principal components kept: two populations differ along the first ones
_FEWEST = 10
_ROUNDING = 1e-5  # of unit vectors, in all directions together, and some more


@dataclass(frozen=True)
class Populations:
    """The clearest split of a sample into two.

    Attributes
    ----------
    separation : Measure
        Ashman's D along the line through both means: distance of the means over the pooled spread.
        Null: isotropic directions of the same n and d cut at their best, by simulation, about 3.
    minor_share : Measure
        Share of the smaller population. No null: the best cut of one population has some share too, and the share
        means something only where `separation` does.
    minor : ndarray of bool, shape (s,)
        Its members among the sampled rows.
    remaining : float
        The largest separation within one of the two parts: as large in a space of many clusters,
        far smaller when there are just two populations.
    kinship : Measure
        See `ragdiag.geometry.kinship.kinship`: whether both vary along the same directions.
    """

    separation: Measure
    minor_share: Measure
    minor: NDArray[np.bool_]
    remaining: float
    kinship: Measure

    @property
    def apart(self) -> bool:
        """Whether these are two populations: far apart, and neither splits again nearly as well."""
        value, low = self.separation.value or 0.0, self.separation.low or 0.0
        return low >= APART and self.remaining <= INNER * value


def populations(X: Float32) -> Populations | None:
    """Split unit vectors in two where they separate best; None below forty distinct vectors.

    Vectors that differ by the rounding of float32 alone are not distinct.

    Candidate directions are the first principal components and 24 vectors far from one another; each is
    cut where the variance within is least, and refined until it stands. Source of D: Ashman, Bird & Zepf
    1994, doi:10.1086/117248.

    Parameters
    ----------
    X : ndarray of float32, shape (s, d)
        A uniform sample of unit vectors; the first 2,000 are used. Repeated vectors count once, since a
        hundred copies of one chunk are no population.
    """
    _, first = np.unique(X[:LARGEST_SAMPLE], axis=0, return_index=True)
    first = np.sort(first)
    if len(first) < 4 * _FEWEST:
        return None
    Y = _principal(X[first].astype(np.float64))
    if float(np.einsum("ij,ij->", Y, Y)) < len(Y) * _ROUNDING**2:
        return None
    mask = _best_split(Y)
    if mask is None:
        return None
    minor = mask if mask.sum() * 2 <= len(mask) else ~mask
    value = _separation(Y, minor)
    small = int(minor.sum())
    log_variance = 1 / (2 * small) + 2 / (value**2 * small)
    members = np.zeros(len(X), dtype=bool)
    members[first[minor]] = True
    return Populations(
        separation=log_normal(value, log_variance, n=len(Y), null=_null(len(Y), X.shape[1])),
        minor_share=wilson(small, len(Y)),
        minor=members,
        remaining=max(_inner_separation(Y[minor]), _inner_separation(Y[~minor])),
        kinship=kinship(X[first[minor]], X[first[~minor]]),
    )


@lru_cache(maxsize=16)
def _null(n: int, d: int) -> float:
    """Return the separation of isotropic vectors."""
    found = []
    for Y in isotropic.principal_scores(n, d, _COORDINATES, draws=2):
        mask = _best_split(Y)
        found.append(NULL_SEPARATION if mask is None else _separation(Y, mask))
    return float(np.mean(found))


def _inner_separation(X: Float64) -> float:
    mask = _best_split(X) if len(X) >= 4 * _FEWEST else None
    return NULL_SEPARATION if mask is None else _separation(X, mask)


def _principal(X: Float64) -> Float64:
    """Return centred rows in their first principal coordinates."""
    centred = X - X.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    coordinates: Float64 = centred @ vectors[:, ::-1][:, :_COORDINATES]
    return coordinates


def _best_split(Y: Float64) -> NDArray[np.bool_] | None:
    """Return the split with the largest separation and at least ten members on either side."""
    Y = _principal(Y)
    directions = [*np.eye(Y.shape[1])[:_PRINCIPAL], *_far_rows(Y)]
    best, best_value = None, 0.0
    for direction in directions:
        mask = _refine(Y, _cut(Y @ direction))
        if mask is not None and (value := _separation(Y, mask)) > best_value:
            best, best_value = mask, value
    return best


def _far_rows(Y: Float64) -> list[Float64]:
    """Return rows picked one by one, each far from all before (farthest-first traversal)."""
    distances = np.einsum("ij,ij->i", Y, Y)
    rows: list[Float64] = []
    for _ in range(min(_FARTHEST, len(Y))):
        row = Y[int(np.argmax(distances))]
        rows.append(row)
        distances = np.minimum(distances, np.sum((Y - row) ** 2, axis=1))
    return rows


def _cut(values: Float64) -> NDArray[np.bool_]:
    """Split numbers in two with the least variance within (Otsu's threshold)."""
    ordered = np.sort(values)
    n = len(ordered)
    sums = np.cumsum(ordered)
    i = np.arange(1, n)
    between = i * (n - i) * (sums[:-1] / i - (sums[-1] - sums[:-1]) / (n - i)) ** 2
    j = int(np.argmax(between))
    return np.asarray(values > (ordered[j] + ordered[j + 1]) / 2)


def _refine(X: Float64, mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    for _ in range(10):
        if min(mask.sum(), (~mask).sum()) < _FEWEST:
            return None
        again = _cut(X @ (X[mask].mean(axis=0) - X[~mask].mean(axis=0)))
        if np.array_equal(again, mask):
            break
        mask = again
    return mask if min(mask.sum(), (~mask).sum()) >= _FEWEST else None


def _separation(X: Float64, mask: NDArray[np.bool_]) -> float:
    line = X[mask].mean(axis=0) - X[~mask].mean(axis=0)
    a, b = X[mask] @ line, X[~mask] @ line
    spread = float(a.var() + b.var())
    return math.sqrt(2) * abs(float(a.mean() - b.mean())) / math.sqrt(max(spread, 1e-18))
