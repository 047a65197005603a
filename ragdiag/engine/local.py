"""The engine that reads the store in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragdiag.engine.base import Block, Progress, Step
from ragdiag.errors import StoreError
from ragdiag.stores.base import VectorStore
from ragdiag.types import Batch, Float32, Float64
from ragdiag.vectors import row_norms

LONGEST = 1e18  # a longer vector's square is beyond float32
SMALL, LARGE = 1e-12, 1e12  # squares of such lengths are well within it


@dataclass(frozen=True)
class LocalEngine:
    """Reads batch after batch; the matrix products use all cores.

    Parameters
    ----------
    batch_size : int
        Documents per block; bounds the memory.
    """

    batch_size: int = 4096

    def run(
        self, store: VectorStore, steps: Sequence[Step], *, stage: str = "", progress: Progress | None = None
    ) -> int:
        """Read the whole store once; see `ragdiag.engine.base.Engine`."""
        count, dim = store.info.count, store.info.dim
        start = 0
        for batch in store.scan(batch_size=self.batch_size):
            if batch.vectors.shape[1:] != (dim,):
                raise StoreError(
                    f"{store.info.name} holds vectors of {batch.vectors.shape[1]} dimensions among those of {dim}",
                    hint="keep vectors of one dimension in one collection",
                )
            block = _block(start, batch)
            for step in steps:
                step.step(block)
            start += len(batch)
            if progress is not None:
                progress(stage, start, count)
        return start


def _block(start: int, batch: Batch) -> Block:
    norms = _norms(batch.vectors)
    usable = np.isfinite(norms) & (norms < LONGEST)
    return Block(start, batch, np.where(usable, norms, 0.0), usable)


def _norms(vectors: Float32) -> Float64:
    """Return lengths within 1e-6 of themselves: by float32 where its squares neither overflow nor vanish."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        norms: Float64 = np.sqrt(np.einsum("ij,ij->i", vectors, vectors).astype(np.float64))
        odd = ~((norms > SMALL) & (norms < LARGE))
        if odd.any():
            norms[odd] = row_norms(vectors[odd])
    return norms
