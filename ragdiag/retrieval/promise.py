"""What a similarity promises on the source, and what a new store delivers of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.metrics import per_query
from ragdiag.similarities import Training, for_metric
from ragdiag.statistics.neighbors import Neighbors, NeighborSearch, overlap
from ragdiag.types import Float32, Metric, Similarity

TOP = 10
SAME = f"same top {TOP}"
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
        self._metrics, self._depth, self._seed = metrics, depth, seed
        if labels is not None and relevant is not None and queries is not None:
            judged = [i for i, graded in enumerate(relevant) if graded]
            self._relevant, self._asked = [relevant[i] for i in judged], queries[judged]

    def promised(self, similarity: Similarity) -> NeighborSearch:
        """Return the search of the source by a similarity."""
        return NeighborSearch(similarity, self._asked, self._depth, seed=self._seed)

    def delivered(self, metric: Metric, maps: Similarity) -> NeighborSearch:
        """Return the search of the new store, as it ranks, for mapped queries."""
        return NeighborSearch(for_metric(metric), maps.queries(self._asked), self._depth, seed=self._seed)

    def scores(self, promised: Neighbors, found: Neighbors) -> dict[str, float]:
        """Return the mean of each metric; without labels, how much of the promised lists was found."""
        if not self._relevant:
            return {SAME: float(overlap(promised.positions[:, :TOP], found.positions[:, :TOP]).mean())}
        return {
            name: float(values.mean())
            for name, values in per_query(found.positions, self._relevant, self._metrics).items()
        }
