"""Every coordinate at mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.affine import Affine, centred_on_documents
from ragdiag.similarities.base import Training, refuse_few
from ragdiag.similarities.spread import ROUNDING
from ragdiag.types import FloatArray

FEWEST_DOCUMENTS = 30  # a standard deviation from 30 is off by 13 %
FLOOR = 0.01  # of the root mean square deviation: below it a coordinate is dead, and enlarging it enlarges noise


@dataclass(frozen=True)
class ZScore:
    """Cosine of ``(x − μ) / s`` with mean μ and standard deviation s of each coordinate over the documents.

    s is at least .01 of the root mean square of all s, so that dead coordinates stay small. Better learnt
    from 500 documents or more. Repairs a few coordinates that dominate all scores.
    Source: Timkey & van Schijndel 2021, arXiv:2109.04404.

    Examples
    --------
    >>> X = np.tile(np.float32([[9, 1], [-9, 1], [9, -1], [-9, -1]]), (8, 1))
    >>> ZScore().fit(Training(X)).documents(X[:1]).round(1).tolist()
    [[1.0, 1.0]]
    """

    kind: ClassVar[str] = "z-score"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False
    uses_queries: ClassVar[bool] = False

    def fit(self, training: Training) -> Affine:
        """Learn mean and deviation of each coordinate."""
        refuse_few(training, self.kind, FEWEST_DOCUMENTS)
        X = training.documents.astype(np.float64)
        mean, deviation = X.mean(axis=0), X.std(axis=0)
        typical = float(np.sqrt(np.mean(deviation**2)))
        if typical**2 <= ROUNDING * float(np.mean(mean**2)):
            raise SimilarityError("all documents are the same vector", hint="there is no deviation to learn from them")
        return centred_on_documents(mean, np.diag(1.0 / np.maximum(deviation, FLOOR * typical)))

    def restore(self, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map."""
        return Affine.of(arrays)
