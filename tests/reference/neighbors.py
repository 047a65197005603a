"""Neighbours by the direct formula: every pair, in float64, sorted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ragdiag.types import Float32, Float64, IntArray, Metric


def direct_scores(Q: Float32, X: Float32, metric: Metric) -> Float64:
    """Cosine, inner product or −‖q − d‖², straight from the definitions."""
    Q64, X64 = Q.astype(np.float64), X.astype(np.float64)
    scores = np.empty((len(Q64), len(X64)))
    for i, q in enumerate(Q64):
        for j, x in enumerate(X64):
            if metric is Metric.L2:
                scores[i, j] = -np.sum((q - x) ** 2)
            elif metric is Metric.DOT:
                scores[i, j] = np.sum(q * x)
            else:
                lengths = np.sqrt(np.sum(q * q)) * np.sqrt(np.sum(x * x))
                scores[i, j] = np.sum(q * x) / lengths if lengths > 0 else 0.0
    return scores


def mapped_scores(mapped_queries: Float32, mapped_documents: Float32) -> Float64:
    """Inner products of float32 vectors, in float64."""
    return mapped_queries.astype(np.float64) @ mapped_documents.astype(np.float64).T


def ranking(
    scores: Float64, k: int, *, exclude: IntArray | None = None, usable: NDArray[np.bool_] | None = None
) -> tuple[IntArray, Float64]:
    """The k best of each row, best first, −1 and −inf where there are fewer; ties by position."""
    m, n = scores.shape
    positions = np.full((m, k), -1, dtype=np.int64)
    best = np.full((m, k), -np.inf)
    for i in range(m):
        allowed = [j for j in range(n) if (usable is None or usable[j]) and (exclude is None or j != exclude[i])]
        allowed.sort(key=lambda j: -scores[i, j])
        for rank, j in enumerate(allowed[:k]):
            positions[i, rank], best[i, rank] = j, scores[i, j]
    return positions, best


def wrong_neighbours(
    found: IntArray,
    scores: Float64,
    tolerance: Float64,
    *,
    exclude: IntArray | None = None,
    usable: NDArray[np.bool_] | None = None,
) -> list[str]:
    """What is wrong with `found`, shape (m, k), when scores within `tolerance`, shape (m,), are ties.

    A list is right when it has the right length, repeats nothing, holds only allowed documents, each rank's
    score is that of the brute-force ranking, and whatever beats the last one is in.
    """
    k = found.shape[1]
    _, best = ranking(scores, k, exclude=exclude, usable=usable)
    complaints = []
    for i, row in enumerate(found):
        hits = row[row >= 0]
        if len(hits) != np.sum(np.isfinite(best[i])) or np.any(row[: len(hits)] < 0):
            complaints.append(f"query {i}: {len(hits)} hits")
            continue
        if len(set(hits.tolist())) != len(hits):
            complaints.append(f"query {i}: repeats")
        if exclude is not None and exclude[i] in hits:
            complaints.append(f"query {i}: finds itself")
        if usable is not None and not np.all(usable[hits]):
            complaints.append(f"query {i}: finds an unusable row")
        off = np.abs(scores[i, hits] - best[i, : len(hits)])
        if np.any(off > tolerance[i]):
            complaints.append(f"query {i}: off by {off.max()} > {tolerance[i]}")
    return complaints
