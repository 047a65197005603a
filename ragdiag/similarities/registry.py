"""Which similarity a store's metric means."""

from __future__ import annotations

from ragdiag.similarities.cosine import Cosine
from ragdiag.similarities.dot import Dot
from ragdiag.similarities.l2 import L2
from ragdiag.types import Metric, Similarity

_BY_METRIC: dict[Metric, Similarity] = {Metric.COSINE: Cosine(), Metric.DOT: Dot(), Metric.L2: L2()}


def for_metric(metric: Metric | None) -> Similarity:
    """Return the similarity that a store with this metric ranks by; cosine where it does not say.

    Examples
    --------
    >>> for_metric(Metric.L2).name
    'l2'
    """
    return _BY_METRIC[metric or Metric.COSINE]
