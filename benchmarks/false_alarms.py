"""How often a store in which nothing was planted gets a warning.

    python benchmarks/false_alarms.py [--stores 40] [--laws WORD]

Draws stores from laws without a flaw, half of them with queries from the same law, audits each, and prints a
Markdown table of how many raised a finding at warning or over, and which.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ragdiag import Severity, audit
from ragdiag.geometry.intervals import wilson
from ragdiag.testing import worlds
from ragdiag.types import Float32
from ragdiag.vectors import unit

SEED = 20261121
QUERIES = 200
REAL = Path(__file__).resolve().parents[1].parent / "shared" / "data"
Draw = Callable[[int, int, np.random.Generator], Float32]


@dataclass(frozen=True)
class Law:
    """A law of documents: `draw(n, dim, rng)`, with the sizes that are drawn from it."""

    name: str
    draw: Draw
    sizes: tuple[int, int] = (300, 1500)
    dims: tuple[int, ...] = (64, 128, 256)


def _turned(X: Float32, rng: np.random.Generator) -> Float32:
    """Turn the axes at random, so that no coordinate means anything."""
    rotation, _ = np.linalg.qr(rng.standard_normal((X.shape[1], X.shape[1]), dtype=np.float32))
    return (X @ rotation).astype(np.float32)


def _decaying(exponent: float) -> Draw:
    return lambda n, dim, rng: _turned(worlds.decaying(rng, n, dim, exponent=exponent), rng)


def _cone(rho: float) -> Draw:
    return lambda n, dim, rng: _turned(worlds.offset_normal(rng, n, dim, rho=rho), rng)


def _clusters(n: int, dim: int, rng: np.random.Generator) -> Float32:
    return worlds.clustered(rng, n, worlds.isotropic(rng, 20, dim), spread=0.7)


def _topics(n: int, dim: int, rng: np.random.Generator) -> Float32:
    """Topics within topics: a mean, forty topic directions of uneven size, and a spread with decaying spectrum."""
    scale = 1 / np.sqrt(np.arange(1, dim + 1)) ** 0.8
    topics = rng.standard_normal((40, dim)) * scale
    picked = rng.choice(40, size=n, p=rng.dirichlet(np.full(40, 2.0)))
    return (0.4 * scale[::-1] + topics[picked] + rng.standard_normal((n, dim)) * scale).astype(np.float32)


def _genres(offset: float, exponent: float) -> Draw:
    """Return two genres under one model: three in ten documents are moved by `offset` spreads."""

    def draw(n: int, dim: int, rng: np.random.Generator) -> Float32:
        X = worlds.decaying(rng, n, dim, exponent=exponent)
        X /= np.float32(np.sqrt(np.sum(np.arange(1, dim + 1) ** -exponent)))
        other = rng.random(n) < 0.3
        X[other] += np.float32(offset) * worlds.isotropic(rng, 1, dim)
        return _turned(X, rng)

    return draw


def _real(name: str, *, spectrum_alone: bool) -> Draw:
    """Return documents of a real set, drawn without repetition; or normal vectors with its mean and spectrum."""
    held: list[Float32] = []

    def draw(n: int, dim: int, rng: np.random.Generator) -> Float32:
        if not held:
            held.append(np.load(REAL / name / "vectors" / "docs.minilm.npy"))
        X = held[0]
        if spectrum_alone:
            mean, root = X.mean(axis=0), np.linalg.cholesky(np.cov(X.T) + 1e-9 * np.eye(dim))
            return (mean + rng.standard_normal((n, dim)) @ root.T).astype(np.float32)
        return X[rng.permutation(len(X))[:n]]

    return draw


LAWS = [
    Law("isotropic", lambda n, dim, rng: worlds.isotropic(rng, n, dim)),
    Law("decaying spectrum, i^−.5", _decaying(0.5)),
    Law("mean cosine .05", _cone(0.05)),
    Law("twenty clusters", _clusters),
    Law("topics", _topics),
    Law("decaying spectrum, i^−.8, d = 768", _decaying(0.8), (1200, 1201), (768,)),
    Law("decaying spectrum, i^−1, d = 768", _decaying(1.0), (1200, 1201), (768,)),
    Law("decaying spectrum, i^−.8, d = 1,536", _decaying(0.8), (1200, 1201), (1536,)),
    Law("decaying spectrum, i^−1, d = 1,536", _decaying(1.0), (1200, 1201), (1536,)),
    Law("mean cosine .2", _cone(0.2)),
    Law("mean cosine .7", _cone(0.7)),
    Law("two genres, 1 spread apart, flat spectrum", _genres(1.0, 0.0)),
    Law("two genres, 2 spreads apart, flat spectrum", _genres(2.0, 0.0)),
    Law("two genres, 1 spread apart, i^−.5", _genres(1.0, 0.5)),
    Law("two genres, 2 spreads apart, i^−.5", _genres(2.0, 0.5)),
]
ON_REAL_VECTORS = [
    Law("normal, mean and spectrum of SciFact", _real("scifact", spectrum_alone=True), dims=(384,)),
    Law("parts of SciFact", _real("scifact", spectrum_alone=False), dims=(384,)),
]


def main() -> None:
    """Audit the stores and print the table."""
    parser = argparse.ArgumentParser(description="false alarms")
    parser.add_argument("--stores", type=int, default=40, help="stores per law (40)")
    parser.add_argument("--laws", default="", help="only laws whose name contains this")
    options = parser.parse_args()
    laws = [*LAWS, *ON_REAL_VECTORS] if (REAL / "scifact").is_dir() else LAWS
    if len(laws) == len(LAWS):
        print("../shared/data is not beside this checkout: the laws on real vectors are left out\n")
    print("| law | stores | with a warning | 95 % interval | which |\n|---|---|---|---|---|")
    total, alarms = 0, 0
    for index, law in enumerate(laws):
        if options.laws in law.name:
            alarms += _show(law, index, options.stores)
            total += options.stores
    _row("all", total, alarms, "")


def _show(law: Law, index: int, stores: int) -> int:
    """Print the row of a law and return how many of its stores were blamed."""
    raised: Counter[str] = Counter()
    blamed = 0
    for store in range(stores):
        rng = np.random.default_rng([SEED, index, store])
        n, dim = int(rng.integers(*law.sizes)), int(rng.choice(law.dims))
        # One draw for both: queries belong to the same clusters as the documents.
        X = unit(law.draw(n + QUERIES, dim, rng))
        report = audit(X[:n], query_vectors=X[n:] if store % 2 else None)
        codes = {f.code for f in report.findings if f.severity >= Severity.WARNING}
        blamed += bool(codes)
        raised.update(codes)
    _row(law.name, stores, blamed, ", ".join(f"{code} × {n}" for code, n in raised.most_common()) or "–")
    return blamed


def _row(name: str, stores: int, blamed: int, which: str) -> None:
    share = wilson(blamed, stores)
    print(
        f"| {name} | {stores} | {100 * blamed / stores:.1f} % | {100 * (share.low or 0):.1f} … "
        f"{100 * (share.high or 0):.1f} % | {which} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
