"""Cosine similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ragdiag.similarities.base import Given
from ragdiag.types import Float32
from ragdiag.vectors import unit


@dataclass(frozen=True)
class Cosine(Given):
    """``q · d / ‖d‖``: the length of the query changes no ranking. A zero document scores 0.

    Examples
    --------
    >>> import numpy as np
    >>> Cosine().documents(np.array([[0, 2]], dtype=np.float32)).tolist()
    [[0.0, 1.0]]
    """

    kind: ClassVar[str] = "cosine"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = False
    name: ClassVar[str] = "cosine"

    def documents(self, X: Float32) -> Float32:
        """Return the documents at unit length."""
        return unit(X)

    def queries(self, Q: Float32) -> Float32:
        """Return the queries at unit length, so that scores are cosines."""
        return unit(Q)
