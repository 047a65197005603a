"""Rows picked at given positions while the store is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ragdiag.engine.base import Block
from ragdiag.types import Float32, IntArray


@dataclass(frozen=True)
class Sample:
    """Documents drawn from the store.

    Attributes
    ----------
    positions : ndarray of int64, shape (s,)
        In random order, so that the first rows are a uniform sample too; usable, non-zero vectors only.
    vectors : ndarray of float32, shape (s, d)
        As stored.
    texts : tuple of (str or None), length s
    metadata : tuple of (mapping or None), length s
        Untrusted; empty where it was not asked for.
    """

    positions: IntArray
    vectors: Float32
    texts: tuple[str | None, ...]
    metadata: tuple[Mapping[str, Any] | None, ...] = ()

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: slice) -> Sample:
        return Sample(self.positions[rows], self.vectors[rows], self.texts[rows], self.metadata[rows])

    @classmethod
    def joined(cls, parts: Sequence[Sample]) -> Sample:
        """Return the documents of several samples, one after the other."""
        return cls(
            np.concatenate([part.positions for part in parts]),
            np.concatenate([part.vectors for part in parts]),
            tuple(text for part in parts for text in part.texts),
            tuple(entry for part in parts for entry in part.metadata),
        )


def draw(n: int, size: int, rng: np.random.Generator) -> IntArray:
    """Return `size` different positions of n in random order, all of them when there are fewer."""
    return rng.permutation(n)[:size].astype(np.int64)


class SampleStep:
    """Picks rows block by block.

    Parameters
    ----------
    positions : ndarray of int64
        Positions to pick, each once; those of zero and unusable vectors are left out. The sample keeps
        their order.
    dim : int
    """

    def __init__(self, positions: IntArray, dim: int) -> None:
        self._rank = np.argsort(positions)
        self._wanted = positions[self._rank]
        self._positions: list[IntArray] = [np.empty(0, dtype=np.int64)]
        self._vectors: list[Float32] = [np.empty((0, dim), dtype=np.float32)]
        self._texts: list[str | None] = []
        self._metadata: list[Mapping[str, Any] | None] = []

    def step(self, block: Block) -> None:
        """Take in one block."""
        low, high = np.searchsorted(self._wanted, [block.start, block.start + len(block.batch)])
        rows = self._wanted[low:high] - block.start
        rows = rows[block.usable[rows] & (block.norms[rows] > 0)]
        self._positions.append(rows + block.start)
        self._vectors.append(block.batch.vectors[rows])
        texts = block.batch.texts
        self._texts.extend(texts[i] if texts is not None else None for i in rows)
        metadata = block.batch.metadata
        self._metadata.extend(metadata[i] if metadata is not None else None for i in rows)

    def result(self) -> Sample:
        """Return what was picked so far."""
        positions = np.concatenate(self._positions)
        picked = self._rank[np.searchsorted(self._wanted, positions)]
        order = np.argsort(picked)
        texts, metadata = (tuple(kept[i] for i in order) for kept in (self._texts, self._metadata))
        return Sample(positions[order], np.concatenate(self._vectors)[order], texts, metadata)
