"""Several similarities searched together: what differs by shifts and scales alone shares one matrix product."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine import Block, Step
from ragdiag.similarities.affine import Affine
from ragdiag.statistics.neighbors import UNDERFLOW, UNIT_ROUNDOFF, NeighborSearch, product_error
from ragdiag.types import Float32, Float64, Similarity
from ragdiag.vectors import row_norms

FEW = 32  # directions, of four times as many, that a map may change and still be a correction of the plain product
WIDER = 4.0  # times the error of a product of its own: more, and a document gets that product
_CELLS = 1 << 25  # scores held at once
_ROWS = 256  # documents fitted at once, so that they stay in the cache
_SQUARES = 2.0**-63  # a coordinate below it has no square in float32


def shared(steps: Sequence[Step]) -> list[Step]:
    """Return steps that find the same, with the searches for one set of queries made one.

    Each search keeps its own `result`, the same to the last bit as if it had run alone.
    """
    out: list[Step] = []
    groups: list[list[NeighborSearch]] = []
    for step in steps:
        if not isinstance(step, NeighborSearch):
            out.append(step)
            continue
        for group in groups:
            if np.array_equal(group[0].asked, step.asked):
                group.append(step)
                break
        else:
            groups.append([step])
    return [*out, *(SharedSearch(group) if len(group) > 1 else group[0] for group in groups)]


class SharedSearch:
    """Steps several `NeighborSearch`es over one product of their raw queries and documents.

    Let B (d × r) hold, in float32, the directions by which the maps differ from a scale: the means they subtract,
    what they remove. With d⊥ ≈ d − BBᵀd and q̂ along q − BBᵀq, a mapped document is measured to be

        V = β d⊥ + (B v ⊕ y) + ρ,    v = BᵀV, y its coordinates beyond d, if any,

    with a β of its own, and a mapped query U = a q̂ + B w + σ (on the first d coordinates; x beyond). So

        U·V = aβ q̂·d⊥ + [BᵀU, x]·[v, y] + e,    |e| ≤ |β|(‖w‖ ‖Bᵀd⊥‖ + ‖σ‖ ‖d⊥‖) + ‖U‖ ‖ρ‖

    by Cauchy and Schwarz, whatever B, d⊥, q̂, β and a are: nothing is assumed of the maps, ρ, σ and Bᵀd⊥ are
    measured. q̂·d⊥ is the product that all share. Evaluated in float32 the right-hand side is off by another
    γ(|aβ| ‖q̂‖ ‖d⊥‖ + ‖[BᵀU, x]‖ ‖[v, y]‖), γ = pu/(1 − pu), with p the number of terms and roundings. The sum of
    both is the error that `NeighborSearch` needs to lose no neighbour; candidates are scored again from the
    similarity's own maps, so that results equal those of separate searches. A document whose error is more
    than four times that of a product of its own gets that product: nothing is lost but time. So does every
    document under a map that is no scale outside B (whitening, quantisation).

    Parameters
    ----------
    searches : sequence of NeighborSearch
        For the same raw queries.

    Examples
    --------
    >>> from ragdiag.similarities import Cosine, Dot
    >>> X = np.float32([[3, 0], [0, 1], [1, 1]])
    >>> searches = [NeighborSearch(s, X[2:], k=1) for s in (Cosine(), Dot())]
    >>> SharedSearch(searches).search(0, X, np.ones(3, dtype=bool))
    >>> [int(search.result().positions[0, 0]) for search in searches]
    [2, 0]
    """

    def __init__(self, searches: Sequence[NeighborSearch]) -> None:
        self._alone: list[NeighborSearch] = []
        found: list[tuple[NeighborSearch, Float64]] = []
        for search in searches:
            directions = _directions(search.similarity, search.asked.shape[1])
            if directions is None:
                self._alone.append(search)
            else:
                found.append((search, directions))
        self._basis = _basis([directions for _, directions in found], searches[0].asked.shape[1])
        self._columns = self._basis.astype(np.float32)
        asked = searches[0].asked.astype(np.float64)
        across = asked - (asked @ self._basis) @ self._basis.T
        lengths = np.frexp(np.linalg.norm(across, axis=1))[1]
        self._queries = np.ldexp(across, -lengths[:, None]).astype(np.float32)
        self._corrections: list[tuple[NeighborSearch, _Correction]] = []
        for search, _ in found:
            correction = _correction(search, self._queries, self._columns)
            if correction is None:
                self._alone.append(search)
            else:
                self._corrections.append((search, correction))
        if len(self._corrections) < 2:
            self._alone, self._corrections = list(searches), []

    def step(self, block: Block) -> None:
        """Search one block; unusable vectors are no hits."""
        self.search(block.start, block.batch.vectors, block.usable)

    def search(self, start: int, vectors: Float32, usable: NDArray[np.bool_]) -> None:
        """Search rows `start`, `start` + 1, … of the store; only `usable` rows can be hits."""
        for search in self._alone:
            search.search(start, vectors, usable)
        rows = np.flatnonzero(usable)
        size = max(_ROWS, _CELLS // max(len(self._queries), 1))
        for first in range(0, len(rows) if self._corrections else 0, size):
            part = rows[first : first + size]
            self._together(start + part, vectors[part])

    def _together(self, positions: NDArray[np.int64], vectors: Float32) -> None:
        raw = vectors.astype(np.float64)
        across = (raw - (raw @ self._basis) @ self._basis.T).astype(np.float32)
        lengths, slant = row_norms(across), np.linalg.norm(across.astype(np.float64) @ self._columns, axis=1)
        base = self._queries @ across.T

        def one(pair: tuple[NeighborSearch, _Correction]) -> None:
            self._one(*pair, positions, vectors, across, lengths, slant, base)

        # Each search is its own; numpy lets go of the interpreter where the time is spent.
        with ThreadPoolExecutor(min(len(self._corrections), os.cpu_count() or 1)) as pool:
            list(pool.map(one, self._corrections))

    def _one(
        self,
        search: NeighborSearch,
        correction: _Correction,
        positions: NDArray[np.int64],
        vectors: Float32,
        across: Float32,
        lengths: Float64,
        slant: Float64,
        base: Float32,
    ) -> None:
        documents = search.similarity.documents(vectors)
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            fit = _fitted(documents, across, self._columns, lengths)
            error = correction.error(fit, lengths, slant, self._queries.shape[1])
        own = product_error(documents)
        apart = ~(error <= WIDER * own)  # not a number counts as too wide
        if apart.all():
            search.search_mapped(positions, documents)
            return
        error[apart] = own[apart]
        fit.scale[apart], fit.along[apart] = 0, 0
        columns = np.flatnonzero(apart)

        def product(tile: slice) -> Float32:
            scores: Float32 = base[tile] * fit.scale
            scores *= correction.scale[tile, None]
            scores += correction.along[tile] @ fit.along.T
            if len(columns):
                scores[:, columns] = search.scaled(tile)[0] @ documents[columns].T
            return scores

        search.take(positions, documents, error, product)


@dataclass(frozen=True)
class _Fit:
    """β, [v, y] and the bound of ‖ρ‖ of mapped documents."""

    scale: Float32
    along: Float32
    rest: Float64


@dataclass(frozen=True)
class _Correction:
    """a and [BᵀU, x] of scaled mapped queries U, and the largest of each factor of the error, for ‖U‖ = 1."""

    scale: Float32
    along: Float32
    across_most: float
    along_most: float
    scale_most: float
    slant_most: float
    rest_most: float

    def error(self, fit: _Fit, lengths: Float64, slant: Float64, dim: int) -> Float64:
        """Return the error of the corrected product for each document, shape (n,), per unit of query length."""
        p = dim + self.along.shape[1] + 8
        gamma = p * UNIT_ROUNDOFF / (1 - p * UNIT_ROUNDOFF)
        scale = np.abs(fit.scale.astype(np.float64))
        rounding = self.across_most * scale * lengths + self.along_most * row_norms(fit.along)
        underflow = 2 * p * UNDERFLOW * (1 + self.scale_most) * (1 + scale)
        # A thousandth more than measured: for what measuring it was off by.
        measured = 1.001 * scale * (self.slant_most * slant + self.rest_most * lengths)
        total: Float64 = gamma * rounding + measured + fit.rest + underflow
        return total


def _correction(search: NeighborSearch, queries: Float32, basis: Float32) -> _Correction | None:
    """Return how the mapped queries of `search` differ from `queries`; None when in more than `basis` and a scale."""
    mapped = search.scaled(slice(None))[0].astype(np.float64)
    d = queries.shape[1]
    if mapped.shape[1] < d:
        return None
    norms = np.linalg.norm(mapped, axis=1)
    norms = np.where(norms == 0, 1.0, norms)
    q, inside = queries.astype(np.float64), mapped[:, :d]
    square = np.einsum("ij,ij->i", q, q)
    w = inside @ basis
    left = inside - w @ basis.T
    a = (np.einsum("ij,ij->i", left, q) / np.where(square == 0, 1.0, square)).astype(np.float32)
    rest = np.linalg.norm(left - a[:, None].astype(np.float64) * q, axis=1)
    along = np.concatenate([w, mapped[:, d:]], axis=1).astype(np.float32)
    error = _most(rest, norms)
    if not error <= 64 * UNIT_ROUNDOFF:
        return None
    return _Correction(
        a,
        along,
        across_most=_most(np.abs(a) * np.sqrt(square), norms),
        along_most=_most(row_norms(along), norms),
        scale_most=_most(np.abs(a), norms),
        slant_most=_most(np.linalg.norm(w, axis=1), norms),
        rest_most=error + UNIT_ROUNDOFF / 16,
    )


def _most(values: Float64, norms: Float64) -> float:
    return float((values / norms).max(initial=0.0))


def _fitted(documents: Float32, across: Float32, basis: Float32, lengths: Float64) -> _Fit:
    """Fit mapped documents by `across` and `basis`, and bound what is left, its own rounding included."""
    n, d = across.shape
    r = basis.shape[1]
    scale, rest = np.zeros(n, dtype=np.float32), np.full(n, np.inf)
    along = np.zeros((n, r + max(documents.shape[1] - d, 0)), dtype=np.float32)
    if documents.shape[1] < d:
        return _Fit(scale, along, rest)
    along[:, r:] = documents[:, d:]
    square = lengths**2
    for start in range(0, n, _ROWS):
        rows = slice(start, start + _ROWS)
        inside, straight = documents[rows, :d], across[rows]
        along[rows, :r] = inside @ basis
        left = inside - along[rows, :r] @ basis.T
        size = np.sqrt(np.einsum("ij,ij->i", left, left))
        products = np.einsum("ij,ij->i", left, straight)
        scale[rows] = np.where(square[rows] == 0, 0.0, products / np.where(square[rows] == 0, 1.0, square[rows]))
        left -= straight * scale[rows, None]
        rest[rows] = 1.001 * np.sqrt(np.einsum("ij,ij->i", left, left))
        # What float32 lost in B v, in β d⊥ and in the differences; the columns of B have length one, nearly.
        parts = np.abs(scale[rows]) * lengths[rows] + np.sqrt(r) * np.linalg.norm(along[rows, :r], axis=1)
        rest[rows] += 1.01 * (r + 4) * UNIT_ROUNDOFF * (parts + size) + 2 * np.sqrt(d) * _SQUARES
    return _Fit(scale, along, rest)


def _basis(directions: Sequence[Float64], dim: int) -> Float64:
    """Return an orthonormal basis of all directions, shape (dim, r)."""
    rows = np.concatenate([np.zeros((0, dim)), *directions])
    lengths = np.linalg.norm(rows, axis=1)
    rows = rows[lengths > 0] / lengths[lengths > 0, None]
    if len(rows) == 0:
        return np.zeros((dim, 0))
    _, values, axes = np.linalg.svd(rows, full_matrices=False)
    basis: Float64 = axes[values > 2.0**-40 * values[0]].T
    return basis


def _directions(similarity: Similarity, dim: int) -> Float64 | None:
    """Return the directions, shape (r, dim), by which its linear stages differ from the identity; None for many."""
    rows = [np.zeros((0, dim))]
    for fit in getattr(similarity, "fits", (similarity,)):
        for stage in getattr(fit, "stages", ()):
            if not isinstance(stage, Affine):
                continue
            rows.append(np.stack([stage.document_mean, stage.query_mean]))
            if stage.matrix is not None:
                if stage.matrix.shape != (dim, dim):
                    return None
                removed = _range(stage.matrix - np.eye(dim))
                if removed is None:
                    return None
                rows.append(removed)
    return np.concatenate(rows)


def _range(matrix: Float64) -> Float64 | None:
    """Return rows that span the range of a symmetric matrix of low rank, or None where the rank is not low.

    From its products with a few random vectors (Halko, Martinsson & Tropp 2011, doi:10.1137/090771806).
    """
    few = min(FEW, len(matrix) // 4)
    probes = np.random.default_rng(0).standard_normal((len(matrix), few + 1))
    axes, values, _ = np.linalg.svd(matrix @ probes, full_matrices=False)
    kept = values > 2.0**-30 * values[0]
    return axes[:, kept].T if kept.sum() <= few else None
