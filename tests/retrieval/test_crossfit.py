from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from ragdiag import compare
from ragdiag.engine import LocalEngine
from ragdiag.plan import Plan
from ragdiag.report.json import comparison_json
from ragdiag.retrieval.compare import chosen_apart
from ragdiag.retrieval.crossfit import CrossFit, crossfit
from ragdiag.retrieval.folds import query_folds
from ragdiag.retrieval.judgements import Judgements
from ragdiag.similarities import Fitted, Pipeline, Training, parse
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.stores import ArrayStore
from ragdiag.types import Float32, Float64, FloatArray, IntArray


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def searched(fit: CrossFit, X: Float32) -> Neighbors:
    LocalEngine().run(ArrayStore(X, ids=tuple(map(str, range(len(X))))), fit.steps)
    return fit.run()


# --- a fit never sees the queries that it ranks ----------------------------------------------------------------------

SEEN, UNSEEN = 0, 1


@dataclass(frozen=True)
class Memory:
    """Ranks document 0 first for a query that it was fitted on, document 1 for any other."""

    seen: Float32
    array: str

    def documents(self, X: Float32) -> Float32:
        return X

    def queries(self, Q: Float32) -> Float32:
        known = (Q[:, None, :] == self.seen[None, :, :]).all(axis=2).any(axis=1)
        return np.eye(2, dtype=np.float32)[np.where(known, SEEN, UNSEEN)]

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        return {self.array: self.seen}


@dataclass(frozen=True)
class Remembers:
    """Learns its training queries by heart; `array` says whether its documents depend on them."""

    array: str
    taught: list[Float32] = field(default_factory=list, init=False)  # the queries of each fit

    kind: ClassVar[str] = "remembers"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    uses_queries: ClassVar[bool] = True

    def fit(self, training: Training) -> Fitted:
        assert training.queries is not None
        self.taught.append(training.queries)
        return Memory(training.queries, self.array)

    def restore(self, arrays: Mapping[str, FloatArray]) -> Fitted:
        raise NotImplementedError


@pytest.mark.parametrize(("array", "searches"), [("query_seen", 1), ("seen", 3)])
def test_a_query_is_ranked_by_a_fit_that_has_not_seen_its_fold(array: str, searches: int) -> None:
    X = np.eye(2, dtype=np.float32)
    Q = rng(1).standard_normal((20, 2)).astype(np.float32)
    judged, folds = np.arange(4, 16), np.arange(12) % 3  # eight queries have no labels
    recipe = Remembers(array)
    fit = crossfit(Pipeline((recipe,)), Training(X, Q), Q, judged, folds, k=1)
    # One search where all fits map documents alike, else one for each fold.
    assert len(fit.steps) == searches
    assert searched(fit, X).positions.ravel().tolist() == [UNSEEN] * 12
    # Each fit has seen everything else, queries without labels too.
    assert len(recipe.taught) == 3
    for fold, taught in enumerate(recipe.taught):
        np.testing.assert_array_equal(taught, np.delete(Q, judged[folds == fold], axis=0))
    # The same text asked twice, once with a label and once without, is seen: the test can tell.
    twice = np.concatenate([Q, Q[judged]])
    leaky = crossfit(Pipeline((recipe,)), Training(X, twice), twice, judged, folds, k=1)
    assert searched(leaky, X).positions.ravel().tolist() == [SEEN] * 12


def test_zero_queries_are_not_learnt_from() -> None:
    X, Q = np.eye(2, dtype=np.float32), np.ones((12, 2), dtype=np.float32)
    Q[:6] = 0
    fit = crossfit(Pipeline((Remembers("query_seen"),)), Training(X, Q[6:]), Q, np.arange(12), np.arange(12) % 2, k=1)
    assert searched(fit, X).positions.ravel().tolist() == [UNSEEN] * 6 + [SEEN] * 6


def test_the_query_mean_is_that_of_the_other_folds() -> None:
    generator = rng(2)
    X = generator.standard_normal((50, 8)).astype(np.float32)
    Q = (generator.standard_normal((30, 8)) + 1).astype(np.float32)
    judged, folds = np.arange(30), query_folds(np.arange(30), 3, rng(3))
    found = searched(crossfit(parse("query-centred"), Training(X, Q), Q, judged, folds, k=5), X)
    documents = X - X.mean(axis=0, dtype=np.float64)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    for query in range(30):
        scores = documents @ (Q[query] - Q[folds != folds[query]].mean(axis=0, dtype=np.float64))
        assert found.positions[query].tolist() == np.argsort(-scores)[:5].tolist()


def test_without_queries_there_is_one_fit_and_one_search() -> None:
    X = rng(4).standard_normal((50, 8)).astype(np.float32)
    fit = crossfit(parse("whitened(gamma=0.5)"), Training(X, X[:20]), X[:20], np.arange(20), np.arange(20) % 5, k=3)
    assert len(fit.steps) == 1
    assert searched(fit, X).positions[:, 0].tolist() == list(range(20))


# --- folds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_folds_keep_clusters_whole_and_are_balanced(seed: int) -> None:
    generator = rng(seed)
    sizes = generator.integers(1, 12, size=int(generator.integers(5, 80)))
    clusters = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    folds = query_folds(clusters, 5, generator)
    assert all(len(np.unique(folds[clusters == cluster])) == 1 for cluster in range(len(sizes)))
    filled = np.bincount(folds, minlength=5)
    assert len(filled) == 5
    # Each cluster went to the fold with the fewest: no fold is ahead by more than one cluster.
    assert filled.max() - filled.min() <= sizes.max()


def test_queries_alone_make_equal_folds() -> None:
    assert np.bincount(query_folds(np.arange(103), 5, rng())).tolist() == [21, 21, 21, 20, 20]
    assert sorted(query_folds(np.array([3, 7, 7, 9]), 5, rng()).tolist()) in ([0, 0, 1, 2], [0, 1, 1, 2], [0, 1, 2, 2])


def test_chance_deals_the_folds() -> None:
    dealt = [query_folds(np.arange(40), 5, rng(seed)).tolist() for seed in (0, 0, 1)]
    assert dealt[0] == dealt[1] != dealt[2]


# --- what choosing gains ---------------------------------------------------------------------------------------------

FIVE: IntArray = np.repeat(np.arange(5), 20)


@pytest.mark.parametrize(("gain", "chosen"), [(0.0101, 0.0101), (0.0099, 0.0), (-0.5, 0.0)])
def test_a_constant_gain_is_chosen_from_the_smallest_effect_on(gain: float, chosen: float) -> None:
    base = rng(5).random(100)
    assert chosen_apart([base, base + gain], FIVE, 0.01) == pytest.approx(np.full(100, chosen))


def test_luck_in_one_fold_is_worth_nothing() -> None:
    base = np.zeros(100)
    lucky = np.where(FIVE == 2, 1.0, 0.0)  # a mean gain of .2, but only where it may not choose itself
    assert chosen_apart([base, lucky], FIVE, 0.01).tolist() == [0.0] * 100


def test_choosing_can_lose() -> None:
    half = np.repeat([0, 1], 50)
    here, there = np.where(half == 0, 1.0, -0.5), np.where(half == 1, 1.0, -0.5)
    # Each half is ranked by what was best on the other half.
    assert chosen_apart([np.zeros(100), here, there], half, 0.01).tolist() == [-0.5] * 100


def test_each_fold_takes_the_best_of_the_others() -> None:
    steady, early = np.full(100, 0.2), np.where(FIVE == 0, 0.7, 0.15)
    gained = chosen_apart([np.zeros(100), steady, early], FIVE, 0.01)
    # Without fold 0, `early` means .15 < .2; without another one (.7 + 3 · .15)/4 = .2875 > .2.
    assert gained == pytest.approx(np.where(FIVE == 0, 0.2, 0.15))


def test_one_fold_cannot_choose() -> None:
    assert chosen_apart([np.zeros(10), np.ones(10)], np.zeros(10, dtype=np.int64), 0.01).tolist() == [0.0] * 10


def test_the_best_of_many_that_are_noise_gains_nothing() -> None:
    generator = rng(6)
    apart: list[float] = []
    best: list[float] = []
    for _ in range(400):
        noise: list[Float64] = [np.zeros(100), *generator.normal(0, 0.3, size=(8, 100))]
        apart.append(float(chosen_apart(noise, FIVE, 0.01).mean()))
        best.append(max(float(values.mean()) for values in noise))
    assert abs(np.mean(apart)) < 4 * np.std(apart) / np.sqrt(400)
    assert np.mean(best) > 0.03  # what the winner's own difference would have claimed


# --- the whole -------------------------------------------------------------------------------------------------------


def test_same_seed_same_bytes() -> None:
    generator = rng(7)
    X = generator.standard_normal((150, 16)).astype(np.float32)
    asked = X[:60] + generator.standard_normal((60, 16)).astype(np.float32)
    ids = tuple(map(str, range(150)))
    labels = Judgements("toy", ids[:60], ("",) * 60, tuple({id_: 1} for id_ in ids[:60]))

    def written(seed: int) -> bytes:
        store = ArrayStore(X, ids=ids, metric="cosine")
        found = compare(store, labels, query_vectors=asked, metrics=["nDCG@10"], plan=Plan(seed=seed))
        return json.dumps(comparison_json(found), sort_keys=False).encode()

    first = written(3)
    assert written(3) == first
    assert written(4) != first
