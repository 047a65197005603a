"""Do the 95 % intervals hold the truth 95 times in 100? A simulation; prints a Markdown table.

    python benchmarks/interval_honesty.py [--stores 600]

Each line of the table is one law and one size. Stores are drawn from the law, the interval of each is
computed as the audit does, and counted when it holds the law's own value, which is known in closed form or
from a sample so large that its own error does not matter.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from ragdiag.geometry.anisotropy import mean_cosine
from ragdiag.geometry.hubness import Occurrences, skewness
from ragdiag.geometry.largest import largest_share
from ragdiag.geometry.spectrum import Spectrum, participation_ratio
from ragdiag.geometry.uniformity import sphere, uniformity
from ragdiag.similarities import L2, Cosine, Similarity
from ragdiag.statistics.moments import Moments
from ragdiag.statistics.neighbors import NeighborSearch, occurrences
from ragdiag.testing import worlds
from ragdiag.types import Float32, Measure
from ragdiag.vectors import unit

SEED = 20_240_607
DIM = 64
K = 10
MANY = 1_000_000  # vectors behind a true moment
PAIRED = 60_000  # vectors behind a true uniformity: 1.8e9 pairs
BLOCK = 4_000

Draw = Callable[[np.random.Generator, int], Float32]
_CENTRES = worlds.isotropic(np.random.default_rng(7), 20, DIM)


@dataclass(frozen=True)
class Law:
    """A law of documents; `uniformity` is its true value where that is known in closed form."""

    name: str
    draw: Draw
    uniformity: float | None = None


LAWS = (
    Law("isotropic sphere", lambda rng, n: worlds.isotropic(rng, n, DIM), sphere(DIM)),
    Law(
        "exact cone, ρ = .5",
        lambda rng, n: worlds.cone(rng, n, DIM, 0.5),
        -2 + math.log(float(special.hyp0f1((DIM - 1) / 2, 1.0))),
    ),
    Law("scattered cone, ρ = .5", lambda rng, n: worlds.offset_normal(rng, n, DIM, 0.5)),
    Law("decaying spectrum, λ ∝ 1/i", lambda rng, n: worlds.decaying(rng, n, DIM)),
    Law("20 clusters", lambda rng, n: worlds.clustered(rng, n, _CENTRES, 0.7)),
    Law("collapse, 8 of 64", lambda rng, n: worlds.low_rank(rng, n, DIM, 8), sphere(8)),
)
HUB_LAWS: tuple[tuple[str, Draw, Similarity], ...] = (
    ("isotropic sphere, cosine", LAWS[0].draw, Cosine()),
    ("scattered cone, cosine", LAWS[2].draw, Cosine()),
    ("decaying spectrum, cosine", LAWS[3].draw, Cosine()),
    ("20 clusters, cosine", LAWS[4].draw, Cosine()),
    ("collapse 8 of 64, cosine", LAWS[5].draw, Cosine()),
    ("normal d = 20, L2 (hubs)", lambda rng, n: worlds.normal(rng, n, 20), L2()),
    ("normal d = 64, L2 (strong hubs)", lambda rng, n: worlds.normal(rng, n, DIM), L2()),
    ("normal d = 3, L2 (no hubs)", lambda rng, n: worlds.normal(rng, n, 3), L2()),
)


@dataclass(frozen=True)
class Truth:
    """The values of a law."""

    mean_cosine: float
    uniformity: float
    participation_ratio: float


def truth_of(law: Law, rng: np.random.Generator) -> Truth:
    """Return the law's values, from closed forms or from a very large sample."""
    moments = Moments.empty(DIM)
    for _ in range(0, MANY, 50_000):
        moments += Moments.of(unit(law.draw(rng, 50_000)))
    mu = moments.mean
    rho = (moments.n * float(mu @ mu) - 1) / (moments.n - 1)
    ratio = float(np.trace(moments.covariance)) ** 2 / moments.trace_of_square()
    known = law.uniformity if law.uniformity is not None else _paired_uniformity(law, rng)
    return Truth(rho, known, min(ratio, float(DIM)))  # no law has more dimensions than there are


def _paired_uniformity(law: Law, rng: np.random.Generator) -> float:
    X = unit(law.draw(rng, PAIRED)) * np.float32(2)  # 4·x̂ŷ in one product
    total = 0.0
    for i in range(0, PAIRED, BLOCK):
        for j in range(i, PAIRED, BLOCK):
            kernel = np.exp(X[i : i + BLOCK] @ X[j : j + BLOCK].T - np.float32(4))
            total += float(kernel.sum(dtype=np.float64)) * (1 if i == j else 2)
    return math.log((total - PAIRED) / (PAIRED * (PAIRED - 1)))


@dataclass(frozen=True)
class Line:
    """One line of the table: how often the intervals of one measure held the truth."""

    measure: str
    law: str
    setting: str
    truth: float
    misses_low: int
    misses_high: int
    stores: int
    undefined: int

    @property
    def coverage(self) -> float:
        """Share of the intervals that held the truth; undefined measures have none."""
        return 1 - (self.misses_low + self.misses_high) / self.stores

    def __str__(self) -> str:
        misses = f"{self.misses_low} / {self.misses_high}"
        low, high = binomial_interval(self.stores - self.misses_low - self.misses_high, self.stores)
        return (
            f"| {self.measure} | {self.law} | {self.setting} | {self.truth:.4g} "
            f"| **{100 * self.coverage:.1f}** | {100 * low:.1f} … {100 * high:.1f} | {misses} | {self.undefined} |"
        )


def binomial_interval(hits: int, n: int) -> tuple[float, float]:
    """Return the exact (Clopper–Pearson) 95 % interval of a share."""
    low = float(stats.beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


class Tally:
    """Counts on which side intervals miss."""

    def __init__(self) -> None:
        self.below = self.above = self.total = self.undefined = 0
        self.truths: list[float] = []

    def add(self, measure: Measure, truth: float) -> None:
        """Count one interval."""
        self.truths.append(truth)
        if measure.low is None or measure.high is None:
            self.undefined += 1
            return
        self.total += 1
        self.below += measure.high < truth
        self.above += measure.low > truth

    def line(self, measure: str, law: str, setting: str) -> Line:
        """Return the line of the table."""
        truth = float(np.mean(self.truths))
        return Line(measure, law, setting, truth, self.below, self.above, self.total, self.undefined)


def direction_lines(law: Law, truth: Truth, n: int, stores: int, rng: np.random.Generator) -> Iterator[Line]:
    """Yield the coverage of mean cosine, uniformity and participation ratio over stores of n documents."""
    tallies = {"mean cosine": Tally(), "uniformity": Tally(), "participation ratio": Tally()}
    for _ in range(stores):
        X = unit(law.draw(rng, n))
        moments = Moments.of(X)
        tallies["mean cosine"].add(mean_cosine(moments), truth.mean_cosine)
        tallies["uniformity"].add(uniformity(X), truth.uniformity)
        tallies["participation ratio"].add(
            participation_ratio(Spectrum.of(moments, X.astype(np.float64))), truth.participation_ratio
        )
    for name, tally in tallies.items():
        yield tally.line(name, law.name, f"n = {n:,}")


def skewness_lines(
    name: str,
    draw: Draw,
    similarity: Similarity,
    n: int,
    sampled: tuple[int, ...],
    stores: int,
    rng: np.random.Generator,
) -> Iterator[Line]:
    """Yield the coverage of the corrected skewness and of the largest share when m of the n documents are the queries.

    From each of half as many stores two samples of queries are drawn.
    """
    tallies, largest = {m: Tally() for m in sampled}, {m: Tally() for m in (sampled[0] // 2, *sampled)}
    for _ in range(stores // 2):
        X = draw(rng, n)
        search = NeighborSearch(similarity, X, K, exclude=np.arange(n))
        search.search(0, X, np.ones(n, dtype=bool))
        positions = search.result().positions
        counts = occurrences(positions, n)
        truth = float(stats.skew(counts))
        for m in 2 * sampled:
            rows = rng.choice(n, size=m, replace=False)
            tallies[m].add(skewness(Occurrences.of(positions[rows], n, population=n, rng=rng)), truth)
        for m in largest:  # a stream of its own, so that the lines of the skewness stay what they were
            rows = np.random.default_rng([SEED, m, *positions[0]]).choice(n, size=m, replace=False)
            sample = Occurrences.of(positions[rows], n, population=n, rng=np.random.default_rng(SEED))
            largest[m].add(largest_share(sample), float(counts.max()) / n)
    for m, tally in tallies.items():
        yield tally.line("corrected skewness", name, f"n = {n:,}, m = {m:,}")
    for m, tally in largest.items():
        yield tally.line("largest share", name, f"n = {n:,}, m = {m:,}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="coverage of the 95 % intervals")
    parser.add_argument("--stores", type=int, default=600, help="stores per law and size (600)")
    stores = parser.parse_args().stores
    started = time.perf_counter()
    print("| measure | law | store | truth | coverage, % | 95 % of that | below / above | undefined |")
    print("|---|---|---|---|---|---|---|---|")
    lines: list[Line] = []

    def show(more: Iterator[Line]) -> None:
        for line in more:
            lines.append(line)
            print(line, flush=True)

    # Every law has a stream of its own, so that adding a law changes no other line.
    for i, law in enumerate(LAWS):
        rng = np.random.default_rng([SEED, i])
        truth = truth_of(law, rng)
        for n in (500, 2000):
            show(direction_lines(law, truth, n, stores, rng))
    for i, (name, draw, similarity) in enumerate(HUB_LAWS):
        rng = np.random.default_rng([SEED, 100 + i])
        show(skewness_lines(name, draw, similarity, 2000, (1000, 1500), stores, rng))
    exact = [line for line in lines if line.measure != "largest share"]  # whose interval is wide by design
    inside = sum(0.92 <= line.coverage <= 0.98 for line in exact)
    print(f"\n{inside} of {len(exact)} lines but those of the largest share within 92–98 %;")
    print(f"{time.perf_counter() - started:.0f} s.")


if __name__ == "__main__":
    main()
