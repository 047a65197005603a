"""Remedies that shift vectors: both sides by the document mean, or each by its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.affine import Affine, centred_on_documents
from ragdiag.similarities.base import Training, refuse_few
from ragdiag.types import FloatArray

FEWEST_QUERIES = 10  # 30 are enough; below 10 their mean is mostly noise


@dataclass(frozen=True)
class Centred:
    """Cosine after the document mean is taken from documents and queries: ``x − μ_d``.

    Widens the range of scores; changes few ranks, and makes a query–document gap worse.
    """

    kind: ClassVar[str] = "centred"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False
    uses_queries: ClassVar[bool] = False

    def fit(self, training: Training) -> Affine:
        """Learn the mean of the documents."""
        refuse_few(training, "centred")
        return centred_on_documents(training.documents.mean(axis=0, dtype=np.float64))

    def restore(self, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map."""
        return Affine.of(arrays)


@dataclass(frozen=True)
class QueryCentred:
    """Cosine after each side's own mean is taken from it: ``d − μ_d``, ``q − μ_q``.

    Repairs a shift between queries and documents. The mean of 30 unlabelled queries is enough.
    """

    kind: ClassVar[str] = "query-centred"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False
    uses_queries: ClassVar[bool] = True

    def fit(self, training: Training) -> Affine:
        """Learn both means."""
        refuse_few(training, "query-centred")
        queries = training.queries
        if queries is None or len(queries) < FEWEST_QUERIES:
            found = 0 if queries is None else len(queries)
            raise SimilarityError(
                f"query-centred has {found} queries to learn their mean from",
                hint=f"give at least {FEWEST_QUERIES}, better 30; they need no labels",
            )
        return Affine(
            training.documents.mean(axis=0, dtype=np.float64),
            queries.mean(axis=0, dtype=np.float64),
        )

    def restore(self, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map."""
        return Affine.of(arrays)
