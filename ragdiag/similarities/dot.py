"""Inner product."""

from __future__ import annotations

from dataclasses import dataclass

from ragdiag.types import Float32


@dataclass(frozen=True)
class Dot:
    """``q · d``: long documents score higher."""

    name: str = "dot"

    def documents(self, X: Float32) -> Float32:
        """Return the documents as they are."""
        return X

    def queries(self, Q: Float32) -> Float32:
        """Return the queries as they are."""
        return Q
