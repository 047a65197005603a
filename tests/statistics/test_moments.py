from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragdiag.engine.base import Block
from ragdiag.statistics.moments import Moments, MomentsStep
from ragdiag.testing import worlds
from ragdiag.types import Batch, Float32, Float64
from ragdiag.vectors import row_norms, unit
from tests.reference import moments as slow


def same(a: Moments, b: Moments, rel: float = 1e-10) -> bool:
    scale = max(float(np.abs(b.gram).max()), 1e-300)
    return (
        a.n == b.n
        and np.allclose(a.sum, b.sum, rtol=rel, atol=rel * scale**0.5 * max(a.n, 1))
        and np.allclose(a.gram, b.gram, rtol=rel, atol=rel * scale)
        and np.allclose(a.cubic, b.cubic, rtol=rel, atol=rel * scale**1.5)
        and bool(np.isclose(a.quartic, b.quartic, rtol=rel))
    )


def of_step(*batches: Float32) -> MomentsStep:
    step = MomentsStep(batches[0].shape[1])
    for X in batches:
        step.add(X, row_norms(X))
    return step


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 40), max_size=5))
def test_the_parts_add_up_to_the_whole(seed: int, cuts: list[int]) -> None:
    X = np.random.default_rng(seed).standard_normal((40, 5)).astype(np.float32)
    total = Moments.empty(5)
    for part in np.split(X, sorted(cuts)):
        total += Moments.of(part)
    assert same(total, Moments.of(X))


@pytest.mark.parametrize("offset", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e15])
def test_mean_covariance_and_fourth_moment_are_those_of_two_passes(offset: float, scale: float) -> None:
    rng = np.random.default_rng(0)
    X = ((rng.standard_normal((300, 12)) * np.arange(1, 13) + offset) * scale).astype(np.float32)
    X64 = X.astype(np.float64)
    moments = Moments.of(X[:100]) + Moments.of(X[100:])
    assert np.allclose(moments.mean, X64.mean(axis=0), rtol=1e-12, atol=0)
    expected = slow.covariance(X64)
    assert np.allclose(moments.covariance, expected, rtol=1e-9, atol=1e-11 * float(np.abs(expected).max()))
    deviations = X64 - X64.mean(axis=0)
    quartic = float(np.sum(np.sum(deviations**2, axis=1) ** 2))
    assert moments.centred_quartic == pytest.approx(quartic, rel=1e-7)


@pytest.mark.parametrize("n", [4, 5, 7, 9])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_trace_of_square_is_the_mean_over_all_quadruples(n: int, offset: float) -> None:
    for seed in range(3):
        X = np.random.default_rng(seed).standard_normal((n, 3)) * [3, 2, 1] + offset
        assert Moments.of(X).trace_of_square() == pytest.approx(slow.trace_of_square(X), rel=1e-9)


def test_trace_of_square_is_without_bias_where_the_plug_in_doubles_it() -> None:
    values = [Moments.of(worlds.normal(np.random.default_rng(s), 30, 30)).trace_of_square() / 30 for s in range(300)]
    # One value has standard deviation 2/30 · about 1.2.
    assert float(np.mean(values)) == pytest.approx(1.0, abs=3 * float(np.std(values)) / 300**0.5)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_vectors_have_no_trace_of_square_and_a_finite_covariance(n: int) -> None:
    moments = Moments.of(np.ones((n, 2), dtype=np.float32))
    assert np.isnan(moments.trace_of_square())
    assert moments.covariance.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def reference_of_directions(X: Float32) -> Float64:
    norms = np.linalg.norm(X.astype(np.float64), axis=1)
    directions: Float64 = X[norms > 0].astype(np.float64) / norms[norms > 0, None]
    return directions


@pytest.mark.parametrize(
    "X",
    [
        worlds.normal(np.random.default_rng(0), 50, 6),
        unit(worlds.normal(np.random.default_rng(1), 50, 6)),
        worlds.normal(np.random.default_rng(2), 50, 6) * np.float32(1e15),
        worlds.normal(np.random.default_rng(3), 50, 6) * np.float32(1e-20),
        np.concatenate([worlds.normal(np.random.default_rng(4), 9, 6), np.zeros((3, 6), dtype=np.float32)]),
        np.zeros((5, 6), dtype=np.float32),
    ],
    ids=["normal", "unit", "huge", "tiny", "some zeros", "all zeros"],
)
@pytest.mark.parametrize("batch", [1, 7, 100])
def test_raw_and_unit_moments_are_those_of_the_vectors(X: Float32, batch: int) -> None:
    found = of_step(*(X[i : i + batch] for i in range(0, len(X), batch))).result()
    # As long as every length is within 1e-5 of 1 the directions stand for the vectors.
    assert same(found.raw, Moments.of(X), rel=1e-5 if np.allclose(row_norms(X), 1, atol=1e-5) else 1e-10)
    assert same(found.unit, Moments.of(reference_of_directions(X)))


def test_zero_rows_count_among_the_vectors_and_not_among_the_directions() -> None:
    X = np.array([[3, 4], [0, 0], [0, 2]], dtype=np.float32)
    found = of_step(X).result()
    assert (found.raw.n, found.unit.n) == (3, 2)
    assert found.raw.sum.tolist() == [3.0, 6.0]
    assert found.unit.sum.tolist() == pytest.approx([0.6, 1.8])


def test_unit_vectors_seen_before_the_first_other_one_are_kept() -> None:
    rng = np.random.default_rng(0)
    first, second = unit(worlds.normal(rng, 40, 4)), worlds.normal(rng, 30, 4)
    both = of_step(first, second).result()
    assert same(both.raw, Moments.of(np.concatenate([first, second])), rel=1e-5)
    assert same(both.unit, Moments.of(reference_of_directions(np.concatenate([first, second]))))
    assert of_step(first).result().raw is of_step(first).result().unit or same(
        of_step(first).result().raw, Moments.of(first), rel=1e-5
    )


def test_a_block_of_an_engine_leaves_out_unusable_rows() -> None:
    X = np.array([[3, 4], [np.nan, 1], [0, 2]], dtype=np.float32)
    step = MomentsStep(2)
    usable = np.array([True, False, True])
    step.step(Block(0, Batch(["a", "b", "c"], X), np.array([5.0, 0.0, 2.0]), usable))
    assert step.result().raw.n == 2
    assert step.result().raw.sum.tolist() == [3.0, 6.0]
