"""What exact search costs, in ratios within one run.

    python benchmarks/performance.py [--repetitions 5] [--quick] [--stdlib FOLDER]

Every comparison is made in this process, its candidates one after the other in each repetition, so that other work on
the machine disturbs them alike; medians of the ratios within a repetition, with their smallest and largest. Wall time
and the processor's, all cores. Prints the Markdown that docs/performance.md carries.

Vectors: "isotropic", standard normal; "decaying", normal with eigenvalues ∝ 1/i²; "MiniLM", the scifact vectors of
the shared data where they are at hand, or those of `examples/stdlib/build.py --model …` given with --stdlib, tiled to
size with noise of a tenth of their length. All at length one, except where eight similarities are searched.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ragdiag.engine import Step
from ragdiag.engine.half import HalfProducts
from ragdiag.engine.products import HostProducts, Products, cores
from ragdiag.retrieval.shared import shared
from ragdiag.similarities import Cosine, Training, parse
from ragdiag.statistics.all_pairs import AllPairs
from ragdiag.statistics.bounds import Prefix
from ragdiag.statistics.neighbors import NeighborSearch
from ragdiag.types import Float32, Similarity
from ragdiag.vectors import unit

sys.path.insert(0, str(Path(__file__).parent))
import memory
import moments as first_pass
import shared_search

BLOCK = 4096
K = 10
Work = Callable[[], Any]
Times = dict[str, list[tuple[float, float]]]


def real_vectors(folder: Path | None) -> tuple[str, Float32] | None:
    """Return vectors of a sentence encoder, and where they come from."""
    if folder is not None:
        return "MiniLM, docstrings of the standard library", np.load(folder / "docs.npy")
    from real_sets import DATA

    path = DATA / "scifact" / "vectors" / "docs.minilm.npy"
    return ("MiniLM, scifact", np.load(path).astype(np.float32)) if path.exists() else None


def tiled(X: Float32, n: int, rng: np.random.Generator) -> Float32:
    """Return n rows of X, repeated with noise."""
    rows = X[rng.integers(0, len(X), n)]
    noise = rng.standard_normal(rows.shape, dtype=np.float32)
    return unit(rows + noise * np.float32(0.1 / np.sqrt(X.shape[1])))


def normal(n: int, dim: int, power: float, rng: np.random.Generator) -> Float32:
    """Return unit vectors, normal with eigenvalues ∝ i^−power in a random basis."""
    scale = np.arange(1, dim + 1, dtype=np.float32) ** np.float32(-power / 2)
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype(np.float32)
    return unit((rng.standard_normal((n, dim), dtype=np.float32) * scale) @ turn)


def measured(work: dict[str, Work], repetitions: int) -> Times:
    """Run every piece of work in turn, `repetitions` times, after one run that is not counted."""
    times: Times = {name: [] for name in work}
    for repetition in range(repetitions + 1):
        for name, run in work.items():
            wall, busy = time.perf_counter(), time.process_time()
            run()
            if repetition:
                times[name].append((time.perf_counter() - wall, time.process_time() - busy))
    return times


def ratio(times: Times, name: str, base: str, which: int) -> str:
    """Return the median of the ratios within a repetition, with smallest and largest."""
    ratios = [a[which] / b[which] for a, b in zip(times[name], times[base], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def table(title: str, base: str, times: Times, notes: dict[str, str] | None = None) -> None:
    """Print one comparison."""
    print(f"\n### {title}\n\n| | wall, s | processor, s | wall ÷ {base} | processor ÷ {base} |\n|---|---|---|---|---|")
    for name, taken in times.items():
        wall, busy = (statistics.median(t[i] for t in taken) for i in (0, 1))
        label = f"{name}{(notes or {}).get(name, '')}"
        print(f"| {label} | {wall:.2f} | {busy:.2f} | {ratio(times, name, base, 0)} | {ratio(times, name, base, 1)} |")
    sys.stdout.flush()


def blocks(X: Float32) -> list[tuple[int, Float32]]:
    """Return the documents as an engine would give them."""
    return [(start, X[start : start + BLOCK]) for start in range(0, len(X), BLOCK)]


def search(X: Float32, Q: Float32, products: Products, k: int = K) -> NeighborSearch:
    """Search block by block."""
    found = NeighborSearch(Cosine(), Q, k)
    for start, rows in blocks(X):
        found.search(start, rows, np.ones(len(rows), dtype=bool), products)
    return found


def gemm(X: Float32, Q: Float32) -> None:
    """Multiply the same blocks, and keep nothing."""
    out = np.empty(BLOCK * len(Q), dtype=np.float32)
    for _, rows in blocks(X):
        np.matmul(rows, Q.T, out=out[: len(rows) * len(Q)].reshape(len(rows), len(Q)))


def how(bound: Any) -> str:
    """Say by how many coordinates candidates were found."""
    return f", {bound.basis.shape[1]} of {bound.basis.shape[0]} coordinates" if isinstance(bound, Prefix) else ""


def all_pairs(worlds: dict[str, Float32], repetitions: int) -> None:
    """Hubness of all documents, each among all others."""
    kinds: dict[str, Products] = {"ragdiag": HostProducts(), "ragdiag --device cpu (bfloat16)": HalfProducts()}
    for name, X in worlds.items():
        found: dict[str, AllPairs] = {}

        def pairs(kind: str, X: Float32 = X, found: dict[str, AllPairs] = found) -> None:
            found[kind] = AllPairs(Cosine(), X, np.arange(len(X)), K, products=kinds[kind])
            found[kind].result()

        work: dict[str, Work] = {
            "faiss.knn": lambda X=X: faiss.knn(X, X, K + 1, metric=faiss.METRIC_INNER_PRODUCT),
            **{kind: lambda kind=kind: pairs(kind) for kind in kinds},
        }
        times = measured(work, repetitions)
        notes = {kind: how(run._bound) for kind, run in found.items()}
        n, dim = X.shape
        table(f"All pairs, {n:,} × {dim}, k = {K}, {name}", "faiss.knn", times, notes)


def queries(worlds: dict[str, tuple[Float32, Float32]], repetitions: int) -> None:
    """Some queries among many documents."""
    kinds: dict[str, Products] = {"ragdiag": HostProducts(), "ragdiag --device cpu (bfloat16)": HalfProducts()}
    for name, (X, Q) in worlds.items():
        bound: dict[str, Any] = {}

        def ours(kind: str, X: Float32 = X, Q: Float32 = Q, bound: dict[str, Any] = bound) -> None:
            bound[kind] = how(search(X, Q, kinds[kind]).bound)

        work: dict[str, Work] = {
            "faiss.knn": lambda X=X, Q=Q: faiss.knn(Q, X, K, metric=faiss.METRIC_INNER_PRODUCT),
            **{kind: lambda kind=kind, ours=ours: ours(kind) for kind in kinds},
            "the GEMM alone": lambda X=X, Q=Q: gemm(X, Q),
        }
        times = measured(work, repetitions)
        title = f"{len(Q):,} queries among {len(X):,} × {X.shape[1]}, k = {K}, {name}"
        table(title, "faiss.knn", times, bound)


def others(X: Float32, Q: Float32, repetitions: int) -> None:
    """What else people search with."""
    from sklearn.neighbors import NearestNeighbors

    def flat() -> None:
        index = faiss.IndexFlatIP(X.shape[1])
        index.add(X)
        index.search(Q, K)

    def argpartition() -> None:
        for start in range(0, len(Q), 500):
            scores = Q[start : start + 500] @ X.T
            best = np.argpartition(-scores, K, axis=1)[:, :K]
            order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
            np.take_along_axis(best, order, axis=1)

    work: dict[str, Work] = {
        "faiss.knn": lambda: faiss.knn(Q, X, K, metric=faiss.METRIC_INNER_PRODUCT),
        "faiss IndexFlatIP": flat,
        "ragdiag": lambda: search(X, Q, HostProducts()),
        "numpy argpartition": argpartition,
        "scikit-learn NearestNeighbors": lambda: (
            NearestNeighbors(n_neighbors=K, algorithm="brute").fit(X).kneighbors(Q)
        ),
    }
    try:
        import torch
        from sentence_transformers.util import semantic_search

        a, b = torch.from_numpy(Q), torch.from_numpy(X)
        work["sentence-transformers semantic_search"] = lambda: semantic_search(a, b, top_k=K)
    except ImportError:
        pass
    table(
        f"Others, {len(Q):,} queries among {len(X):,} × {X.shape[1]}, k = {K}", "faiss.knn", measured(work, repetitions)
    )


def eight(n: int, dim: int, m: int, repetitions: int) -> None:
    """Eight similarities in one pass."""
    X, Q, bank = shared_search.vectors(n, dim, m)
    fits: list[Similarity] = [parse(name).fit(Training(X[:5000], bank)) for name in shared_search.NAMES]

    def run(similarities: Sequence[Similarity], together: bool) -> None:
        searches = [NeighborSearch(similarity, Q, K) for similarity in similarities]
        steps: list[Step] = shared(searches) if together else list(searches)
        for start, rows in blocks(X):
            for step in steps:
                step.search(start, rows, np.ones(len(rows), dtype=bool))  # type: ignore[attr-defined]

    work: dict[str, Work] = {
        "one search": lambda: run(fits[:1], False),
        "faiss.knn": lambda: faiss.knn(Q, X, K, metric=faiss.METRIC_INNER_PRODUCT),
        "eight, one after the other": lambda: run(fits, False),
        "eight together": lambda: run(fits, True),
    }
    times = measured(work, repetitions)
    table(f"Eight similarities, {m:,} queries among {n:,} × {dim}", "one search", times)
    print(f"\nOne search is by cosine. Eight: {', '.join(shared_search.NAMES)}.")


def statistics_of_all(n: int, dim: int, repetitions: int) -> None:
    """PR, spectrum, uniformity and W₂ against the Gram matrix."""
    X = normal(first_pass.ROWS * first_pass.BLOCKS, dim, 1.0, np.random.default_rng(5))
    again = normal(first_pass.ROWS * first_pass.BLOCKS, dim, 1.0, np.random.default_rng(6))
    store, other = first_pass.Repeated(X, n), first_pass.Repeated(again, n)
    work: dict[str, Work] = {
        "Gram": lambda: first_pass.gram(store, store),
        "GEMM of that size": lambda: first_pass.gram(store, other),
        "PR, spectrum, uniformity, W₂": lambda: first_pass.measures(store),
    }
    base = next(iter(work))
    table(f"Shape of {n:,} × {dim}", base, measured(work, repetitions))
    print("\nGram: float32, `X.T @ X`, of which numpy multiplies half.")


def growth(repetitions: int) -> None:
    """How the cost of a search grows."""
    print("\n### Growth\n\nProcessor seconds of one search, float32, isotropic; one thing changed at a time.\n")
    print("| changed | to | seconds | GFLOP of the products | GFLOP/s |\n|---|---|---|---|---|")
    usual = {"n": 20_000, "d": 384, "m": 1000, "k": 10}
    rng = np.random.default_rng(7)
    for name, values in {
        "n": (10_000, 20_000, 40_000),
        "d": (192, 384, 768),
        "m": (500, 1000, 2000),
        "k": (1, 10, 100),
    }.items():
        for value in values:
            p = {**usual, name: value}
            X, Q = normal(p["n"], p["d"], 0, rng), normal(p["m"], p["d"], 0, rng)
            times = measured({"": lambda X=X, Q=Q, k=p["k"]: search(X, Q, HostProducts(), k)}, repetitions)[""]
            busy = statistics.median(t[1] for t in times)
            flop = 2 * p["n"] * p["d"] * p["m"] / 1e9
            print(f"| {name} | {value:,} | {busy:.2f} | {flop:.1f} | {flop / busy:.0f} |", flush=True)


def whole_audit(n: int, dim: int, repetitions: int) -> None:
    """Audit n vectors from a memory map, in a process of its own, beside the products that it needs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npy"
        memory.write_vectors(path, n, dim)
        seen = memory.audited(path)
        X = np.load(path, mmap_mode="r")
        rng = np.random.default_rng(0)
        Q = np.asarray(X[np.sort(rng.permutation(n)[:2000])])
        taken = []
        for _ in range(repetitions):
            wall, busy = time.perf_counter(), time.process_time()
            gemm(X, Q)
            taken.append((time.perf_counter() - wall, time.process_time() - busy))
        probes = np.repeat(Q[:200], 7, axis=0)  # as many as are searched under other similarities and axis scalings
        extra = []
        for _ in range(repetitions):
            wall, busy = time.perf_counter(), time.process_time()
            gemm(X, probes)
            total = np.zeros((dim, dim), dtype=np.float32)
            for _, rows in blocks(X):
                total += rows.T @ rows
            extra.append((time.perf_counter() - wall, time.process_time() - busy))
    own = [statistics.median(t[i] for t in taken) for i in (0, 1)]
    more = [statistics.median(t[i] for t in extra) for i in (0, 1)]
    print(f"\n### An audit of {n:,} × {dim} from a memory map, m = 2,000\n")
    print("| | wall, s | processor, s |\n|---|---|---|")
    print(f"| audit | {seen['seconds']:.1f} | {seen['busy']:.1f} |")
    print(f"| its main search as a bare GEMM | {own[0]:.1f} | {own[1]:.1f} |")
    others = "200 documents under 7 more similarities and scalings, the Gram"
    print(f"| its other products: {others} | {more[0]:.1f} | {more[1]:.1f} |")
    print(f"\nall products ÷ audit: {(own[0] + more[0]) / seen['seconds']:.2f} of the wall time,", end=" ")
    print(f"{(own[1] + more[1]) / seen['busy']:.2f} of the processor's.", end=" ")
    print(f"Peak over start-up: {seen['peak'] - seen['before']:,.0f} MiB.")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, to see that it runs")
    parser.add_argument("--stdlib", type=Path, help="a folder that examples/stdlib/build.py --model wrote")
    options = parser.parse_args()
    by, times = (10 if options.quick else 1), options.repetitions
    rng = np.random.default_rng(0)
    print(f"{platform.machine()}, {cores()} cores, {_processor()}; Python {platform.python_version()}", end=", ")
    print(f"numpy {np.__version__}, faiss {faiss.__version__}; {date.today():%Y-%m-%d}", end="; ")
    print(f"load before: {os.getloadavg()[0]:.1f}. Medians of {times}.")
    n = 20_000 // by
    worlds = {"isotropic": normal(n, 768, 0, rng), "decaying": normal(n, 768, 2, rng)}
    real = real_vectors(options.stdlib)
    if real is not None:
        worlds[real[0]] = tiled(real[1], n, rng)
    all_pairs(worlds, times)
    m, n = 5000 // by, 100_000 // by
    both = {"isotropic": normal(n + m, 768, 0, rng), "decaying": normal(n + m, 768, 2, rng)}
    queries({name: (X[m:], X[:m]) for name, X in both.items()}, times)
    both.clear()
    others(worlds["isotropic"], normal(2000 // by, 768, 0, rng), times)
    eight(20_000 // by, 768, 2000 // by, times)
    statistics_of_all(1_000_000 // by, 384, times)
    growth(min(times, 3))
    whole_audit(1_000_000 // by, 384, min(times, 3))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


if __name__ == "__main__":
    main()
