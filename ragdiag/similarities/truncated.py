"""The first coordinates alone, for models that were trained to be cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.base import Given, Training, whole
from ragdiag.types import Float32

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Truncated(Given):
    """Cosine of the first `k` coordinates: ``x[:k]``, at unit length again.

    For models trained with a Matryoshka loss, which says itself at which k; for others ``pca`` keeps more.
    Source: Kusupati et al. 2022, arXiv:2205.13147.

    Parameters
    ----------
    k : int
        Coordinates to keep, from 1 to the dimension.

    Examples
    --------
    >>> Truncated(k=2).documents(np.float32([[3, 4, 5]])).tolist()
    [[3.0, 4.0]]
    """

    k: int

    kind: ClassVar[str] = "truncated"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole(self.k, "truncated has k")

    def fit(self, training: Training) -> Self:
        """Return itself; refused where the vectors are shorter already."""
        self._cut(training.documents)
        return self

    def documents(self, X: Float32) -> Float32:
        """Cut documents."""
        return self._cut(X)

    def queries(self, Q: Float32) -> Float32:
        """Cut queries."""
        return self._cut(Q)

    def _cut(self, X: Float32) -> Float32:
        if self.k > X.shape[1]:
            raise SimilarityError(f"truncated(k={self.k}) has vectors of {X.shape[1]} dimensions", hint="keep fewer")
        return np.ascontiguousarray(X[:, : self.k])
