"""Score several similarities on the same labelled queries, paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ragdiag.geometry.intervals import mean_interval
from ragdiag.retrieval.chance import dealt_at_random
from ragdiag.retrieval.clusters import query_clusters
from ragdiag.retrieval.comparison import MIN_EFFECT, Comparison, PairedScore, SimilarityScores
from ragdiag.retrieval.folds import FOLDS, query_folds
from ragdiag.retrieval.metrics import per_query
from ragdiag.retrieval.significance import RESAMPLES, SIGNIFICANT, bootstrap_mean, holm, randomisation_test
from ragdiag.statistics.neighbors import Neighbors, overlap
from ragdiag.types import Float64, IntArray, Measure

METRICS = ("nDCG@10", "R@10", "RR@10")
LISTED = 10  # documents of a list that the overlap of two rankings looks at


def compare_runs(
    runs: Sequence[Neighbors],
    relevant: Sequence[Mapping[int, int]],
    *,
    seed: int,
    lexical: Neighbors | None = None,
    smaller: Mapping[str, tuple[Neighbors, float]] | None = None,
    folds: IntArray | None = None,
    min_effect: float = MIN_EFFECT,
    metrics: Sequence[str] = METRICS,
    note: str = "",
    refused: Mapping[str, str] | None = None,
    query_ids: Sequence[str] = (),
) -> Comparison:
    """Compare ranked lists on judged queries; the first run is the baseline, the first metric decides.

    A run is proven better when its mean difference is at least `min_effect`, the interval excludes 0, and the
    randomisation test, Holm-corrected over the candidates, is below .05. It wins when, moreover, choosing
    holds on queries that did not choose: with every fold ranked by what is best on the other folds, the mean
    difference is at least `min_effect` and its interval excludes 0. Of several, the best mean.

    Parameters
    ----------
    runs : sequence of Neighbors
        For the same queries, rows as in `relevant`.
    relevant : sequence of mappings, length m
        Position to grade; see `per_query`.
    seed : int
        Of resampling, and of the folds where none are given.
    lexical : Neighbors, optional
        BM25's lists: tested with the others, never the winner.
    smaller : mapping of str to (Neighbors, bytes per vector), optional
        Compressed vectors: tested apart, never the winner.
    folds : ndarray of int64, shape (m,), optional
        The folds by which `runs` were cross-fitted.

    Returns
    -------
    Comparison
    """
    clusters = query_clusters(relevant)
    if folds is None:
        folds = query_folds(clusters, FOLDS, _rng(seed, 0))
    scorer = _Scorer(runs[0], relevant, clusters, tuple(metrics), seed)
    ours = scorer.score([*runs, *([lexical] if lexical else [])], stream=1)
    table, beside = (ours[:-1], ours[-1]) if lexical else (ours, None)
    compressed = smaller or {}
    packed = scorer.score([runs[0], *(run for run, _ in compressed.values())], stream=2)[1:]
    sizes = [size for _, size in compressed.values()]
    chosen = None
    if len(runs) > 1:
        apart = chosen_apart([scorer.values[run.similarity][metrics[0]] for run in runs], folds, min_effect)
        chosen = bootstrap_mean(apart, _rng(seed, 3), null=0.0, clusters=clusters)
    return Comparison(
        baseline=runs[0].similarity,
        metric=metrics[0],
        runs=table,
        winner=_winner(table[1:], metrics[0], min_effect) if _holds(chosen, min_effect) else None,
        min_effect=min_effect,
        resamples=RESAMPLES,
        queries=len(relevant),
        clusters=len(np.unique(clusters)),
        folds=len(np.unique(folds)),
        seed=seed,
        chosen=chosen,
        lexical=beside,
        smaller=tuple(
            SimilarityScores(s.similarity, s.scores, s.overlap, size) for s, size in zip(packed, sizes, strict=True)
        ),
        refused=refused or {},
        note=note,
        query_ids=tuple(query_ids),
        groups=tuple(int(group) for group in clusters),
        per_query_scores=scorer.values,
    )


class _Scorer:
    """Scores runs against one baseline, and keeps the score of every query."""

    def __init__(
        self,
        baseline: Neighbors,
        relevant: Sequence[Mapping[int, int]],
        clusters: IntArray,
        metrics: tuple[str, ...],
        seed: int,
    ) -> None:
        self._baseline, self._relevant, self._clusters = baseline, relevant, clusters
        self._metrics, self._seed = metrics, seed
        self._chance = dealt_at_random(baseline, relevant, metrics, rng=_rng(seed, 4))
        self.values: dict[str, dict[str, Float64]] = {}

    def score(self, runs: Sequence[Neighbors], *, stream: int) -> tuple[SimilarityScores, ...]:
        """Score runs, the first of which is the baseline; p-values are corrected over the others."""
        for run in runs:
            if run.similarity not in self.values:
                self.values[run.similarity] = per_query(run.positions, self._relevant, self._metrics)
        scored = paired_scores(
            {run.similarity: self.values[run.similarity] for run in runs},
            self._clusters,
            _rng(self._seed, stream),
            chance=self._chance,
        )
        return tuple(
            replace(scores, overlap=self._overlap(run) if i else None)
            for i, (run, scores) in enumerate(zip(runs, scored, strict=True))
        )

    def _overlap(self, run: Neighbors) -> Measure:
        shared = overlap(self._baseline.positions[:, :LISTED], run.positions[:, :LISTED])
        return mean_interval(shared, null=None)


def paired_scores(
    values: Mapping[str, Mapping[str, Float64]],
    clusters: IntArray,
    rng: np.random.Generator,
    *,
    chance: Mapping[str, float] | None = None,
) -> tuple[SimilarityScores, ...]:
    """Give scores per query their intervals, their differences to the first similarity, and p-values.

    Parameters
    ----------
    values : mapping of str to mapping of str to ndarray, shape (m,)
        By similarity, the baseline first; then by metric.
    clusters : ndarray of int64, shape (m,)
        See `query_clusters`.
    rng : numpy.random.Generator
    chance : mapping of str to float, optional
        The null of the means, by metric.

    Returns
    -------
    tuple of SimilarityScores
        In the order of `values`; p is Holm-corrected over all but the first, metric by metric.

    Examples
    --------
    >>> a, b = {"R@1": np.zeros(40)}, {"R@1": np.ones(40)}
    >>> _, better = paired_scores({"a": a, "b": b}, np.arange(40), np.random.default_rng(0))
    >>> better.scores["R@1"].delta.low, better.scores["R@1"].p
    (1.0, 0.0001)
    """
    base = next(iter(values.values()))
    deltas = {metric: [scores[metric] - base[metric] for scores in values.values()] for metric in base}
    adjusted = {
        metric: [None, *holm([randomisation_test(delta, rng, clusters=clusters) for delta in rows[1:]])]
        for metric, rows in deltas.items()
    }
    return tuple(
        SimilarityScores(
            name,
            {
                metric: PairedScore(
                    mean=bootstrap_mean(scores[metric], rng, null=(chance or {}).get(metric), clusters=clusters),
                    delta=bootstrap_mean(deltas[metric][i], rng, null=0.0, clusters=clusters)
                    if i
                    else Measure.counted(0.0, n=len(clusters), null=0.0),
                    p=adjusted[metric][i],
                )
                for metric in base
            },
        )
        for i, (name, scores) in enumerate(values.items())
    )


def chosen_apart(scores: Sequence[Float64], folds: IntArray, min_effect: float) -> Float64:
    """Return what choosing gains: each query under what is best on the other folds, less the baseline.

    Parameters
    ----------
    scores : sequence of ndarray, shape (m,)
        Of each similarity, the baseline first; it is kept unless another is better by `min_effect`.
    folds : ndarray of int64, shape (m,)

    Returns
    -------
    ndarray, shape (m,)

    Examples
    --------
    >>> base, lucky = np.zeros(4), np.array([1.0, 1.0, 0.0, 0.0])
    >>> chosen_apart([base, lucky], np.array([0, 0, 1, 1]), 0.01).tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    gained = np.zeros(len(folds))
    for fold in np.unique(folds):
        here = folds == fold
        if here.all():  # one fold alone: nothing to choose on
            break
        means = [float(values[~here].mean()) for values in scores]
        best = int(np.argmax(means))
        if means[best] - means[0] >= min_effect:
            gained[here] = scores[best][here] - scores[0][here]
    return gained


def _rng(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream])


def _holds(gain: Measure | None, min_effect: float) -> bool:
    return gain is not None and gain.value is not None and gain.value >= min_effect and (gain.low or 0.0) > 0


def _winner(candidates: Sequence[SimilarityScores], metric: str, min_effect: float) -> str | None:
    proven = [
        (candidate.scores[metric].delta.value or 0.0, candidate.similarity)
        for candidate in candidates
        if _holds(candidate.scores[metric].delta, min_effect) and (candidate.scores[metric].p or 0.0) < SIGNIFICANT
    ]
    # Of two that do equally well, the earlier one is easier to live with.
    return max(proven, key=lambda found: found[0])[1] if proven else None
