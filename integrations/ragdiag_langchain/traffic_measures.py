"""What is measured of the retrievals themselves: ``traffic.*``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ragdiag.geometry.intervals import mean_interval, wilson
from ragdiag.numbers import counted
from ragdiag.types import Float32, Float64, Measure
from ragdiag.vectors import unit
from ragdiag_langchain.traffic import HIGHER, LOWER, Retrieval, Traffic

OUTSIDE = 0.01  # of the documents themselves
_LARGEST = float(np.finfo(np.float32).max)  # of a score: the squares of differences still fit into float64
_NO_SCORES = "no retrieval came with two scores or more"


def traffic_measures(
    traffic: Traffic, asked: Sequence[Retrieval], documents: int | None
) -> tuple[dict[str, Measure], list[str]]:
    """Return the measures, and what a report says of them.

    Parameters
    ----------
    traffic : Traffic
        Failures, empty answers, places and durations are of all retrievals.
    asked : sequence of Retrieval
        One for each question; margins are of these.
    documents : int or None
        In the store; None where it is not known.
    """
    failed = sum(traffic.errors.values())
    scores, left = _scores(traffic, asked)
    no_scores = Measure.missing(_NO_SCORES)
    measures = {
        "traffic.failed": wilson(failed, traffic.asked, null=0.0),
        "traffic.empty": wilson(traffic.empty, traffic.asked - failed - traffic.unknown, null=0.0),
        "traffic.top_1_percent": _top_share(traffic, documents),
        "traffic.margin_first": mean_interval(np.array([s[0] - s[1] for s in scores])) if scores else no_scores,
        "traffic.margin_last": mean_interval(np.array([s[0] - s[-1] for s in scores])) if scores else no_scores,
        "traffic.milliseconds_50": traffic.durations.quantile(0.5),
        "traffic.milliseconds_95": traffic.durations.quantile(0.95),
        "traffic.milliseconds_99": traffic.durations.quantile(0.99),
    }
    others = f"{counted(left, 'question')} came with scores of another kind, or of the other direction"
    return measures, [f"{others}: they are in no margin"] if left else []


def _scores(traffic: Traffic, asked: Sequence[Retrieval]) -> tuple[list[Float64], int]:
    """Return the scores of the most usual kind, larger ones better, and how many lists have another kind.

    Relevance and distances are not of one scale, and one of them falls where the other rises.
    """
    usual = traffic.direction() or HIGHER
    kinds: dict[tuple[bool, str], list[Float64]] = {}
    for retrieval in asked:
        if len(retrieval.scores or ()) < 2:
            continue
        scores = np.array(retrieval.scores, dtype=np.float64)
        if (np.abs(scores) <= _LARGEST).all():  # neither NaN nor infinite
            direction = retrieval.direction or (HIGHER if retrieval.relevance else usual)
            kinds.setdefault((retrieval.relevance, direction), []).append(-scores if direction == LOWER else scores)
    if not kinds:
        return [], 0
    # Of two that are as frequent, the store's own.
    most = min(kinds, key=lambda kind: (-len(kinds[kind]), kind))
    return kinds[most], sum(map(len, kinds.values())) - len(kinds[most])


def _top_share(traffic: Traffic, documents: int | None) -> Measure:
    """Share of all places that the top 1 % of documents took, however often a question was asked."""
    items = traffic.items
    if not items.total:
        return Measure.missing("no document was listed")
    if items.missing and documents is None:
        why = f"of how many documents is not known: more were listed than the {items.capacity:,} that are counted"
        return Measure.missing(f"{why} exactly, and no store was read", n=items.total)
    top = max(1, round((documents or len(items.counts)) / 100))
    held = sum(count for _, count in items.largest(top))
    share, most = (places / items.total for places in (held, min(held + top * items.missing, items.total)))
    return Measure(share, share, most, None, items.total)


def outside(Q: Float32, X: Float32) -> Measure:
    """Share of queries farther from the mean direction of the documents than all but 1 % of the documents are.

    By the cosine to the mean; each document is held against the mean of the others. Questions are no documents: a
    high share beside a small `gap` is a topic of which the store holds nothing.

    Parameters
    ----------
    Q : ndarray of float32, shape (m, d)
    X : ndarray of float32, shape (s, d)
        Sampled documents.
    """
    if len(X) < 100 or len(Q) == 0:
        few = "the store was not read, or it holds fewer than 100 documents"
        return Measure.missing("no query vector was recorded" if len(Q) == 0 else few, n=len(Q), null=OUTSIDE)
    directions = unit(X).astype(np.float64)
    total = directions.sum(axis=0)
    rest = total - directions
    lengths = np.maximum(np.linalg.norm(rest, axis=1), np.finfo(np.float64).tiny)
    own = np.einsum("ij,ij->i", directions, rest) / lengths
    theirs = unit(Q).astype(np.float64) @ total / max(float(np.linalg.norm(total)), np.finfo(np.float64).tiny)
    return wilson(int(np.sum(theirs < np.quantile(own, OUTSIDE))), len(Q), null=OUTSIDE)
