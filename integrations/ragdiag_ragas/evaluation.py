"""The result of an evaluation: scores with intervals, and each query's score beside the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ragdiag.numbers import number, percent, probability, score
from ragdiag.report.escape import clean
from ragdiag.retrieval.comparison import SimilarityScores

WORST = 5


@dataclass(frozen=True)
class Row:
    """One query under one similarity.

    Attributes
    ----------
    similarity, query_id, text : str
    scores : mapping of str to float
        By metric; what failed counts as the worst there is, see `ragdiag_ragas.evaluate`.
    failures : mapping of str to str
        By metric, why there is no score.
    hub_exposure : float or None
        Share of the retrieved that are hubs, 0 … 1.
    margin : float or None
        By how much the first document scores above the second; see `ragdiag.retrieval.retrieved.Retrieved`.
    gap : float or None
        How far the query lies from where the documents lie; 0 as the median document.
    loss : str
        Why relevant documents are missing; see `ragdiag.retrieval.retrieved.Retrieved`. "" when nothing is.
    """

    similarity: str
    query_id: str
    text: str
    scores: Mapping[str, float]
    failures: Mapping[str, str] = field(default_factory=dict)
    hub_exposure: float | None = None
    margin: float | None = None
    gap: float | None = None
    loss: str = ""


@dataclass(frozen=True)
class Evaluation:
    """One or several similarities, evaluated on the same queries.

    Attributes
    ----------
    metrics : tuple of str
    runs : tuple of SimilarityScores
        The baseline first; every mean is over all queries, failures included.
    rows : tuple of Row
        Similarity by similarity, the queries in the order in which they were given.
    clusters : int
        Groups of queries without a relevant document in common; they are resampled whole.
    seed : int
    less_is_better : tuple of str
        Those of `metrics` whose worst score is the largest.
    notes : tuple of str
        Queries that are not judged, or judged and not there; for each metric that failed, as what that counts.
    """

    metrics: tuple[str, ...]
    runs: tuple[SimilarityScores, ...]
    rows: tuple[Row, ...]
    clusters: int
    seed: int
    less_is_better: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows in which some metric failed."""
        return tuple(row for row in self.rows if row.failures)

    @property
    def table(self) -> tuple[dict[str, Any], ...]:
        """One row for each similarity and metric: means, differences, intervals, p, failures."""
        return tuple(
            {
                "similarity": run.similarity,
                "metric": metric,
                "mean": paired.mean.value,
                "mean_low": paired.mean.low,
                "mean_high": paired.mean.high,
                "delta": paired.delta.value,
                "low": paired.delta.low,
                "high": paired.delta.high,
                "p": paired.p,
                "failures": sum(metric in row.failures for row in self.rows if row.similarity == run.similarity),
            }
            for run in self.runs
            for metric, paired in run.scores.items()
        )

    def worst(self, metric: str | None = None, n: int = WORST, similarity: str | None = None) -> tuple[Row, ...]:
        """Return the rows with the worst scores, the worst first; of equal ones the first given.

        Parameters
        ----------
        metric : str, optional
            By default the first one.
        n : int
        similarity : str, optional
            By default the baseline.
        """
        name = similarity or self.runs[0].similarity
        own, by = [row for row in self.rows if row.similarity == name], metric or self.metrics[0]
        sign = -1 if by in self.less_is_better else 1
        return tuple(sorted(own, key=lambda row: sign * row.scores[by])[:n])

    def __str__(self) -> str:
        lines = [_line(run, metric) for run in self.runs for metric in run.scores]
        lines += [
            f"failed: {row.similarity}, query {clean(row.query_id)}, {metric}: {clean(why)}"
            for row in self.failures
            for metric, why in row.failures.items()
        ]
        lines += [f"note: {clean(note)}" for note in self.notes]
        lines.append(f"worst of {self.runs[0].similarity} by {self.metrics[0]}:")
        lines += [
            f"  {number(row.scores[self.metrics[0]])}  {clean(row.query_id)}  {_why(row)}" for row in self.worst()
        ]
        return "\n".join(lines)


def _line(run: SimilarityScores, metric: str) -> str:
    paired = run.scores[metric]
    line = f"{run.similarity}  {metric}  {score(paired.mean)}"
    return line if paired.p is None else f"{line}  {score(paired.delta, sign=True)}, p {probability(paired.p)}"


def _why(row: Row) -> str:
    parts = [row.loss or "no cause known"]
    if row.hub_exposure:
        parts.append(f"hubs hold {percent(row.hub_exposure)} of the list")
    return "; ".join(parts)
