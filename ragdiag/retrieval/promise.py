"""What a similarity promises on the source, and what a new store delivers of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.metrics import DEPTH, per_query
from ragdiag.similarities import Training, for_metric
from ragdiag.statistics.neighbors import Neighbors, NeighborSearch
from ragdiag.types import Float32, Metric, Similarity

TOP = 10
SAME = f"same top {TOP}"
TIE = 1e-5
ROUNDING = 1e-6
CHECKED = 200  # documents asked for when there are no labelled queries


class Promise:
    """Asks the same queries of the source and of the new store: labelled ones, or else stored documents."""

    def __init__(
        self,
        labels: Judgements | None,
        relevant: tuple[Mapping[int, int], ...] | None,
        queries: Float32 | None,
        training: Training,
        metrics: Sequence[str],
        depth: int,
        seed: int,
    ) -> None:
        self._relevant: list[Mapping[int, int]] = []
        self._asked = training.documents[:CHECKED]
        self._metrics, self._depth, self._seed = metrics, max(depth, TOP), seed
        if labels is not None and relevant is not None and queries is not None:
            judged = [i for i, graded in enumerate(relevant) if graded]
            self._relevant, self._asked = [relevant[i] for i in judged], queries[judged]

    def promised(self, similarity: Similarity) -> NeighborSearch:
        """Return the search of the source by a similarity, deeper than what is looked at."""
        return NeighborSearch(similarity, self._asked, max(self._depth, DEPTH), seed=self._seed)

    def delivered(self, metric: Metric, maps: Similarity) -> NeighborSearch:
        """Return the search of the new store, as it ranks, for mapped queries."""
        return NeighborSearch(for_metric(metric), maps.queries(self._asked), self._depth, seed=self._seed)

    def scores(self, promised: Neighbors, found: Neighbors) -> dict[str, float]:
        """Return the mean of each metric; without labels, how many of the places hold what was promised."""
        if not self._relevant:
            return {SAME: float(as_promised(promised, found.top(TOP)).mean())}
        top = found.positions[:, : self._depth]
        return {name: float(v.mean()) for name, v in per_query(top, self._relevant, self._metrics).items()}


def as_promised(promised: Neighbors, found: Neighbors) -> NDArray[np.bool_]:
    """Say for each place whether its document scores, on the source, as well as the one promised there.

    Documents that the source can hardly tell apart, by 1e-5 of the range between the quartiles of the list or a
    millionth of the score, may change places: float32 coordinates of a new store cannot keep their order.

    Parameters
    ----------
    promised : Neighbors
        Lists of the source, at least as deep.
    found : Neighbors
        Lists of the new store, shape (m, k).

    Returns
    -------
    ndarray of bool, shape (m, k)

    Examples
    --------
    >>> source = Neighbors("cosine", np.array([[4, 7, 9]]), np.array([[0.9, 0.5, 0.1]]))
    >>> as_promised(source, Neighbors("l2", np.array([[4, 9]]), np.zeros((1, 2)))).tolist()
    [[True, False]]
    """
    scores = np.where(promised.positions >= 0, promised.scores, np.nan)
    least = np.nanmin(scores, axis=1)
    # The quartiles, not the ends: one long document must not make ties of all the others.
    lower, upper = np.nanquantile(scores, [0.25, 0.75], axis=1)
    right = np.ones(found.positions.shape, dtype=bool)
    for place in range(found.k):
        same = promised.positions == found.positions[:, place, None]
        own = np.where(same.any(axis=1), np.where(same, scores, 0.0).sum(axis=1, where=same), least)
        wanted = scores[:, place]
        slack = TIE * (upper - lower) + ROUNDING * np.abs(wanted)
        right[:, place] = np.isnan(wanted) | (own >= wanted - slack)
    return right
