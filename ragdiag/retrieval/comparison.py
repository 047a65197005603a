"""The result of scoring several similarities on the same labelled queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ragdiag.types import Measure


@dataclass(frozen=True)
class PairedScore:
    """How one similarity scores under one metric, and how that differs from the baseline.

    Attributes
    ----------
    mean : Measure
        Mean over the queries with its bootstrap interval; no null.
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
    """All metrics of one similarity, keyed by ir-measures name (``"nDCG@10"``)."""

    similarity: str
    scores: Mapping[str, PairedScore]


@dataclass(frozen=True)
class Comparison:
    """Similarities side by side on the same queries.

    Attributes
    ----------
    baseline : str
        The similarity that the store ranks by; the first of `runs`.
    metric : str
        The metric that decides.
    runs : tuple of SimilarityScores
    winner : str or None
        The similarity proven better than the baseline by at least `min_effect`; None: leave it alone.
    min_effect : float
        Smallest difference of `metric` that counts.
    resamples : int
        Bootstrap samples, and sign flips of the randomisation test.
    queries : int
        Labelled queries scored.
    note : str
        What else a reader has to know, such as that all vectors have unit length, so that all rank alike.
    """

    baseline: str
    metric: str
    runs: tuple[SimilarityScores, ...]
    winner: str | None
    min_effect: float
    resamples: int
    queries: int
    note: str = ""
