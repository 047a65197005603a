"""How often a store in which nothing was planted gets a warning.

    python benchmarks/false_alarms.py [STORES]

Draws stores from five laws, half of them with queries from the same law, audits each, and prints a Markdown table of
how many raised a finding at warning or over, and which.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable

import numpy as np

from ragdiag import Severity, audit
from ragdiag.geometry.intervals import wilson
from ragdiag.testing import worlds
from ragdiag.types import Float32
from ragdiag.vectors import unit

SEED = 20261121
Law = Callable[[int, int, np.random.Generator], Float32]


def _turned(X: Float32, rng: np.random.Generator) -> Float32:
    """Turn the axes at random, so that no coordinate means anything."""
    rotation, _ = np.linalg.qr(rng.standard_normal((X.shape[1], X.shape[1])))
    return (X @ rotation).astype(np.float32)


def _cone(n: int, dim: int, rng: np.random.Generator) -> Float32:
    return _turned(worlds.offset_normal(rng, n, dim, rho=0.05), rng)


def _clusters(n: int, dim: int, rng: np.random.Generator) -> Float32:
    return worlds.clustered(rng, n, worlds.isotropic(rng, 20, dim), spread=0.7)


def _topics(n: int, dim: int, rng: np.random.Generator) -> Float32:
    """Topics within topics: a mean, forty topic directions of uneven size, and a spread with decaying spectrum."""
    scale = 1 / np.sqrt(np.arange(1, dim + 1)) ** 0.8
    topics = rng.standard_normal((40, dim)) * scale
    picked = rng.choice(40, size=n, p=rng.dirichlet(np.full(40, 2.0)))
    return (0.4 * scale[::-1] + topics[picked] + rng.standard_normal((n, dim)) * scale).astype(np.float32)


LAWS: dict[str, Law] = {
    "isotropic": lambda n, dim, rng: worlds.isotropic(rng, n, dim),
    "decaying spectrum": lambda n, dim, rng: _turned(worlds.decaying(rng, n, dim, exponent=0.5), rng),
    "mean cosine .05": _cone,
    "twenty clusters": _clusters,
    "topics": _topics,
}


def main(stores: int = 300) -> None:
    """Audit `stores` stores in all and print the table."""
    print("| law | stores | with a warning | 95 % interval | which |\n|---|---|---|---|---|")
    total, alarms = 0, 0
    for index, (name, law) in enumerate(LAWS.items()):
        raised: Counter[str] = Counter()
        blamed, drawn = 0, stores // len(LAWS)
        for store in range(drawn):
            rng = np.random.default_rng([SEED, index, store])
            n, dim = int(rng.integers(300, 1500)), int(rng.choice([64, 128, 256]))
            # One draw for both: queries belong to the same clusters as the documents.
            X = unit(law(n + 200, dim, rng))
            report = audit(X[:n], query_vectors=X[n:] if store % 2 else None)
            codes = {f.code for f in report.findings if f.severity >= Severity.WARNING}
            blamed += bool(codes)
            raised.update(codes)
        total, alarms = total + drawn, alarms + blamed
        _row(name, drawn, blamed, ", ".join(f"{code} × {n}" for code, n in raised.most_common()) or "–")
    _row("all", total, alarms, "")


def _row(name: str, stores: int, blamed: int, which: str) -> None:
    share = wilson(blamed, stores)
    print(
        f"| {name} | {stores} | {100 * blamed / stores:.1f} % | {100 * (share.low or 0):.1f} … "
        f"{100 * (share.high or 0):.1f} % | {which} |",
        flush=True,
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
