"""Which of the documents that a search returned belong to the nearest; ties count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine.local import LONGEST
from ragdiag.errors import StoreError
from ragdiag.similarities import for_metric
from ragdiag.statistics.bounds import UNIT_ROUNDOFF
from ragdiag.statistics.neighbors import Neighbors
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
    float32 may be off by: equal documents, and those that rounding alone parts, may stand in for each other. What the
    store does not hold, such as a document that was deleted and is still in the index, is a miss. So is a hit whose
    score by the store itself is no number: engines rank zero vectors first by a cosine that is 0/0.

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
        self._ids = ids
        self._gone: set[str] = set()

    def recall(self, hits: Sequence[Hits]) -> Float64:
        """Return for each query the share of its exact neighbours that were found, or equals of them, shape (m,).

        The document that the query itself is neither counts nor takes a place.
        """
        lists, broken = self._lists(hits), _without_score(hits)
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
                    if id_ not in broken[query]
                )
                shares[query] = min(good, wanted) / wanted
        return shares

    def unreachable(self, hits: Sequence[Hits]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which documents ought to be in the list of their own vector, and which of these are not.

        By inner product a short document need not be. One whose list is full of others that score as well is excused.
        """
        lists, broken = self._lists(hits), _without_score(hits)
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
            as_good = sum(self._reaches(query, id_, float(own[query])) for id_ in listed if id_ not in broken[query])
            missed[query] = as_good < self._k
        return counts, missed

    @property
    def ghosts(self) -> frozenset[str]:
        """Ids that searches gave and that the store does not hold."""
        return frozenset(self._gone)

    def _lists(self, hits: Sequence[Hits]) -> list[list[str]]:
        if len(hits) != len(self.asked):
            raise StoreError(f"a search for {len(self.asked)} queries gave {len(hits)} lists")
        return [list(dict.fromkeys(found.ids)) for found in hits]

    def _load(self, ids: Iterable[str]) -> None:
        """Fetch the documents whose scores are asked for, those that are not known yet."""
        missing = sorted(set(ids) - self._documents.keys() - self._gone)
        for start in range(0, len(missing), _FETCHED):
            part = missing[start : start + _FETCHED]
            part, vectors = self._held(part)
            if not part:
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                usable = row_norms(vectors) < LONGEST  # false for NaN
            mapped = self._similarity.documents(np.where(usable[:, None], vectors, np.float32(0)))
            errors = _rounding(mapped)
            for id_, row, error, kept in zip(part, mapped.astype(np.float64), errors, usable, strict=True):
                self._documents[id_] = (row if kept else np.full_like(row, -np.inf), float(error))

    def _held(self, ids: Sequence[str]) -> tuple[list[str], Float32]:
        """Return those of the ids that the store holds, and their vectors; it refuses all when one is missing."""
        try:
            return list(ids), self._fetch(ids).vectors
        except StoreError:
            if not self._answers():
                raise
        known = set(self._ids)
        self._gone.update(id_ for id_ in ids if id_ not in known)
        left = [id_ for id_ in ids if id_ in known]
        if len(left) == len(ids) == 1:
            self._gone.update(ids)  # deleted since it was read
            left = []
        if not left:
            return [], np.empty((0, self.asked.vectors.shape[1]), dtype=np.float32)
        if len(left) < len(ids):
            return self._held(left)
        (one, first), (two, second) = self._held(ids[: len(ids) // 2]), self._held(ids[len(ids) // 2 :])
        return one + two, np.concatenate([first, second])

    def _answers(self) -> bool:
        """Whether the store still gives documents, so that what it does not give is missing."""
        for position in (0, len(self._ids) // 2, len(self._ids) - 1):
            with suppress(StoreError):
                self._fetch([self._ids[position]])
                return True
        return False

    def _reaches(self, query: int, id_: str, score: float) -> bool:
        if id_ in self._gone:
            return False
        row, error = self._documents[id_]
        if not np.isfinite(row[0]):
            return False
        slack = error * float(self._lengths[query])
        return float(self._queries[query] @ row) >= score - slack


def _without_score(hits: Sequence[Hits]) -> list[set[str]]:
    """Return the ids of each list whose score is NaN."""
    return [
        {id_ for id_, score in zip(found.ids, found.scores, strict=False) if np.isnan(score)}
        if np.isnan(found.scores).any()
        else set()
        for found in hits
    ]


def _rounding(documents: Float32) -> Float64:
    """Return by how much scores of these documents may differ and be equal, per unit of query length, shape (n,)."""
    slack: Float64 = _ROUNDING * documents.shape[1] ** 0.5 * UNIT_ROUNDOFF * row_norms(documents)
    return slack
