from __future__ import annotations

import itertools

import numpy as np
import pytest

from ragdiag.engine.base import Block
from ragdiag.geometry.drift import churn, drift
from ragdiag.geometry.intervals import wilson
from ragdiag.statistics.sketch import SIZE, Sketch, SketchStep
from ragdiag.testing.worlds import isotropic
from ragdiag.types import Batch, Float32, Float64, Measure
from ragdiag.vectors import unit


def sketch(X: Float32, ids: range | None = None, texts: list[int] | None = None, *, numbered: bool = False) -> Sketch:
    names = np.array(ids if ids is not None else range(len(X)), dtype=np.uint64)
    return Sketch(names, np.array(texts or [0] * len(X), dtype=np.uint64), X, numbered)


def sketched(X: Float32) -> Sketch:
    """Return the sketch that an audit takes."""
    step = SketchStep(X.shape[1])
    batch = Batch([f"d{i}" for i in range(len(X))], X)
    norms = np.linalg.norm(X.astype(np.float64), axis=1)
    step.step(Block(0, batch, norms, np.ones(len(X), dtype=bool)))
    return step.result()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(seed: int, n: int) -> Float32:
    """Return rows of 8 coordinates of variance 1."""
    return rng(seed).standard_normal((n, 8)).astype(np.float32)


def shift_by_hand(X: Float64, Y: Float64) -> float:
    """Δ²/(tr S + tr S) of the plain means by loops over pairs (the U-statistic), for sides without a common id."""
    n, m = len(X), len(Y)
    within_x = sum(float(X[i] @ X[j]) for i, j in itertools.permutations(range(n), 2)) / (n * (n - 1))
    within_y = sum(float(Y[i] @ Y[j]) for i, j in itertools.permutations(range(m), 2)) / (m * (m - 1))
    between = sum(float(x @ y) for x in X for y in Y) / (n * m)
    spread = float(np.trace(np.cov(X.T)) + np.trace(np.cov(Y.T)))
    return (within_x + within_y - 2 * between) / spread


def test_the_shift_is_the_u_statistic_where_no_id_is_common() -> None:
    X, Y = isotropic(rng(1), 40, 5), isotropic(rng(2), 30, 5) + np.float32(0.7)
    found = drift(sketch(X), sketch(Y, range(100, 130)), rng()).measures["drift.mean_shift"]
    assert found.value == pytest.approx(shift_by_hand(X.astype(np.float64), Y.astype(np.float64)), rel=0.02)


def test_equal_stores_read_zero_exactly() -> None:
    X = isotropic(rng(), 100, 16)
    found = drift(sketch(X), sketch(X), rng())
    assert found.p == 1.0
    assert found.measures["drift.mmd"] == Measure(0.0, 0.0, 0.0, 0.0, 200)
    assert found.measures["drift.vectors_changed"].value == 0.0


def test_intervals_hold_the_truth() -> None:
    # Normal clouds, Δ = .5 along one of 8 axes: Δ²/(8 + 8).
    held = 0
    for seed in range(200):
        X, Y = normal(seed, 80), normal(1000 + seed, 80)
        Y[:, 0] += np.float32(0.5)
        found = drift(sketch(X), sketch(Y, range(100, 180)), rng()).measures["drift.mean_shift"]
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.25 / 16 <= found.high
    assert held >= 184


def test_intervals_hold_the_truth_where_ids_are_common() -> None:
    # A fifth of the documents move by 1: the mean by .2, and what stays cancels.
    held = 0
    for seed in range(200):
        X = normal(seed, 100)
        Y = X.copy()
        Y[rng(5000 + seed).random(100) < 0.2, 0] += np.float32(1.0)
        found = drift(sketch(X), sketch(Y), rng()).measures["drift.mean_shift"]
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.04 / (8 + 8 + 0.16) <= found.high
    assert held >= 180


@pytest.mark.parametrize("common", [0, 30, 60])
def test_the_permutation_test_keeps_its_level(common: int) -> None:
    ps = []
    for seed in range(200):
        X, Y = isotropic(rng(seed), 60, 4), isotropic(rng(9000 + seed), 60, 4)
        p = drift(sketch(X), sketch(Y, range(60 - common, 120 - common)), rng(seed)).p
        assert p is not None
        ps.append(p)
    assert np.mean(np.array(ps) <= 0.05) <= 0.09
    assert np.mean(np.array(ps) <= 0.5) == pytest.approx(0.5, abs=0.1)


def test_a_fifth_of_another_model_is_seen() -> None:
    X = unit(isotropic(rng(), 300, 64) + np.float32(0.5))
    Y = X.copy()
    Y[:60] = X[:60, ::-1] * np.array([1, -1] * 32, dtype=np.float32)
    found = drift(sketch(X), sketch(Y), rng())
    assert found.p == 0.0005
    assert (found.measures["drift.mmd"].low or 0.0) > 0


def test_churn_is_counted_where_both_sketches_are_whole() -> None:
    X = isotropic(rng(), 50, 8)
    Y = np.concatenate([X[10:], isotropic(rng(1), 20, 8)])
    Y[:8] = isotropic(rng(2), 8, 8)
    found = churn(sketch(X), sketch(Y, range(10, 70)))
    assert found["drift.ids_vanished"] == Measure.counted(0.2, n=50, null=0.0)
    assert found["drift.ids_new"] == Measure.counted(20 / 60, n=60, null=0.0)
    assert found["drift.vectors_changed"] == Measure.counted(0.2, n=40, null=0.0)


def test_a_full_sketch_speaks_for_the_range_of_ids_it_covers() -> None:
    X = isotropic(rng(), SIZE, 4)
    # The new store is twice as large: its sketch ends at half of the old one's range.
    found = churn(sketch(X, range(0, 2 * SIZE, 2)), sketch(X, range(SIZE)))
    assert found["drift.ids_vanished"] == wilson(0, SIZE // 2, null=0.0)
    assert found["drift.ids_new"] == wilson(SIZE // 2, SIZE, null=0.0)


def test_the_same_text_with_another_vector_is_replaced() -> None:
    X = isotropic(rng(), 100, 64)
    Y = X.copy()
    Y[:30] = isotropic(rng(1), 30, 64)
    texts = list(range(1, 101))
    edited = [text + 1000 if i < 10 else text for i, text in enumerate(texts)]
    found = churn(sketch(X, texts=texts), sketch(Y, texts=edited))
    assert found["drift.replaced"] == Measure.counted(20 / 90, n=90, null=0.0)


def test_without_texts_a_replaced_vector_resembles_the_old_one_no_more_than_a_stranger_does() -> None:
    X = isotropic(rng(), 100, 64)
    Y = X.copy()
    Y[:30] = isotropic(rng(1), 30, 64)
    Y[30:60] += isotropic(rng(2), 30, 64)  # edited: a cosine of .7
    found = churn(sketch(X), sketch(Y))["drift.replaced"]
    assert found.n == 100
    assert found.value is not None
    assert 0.25 <= found.value <= 0.30
    assert churn(sketch(X, numbered=True), sketch(Y))["drift.replaced"].undefined == (
        "no document is known to be in both"
    )


@pytest.mark.parametrize(("dim", "seed"), [(32, 0), (384, 1)])
def test_another_length_and_rounding_change_no_vector(dim: int, seed: int) -> None:
    X = rng(seed).standard_normal((300, dim)).astype(np.float32)
    noisy = X * (1 + 1e-5 * rng(seed + 2).standard_normal(X.shape)).astype(np.float32)
    before = sketched(X)
    for same in (X * np.float32(3.7), unit(X), noisy, X.astype(np.float16).astype(np.float32)):
        assert churn(before, sketched(same))["drift.vectors_changed"].value == 0
    turned = unit(X) + 0.1 * unit(rng(seed + 3).standard_normal(X.shape).astype(np.float32))  # a cosine of .995
    assert churn(before, sketched(turned))["drift.vectors_changed"].value == 1


def test_few_documents_are_not_compared() -> None:
    X = isotropic(rng(), 19, 4)
    found = drift(sketch(X), sketch(X), rng())
    assert found.p is None
    assert found.measures["drift.mmd"].undefined == "fewer than 20 documents on either side"


def test_no_common_id_leaves_the_shares_of_those_in_both_undefined() -> None:
    X = isotropic(rng(), 30, 4)
    found = churn(sketch(X), sketch(X, range(100, 130)))
    assert (found["drift.ids_vanished"].value, found["drift.ids_new"].value) == (1.0, 1.0)
    assert found["drift.vectors_changed"].undefined == "no id is in both"
