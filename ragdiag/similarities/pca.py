"""The leading principal coordinates alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ragdiag.errors import SimilarityError
from ragdiag.similarities.affine import Affine, centred_on_documents
from ragdiag.similarities.base import Training, refuse_few, whole
from ragdiag.similarities.spread import spread
from ragdiag.types import FloatArray


@dataclass(frozen=True)
class PCA:
    """Cosine of ``U_kᵀ (x − μ)``: the k principal coordinates of largest variance, as they are.

    Fewer than k where the documents do not vary in k directions. Makes vectors shorter where the model was not
    trained to be cut (see ``truncated``); what is cut off is what varies least, which need not be what
    matters least.

    Parameters
    ----------
    k : int
        Coordinates to keep, from 1 to the dimension.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.float32([[9, 1], [-9, 1], [9, -1], [-9, -1]])
    >>> PCA(k=1).fit(Training(X)).documents(X[:1]).round(3).tolist()
    [[9.0]]
    """

    k: int

    kind: ClassVar[str] = "pca"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False
    uses_queries: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole(self.k, "pca has k")

    def fit(self, training: Training) -> Affine:
        """Learn mean and axes, from more documents than axes."""
        if self.k > training.dim:
            raise SimilarityError(
                f"pca(k={self.k}) would keep more than all {training.dim} dimensions", hint="keep fewer"
            )
        refuse_few(training, f"pca(k={self.k})", self.k + 1)
        found = spread(training.documents)
        return centred_on_documents(found.mean, found.axes[:, : min(self.k, found.rank)])

    def restore(self, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map."""
        return Affine.of(arrays)
