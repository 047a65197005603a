"""Vectors and texts that are in the store more than once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ragdiag.geometry.intervals import wilson
from ragdiag.types import Float64, IntArray, Measure

NEAR = 0.98  # cosine above which two chunks answer the same questions


def groups(hashes: NDArray[np.uint64], usable: NDArray[np.bool_]) -> list[IntArray]:
    """Return the positions of each set of equal hashes, the largest set first.

    Examples
    --------
    >>> [g.tolist() for g in groups(np.array([7, 5, 7], dtype=np.uint64), np.ones(3, dtype=bool))]
    [[0, 2]]
    """
    positions = np.flatnonzero(usable)
    order = positions[np.argsort(hashes[positions], kind="stable")]
    if len(order) == 0:
        return []
    starts = np.flatnonzero(np.diff(hashes[order], prepend=~hashes[order[:1]]))
    ends = np.append(starts[1:], len(order))
    # Nearly all are alone, and are not cut out one by one.
    found = [order[starts[i] : ends[i]] for i in np.flatnonzero(ends - starts > 1)]
    return sorted(found, key=lambda part: (-len(part), int(part[0])))


def redundant_share(found: list[IntArray], n: int) -> Measure:
    """Share of the documents that repeat an earlier one: (members − groups)/n; counted, null 0."""
    if n == 0:
        return Measure.missing("nothing to compare", null=0.0)
    return Measure.counted(sum(len(g) - 1 for g in found) / n, n=n, null=0.0)


def near_cosine(mean_cosine: float) -> float:
    """Return the cosine above which two documents are near duplicates, `NEAR` of the way from ρ̄ to 1."""
    rho = max(mean_cosine, 0.0)
    return rho + NEAR * (1 - rho)


def near_share(nearest_cosine: Float64, *, mean_cosine: float, sampled_share: float) -> Measure:
    """Share of documents whose nearest other document is `NEAR` of the way from an unrelated one.

    (cos − ρ̄)/(1 − ρ̄) > .98, with ρ̄ the mean cosine of the store: a plain cosine above .98 where unrelated
    documents have cosine 0. In a narrow cone all cosines are above .98 and mean nothing. Every document is
    searched for each sampled one: a sub-matrix would hide the pairs. Interval: Wilson over the sampled
    documents, without width when all were sampled. Null 0.

    Parameters
    ----------
    nearest_cosine : ndarray, shape (m,)
    mean_cosine : float
        ρ̄; values below 0 count as 0.
    sampled_share : float
        m/n.
    """
    hits, n = int(np.sum(nearest_cosine > near_cosine(mean_cosine))), len(nearest_cosine)
    if sampled_share >= 1 and n:
        return Measure.counted(hits / n, n=n, null=0.0)
    return wilson(hits, n, null=0.0)
