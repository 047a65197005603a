"""Which vectors can be mapped, and how long they are then."""

from __future__ import annotations

import numpy as np

from ragdiag.engine.base import Block
from ragdiag.types import Similarity
from ragdiag.vectors import row_norms

ONE_LENGTH = 1e-5  # relative: what float32 leaves of vectors of one length
HEADROOM = 1.1  # of the common length over the longest document: new ones may be longer


class FiniteStep:
    """Counts vectors that no map makes sense of, and those without a direction."""

    def __init__(self) -> None:
        self.broken = self.zero = 0

    def step(self, block: Block) -> None:
        """Take in one block."""
        self.broken += int((~block.usable).sum())
        self.zero += int((block.usable & (block.norms == 0)).sum())


class LengthsStep:
    """Notes how long mapped documents are."""

    def __init__(self, similarity: Similarity) -> None:
        self._similarity = similarity
        self._shortest, self._longest = np.inf, 0.0

    def step(self, block: Block) -> None:
        """Take in one block."""
        norms = row_norms(self._similarity.documents(block.batch.vectors))
        self._shortest = min(self._shortest, float(norms.min(initial=np.inf)))
        self._longest = max(self._longest, float(norms.max(initial=0.0)))

    def common(self) -> float | None:
        """Return the length that one more dimension is to give all documents; None when they have one already."""
        if self._longest - self._shortest <= ONE_LENGTH * self._longest:
            return None
        return HEADROOM * self._longest
