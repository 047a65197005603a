"""Several similarities searched together: what differs by shifts and scales alone shares one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine import Block, Step
from ragdiag.engine.products import HOST, HostProducts, Products, parts, rounded_up
from ragdiag.retrieval.corrections import ROWS, Correction, basis_of, correction_of, directions_of, fitted
from ragdiag.statistics.bounds import product_error
from ragdiag.statistics.neighbors import NeighborSearch
from ragdiag.types import Float32, Float64
from ragdiag.vectors import row_norms

LARGEST = 2.0**120  # of a corrected product: far below what float32 can hold
WIDER = 4.0  # times the error of a product of its own: more, and a document gets that product


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
    γ(|aβ| ‖q̂‖ ‖d⊥‖ + ‖[BᵀU, x]‖ ‖[v, y]‖), γ = pu/(1 − pu), with p the number of terms and roundings. Bounds are
    divided by a, and so are limits. The sum of both is the error that `NeighborSearch` needs to lose no neighbour;
    candidates are scored again from the similarity's own maps, so that results equal those of separate searches. A
    document whose error is more than four times that of a product of its own gets that product: nothing is lost but
    time. So does every document under a map that is no scale outside B (whitening, quantisation).

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
        self._all = list(searches)
        self._alone: list[NeighborSearch] = []
        found: list[tuple[NeighborSearch, Float64]] = []
        for search in searches:
            directions = directions_of(search.similarity, search.asked.shape[1])
            if directions is None:
                self._alone.append(search)
            else:
                found.append((search, directions))
        self._basis = basis_of([directions for _, directions in found], searches[0].asked.shape[1])
        self._columns = self._basis.astype(np.float32)
        asked = searches[0].asked.astype(np.float64)
        across = asked - (asked @ self._basis) @ self._basis.T
        lengths = np.frexp(np.linalg.norm(across, axis=1))[1]
        self._queries = np.ldexp(across, -lengths[:, None]).astype(np.float32)
        self._corrections: list[tuple[NeighborSearch, Correction]] = []
        for search, _ in found:
            correction = correction_of(search, self._queries, self._columns)
            if correction is None:
                self._alone.append(search)
            else:
                self._corrections.append((search, correction))
        if len(self._corrections) < 2:
            self._alone, self._corrections = list(searches), []

    def step(self, block: Block) -> None:
        """Search one block; unusable vectors are no hits."""
        self.search(block.start, block.batch.vectors, block.usable, block.products)

    def search(self, start: int, vectors: Float32, usable: NDArray[np.bool_], products: Products = HOST) -> None:
        """Search rows `start`, `start` + 1, … of the store; only `usable` rows can be hits."""
        # What is shared is a float32 product; what multiplies otherwise reads its bounds otherwise too.
        host = products if type(products) is HostProducts else None
        for search in self._alone if host is not None else self._all:
            search.search(start, vectors, usable, products)
        rows = np.flatnonzero(usable)
        if host is None or not self._corrections or not len(rows):
            return
        positions, vectors = start + rows, vectors if len(rows) == len(vectors) else vectors[rows]
        host.each(lambda part: self._together(positions[part], vectors[part], host), parts(len(rows), host.threads))

    def _together(self, positions: NDArray[np.int64], vectors: Float32, products: HostProducts) -> None:
        across, slant = self._across(vectors)
        lengths = row_norms(across)
        ready = []
        for search, correction in self._corrections:
            ready.append(self._ready(search, correction, vectors, across, lengths, slant))
            if ready[-1].alone:
                search.search_mapped(positions, ready[-1].documents, products)
        for tile in self._all[0].tiles:
            asked = self._queries[tile]
            shape = len(across), len(asked)
            size = shape[0] * shape[1]
            base = np.matmul(across, asked.T, out=products.buffer("base", size).reshape(shape))
            for i, (search, correction) in enumerate(self._corrections):
                here = ready[i]
                if here.alone:
                    continue
                bounds = products.buffer("upper", size).reshape(shape)
                along = np.matmul(
                    here.along, correction.along[tile].T, out=products.buffer("along", size).reshape(shape)
                )
                if here.plain:
                    np.add(base, along, out=bounds)
                else:
                    np.multiply(base, here.scale[:, None], out=bounds)
                    bounds += along
                scale = correction.scale[tile].astype(np.float64)
                if len(here.apart):
                    own = here.documents[here.apart] @ search.scaled[tile].T
                    bounds[here.apart] = (own + np.outer(here.error[here.apart], search.norms[tile])) / scale
                search.take(tile, positions, here.documents, products, bounds, scale)

    def _across(self, vectors: Float32) -> tuple[Float32, Float64]:
        """Return d⊥ of documents, shape (b, d), and the length of what it still has along B, shape (b,)."""
        across, slant = np.empty(vectors.shape, dtype=np.float32), np.empty(len(vectors))
        for first in range(0, len(vectors), ROWS):
            rows = slice(first, first + ROWS)
            raw = vectors[rows].astype(np.float64)
            raw -= (raw @ self._basis) @ self._basis.T
            across[rows] = raw
            slant[rows] = np.linalg.norm(across[rows].astype(np.float64) @ self._columns, axis=1)
        return across, slant

    def _ready(
        self,
        search: NeighborSearch,
        correction: Correction,
        vectors: Float32,
        across: Float32,
        lengths: Float64,
        slant: Float64,
    ) -> _Ready:
        documents = search.similarity.documents(vectors)
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            fit = fitted(documents, across, self._columns, lengths)
            error = correction.error(fit, lengths, slant, self._queries.shape[1])
        own = product_error(documents)
        apart = ~(error <= WIDER * own)  # not a number counts as too wide
        error[apart] = own[apart]
        error *= 1 + 2.0**-20  # for its own rounding
        fit.scale[apart], fit.along[apart] = 0, 0
        along = np.concatenate([fit.along, rounded_up(error)[:, None]], axis=1)
        largest = correction.reach * (np.abs(fit.scale) * lengths + row_norms(along)).max()
        alone = bool(apart.all()) or not largest < LARGEST
        return _Ready(documents, fit.scale, along, error, np.flatnonzero(apart), alone)


@dataclass(frozen=True)
class _Ready:
    """Documents of a block as one search needs them; `apart` are rows whose correction is too coarse."""

    documents: Float32
    scale: Float32
    along: Float32
    error: Float64
    apart: NDArray[np.int64]
    alone: bool

    @property
    def plain(self) -> bool:
        """Whether the scale of all documents is 1."""
        return bool((np.delete(self.scale, self.apart) == 1).all())
