"""The first pass of an audit, step by step, against the Gram matrix of the same vectors.

    python benchmarks/moments.py [N] [DIM] [REPETITIONS]

Every repetition runs every row of the table in turn, over N × DIM float32 vectors that come in blocks of 4,096 (the
same blocks of memory again and again: reading is no part of it). Medians and spreads of the wall and the processor's
time. "One Gram" is `X.T @ X` of each block in float32, added up in float32: numpy sees that both factors are one and
computes half of the products (BLAS' syrk). "One GEMM" is the same size without that. The goal is at most 1.2 × one
Gram for all of participation ratio, spectrum, uniformity and W₂, from blocks to numbers. The number of threads is that
of OMP_NUM_THREADS and OPENBLAS_NUM_THREADS.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from ragdiag.engine import Block, LocalEngine, SamePasses, Step
from ragdiag.geometry import isotropic, spectrum
from ragdiag.geometry.uniformity import uniformity
from ragdiag.retrieval.positions import FindIds
from ragdiag.statistics.census import CensusStep
from ragdiag.statistics.moments import MomentsStep
from ragdiag.statistics.sample import SampleStep, draw
from ragdiag.stores import ScannedStore
from ragdiag.stores.base import WHOLE
from ragdiag.types import Batch, Float32, Shard, StoreInfo
from ragdiag.vectors import unit

ROWS = 4096
BLOCKS = 8  # of memory, 48 MiB at 384 dimensions: more than any cache


class Repeated(ScannedStore):
    """A store of N vectors that are few in memory."""

    def __init__(self, X: Float32, n: int) -> None:
        self._info = StoreInfo(name="repeated", kind="memory", count=n, dim=X.shape[1], metric=None)
        self._vectors, self._ids = X, [str(row) for row in range(n)]

    def scan(self, *, batch_size: int = ROWS, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the same blocks again and again."""
        for start in range(0, self.info.count, batch_size):
            size = min(batch_size, self.info.count - start)
            at = start % len(self._vectors)
            yield Batch(self._ids[start : start + size], self._vectors[at : at + size])


class Nothing:
    """A step that does nothing: what is left are the lengths and the engine."""

    def step(self, block: Block) -> None:
        """Do nothing."""


def gram(left: Repeated, right: Repeated) -> None:
    """Add up the products of all blocks; numpy multiplies half where both are one."""
    total = np.zeros((left.info.dim, left.info.dim), dtype=np.float32)
    for one, other in zip(left.scan(), right.scan(), strict=True):
        total += one.vectors.T @ other.vectors


def measures(store: Repeated) -> None:
    """Compute participation ratio, the measures of the spectrum, uniformity and W₂ as an audit does."""
    isotropic.eigenvalues.cache_clear()
    n, dim = store.info.count, store.info.dim
    moments, drawn = MomentsStep(dim), SampleStep(draw(n, 4000, np.random.default_rng(0)), dim)
    LocalEngine(ROWS).run(store, [moments, drawn])
    found, X = moments.result(), unit(drawn.result().vectors)
    shape = spectrum.Spectrum.of(found, X.astype(np.float64))
    spectrum.participation_ratio(shape)
    spectrum.isoscore(shape)
    spectrum.effective_rank(shape)
    spectrum.top_share(shape)
    spectrum.alpha_req(shape)
    spectrum.w2_uniformity(found, shape)
    uniformity(X)


def run(store: Repeated, *steps: Step) -> None:
    """Read the store once."""
    LocalEngine(ROWS).run(store, steps)


def first_pass(store: Repeated) -> list[Step]:
    """Return the steps of an audit's first pass, without labels."""
    n, dim = store.info.count, store.info.dim
    rng = np.random.default_rng(0)
    sampled = [SampleStep(draw(n, size, rng), dim) for size in (4000, 2000)]
    return [CensusStep(dim), MomentsStep(dim), *sampled, FindIds(set()), SamePasses("repeated")]


def works(n: int, dim: int) -> dict[str, Callable[[], None]]:
    """Return what is measured, by name."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS * BLOCKS, dim), dtype=np.float32) * np.arange(1, dim + 1, dtype=np.float32) ** -0.4
    lengths = rng.uniform(0.5, 2, size=(len(X), 1)).astype(np.float32)
    vary, one, copied = Repeated(X * lengths, n), Repeated(unit(X), n), Repeated(unit(X), n)
    cone = Repeated(X + np.float32(X.std()) * 4, n)
    return {
        "one Gram": lambda: gram(one, one),
        "one GEMM": lambda: gram(one, copied),
        "lengths alone": lambda: run(one, Nothing()),
        "lengths, moments; unit lengths": lambda: run(one, MomentsStep(dim)),
        "lengths, moments; lengths vary": lambda: run(vary, MomentsStep(dim)),
        "lengths, moments; mean cosine above .9": lambda: run(cone, MomentsStep(dim)),
        "PR, spectrum, uniformity, W₂; unit lengths": lambda: measures(one),
        "PR, spectrum, uniformity, W₂; lengths vary": lambda: measures(vary),
        "PR, spectrum, uniformity, W₂; mean cosine above .9": lambda: measures(cone),
        "lengths, census": lambda: run(vary, CensusStep(dim)),
        "lengths, two samples": lambda: run(vary, *first_pass(vary)[2:4]),
        "lengths, check of passes": lambda: run(vary, SamePasses("repeated")),
        "the whole first pass": lambda: run(vary, *first_pass(vary)),
    }


def main(n: int = 200_000, dim: int = 384, repetitions: int = 5) -> None:
    """Measure and print a Markdown table."""
    todo = works(n, dim)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in todo}
    for repetition in range(repetitions + 1):
        for name, work in todo.items():
            wall, processor = time.perf_counter(), time.process_time()
            work()
            taken = time.perf_counter() - wall, time.process_time() - processor
            if repetition:  # the first is to warm up
                seconds[name].append(taken)
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    print(f"{n:,} × {dim}, {repetitions} interleaved repetitions, {threads} BLAS thread(s)\n")
    print("| work | wall, s | spread | × one Gram | × one GEMM | CPU, s | × one Gram | × one GEMM |")
    print("|---|---|---|---|---|---|---|---|")
    medians = {name: np.median(taken, axis=0) for name, taken in seconds.items()}
    for name, taken in seconds.items():
        wall = [one for one, _ in taken]
        (clock, cpu), same, plain = medians[name], medians["one Gram"], medians["one GEMM"]
        print(
            f"| {name} | {clock:.3f} | {min(wall):.3f}–{max(wall):.3f} | {clock / same[0]:.2f} | {clock / plain[0]:.2f}"
            f" | {cpu:.3f} | {cpu / same[1]:.2f} | {cpu / plain[1]:.2f} |"
        )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
