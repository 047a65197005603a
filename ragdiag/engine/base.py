"""What an engine does: step every statistic over every block of the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine.products import HOST, Products
from ragdiag.stores.base import VectorStore
from ragdiag.types import Batch, Float64

Progress = Callable[[str, int, int], None]
"""Called with the stage's name, what is done and what is to do."""


@dataclass(frozen=True)
class Block:
    """A batch with what every statistic needs to know of its rows.

    Attributes
    ----------
    start : int
        Position of the first row in scan order.
    batch : Batch
    norms : ndarray of float64, shape (b,)
        Lengths within 1e-6 of themselves; 0 where not usable.
    usable : ndarray of bool, shape (b,)
        Finite, and short enough for its square to fit in float32.
    products : Products
        Where inner products with the vectors are computed.
    """

    start: int
    batch: Batch
    norms: Float64
    usable: NDArray[np.bool_]
    products: Products = HOST


class Step(Protocol):
    """A statistic that is computed in one pass."""

    def step(self, block: Block) -> None:
        """Take in one block."""
        ...


class Engine(Protocol):
    """Something that reads a store and steps statistics."""

    @property
    def products(self) -> Products:
        """Where it computes inner products."""
        ...

    def run(
        self, store: VectorStore, steps: Sequence[Step], *, stage: str = "", progress: Progress | None = None
    ) -> int:
        """Read the whole store once, step all statistics over it, and return the number of documents."""
        ...
