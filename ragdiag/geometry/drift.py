"""Did the vectors of a store move between two sketches of it?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.geometry.intervals import Z, wilson, within
from ragdiag.statistics.sketch import LEVELS, SIZE, Sketch
from ragdiag.types import Float64, IntArray, Measure

PERMUTATIONS = 1999
SAME_CHUNK = 0.9  # cosine of a text embedded again by the same model; another model gives about 0
FEW = 20  # documents on each side, below which laws are not compared
_AT_ONCE = 500


@dataclass(frozen=True)
class Drift:
    """How the vectors of two audits of a store differ.

    Attributes
    ----------
    measures : mapping of str to Measure
        ``drift.…``; null 0 for all.
    p : float or None
        Of the permutation test that both have one law of directions; None where there was nothing to test.
    """

    measures: Mapping[str, Measure]
    p: float | None


def drift(old: Sketch, new: Sketch, rng: np.random.Generator) -> Drift:
    """Compare two sketches.

    Parameters
    ----------
    old, new : Sketch
        Of one dimension.
    rng : numpy.random.Generator
        Of the permutations.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((100, 8)).astype(np.float32)
    >>> ids, texts = np.arange(100, dtype=np.uint64), np.zeros(100, dtype=np.uint64)
    >>> moved = drift(Sketch(ids, texts, X), Sketch(ids, texts, X + 1), np.random.default_rng(0))
    >>> moved.p, moved.measures["drift.vectors_changed"].value
    (0.0005, 1.0)
    """
    measures = churn(old, new)
    pooled = _pooled(old, new)
    if pooled is None:
        few = Measure.missing(f"fewer than {FEW} documents on either side", null=0.0)
        return Drift(measures | {"drift.mmd": few, "drift.mean_shift": few}, None)
    gaussian = pooled.gaussian()
    shifts = {"drift.mmd": pooled.shift(gaussian), "drift.mean_shift": pooled.shift(pooled.points @ pooled.points.T)}
    return Drift(shifts | measures, pooled.permutation_p(gaussian, rng))


def churn(old: Sketch, new: Sketch) -> dict[str, Measure]:
    """Return which share of the documents came, went and changed, each with its Wilson interval.

    ``drift.ids_vanished`` of the old ids, ``drift.ids_new`` of the new ones; of the ids in both,
    ``drift.vectors_changed`` (a coordinate of the direction differs by more than 1.5 of its 8-bit levels) and
    ``drift.replaced``: of those with the same text, the ones whose cosine to the old vector is below .9; where there
    are no texts, the ones that resemble their old vector no more than 95 % of the pairs of different documents do.
    Counted where both sketches hold all documents.
    """
    both_whole = len(old) < SIZE and len(new) < SIZE
    ends = [sketch.ids[-1] for sketch in (old, new) if len(sketch) == SIZE]
    cut = min(ends, default=np.uint64(2**64 - 1))
    before, after = old.ids[old.ids <= cut], new.ids[new.ids <= cut]
    _, rows, others = np.intersect1d(before, after, assume_unique=True, return_indices=True)
    X, Y = old.vectors[rows].astype(np.float64), new.vectors[others].astype(np.float64)
    lengths = np.linalg.norm(X, axis=1) * np.linalg.norm(Y, axis=1)
    cosines = np.einsum("ij,ij->i", X, Y) / np.where(lengths == 0, 1.0, lengths)
    # Vectors that are equal but for float noise, or their lengths, can round to neighbouring levels.
    level = np.maximum(np.abs(X).max(axis=1, initial=0.0), np.abs(Y).max(axis=1, initial=0.0)) / LEVELS
    changed = np.any(np.abs(X - Y) > 1.5 * level[:, None], axis=1)
    known, limit = _known(old, new, rows, others), np.full(len(rows), SAME_CHUNK)
    wordless = (old.texts[rows] == 0) & known
    if wordless.any():
        limit[wordless] = _unrelated(X, Y)
    replaced = known & changed & (cosines < limit) & (lengths > 0)
    kept = len(rows)

    def share(part: int, whole: int, why: str) -> Measure:
        if whole == 0:
            return Measure.missing(why, null=0.0)
        return Measure.counted(part / whole, n=whole, null=0.0) if both_whole else wilson(part, whole, null=0.0)

    return {
        "drift.ids_vanished": share(len(before) - kept, len(before), "the sketches have no range of ids in common"),
        "drift.ids_new": share(len(after) - kept, len(after), "the sketches have no range of ids in common"),
        "drift.vectors_changed": share(int(changed.sum()), kept, "no id is in both"),
        "drift.replaced": share(int(replaced.sum()), int(known.sum()), "no document is known to be in both"),
    }


def _known(old: Sketch, new: Sketch, rows: IntArray, others: IntArray) -> NDArray[np.bool_]:
    """Return which of the ids in both stand for one document: the same text, or no texts and ids that are no rows."""
    same: NDArray[np.bool_] = old.texts[rows] == new.texts[others]
    if old.numbered or new.numbered:
        same &= old.texts[rows] != 0
    return same


def _unrelated(X: Float64, Y: Float64) -> float:
    """Return the cosine above which one in twenty pairs of different documents lies."""
    if len(X) < FEW:
        return -1.0
    directions = [V / np.maximum(np.linalg.norm(V, axis=1), 1e-12)[:, None] for V in (X, Y)]
    cosines = directions[0] @ directions[1].T
    return float(np.quantile(cosines[~np.eye(len(X), dtype=bool)], 0.95))


@dataclass(frozen=True)
class _Pooled:
    """The directions of both sketches; `units` says which belong to one id and are thus not independent."""

    points: Float64
    is_old: IntArray  # 1 or 0
    units: IntArray

    def weights(self, is_old: Float64) -> Float64:
        n = float(self.is_old.sum())
        return is_old / n - (1 - is_old) / (len(self.is_old) - n)

    def gaussian(self) -> Float64:
        """Return exp(−‖x − y‖²/m), m the median over all pairs, which no relabelling changes."""
        squares = np.einsum("ij,ij->i", self.points, self.points)
        apart = np.maximum(squares[:, None] + squares - 2 * self.points @ self.points.T, 0.0)
        pairs = apart[np.triu_indices(len(apart), 1)]
        moved = pairs[pairs > 0]
        scale = float(np.median(moved)) if len(moved) else 1.0
        kernel: Float64 = np.exp(-apart / scale)
        return kernel

    def shift(self, kernel: Float64) -> Measure:
        """Return the squared distance of the two means over the spread, Δ²/(tr S_old + tr S_new).

        Each document counts as one draw of a pair (old, new), of which one may be missing: Δ² is freed from the
        sampling variance of such draws, and its interval knows that equal documents on both sides cancel.
        """
        sides = np.stack([self.is_old, 1 - self.is_old]).astype(np.float64)
        sizes = sides.sum(axis=1)
        w = self.weights(self.is_old.astype(np.float64))
        side = 1 - self.is_old
        to_means = kernel @ sides.T / sizes
        means = sides @ to_means / sizes[:, None]
        centred = kernel - to_means[:, side] - to_means[:, side].T + means[np.ix_(side, side)]
        indicator = np.zeros((int(self.units.max()) + 1, len(self.units)))
        indicator[self.units, np.arange(len(self.units))] = 1.0
        gram = indicator @ (w[:, None] * centred * w) @ indicator.T
        n = len(gram)
        own = np.diag(gram)
        plain = float(w @ kernel @ w)
        square = plain - float(own.sum()) * n / (n - 1)
        second = float(np.sum(gram**2) - np.sum(own**2))  # tr V²
        toward = kernel @ w
        along = indicator @ (w * (toward - (sides @ toward / sizes)[side]))
        # Var Δ² = 4λΔ² + 2 tr V² for normal means, λ the variance along Δ. The interval holds every Δ² from which the
        # estimate is at most 1.96 of the standard errors that hold there: taken at the estimate itself, a small one
        # would seem to be sure of itself.
        steep = 2 * Z**2 * (float(along @ along) / plain if plain > 0 else 0.0)
        half = math.sqrt(max(steep**2 + 2 * steep * square + 2 * Z**2 * second, 0.0))
        spread = float(np.sum((np.diagonal(kernel) @ sides.T / sizes - np.diag(means)) * sizes / (sizes - 1)))
        total = len(self.points)
        if spread <= 0:
            return Measure.missing("all vectors are equal", n=total, null=0.0)
        low, high = min(square + steep - half, square), max(square + steep + half, square)
        ratio = Measure(square / spread, low / spread, high / spread, 0.0, total)
        return within(ratio, 0.0, math.inf)

    def permutation_p(self, kernel: Float64, rng: np.random.Generator) -> float:
        """Return p of the squared distance of the means when old and new are exchanged at random.

        Within a document that both have; where only one has it, among all such documents.
        """
        counts = np.bincount(self.units)
        alone = np.flatnonzero(counts[self.units] == 1)
        paired = np.flatnonzero(counts[self.units] == 2)
        observed_labels = self.is_old.astype(np.float64)
        w = self.weights(observed_labels)
        observed = float(w @ kernel @ w) * (1 - 1e-9) - 1e-15
        extreme = 0
        for start in range(0, PERMUTATIONS, _AT_ONCE):
            size = min(_AT_ONCE, PERMUTATIONS - start)
            labels = np.repeat(observed_labels[:, None], size, axis=1)
            labels[alone] = rng.permuted(labels[alone], axis=0)
            swapped = rng.integers(0, 2, size=(len(counts), size))[self.units[paired]]
            labels[paired] = np.where(swapped == 1, 1 - labels[paired], labels[paired])
            W = self.weights(labels)
            extreme += int(np.sum(np.einsum("ib,ib->b", kernel @ W, W) >= observed))
        return (1 + extreme) / (1 + PERMUTATIONS)


def _pooled(old: Sketch, new: Sketch) -> _Pooled | None:
    """Pool the rows that are not zero; None where one side has too few."""
    live = [sketch.vectors.any(axis=1) for sketch in (old, new)]
    if min(int(rows.sum()) for rows in live) < FEW:
        return None
    ids = np.concatenate([old.ids[live[0]], new.ids[live[1]]])
    points = np.concatenate([old.vectors[live[0]], new.vectors[live[1]]]).astype(np.float64)
    is_old = np.repeat(np.array([1, 0]), [int(live[0].sum()), int(live[1].sum())]).astype(np.int64)
    units = np.unique(ids, return_inverse=True)[1].ravel().astype(np.int64)
    return _Pooled(points, is_old, units)
