"""Euclidean distance, as an inner product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ragdiag.similarities.base import Given
from ragdiag.types import Float32
from ragdiag.vectors import row_norms

_SMALL = 2.0**-24


@dataclass(frozen=True)
class L2(Given):
    """``−‖q − d‖²`` ranks as ``[q, 1] · [d, −‖d‖²/2]``.

    The last coordinate is kept as the sum of two float32 numbers: one alone would lose the small
    distances between long vectors. The second is stored 2²⁴ times larger, where the squares of short
    vectors would be below the range of float32, and its 1 is 2⁻²⁴. The score is ``(‖q‖² − ‖q − d‖²) / 2``.

    Examples
    --------
    >>> l2 = L2()
    >>> q, X = np.float32([[1, 0]]), np.float32([[1, 0], [0, 2]])
    >>> (l2.queries(q) @ l2.documents(X).T).tolist()
    [[0.5, -2.0]]
    """

    kind: ClassVar[str] = "l2"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    name: ClassVar[str] = "l2"

    def documents(self, X: Float32) -> Float32:
        """Append −‖d‖²/2 as two coordinates, the rounded value and the rest."""
        half = -0.5 * row_norms(X) ** 2
        high = half.astype(np.float32)
        low = ((half - high) / _SMALL).astype(np.float32)
        return np.concatenate([X, high[:, None], low[:, None]], axis=1)

    def queries(self, Q: Float32) -> Float32:
        """Append 1 and 2⁻²⁴."""
        ones = np.tile(np.array([1, _SMALL], dtype=np.float32), (len(Q), 1))
        return np.concatenate([Q, ones], axis=1)
