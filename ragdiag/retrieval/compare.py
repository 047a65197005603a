"""Score several similarities on the same labelled queries, paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ragdiag.retrieval.comparison import Comparison, PairedScore, SimilarityScores
from ragdiag.retrieval.metrics import per_query
from ragdiag.retrieval.significance import RESAMPLES, bootstrap_mean, holm, randomisation_test
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.types import Measure

METRICS = ("nDCG@10", "R@10", "RR@10")
SIGNIFICANT = 0.05


def compare_runs(
    runs: Sequence[Neighbors],
    relevant: Sequence[Mapping[int, int]],
    *,
    rng: np.random.Generator,
    min_effect: float = 0.01,
    metrics: Sequence[str] = METRICS,
    note: str = "",
) -> Comparison:
    """Compare ranked lists on judged queries; the first run is the baseline, the first metric decides.

    A run wins when its difference is at least `min_effect`, the interval excludes 0, and the
    randomisation test, Holm-corrected over the candidates, is below .05; of several, the best mean.

    Parameters
    ----------
    runs : sequence of Neighbors
        For the same queries, rows as in `relevant`.
    relevant : sequence of mappings, length m
        Position to grade; see `per_query`.

    Returns
    -------
    Comparison
    """
    scores = [per_query(run.positions, relevant, metrics) for run in runs]
    deltas = [{name: s[name] - scores[0][name] for name in metrics} for s in scores]
    raw = {name: [randomisation_test(delta[name], rng) for delta in deltas[1:]] for name in metrics}
    adjusted = {name: [None, *holm(values)] for name, values in raw.items()}
    table = tuple(
        SimilarityScores(
            run.similarity,
            {
                name: PairedScore(
                    mean=bootstrap_mean(scores[i][name], rng),
                    delta=bootstrap_mean(deltas[i][name], rng, null=0.0)
                    if i
                    else Measure.counted(0.0, n=len(relevant), null=0.0),
                    p=adjusted[name][i],
                )
                for name in metrics
            },
        )
        for i, run in enumerate(runs)
    )
    return Comparison(
        baseline=runs[0].similarity,
        metric=metrics[0],
        runs=table,
        winner=_winner(table[1:], metrics[0], min_effect),
        min_effect=min_effect,
        resamples=RESAMPLES,
        queries=len(relevant),
        note=note,
    )


def _winner(candidates: Sequence[SimilarityScores], metric: str, min_effect: float) -> str | None:
    proven = [
        (score.delta.value, candidate.similarity)
        for candidate in candidates
        for score in [candidate.scores[metric]]
        if score.delta.value is not None
        and score.delta.value >= min_effect
        and (score.delta.low or 0.0) > 0
        and (score.p or 0.0) < SIGNIFICANT
    ]
    return max(proven)[1] if proven else None
