"""The space that a fix maps into: what its coordinates are for, and how long its documents are."""

from __future__ import annotations

import numpy as np

from ragdiag.artefact import Artefact
from ragdiag.similarities import Cosine
from ragdiag.types import Metric


def document_length(artefact: Artefact) -> float | None:
    """Return how long all mapped documents are; None where that is not known."""
    if artefact.length is not None:
        return artefact.length
    return 1.0 if artefact.target and isinstance(artefact.similarity.stages[-1], Cosine) else None


def needs_dot(artefact: Artefact) -> bool:
    """Whether mapped documents may differ in length, so that only the inner product ranks them as the fix does."""
    if document_length(artefact) is not None:
        return False
    # A file that does not say how it ranks was written to rank as its source.
    metric = artefact.target.get("metric") or artefact.source.get("metric")
    return not artefact.target or metric == Metric.DOT.value


def content_width(artefact: Artefact) -> int:
    """Return how many coordinates of a mapped document say what is in it; those after them only rank."""
    one = np.ones((1, artefact.similarity.dim), dtype=np.float32)
    if not artefact.target:  # documents are not mapped
        return int(one.shape[1])
    for stage in artefact.similarity.stages[:-1]:
        one = stage.documents(one)
    # The last stage scores: it may append a bias (csls), or make the vectors shorter (codes).
    return int(min(one.shape[1], artefact.similarity.stages[-1].documents(one).shape[1]))


def cosine_of(score: float, metric: Metric | None, query: float, length: float | None) -> float:
    """Return the cosine of a query and a document of these lengths, from the score of a store.

    Parameters
    ----------
    score : float
        A cosine, a dot product, or a squared Euclidean distance, as `metric` says.
    metric : Metric or None
    query : float
        Length of the query; of a zero query the cosine is 0.
    length : float or None
        Of the document; not needed for a cosine.

    Examples
    --------
    >>> cosine_of(0.5, Metric.COSINE, 1.0, None), cosine_of(3.0, Metric.DOT, 2.0, 3.0), cosine_of(2.0, Metric.L2, 1, 1)
    (0.5, 0.5, 0.0)
    """
    if metric is Metric.COSINE or length is None:
        return float(score)
    if query == 0:
        return 0.0
    dot = score if metric is Metric.DOT else (query**2 + length**2 - score) / 2
    return float(dot) / (query * length)
