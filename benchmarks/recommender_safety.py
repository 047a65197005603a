"""Does `ragdiag compare` recommend a remedy that hurts, or one where there is nothing to gain?

    python benchmarks/recommender_safety.py [SPLITS [WORLDS]]

Splits: from eight real cases (four sets of queries, two embeddings), 30 to 150 queries are drawn as the labels
that a user has. The comparison sees those and the documents. What it recommends is fitted on all of them, as the
user would, and scored against the baseline on the queries that have no relevant document in common with them.

Worlds: stores in which no remedy is better than the baseline, or every one is worse. Prints two Markdown tables.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from real_sets import RealSet, real_sets

from ragdiag import compare
from ragdiag.engine import LocalEngine
from ragdiag.geometry.intervals import wilson
from ragdiag.plan import Plan
from ragdiag.retrieval.clusters import query_clusters
from ragdiag.retrieval.compare import compare_runs
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.metrics import per_query
from ragdiag.similarities import Cosine, Similarity, Training, parse
from ragdiag.statistics.neighbors import Neighbors, NeighborSearch
from ragdiag.stores import ArrayStore
from ragdiag.testing import worlds
from ragdiag.types import Float32, Float64, IntArray

SEED = 20261122
METRIC = "nDCG@10"  # it decides; the others would only take time
FEWEST, MOST = 30, 150  # labelled queries
HARM = 0.01  # worse by more than this on other queries: the recommendation was wrong
WORTHWHILE = 0.02  # a gain that should not be missed


# --- splits of real sets ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """One split: what was recommended, and what it and the best candidate gain on the other queries."""

    recommended: str | None
    gain: float
    best: float


class Case:
    """One real set, and what of it does not depend on the split."""

    def __init__(self, real: RealSet) -> None:
        self.real = real
        self.store = real.store(texts=False)  # without texts there is no BM25, and Holm corrects for one less
        self._scores: dict[str, Float64] = {}

    def split(self, rng: np.random.Generator, seed: int) -> Outcome:
        real = self.real
        m = len(real.queries)
        few = np.sort(rng.choice(m, size=int(rng.integers(FEWEST, MOST + 1)), replace=False))
        others = np.flatnonzero(~np.isin(real.clusters, real.clusters[few]))
        compared = compare(
            self.store, real.labelled(few), query_vectors=real.queries[few], metrics=[METRIC], plan=Plan(seed=seed)
        )
        base = self._score(compared.baseline, few, others)
        gains = {r.similarity: self._score(r.similarity, few, others) - base for r in compared.runs[1:]}
        return Outcome(compared.winner, gains.get(compared.winner or "", 0.0), max(gains.values()))

    def _score(self, name: str, few: IntArray, others: IntArray) -> float:
        """Return the mean over `others` of a similarity that was fitted on the documents and the `few` queries."""
        pipeline, X, Q = parse(name), self.real.documents, self.real.queries
        if pipeline.uses_queries:
            return float(self._searched(pipeline.fit(Training(X, Q[few])), others).mean())
        if name not in self._scores:  # the same in every split
            self._scores[name] = self._searched(pipeline.fit(Training(X)), np.arange(len(Q)))
        return float(self._scores[name][others].mean())

    def _searched(self, similarity: Similarity, rows: IntArray) -> Float64:
        search = NeighborSearch(similarity, self.real.queries[rows], 10)
        LocalEngine().run(self.store, [search])
        return per_query(search.result().positions, [self.real.relevant[i] for i in rows], [METRIC])[METRIC]


def _split_table(splits: int) -> None:
    print(
        f"| case | splits | recommended | worse by > {HARM:g} | 95 % of that | mean gain | least gain"
        f" | gains > {WORTHWHILE:g} there were | missed | which |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    everything: list[Outcome] = []
    cases = real_sets()
    for index, real in enumerate(cases):
        case = Case(real)
        share = splits // len(cases) + (index < splits % len(cases))
        outcomes = [case.split(np.random.default_rng([SEED, index, i]), seed=i) for i in range(share)]
        everything += outcomes
        _split_row(str(real), outcomes)
    _split_row("all", everything)


def _split_row(name: str, outcomes: list[Outcome]) -> None:
    taken = [o for o in outcomes if o.recommended is not None]
    worth = [o for o in outcomes if o.best > WORTHWHILE]
    harmful = sum(o.gain < -HARM for o in taken)
    missed = sum(o.recommended is None for o in worth)
    gains = [o.gain for o in taken]
    which = Counter(o.recommended for o in taken)
    print(
        f"| {name} | {len(outcomes)} | {len(taken)} | {harmful} | {_interval(harmful, len(outcomes))}"
        f" | {_mean(gains)} | {_mean([min(gains)] if gains else [])} | {len(worth)}"
        f" | {missed} ({_interval(missed, len(worth))}) |"
        f" {', '.join(f'{remedy} × {n}' for remedy, n in which.most_common(3)).replace('|', chr(92) + '|') or '–'} |",
        flush=True,
    )


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):+.3f}" if values else "–"


def _interval(hits: int, n: int) -> str:
    if n == 0:
        return "–"
    share = wilson(hits, n)
    return f"{100 * (share.low or 0):.1f} … {100 * (share.high or 0):.1f} %"


# --- worlds without a remedy -----------------------------------------------------------------------------------------


def _compared(X: Float32, Q: Float32, relevant: IntArray, seed: int) -> Comparison:
    ids = tuple(map(str, range(len(X))))
    labels = Judgements(
        "world", tuple(f"q{i}" for i in range(len(Q))), ("",) * len(Q), tuple({ids[r]: 1} for r in relevant)
    )
    return compare(
        ArrayStore(X, ids=ids, metric="cosine"), labels, query_vectors=Q, metrics=[METRIC], plan=Plan(seed=seed)
    )


def _few(rng: np.random.Generator) -> int:
    return int(rng.integers(FEWEST, MOST + 1))


def _unrelated(rng: np.random.Generator, seed: int) -> Comparison:
    """Vectors with a common mean, queries with another; who is relevant to whom is drawn without looking."""
    m = _few(rng)
    X = worlds.offset_normal(rng, 100, 32, rho=0.2)
    Q = worlds.offset_normal(rng, m, 32, rho=0.2)[:, ::-1].copy()
    return _compared(X, Q, rng.integers(len(X), size=m), seed)


def _isotropic(rng: np.random.Generator, seed: int) -> Comparison:
    """Every direction means the same: what a remedy changes is noise."""
    m = _few(rng)
    X = worlds.isotropic(rng, 600, 64)
    relevant = rng.permutation(len(X))[:m]
    return _compared(X, X[relevant] + 2.0 * worlds.isotropic(rng, m, 64), relevant, seed)


def _meaningful(rng: np.random.Generator, seed: int) -> Comparison:
    """Four directions hold .93 of the variance and the meaning, the others are noise in a query: whitening hurts."""
    m, n, dim = _few(rng), 1000, 128
    leading, other = np.float32(np.sqrt(0.93 / 4)), np.float32(np.sqrt(0.07 / (dim - 4)))
    X = worlds.normal(rng, n, dim)
    X[:, :4] *= leading
    X[:, 4:] *= other
    relevant = rng.permutation(n)[:m]
    Q = X[relevant]
    Q[:, 4:] += worlds.normal(rng, m, dim - 4) * other * np.float32(2.7)
    return _compared(X, Q, relevant, seed)


class _Exchanged:
    """Lists of real queries by all candidates; for each cluster of queries the candidates' names are dealt anew.

    So every name has the same law, with the spread and the ties that real differences have.
    """

    def __init__(self) -> None:
        self._known: list[tuple[RealSet, list[Neighbors]]] = []

    def __call__(self, rng: np.random.Generator, seed: int) -> Comparison:
        if not self._known:
            self._known = [(real, self._lists(real)) for real in real_sets()]
        real, lists = self._known[seed % len(self._known)]
        few = np.sort(rng.choice(len(real.queries), size=_few(rng), replace=False))
        relevant = [real.relevant[i] for i in few]
        clusters = query_clusters(relevant)
        dealt = np.stack([rng.permutation(len(lists)) for _ in range(clusters.max() + 1)])[clusters]
        positions = np.stack([found.positions[few] for found in lists])
        runs = [
            Neighbors(found.similarity, positions[dealt[:, i], np.arange(len(few))], found.scores[few])
            for i, found in enumerate(lists)
        ]
        return compare_runs(runs, relevant, seed=seed, metrics=[METRIC])

    @staticmethod
    def _lists(real: RealSet) -> list[Neighbors]:
        store, X, Q = real.store(texts=False), real.documents, real.queries
        labels = real.labelled(np.arange(0, len(Q), 8))
        names = [r.similarity for r in compare(store, labels, query_vectors=Q[::8], metrics=[METRIC]).runs[1:]]
        searches = [NeighborSearch(Cosine(), Q, 10)]
        searches += [NeighborSearch(parse(name).fit(Training(X, Q)), Q, 10) for name in names]
        LocalEngine().run(store, searches)
        return [search.result() for search in searches]


WORLDS: dict[str, Callable[[np.random.Generator, int], Comparison]] = {
    "labels drawn without looking": _unrelated,
    "isotropic": _isotropic,
    "meaning in the leading directions": _meaningful,
    "real lists, names dealt anew": _Exchanged(),
}


def _world_rows(stores: int) -> Iterator[tuple[str, int, int]]:
    for index, (name, world) in enumerate(WORLDS.items()):
        drawn = stores // len(WORLDS)
        found = [world(np.random.default_rng([SEED, 100 + index, i]), i).winner for i in range(drawn)]
        yield name, drawn, sum(winner is not None for winner in found)


def _world_table(stores: int) -> None:
    print("\n| world | stores | recommended | 95 % interval |\n|---|---|---|---|")
    total, wrong = 0, 0
    for name, drawn, hits in _world_rows(stores):
        total, wrong = total + drawn, wrong + hits
        print(f"| {name} | {drawn} | {hits} | {_interval(hits, drawn)} |", flush=True)
    print(f"| all | {total} | {wrong} | {_interval(wrong, total)} |")


def main(splits: int = 200, stores: int = 320) -> None:
    """Print both tables."""
    if splits:
        _split_table(splits)
    if stores:
        _world_table(stores)
    print(f"\n{time.process_time():.0f} s of one core.")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
