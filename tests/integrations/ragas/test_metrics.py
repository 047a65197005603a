from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from ragdiag_ragas.metrics import (
    average_precision,
    duplicate_share,
    hub_exposure,
    lexical_only_misses,
    metric_named,
    ndcg,
    recall,
    reciprocal_rank,
)

from ragdiag.errors import ConfigError, JudgementsError
from ragdiag.retrieval.metrics import per_query
from ragdiag.retrieval.retrieved import Retrieved

RANKED = ["nDCG@10", "nDCG@3", "nDCG", "R@10", "R@1", "RR@10", "RR", "AP", "AP@5"]


@pytest.mark.parametrize("name", RANKED)
def test_equal_to_ir_measures_per_query(name: str, graded: tuple[Retrieved, ...]) -> None:
    numbers = {f"d{i}": i for i in range(60)}
    positions = np.full((len(graded), 16), -1, dtype=np.int64)
    for row, query in enumerate(graded):
        positions[row, : len(query.ids)] = [numbers[id_] for id_ in query.ids]
    relevant = [{numbers[id_]: grade for id_, grade in q.relevant.items()} for q in graded]
    expected = per_query(positions, relevant, [name])[name]
    ours = [metric_named(name).score(query) for query in graded]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
    assert min(len(q.ids) for q in graded) == 0
    assert len(set(ours)) > 1


def test_by_hand() -> None:
    relevant = {"a": 3, "b": 1, "gone": 2}
    ids = ["x", "b", "y", "a"]
    gain = 1 / math.log2(3) + 3 / math.log2(5)
    assert ndcg(ids, relevant) == pytest.approx(gain / (3 + 2 / math.log2(3) + 1 / 2), abs=1e-12)
    assert recall(ids, relevant) == pytest.approx(2 / 3)
    assert recall(ids, relevant, 2) == pytest.approx(1 / 3)
    assert reciprocal_rank(ids, relevant) == 0.5
    assert reciprocal_rank(ids, relevant, 1) == 0
    assert average_precision(ids, relevant) == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert hub_exposure(ids, {"x", "y", "elsewhere"}) == 0.5
    assert hub_exposure(ids, {"x"}, 1) == 1
    assert duplicate_share(ids, {"x": "g", "y": "g", "a": "g"}) == 0.5
    assert lexical_only_misses(ids, relevant, ["gone", "a", "z"]) == pytest.approx(1 / 3)
    assert lexical_only_misses(ids, relevant, ["z", "gone"], 1) == 0


def test_a_repeated_id_counts_once_and_is_a_duplicate() -> None:
    assert recall(["a", "a"], {"a": 1, "b": 1}) == 0.5
    assert average_precision(["a", "a", "b"], {"a": 1, "b": 1}) == 1
    assert duplicate_share(["a", "a", "b"], {}) == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric", [ndcg, recall, reciprocal_rank, average_precision])
def test_nothing_retrieved_or_nothing_relevant_is_0(metric: object) -> None:
    assert callable(metric)
    assert metric([], {"a": 1}) == metric(["a"], {}) == metric(["a"], {"a": 0}) == 0


def test_nothing_retrieved_exposes_to_nothing() -> None:
    assert hub_exposure([], {"a"}) == duplicate_share([], {}) == lexical_only_misses([], {}, ["a"]) == 0
    assert lexical_only_misses([], {"a": 1}, ["a"]) == 1


@pytest.mark.parametrize("name", ["nDCG@0", "NDCG", "nDCG@ten", "", "P@5@5", "nDCG @10"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown metric .*: such as nDCG@10"):
        metric_named(name)


def test_what_was_not_looked_for() -> None:
    with pytest.raises(ConfigError, match="hub_exposure@10 needs 'hubs' of every query, which q1 has not"):
        metric_named("hub_exposure@10").score(Retrieved("q1", "?", ("a",)))
    with pytest.raises(JudgementsError, match="query q1 has contexts without ids, which R@5 needs"):
        metric_named("R@5").score(Retrieved("q1", "?", (), contexts=("some text",), relevant={"a": 1}))


def test_recall_without_a_cutoff_looks_at_all_that_was_retrieved() -> None:
    ids = [f"d{i}" for i in range(30)]
    assert recall(ids, {"d25": 1, "d3": 1, "x": 1}, None) == pytest.approx(2 / 3)
    assert recall([], {"d": 1}, None) == 0.0


@pytest.mark.parametrize("k", [0, -1, True])
def test_a_cutoff_that_is_none_is_one_line(k: int) -> None:
    for metric in (ndcg, recall):
        with pytest.raises(ConfigError, match="has the cutoff"):
            metric(["a"], {"a": 1}, k)


@pytest.mark.parametrize("k", [0, -1, True])
def test_the_diagnostic_metrics_have_cutoffs_from_1(k: int) -> None:
    with pytest.raises(ConfigError, match="hub_exposure has the cutoff"):
        hub_exposure(["a", "b"], {"a"}, k)
    with pytest.raises(ConfigError, match="duplicates has the cutoff"):
        duplicate_share(["a", "b"], {}, k)
    with pytest.raises(ConfigError, match="lexical_only_misses has the cutoff"):
        lexical_only_misses(["a", "b"], {"a": 1}, ["a"], k)


def test_repeats_are_dropped_before_the_cutoff_everywhere() -> None:
    ids = ["a", "a", "b"]
    assert recall(ids, {"b": 1}, 2) == 1
    assert lexical_only_misses(ids, {"b": 1}, ["b"], 2) == 0
    assert lexical_only_misses([], {"b": 1}, ids, 2) == 1
    assert hub_exposure(ids, {"a"}, 2) == 0.5
    assert duplicate_share(ids, {}, 2) == 0.5  # a repeat is what it looks for


SURROGATE = """
from ragdiag_ragas.metrics import average_precision, ndcg, recall, reciprocal_rank
for metric in (ndcg, recall, average_precision, reciprocal_rank):
    print(metric(["a\\ud800"], {"b": 1}), metric(["b"], {"a\\ud800": 1}), metric(["a\\ud800"], {"a\\ud800": 1}))
"""


def test_a_lone_surrogate_in_an_id_is_an_id_like_others() -> None:
    """It ended the process in pytrec_eval, so that it has one of its own here."""
    done = subprocess.run([sys.executable, "-c", SURROGATE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["0.0 0.0 1.0"] * 4)


def test_a_nul_does_not_end_an_id() -> None:
    for metric in (ndcg, recall, average_precision, reciprocal_rank):
        assert metric(["a\0b", "c"], {"a\0c": 1}) == 0
        assert metric(["a\0b", "a\0c"], {"a\0b": 1}) == 1
        assert metric(["", "a"], {"": 1}) == 1


def test_a_grade_is_a_whole_number() -> None:
    with pytest.raises(JudgementsError, match="document 'a' has the grade 1000000000"):
        ndcg(["a"], {"a": 10**9})
    assert ndcg(["a", "b"], {"a": -1, "b": 1}) == pytest.approx(1 / math.log2(3))
