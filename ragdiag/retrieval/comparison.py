"""The result of scoring several similarities on the same labelled queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ragdiag.display import Displayed
from ragdiag.errors import ConfigError, MissingExtraError
from ragdiag.retrieval.losses import Losses
from ragdiag.retrieval.retrieved import Retrieved
from ragdiag.retrieval.significance import SIGNIFICANT
from ragdiag.types import Float64, Measure

EQUAL_LENGTHS = "all vectors have one length, so that cosine, dot and L2 rank alike"
MIN_EFFECT = 0.01  # of the metric that decides: the smallest difference that counts, unless another is asked for
WORDS = "BM25 (words)"  # what a run by words is called beside similarities
HARDLY_ABOVE = 0.05  # of the way from chance to a perfect ranking
STILL_POOR = 0.2
LEXICAL_FAR = 0.05  # English questions written beside English passages: .015 on a model that fits
HIGH_NULL = 0.1  # from which chance and skill cannot be told apart


@dataclass(frozen=True)
class PairedScore:
    """How one similarity scores under one metric, and how that differs from the baseline.

    Attributes
    ----------
    mean : Measure
        Mean over the queries with its bootstrap interval; the null is the mean of the baseline's lists when
        the judgements are dealt to the queries at random, None where that was not done.
    delta : Measure
        Mean paired difference to the baseline, interval by bootstrap over the same queries; null 0.
    p : float or None
        Two-sided paired randomisation test, Holm-corrected over the candidates; None for the baseline.
    """

    mean: Measure
    delta: Measure
    p: float | None


@dataclass(frozen=True)
class SimilarityScores:
    """One similarity.

    Attributes
    ----------
    similarity : str
    scores : mapping of str to PairedScore
        By ir-measures name (``"nDCG@10"``).
    overlap : Measure or None
        Mean share of the baseline's top ten that it ranks in its own; None for the baseline.
    bytes_per_vector : float or None
        What a store needs for one of its documents; None where that was not asked.
    """

    similarity: str
    scores: Mapping[str, PairedScore]
    overlap: Measure | None = None
    bytes_per_vector: float | None = None


@dataclass(frozen=True)
class Comparison(Displayed):
    """Similarities side by side on the same queries.

    Attributes
    ----------
    baseline : str
        The similarity that the store ranks by; the first of `runs`.
    metric : str
        The metric that decides.
    runs : tuple of SimilarityScores
        Each scored on queries that it was not fitted on.
    winner : str or None
        The similarity proven better than the baseline by at least `min_effect`; None: leave it alone.
    min_effect : float
        Smallest difference of `metric` that counts.
    resamples : int
        Bootstrap samples, and sign flips of the randomisation test.
    queries : int
        Labelled queries scored.
    clusters : int
        Groups of them without a relevant document in common; they are resampled whole.
    folds : int
        Parts of the queries; what is fitted or chosen on the others is scored on each.
    seed : int
        Of folds and resampling.
    chosen : Measure or None
        Mean difference to the baseline when each fold is ranked by what was best on the other folds:
        what choosing is worth on queries that did not choose. None where there was nothing to choose from.
    lexical : SimilarityScores or None
        BM25 on the stored texts, beside the vectors; it is no candidate.
    smaller : tuple of SimilarityScores
        Truncated and quantised vectors, for the frontier of quality against size; no candidates either.
    refused : mapping of str to str
        Similarities that could not be fitted, with the reason.
    losses : Losses or None
        Where the baseline's loss comes from, cause by cause; None where that was not looked for.
    note : str
        What else a reader has to know, such as that all vectors have unit length, so that all rank alike.
    query_ids : tuple of str
    groups : tuple of int
        The group of each query; see `clusters`.
    per_query_scores : mapping of str to mapping of str to ndarray, shape (m,)
        By similarity, then by metric.
    retrieved : mapping of str to tuple of Retrieved
        By similarity: the lists, query by query; empty unless `compare` was told to keep them.
    """

    baseline: str
    metric: str
    runs: tuple[SimilarityScores, ...]
    winner: str | None
    min_effect: float
    resamples: int
    queries: int
    clusters: int
    folds: int
    seed: int
    chosen: Measure | None = None
    lexical: SimilarityScores | None = None
    smaller: tuple[SimilarityScores, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    losses: Losses | None = None
    note: str = ""
    query_ids: tuple[str, ...] = ()
    groups: tuple[int, ...] = field(default=(), repr=False)
    per_query_scores: Mapping[str, Mapping[str, Float64]] = field(default_factory=dict, repr=False, compare=False)
    retrieved: Mapping[str, tuple[Retrieved, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def table(self) -> tuple[dict[str, Any], ...]:
        """One row for each similarity and metric: means, differences, intervals, p."""
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
                "bytes_per_vector": run.bytes_per_vector,
            }
            for run in (*self.runs, *([self.lexical] if self.lexical else []), *self.smaller)
            for metric, paired in run.scores.items()
        )

    def per_query(self, metric: str | None = None) -> dict[str, dict[str, float]]:
        """Return the score of every query, by query id, then by similarity.

        Parameters
        ----------
        metric : str, optional
            By default the one that decides.
        """
        wanted = metric or self.metric
        if any(wanted not in scores for scores in self.per_query_scores.values()):
            raise ConfigError(f"{wanted} was not computed", hint="name it in `metrics` of compare")
        by_similarity = {name: scores[wanted] for name, scores in self.per_query_scores.items()}
        return {
            query: {name: float(scores[i]) for name, scores in by_similarity.items()}
            for i, query in enumerate(self.query_ids)
        }

    def to_pandas(self) -> Any:
        """Return `table` as a DataFrame; pandas has to be installed."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise MissingExtraError("pandas is not installed", hint="pip install 'ragdiag[pandas]'") from error
        return pandas.DataFrame(list(self.table))

    @property
    def lexical_wins(self) -> PairedScore | None:
        """BM25's score where it is proven better than the baseline and than the winner; else None."""
        if self.lexical is None:
            return None
        words = self.lexical.scores[self.metric]
        proven = (words.delta.low or 0.0) > 0 and (words.delta.value or 0.0) >= self.min_effect
        best = max((run.scores[self.metric].mean.value or 0.0 for run in self.runs), default=0.0)
        return words if proven and (words.p or 0.0) < SIGNIFICANT and (words.mean.value or 0.0) > best else None

    @property
    def lexical_far(self) -> bool:
        """Whether BM25 wins by more than judgements give it for nothing: the lower end of the gain is at least .05.

        Questions that were written beside their passages repeat its words, which flatters BM25.
        """
        words = self.lexical_wins
        return words is not None and (words.delta.low or 0.0) >= LEXICAL_FAR

    @property
    def at_chance(self) -> bool | None:
        """Whether the baseline's mean cannot be told from its null, or hardly.

        That is, by the upper end, at most a twentieth of the way from the null to 1; or a fifth of it, when the
        interval also holds the null, as that of few queries does.

        None when that cannot be told: without an interval or a null, and where chance itself scores over .1,
        as when the queries share their relevant documents or the store has few.
        """
        if not self.runs:
            return None
        mean = self.runs[0].scores[self.metric].mean
        if mean.high is None or mean.null is None or mean.null > HIGH_NULL:
            return None
        above = (mean.high - mean.null) / (1 - mean.null)
        holds_null = mean.low is not None and mean.low <= mean.null
        return above <= HARDLY_ABOVE or (holds_null and above <= STILL_POOR)
