from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ragdiag.retrieval.chance import dealt_at_random
from ragdiag.retrieval.compare import compare_runs
from ragdiag.retrieval.comparison import Comparison, SimilarityScores
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.types import IntArray

RNG = np.random.default_rng


def run(positions: IntArray, name: str = "cosine") -> Neighbors:
    return Neighbors(name, positions.astype(np.int64), np.zeros(positions.shape))


def test_the_null_of_lists_drawn_at_random_is_k_over_n() -> None:
    n, m = 50, 400
    lists = np.stack([RNG(i).permutation(n)[:10] for i in range(m)])
    found = dealt_at_random(run(lists), [{i % n: 1} for i in range(m)], ["R@10", "RR@10"], rng=RNG(0))
    # One relevant document of n: recall k/n, reciprocal rank H₁₀/n. Twelve cycles of 400 pairs.
    assert found["R@10"] == pytest.approx(10 / n, abs=0.03)
    assert found["RR@10"] == pytest.approx(sum(1 / r for r in range(1, 11)) / n, abs=0.015)


def test_no_query_keeps_its_own_judgements() -> None:
    m = 60
    own = np.arange(m)[:, None]  # each list holds its own document alone
    assert dealt_at_random(run(own), [{i: 1} for i in range(m)], ["R@10"], rng=RNG(0)) == {"R@10": 0.0}


def test_documents_that_queries_share_raise_the_null() -> None:
    m, groups = 300, 3
    own = (np.arange(m) % groups)[:, None]
    found = dealt_at_random(run(own), [{i % groups: 1} for i in range(m)], ["R@10"], rng=RNG(0))
    # Another query asks for the same document with probability 99/299.
    assert found["R@10"] == pytest.approx(99 / 299, abs=0.03)


def test_a_set_of_judgements_stays_whole() -> None:
    lists = np.tile(np.arange(10), (40, 1))
    relevant = [{0: 1, 1: 1, 100 + i: 1} for i in range(40)]  # two of three in every list
    assert dealt_at_random(run(lists), relevant, ["R@10"], rng=RNG(0))["R@10"] == pytest.approx(2 / 3)


def test_one_query_has_nobody_to_trade_with() -> None:
    assert dealt_at_random(run(np.zeros((1, 1), dtype=np.int64)), [{0: 1}], ["R@10"], rng=RNG(0)) == {}


def test_the_same_seed_deals_alike() -> None:
    lists = np.stack([RNG(i).permutation(30)[:10] for i in range(80)])
    relevant = [{i % 30: 1} for i in range(80)]
    a, b, c = (dealt_at_random(run(lists), relevant, ["nDCG@10"], rng=RNG(seed)) for seed in (1, 1, 2))
    assert a == b
    assert a != c


@pytest.mark.parametrize(
    ("hit", "null", "at_chance"),
    [
        (0.5, 0.02, False),
        (0.0, 0.02, True),
        (0.03, 0.02, True),  # an interval that reaches .05 is a twentieth of the way at most
        (0.15, 0.02, False),
        (0.0, 0.2, None),  # the judgements alone score that much
    ],
)
def test_at_chance_is_a_twentieth_of_the_way(hit: float, null: float, at_chance: bool | None) -> None:
    m = 2000
    lists = np.tile(np.arange(1, 11), (m, 1))
    hits = round(hit * m)
    lists[:hits, 0] = 100 + np.arange(hits)
    compared = compare_runs([run(lists)], [{100 + i: 1} for i in range(m)], seed=0)
    scores = compared.runs[0].scores["nDCG@10"]
    assert scores.mean.value == pytest.approx(hit)
    assert scores.mean.null == 0.0  # nobody finds another's document
    assert with_null(compared, null).at_chance is at_chance


def with_null(compared: Comparison, null: float) -> Comparison:
    scores = compared.runs[0].scores["nDCG@10"]
    dealt = replace(scores, mean=replace(scores.mean, null=null))
    return replace(compared, runs=(SimilarityScores("cosine", {"nDCG@10": dealt}),))


@pytest.mark.parametrize(("hits", "at_chance"), [(1, True), (4, False), (20, False)])
def test_few_queries_are_at_chance_when_their_interval_holds_the_null(hits: int, at_chance: bool) -> None:
    lists = np.tile(np.arange(1, 11), (50, 1))
    lists[:hits, 0] = 100 + np.arange(hits)
    compared = with_null(compare_runs([run(lists)], [{100 + i: 1} for i in range(50)], seed=0), 0.01)
    mean = compared.runs[0].scores["nDCG@10"].mean
    assert (mean.low or 0.0) <= 0.01 if at_chance else (mean.low or 0.0) > 0.01
    assert (mean.high or 0.0) > 0.0595  # over a twentieth of the way in all three
    assert compared.at_chance is at_chance


def test_too_few_queries_have_no_interval_and_prove_nothing() -> None:
    first, second = np.full((9, 10), 5), np.full((9, 10), 5)
    second[:, 0] = 100 + np.arange(9)
    compared = compare_runs([run(first), run(second, "other")], [{100 + i: 1} for i in range(9)], seed=0)
    other = compared.runs[1].scores["nDCG@10"]
    assert (other.mean.value, other.mean.low, other.mean.high) == (1.0, None, None)
    assert (other.delta.value, other.delta.low, other.delta.high) == (1.0, None, None)
    assert compared.winner is None
    assert compared.at_chance is None
