"""Which of the documents that a search returned belong to the nearest; ties count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine.local import LONGEST
from ragdiag.errors import StoreError
from ragdiag.similarities import for_metric
from ragdiag.statistics.neighbors import UNIT_ROUNDOFF, Neighbors
from ragdiag.stores.base import Hits
from ragdiag.types import Batch, Float32, Float64, IntArray, Metric
from ragdiag.vectors import row_norms

_FETCHED = 1000  # documents of one request
_ROUNDING = 4.0  # times √p·u, to which the rounding of p products and their sum in float32 typically adds up


@dataclass(frozen=True)
class Asked:
    """Queries with their exact neighbours.

    Attributes
    ----------
    vectors : ndarray of float32, shape (m, d)
    neighbors : Neighbors
        At least k of each, by the similarity that the store ranks by; of documents without themselves.
    own : ndarray of int64, shape (m,), or None
        Which document each query is; None for queries that are none.
    """

    vectors: Float32
    neighbors: Neighbors
    own: IntArray | None = None

    def __len__(self) -> int:
        return len(self.vectors)


class Judge:
    """Holds lists of a search to the exact neighbours of the same queries.

    A document counts when its exact score is at least that of the k-th exact neighbour, up to what a score in
    float32 may be off by: equal documents, and those that rounding alone parts, may stand in for each other.

    Parameters
    ----------
    asked : Asked
    ids : sequence of str, length n
        Of all documents, by position.
    metric : Metric or None
        By which the store ranks.
    k : int
        Length of the lists.
    fetch : callable
        Gives the vectors of documents that are no exact neighbours.
    """

    def __init__(
        self, asked: Asked, ids: Sequence[str], metric: Metric | None, k: int, fetch: Callable[[Sequence[str]], Batch]
    ) -> None:
        self.asked = asked
        self.depth = k + 1 if asked.own is not None else k
        self._k, self._fetch, self._similarity = k, fetch, for_metric(metric)
        mapped = self._similarity.queries(asked.vectors)
        self._queries, self._lengths = mapped.astype(np.float64), row_norms(mapped)
        near = asked.neighbors.top(k)
        self._found = (near.positions >= 0).sum(axis=1)
        last = np.maximum(self._found - 1, 0)
        self._kth: Float64 = near.scores[np.arange(len(near.scores)), last]
        self._near = [{ids[p] for p in row if p >= 0} for row in near.positions.tolist()]
        self._own = [None] * len(asked) if asked.own is None else [ids[p] for p in asked.own.tolist()]
        self._documents: dict[str, tuple[Float64, float]] = {}

    def recall(self, hits: Sequence[Hits]) -> Float64:
        """Return for each query the share of its exact neighbours that were found, or equals of them, shape (m,).

        The document that the query itself is neither counts nor takes a place.
        """
        lists = self._lists(hits)
        self._load(
            id_
            for listed, near, own in zip(lists, self._near, self._own, strict=True)
            for id_ in listed
            if id_ not in near and id_ != own
        )
        shares = np.ones(len(lists))
        for query, listed in enumerate(lists):
            wanted = int(self._found[query])
            if wanted:
                good = sum(
                    id_ in self._near[query] or self._reaches(query, id_, float(self._kth[query]))
                    for id_ in [id_ for id_ in listed if id_ != self._own[query]][: self._k]
                )
                shares[query] = min(good, wanted) / wanted
        return shares

    def unreachable(self, hits: Sequence[Hits]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which documents ought to be in the list of their own vector, and which of these are not.

        By inner product a short document need not be. One whose list is full of others that score as well is excused.
        """
        lists = self._lists(hits)
        mapped = self._similarity.documents(self.asked.vectors)
        own: Float64 = np.einsum("ij,ij->i", self._queries, mapped.astype(np.float64))
        slack = _rounding(mapped) * self._lengths
        better = (self.asked.neighbors.top(self._k).scores > (own + slack)[:, None]).sum(axis=1)
        counts = better < self._k
        without = {
            query: listed[: self._k]
            for query, listed in enumerate(lists)
            if counts[query] and self._own[query] not in listed[: self._k]
        }
        self._load(id_ for listed in without.values() for id_ in listed)
        missed = np.zeros(len(lists), dtype=bool)
        for query, listed in without.items():
            as_good = sum(self._reaches(query, id_, float(own[query])) for id_ in listed)
            missed[query] = as_good < self._k
        return counts, missed

    def _lists(self, hits: Sequence[Hits]) -> list[list[str]]:
        if len(hits) != len(self.asked):
            raise StoreError(f"a search for {len(self.asked)} queries gave {len(hits)} lists")
        return [list(dict.fromkeys(found.ids)) for found in hits]

    def _load(self, ids: Iterable[str]) -> None:
        """Fetch the documents whose scores are asked for, those that are not known yet."""
        missing = sorted(set(ids) - self._documents.keys())
        for start in range(0, len(missing), _FETCHED):
            part = missing[start : start + _FETCHED]
            vectors = self._fetch(part).vectors
            with np.errstate(over="ignore", invalid="ignore"):
                usable = row_norms(vectors) < LONGEST  # false for NaN
            mapped = self._similarity.documents(np.where(usable[:, None], vectors, np.float32(0)))
            errors = _rounding(mapped)
            for id_, row, error, kept in zip(part, mapped.astype(np.float64), errors, usable, strict=True):
                self._documents[id_] = (row if kept else np.full_like(row, -np.inf), float(error))

    def _reaches(self, query: int, id_: str, score: float) -> bool:
        row, error = self._documents[id_]
        if not np.isfinite(row[0]):
            return False
        slack = error * float(self._lengths[query])
        return float(self._queries[query] @ row) >= score - slack


def _rounding(documents: Float32) -> Float64:
    """Return by how much scores of these documents may differ and be equal, per unit of query length, shape (n,)."""
    slack: Float64 = _ROUNDING * documents.shape[1] ** 0.5 * UNIT_ROUNDOFF * row_norms(documents)
    return slack
