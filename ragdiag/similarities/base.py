"""The contract of a similarity: one map for queries, one for documents, the inner product ranks."""

from __future__ import annotations

from typing import Protocol

from ragdiag.types import Float32


class Similarity(Protocol):
    """A way to rank documents for a query.

    Whatever the formula, it is written as ``queries(q) · documents(d)``, so that one exact search
    serves every similarity and a remedy is nothing but storing the mapped documents.
    """

    @property
    def name(self) -> str:
        """The name under which it is reported and parsed, such as ``"cosine"``."""
        ...

    def documents(self, X: Float32) -> Float32:
        """Map documents, shape (n, d), to shape (n, p)."""
        ...

    def queries(self, Q: Float32) -> Float32:
        """Map queries, shape (m, d), to shape (m, p)."""
        ...
