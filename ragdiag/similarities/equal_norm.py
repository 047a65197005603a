"""One more dimension, under which inner product, cosine and Euclidean distance rank alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ragdiag.types import Float32, Similarity
from ragdiag.vectors import row_norms


@dataclass(frozen=True)
class EqualNorm:
    """Documents of one length: ``√(length² − ‖d‖²)`` is appended to each, and 0 to queries.

    A store that knows cosine or L2 alone then ranks as the inner product of `inner` does. Keep the new dimension
    out of quantisation.

    Attributes
    ----------
    inner : Similarity
    length : float
        At least that of the longest mapped document; a longer one is cut to it, and ranks a little low.

    Examples
    --------
    >>> from ragdiag.similarities.dot import Dot
    >>> EqualNorm(Dot(), 5.0).documents(np.float32([[3, 0], [0, 5]])).tolist()
    [[3.0, 0.0, 4.0], [0.0, 5.0, 0.0]]
    """

    inner: Similarity
    length: float

    @property
    def name(self) -> str:
        """That of the similarity by which it ranks."""
        return self.inner.name

    def documents(self, X: Float32) -> Float32:
        """Map, then append what is missing to the common length."""
        mapped = self.inner.documents(X)
        rest = np.sqrt(np.maximum(self.length**2 - row_norms(mapped) ** 2, 0.0))
        return np.concatenate([mapped, rest[:, None].astype(np.float32)], axis=1)

    def queries(self, Q: Float32) -> Float32:
        """Map, then append 0."""
        mapped = self.inner.queries(Q)
        return np.concatenate([mapped, np.zeros((len(mapped), 1), dtype=np.float32)], axis=1)
