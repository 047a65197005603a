"""The engine that reads the store in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ragdiag.engine.base import Block, Progress, Step
from ragdiag.engine.products import HostProducts, Products
from ragdiag.errors import StoreError
from ragdiag.stores.base import VectorStore
from ragdiag.types import Batch
from ragdiag.vectors import quick_norms

LONGEST = 1e18  # a longer vector's square is beyond float32


@dataclass(frozen=True)
class LocalEngine:
    """Reads batch after batch; the matrix products use all cores.

    Parameters
    ----------
    batch_size : int
        Documents per block; bounds the memory.
    threads : int, optional
        By default one per core this process may use.
    """

    batch_size: int = 4096
    threads: int | None = None

    @cached_property
    def products(self) -> Products:
        """Float32, by numpy."""
        return HostProducts(self.threads)

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
            block = block_of(start, batch, self.products)
            for step in steps:
                step.step(block)
            start += len(batch)
            if progress is not None:
                progress(stage, start, count)
        return start


def block_of(start: int, batch: Batch, products: Products) -> Block:
    """Return a batch with what every statistic needs to know of its rows."""
    norms = quick_norms(batch.vectors)
    usable = np.isfinite(norms) & (norms < LONGEST)
    return Block(start, batch, np.where(usable, norms, 0.0), usable, products)
