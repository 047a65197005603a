"""Exact search on a device against what the device can multiply.

    python benchmarks/device.py [DEVICE] [N] [DIM] [M]

The documents stay in the memory of the host and are streamed in blocks, as from a store. The ceiling is the time of
the same products, in the precision that the search uses, with everything on the device. The figure asked for is half
of that speed at 1,000,000 to 10,000,000 × 768 with 10,000 queries.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from ragdiag.engine import TorchEngine
from ragdiag.engine.device import ON_DEVICE
from ragdiag.engine.products import HostProducts
from ragdiag.similarities import Cosine
from ragdiag.statistics.neighbors import NeighborSearch

ROUNDS = 5
FRESH = 8  # blocks of documents that differ; they are searched again and again


def main(device: str = "auto", n: int = 1_000_000, dim: int = 768, m: int = 10_000) -> None:
    """Measure and print a Markdown table."""
    products = TorchEngine(device=device).products
    size = 4096 if isinstance(products, HostProducts) else ON_DEVICE
    rng = np.random.default_rng(0)
    Q = rng.standard_normal((m, dim), dtype=np.float32)
    blocks = [rng.standard_normal((size, dim), dtype=np.float32) for _ in range(FRESH)]
    where = torch.device(getattr(products, "_device", "cpu"))
    half = products.rounding > HostProducts.rounding
    kind = torch.bfloat16 if half else torch.float32
    a, b = (torch.from_numpy(x).to(where, kind) for x in (blocks[0], Q))

    def ceiling() -> None:
        for _ in range(0, n, size):
            a @ b.T
        if where.type == "cuda":
            torch.cuda.synchronize()

    def search() -> None:
        found = NeighborSearch(Cosine(), Q, 10)
        for i, start in enumerate(range(0, n, size)):
            rows = blocks[i % FRESH][: min(size, n - start)]
            found.search(start, rows, np.ones(len(rows), dtype=bool), products)

    def seconds(work: Callable[[], None]) -> float:
        work()
        taken = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
        return statistics.median(taken)

    most, ours = seconds(ceiling), seconds(search)
    flop = 2 * n * dim * m / 1e12
    print(
        f"| {where} | {n:,} × {dim}, m = {m:,} | {kind} | {flop / most:.1f} | {flop / ours:.1f} | {most / ours:.2f} |"
    )


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(argument) for argument in sys.argv[2:]))
