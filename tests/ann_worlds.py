"""Stores whose own search misses what it is told to miss."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores import ArrayStore, Hits, Tuning
from ragdiag.testing.engine_contract import true_scores
from ragdiag.types import Float32, IntArray, Metric

Misses = Callable[[int, list[str], int | None], Collection[int]]


class Searched(ArrayStore):
    """An array that is searched exactly, but for what `misses` takes out of each ranking.

    Parameters
    ----------
    misses : callable
        ``misses(query, ranked ids, effort)`` returns the places to leave out; `query` counts those asked so far.
    """

    def __init__(
        self,
        X: Float32,
        misses: Misses = lambda query, ids, effort: (),
        *,
        metric: Metric = Metric.COSINE,
        tuning: Tuning = Tuning(),  # noqa: B008
        **options: Any,
    ) -> None:
        super().__init__(X, metric=metric, **options)
        self._X, self._misses, self._tuning = X, misses, tuning
        self.asked: list[tuple[int, int | None]] = []

    @property
    def tuning(self) -> Tuning:
        return self._tuning

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        assert self.info.metric is not None
        found = []
        for row in true_scores(queries, self._X, self.info.metric):
            order: IntArray = np.argsort(-np.nan_to_num(row, nan=-np.inf), kind="stable")
            ids = self._ids.at(order)
            out = set(self._misses(len(self.asked), ids, effort))
            self.asked.append((k, effort))
            kept = [place for place in range(len(ids)) if place not in out][:k]
            found.append(Hits(tuple(ids[place] for place in kept), row[order[kept]]))
        return found


def failing(query: int, ids: list[str], effort: int | None) -> Collection[int]:
    raise StoreError("the server has gone")


def hiding(hidden: Collection[str]) -> Misses:
    """Return what makes some documents impossible to find."""
    return lambda query, ids, effort: [place for place, id_ in enumerate(ids) if id_ in hidden]
