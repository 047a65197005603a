"""Inner product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ragdiag.similarities.base import Given
from ragdiag.types import Float32


@dataclass(frozen=True)
class Dot(Given):
    """``q · d``: long documents score higher."""

    kind: ClassVar[str] = "dot"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    name: ClassVar[str] = "dot"

    def documents(self, X: Float32) -> Float32:
        """Return the documents as they are."""
        return X

    def queries(self, Q: Float32) -> Float32:
        """Return the queries as they are."""
        return Q
