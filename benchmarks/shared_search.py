"""Time of eight similarities in one pass, in units of one exact search by cosine.

    python benchmarks/shared_search.py [N] [DIM] [M]

Clustered vectors off the origin, as embeddings are; all cores. Each round times one cosine search, faiss.knn for
scale, eight searches one after the other, and the same eight sharing what they can; fits are not timed, maps of
queries are. Other work on the machine disturbs single figures: read the median of the ratios within a round. The figure
asked for is at most 3.5.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import faiss
import numpy as np

from ragdiag.engine import Step
from ragdiag.retrieval.shared import shared
from ragdiag.similarities import Training, parse
from ragdiag.statistics.neighbors import NeighborSearch
from ragdiag.types import Float32, Similarity

NAMES = (
    "cosine",
    "dot",
    "l2",
    "centred",
    "query-centred",
    "abtt(d=2)",
    "whitened(gamma=0.5)",
    "csls(k=10)",
)
BLOCK = 4096
BANK = 1000
ROUNDS = 3


def vectors(n: int, dim: int, m: int) -> tuple[Float32, Float32, Float32]:
    """Return documents, queries and the queries of the fits, about the same clusters."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, dim), dtype=np.float32)
    mean = rng.standard_normal(dim, dtype=np.float32)

    def some(count: int) -> Float32:
        noise = rng.standard_normal((count, dim), dtype=np.float32)
        return centres[rng.integers(0, 200, count)] + 2 * noise + mean

    return some(n), some(m), some(BANK)


def search(similarities: list[Similarity], X: Float32, Q: Float32, k: int, *, share: bool) -> list[NeighborSearch]:
    """Search documents block by block."""
    searches = [NeighborSearch(similarity, Q, k) for similarity in similarities]
    steps: list[Step] = shared(searches) if share else list(searches)
    for start in range(0, len(X), BLOCK):
        rows = X[start : start + BLOCK]
        for step in steps:
            step.search(start, rows, np.ones(len(rows), dtype=bool))  # type: ignore[attr-defined]
    return searches


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Return the time of one run, and that of all cores, which other work disturbs less."""
    clock, cores = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - cores


def main(n: int = 20_000, dim: int = 768, m: int = 2_000) -> None:
    """Measure and print a Markdown table."""
    X, Q, bank = vectors(n, dim, m)
    fits: list[Similarity] = [parse(name).fit(Training(X[:5000], bank)) for name in NAMES]
    print(f"{n:,} × {dim}, m={m:,}, eight similarities, seconds; ratios are medians of {ROUNDS} rounds\n")
    print("| k | clock | faiss.knn | one search | separately | shared | separately/one | shared/one | shared/faiss |")
    print("|---|---|---|---|---|---|---|---|---|")
    for k in (10, 100):
        rounds = []
        for _ in range(ROUNDS):
            known = seconds(lambda k=k: faiss.knn(Q, X, k, metric=faiss.METRIC_INNER_PRODUCT))  # type: ignore[misc]
            one = seconds(lambda k=k: search(fits[:1], X, Q, k, share=False))  # type: ignore[misc]
            apart = seconds(lambda k=k: search(fits, X, Q, k, share=False))  # type: ignore[misc]
            together = seconds(lambda k=k: search(fits, X, Q, k, share=True))  # type: ignore[misc]
            rounds.append((known, one, apart, together))
        for which, clock in enumerate(("wall", "all cores")):
            times = [[ran[which] for ran in each] for each in rounds]
            best = [min(column) for column in zip(*times, strict=True)]
            ratios = [statistics.median(t[i] / t[j] for t in times) for i, j in ((2, 1), (3, 1), (3, 0))]
            figures = (f"{x:.2f}" for x in (*best, *ratios))
            print("|".join(["", str(k), clock, *figures, ""]), flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
