from __future__ import annotations

import numpy as np
import pytest

from ragdiag.changes.labelled import labelled_changes
from ragdiag.report.changes import LabelledChange
from tests.changes.saved import labelled


def change(loss: float, spread: float = 0.05, m: int = 100, min_effect: float = 0.01) -> LabelledChange:
    """Return what is said of m queries that lose `loss` on average."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(m)
    noise = (noise - noise.mean()) / noise.std() * spread
    old = {f"q{i}": 0.6 for i in range(m)}
    new = {f"q{i}": 0.6 - loss + float(noise[i]) for i in reversed(range(m))}
    (found,) = labelled_changes(labelled(old), labelled(new), min_effect=min_effect, seed=0)
    return found


def test_a_proven_loss_is_a_regression() -> None:
    found = change(0.03)
    assert found.delta.value == pytest.approx(-0.03)
    assert (found.delta.low, found.delta.high) == pytest.approx((-0.0398, -0.0202), abs=0.001)
    assert (found.regression, found.p) == (True, 0.0001)
    assert (found.old, found.new) == pytest.approx((0.6, 0.57))


def test_a_gain_a_small_loss_and_an_unproven_one_are_none() -> None:
    assert not change(-0.03).regression
    assert not change(0.009, spread=0.005).regression
    assert change(0.009, spread=0.005, min_effect=0.005).regression
    assert not change(0.03, spread=0.15).regression


def test_few_queries_prove_nothing() -> None:
    assert not change(0.3, m=9).regression
    ten = change(0.3, m=10)
    assert (ten.regression, ten.p) == (True, 2 / 2**10)


def test_queries_are_paired_by_id_and_the_others_left_out() -> None:
    old = {f"q{i}": float(i % 2) for i in range(40)}
    new = {f"q{i}": float(i % 2) for i in range(39, 19, -1)} | {"other": 0.0}
    (found,) = labelled_changes(labelled(old), labelled(new), min_effect=0.01, seed=0)
    assert (found.delta.value, found.delta.n, found.p) == (0.0, 20, 1.0)


def test_queries_that_share_documents_count_once() -> None:
    old = {f"q{i}": 0.6 for i in range(100)}
    new = {f"q{i}": 0.5 for i in range(100)}
    alone = labelled_changes(labelled(old), labelled(new), min_effect=0.01, seed=0)[0]
    grouped = labelled(new, groups=tuple(i // 50 for i in range(100)))
    together = labelled_changes(labelled(old), grouped, min_effect=0.01, seed=0)[0]
    assert (alone.regression, together.regression) == (True, False)


def test_the_deciding_metric_comes_first_and_alone_decides() -> None:
    ids = {f"q{i}": 0.5 for i in range(50)}
    scores = {"R@10": (0.9,) * 50, "nDCG@10": (0.5,) * 50}
    worse = {"R@10": (0.1,) * 50, "nDCG@10": (0.5,) * 50}
    found = labelled_changes(labelled(ids, scores=scores), labelled(ids, scores=worse), min_effect=0.01, seed=0)
    assert [(one.metric, one.decides, one.regression) for one in found] == [
        ("nDCG@10", True, False),
        ("R@10", False, False),
    ]


def test_a_metric_of_any_name_is_compared() -> None:
    name = "nDCG@\ud800"  # as the JSON of a foreign audit may have it
    scores = {name: tuple(np.linspace(0, 1, 20).tolist())}
    one = labelled({f"q{i}": 0.5 for i in range(20)}, metric=name, scores=scores)
    (found,) = labelled_changes(one, one, min_effect=0.01, seed=0)
    assert (found.metric, found.delta.value, found.p) == (name, 0.0, 1.0)
