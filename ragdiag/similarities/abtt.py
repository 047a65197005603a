"""All-but-the-top: without the mean and the directions of largest variance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.affine import Affine, centred_on_documents
from ragdiag.similarities.base import Training, whole
from ragdiag.similarities.spread import spread
from ragdiag.types import FloatArray

DOCUMENTS_PER_DIRECTION = 10


@dataclass(frozen=True)
class ABTT:
    """Cosine after the mean and the `d` leading principal directions are taken from both sides.

    Hurts where the leading directions are topics, as in contrastive models.
    Source: Mu & Viswanath 2018, arXiv:1702.01417.

    Parameters
    ----------
    d : int
        Directions to remove, at least 1; the authors take dim/100.

    Examples
    --------
    >>> X = np.float32([[9, 1], [-9, 1], [9, -1], [-9, -1]] * 3)
    >>> ABTT(d=1).fit(Training(X)).documents(X[:1]).round(3).tolist()
    [[0.0, 1.0]]
    """

    d: int = 1

    kind: ClassVar[str] = "abtt"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False
    uses_queries: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole(self.d, "abtt has d")

    def fit(self, training: Training) -> Affine:
        """Learn mean and leading directions; at least ten documents for each of them."""
        n, dim = training.documents.shape
        if self.d >= dim:
            raise SimilarityError(f"abtt(d={self.d}) would remove all {dim} dimensions", hint="remove fewer")
        if n < DOCUMENTS_PER_DIRECTION * self.d:
            raise SimilarityError(
                f"abtt(d={self.d}) has {n} documents to learn from",
                hint=f"give at least {DOCUMENTS_PER_DIRECTION} for each direction removed",
            )
        found = spread(training.documents)
        top = found.axes[:, : self.d]
        return centred_on_documents(found.mean, np.eye(dim) - top @ top.T)

    def restore(self, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map."""
        return Affine.of(arrays)
