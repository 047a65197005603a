"""How often the gate fails a build for nothing, and how often it lets a changed model pass.

    python benchmarks/gate.py [--pairs 200] [--worlds WORD]

Draws pairs of stores from one law (other documents of the same kind, or other documents around the same labelled ones),
audits both with other seeds, and counts how often `ragdiag.diff` reports a regression: by chance. Then a fifth of the
vectors of the second store are replaced by those of another model, and the regressions are to be there. Prints a
Markdown table.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from zlib import crc32

import numpy as np

from ragdiag import Plan, Report, Severity, audit, diff
from ragdiag.geometry.intervals import wilson
from ragdiag.numbers import percent
from ragdiag.report.changes import Change, Diff
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import ArrayStore
from ragdiag.testing import worlds
from ragdiag.types import Float32
from ragdiag.vectors import unit

SEED = 20261121
REAL = Path(__file__).resolve().parents[1].parent / "shared" / "data"
REPLACED = 0.2
QUERIES = 100


@dataclass(frozen=True)
class Store:
    """Documents and queries; the first documents answer the queries."""

    documents: Float32
    ids: tuple[str, ...]
    queries: Float32
    texts: tuple[str, ...] | None = None
    labelled: bool = True


Draw = Callable[[np.random.Generator], tuple[Store, Store]]
"""Returns two stores of one law; queries are the same in both."""
Model = Callable[[Store, np.random.Generator], Float32]
"""Returns the documents as another model would have them."""


@dataclass(frozen=True)
class World:
    """A law of stores, and another model of their documents."""

    name: str
    draw: Draw
    other: Model


def _turned(store: Store, rng: np.random.Generator) -> Float32:
    """Return documents as a model of the same quality has them whose axes are others: nothing else changes."""
    rotation, _ = np.linalg.qr(rng.standard_normal((store.documents.shape[1],) * 2))
    turned: Float32 = (store.documents @ rotation).astype(np.float32)
    return turned


def _labelled(law: Callable[[int, np.random.Generator], Float32], *, noise: float, same_ids: bool) -> Draw:
    """Return stores of 400 documents, the first 100 of which are the same and answer a query each."""

    def draw(rng: np.random.Generator) -> tuple[Store, Store]:
        X = unit(law(700, rng))
        scale = noise / np.sqrt(X.shape[1])
        asked = unit(X[:QUERIES] + scale * rng.standard_normal((QUERIES, X.shape[1])).astype(np.float32))
        first, second = X[:400], np.concatenate([X[:QUERIES], X[400:]])
        # Row numbers name other documents as soon as one is inserted.
        own = tuple(f"{i}" if same_ids else f"d{i}" for i in range(400))
        others = own if same_ids else (*own[:QUERIES], *(f"n{i}" for i in range(300)))
        return Store(first, own, asked), Store(second, others, asked)

    return draw


def _decaying(n: int, rng: np.random.Generator) -> Float32:
    return worlds.decaying(rng, n, 96, exponent=0.6)


def _clusters(n: int, rng: np.random.Generator) -> Float32:
    return worlds.clustered(rng, n, worlds.isotropic(rng, 20, 64), spread=0.7)


def _cone(n: int, rng: np.random.Generator) -> Float32:
    return worlds.offset_normal(rng, n, 64, rho=0.3)


def _flawed(rng: np.random.Generator) -> tuple[Store, Store]:
    """Return stores whose flaws lie at the thresholds of their rules, where findings come and go by chance."""

    def one() -> Store:
        n = 500
        X = worlds.offset_normal(rng, n, 64, rho=0.5)
        copied, near, lengths, empty = rng.random((4, n)) < np.array([0.012, 0.03, 0.012, 0.01])[:, None]
        sources = rng.permutation(n)
        X[copied] = X[sources[copied]]
        X[near] = X[sources[near]] + 0.05 * worlds.isotropic(rng, int(near.sum()), 64)
        X = unit(X)
        X[lengths] *= np.float32(1.5)
        words = [" ".join(f"word{word}" for word in rng.integers(0, 10_000, size=12)) for _ in range(n)]
        texts = tuple("" if empty[i] else words[i] for i in range(n))
        return Store(X, tuple(f"{rng.integers(2**60)}" for _ in range(n)), X[:QUERIES], texts, labelled=False)

    first, second = one(), one()
    return first, replace(second, queries=first.queries)


def _real(name: str) -> World:
    """Return parts of a real set, and the vectors of a real other model."""
    vectors = {model: np.load(REAL / name / "vectors" / f"docs.{model}.npy") for model in ("minilm", "wordavg")}
    asked = np.load(REAL / name / "vectors" / "queries.minilm.npy")

    def draw(rng: np.random.Generator) -> tuple[Store, Store]:
        order = rng.permutation(len(vectors["minilm"]))
        parts = order[: len(order) // 2][:600], order[len(order) // 2 :][:600]
        old, new = (
            Store(vectors["minilm"][part], tuple(map(str, part)), asked[:QUERIES], labelled=False) for part in parts
        )
        return old, new

    def other(store: Store, rng: np.random.Generator) -> Float32:
        found: Float32 = vectors["wordavg"][[int(id_) for id_ in store.ids]]
        return found

    return World(f"parts of {name}, MiniLM; word vectors", draw, other)


WORLDS = [
    World("decaying spectrum, ids are row numbers", _labelled(_decaying, noise=1.0, same_ids=True), _turned),
    World("decaying spectrum, poor model", _labelled(_decaying, noise=2.5, same_ids=False), _turned),
    World("twenty clusters", _labelled(_clusters, noise=1.0, same_ids=False), _turned),
    World("flaws at their thresholds, no labels", _flawed, _turned),
    World("mean cosine .3", _labelled(_cone, noise=1.0, same_ids=False), _turned),
]


def run(world: World, rng: np.random.Generator) -> Iterator[tuple[Diff, Diff]]:
    """Yield without end: the comparison of two equal stores, and that with a fifth of the second replaced."""
    while True:
        old, new = world.draw(rng)
        changed = new.documents.copy()
        rows = rng.permutation(len(changed))[: int(REPLACED * len(changed))]
        changed[rows] = world.other(new, rng)[rows]
        before = _audit(old, int(rng.integers(2**31)))
        after, replaced = (_audit(store, int(rng.integers(2**31))) for store in (new, replace(new, documents=changed)))
        yield diff(before, after), diff(before, replaced)


def _audit(store: Store, seed: int) -> Report:
    labels = None
    if store.labelled:
        names = tuple(f"q{i}" for i in range(len(store.queries)))
        labels = Judgements("labels", names, names, tuple({store.ids[i]: 1} for i in range(len(store.queries))))
    return audit(
        ArrayStore(store.documents, ids=store.ids, texts=store.texts, metric="cosine"),
        judgements=labels,
        query_vectors=store.queries,
        plan=Plan(seed=seed),
    )


@dataclass
class Tally:
    """What the gate said of the pairs of one world."""

    pairs: int = 0
    false: int = 0
    caught: int = 0
    flips: int = 0

    def add(self, equal: Diff, replaced: Diff) -> None:
        """Count one pair."""
        self.pairs += 1
        self.false += equal.regression
        self.caught += replaced.regression
        self.flips += any(
            change.change in (Change.NEW, Change.WORSE) and change.finding.severity >= Severity.WARNING
            for change in equal.findings
        )


def measure(world: World, pairs: int, *, seed: int = SEED) -> tuple[Tally, Counter[str]]:
    """Return the tally of a world, and the reasons of its false alarms."""
    tally, why = Tally(), Counter[str]()
    for equal, replaced in islice(run(world, np.random.default_rng([seed, crc32(world.name.encode())])), pairs):
        tally.add(equal, replaced)
        why.update(sentence.split(":")[0] for sentence in equal.regressions)
    return tally, why


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="the gate")
    parser.add_argument("--pairs", type=int, default=200, help="pairs in all (200)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the pairs: thresholds were chosen on the default")
    parser.add_argument("--worlds", default="", help="only worlds whose name contains this")
    options = parser.parse_args()
    chosen = [*WORLDS, _real("scifact")] if (REAL / "scifact").is_dir() else WORLDS
    chosen = [world for world in chosen if options.worlds in world.name]
    print("| world | pairs | a warning came and went | regression, equal stores | regression, a fifth replaced |")
    print("|---|---|---|---|---|")
    total = Tally()
    for index, world in enumerate(chosen):
        tally, why = measure(world, len(range(index, options.pairs, len(chosen))), seed=options.seed)
        _row(world.name, tally, why)
        for name in ("pairs", "false", "caught", "flips"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
    _row("all", total, Counter())
    share = wilson(total.false, total.pairs)
    print(f"\nFalse regressions: {percent(share.value)} [{percent(share.low)}, {percent(share.high)}]")


def _row(name: str, tally: Tally, why: Counter[str]) -> None:
    reasons = f" ({', '.join(f'{word} × {n}' for word, n in why.most_common())})" if why else ""
    print(
        f"| {name} | {tally.pairs} | {tally.flips} | {tally.false}{reasons} | {tally.caught} of {tally.pairs} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
