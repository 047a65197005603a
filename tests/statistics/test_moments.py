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
    a, b = a.about(np.zeros(a.dim)), b.about(np.zeros(b.dim))
    scale = max(float(np.abs(b.second).max()), 1e-300)
    return (
        a.n == b.n
        and np.allclose(a.first, b.first, rtol=rel, atol=rel * scale**0.5 * max(a.n, 1))
        and np.allclose(a.second, b.second, rtol=rel, atol=rel * scale)
        and np.allclose(a.third, b.third, rtol=rel, atol=rel * scale**1.5)
        and bool(np.isclose(a.fourth, b.fourth, rtol=rel))
    )


def of_step(*batches: Float32) -> Moments:
    step = MomentsStep(batches[0].shape[1])
    for X in batches:
        step.add(X, row_norms(X))
    return step.result()


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
def test_moments_are_those_of_the_directions(X: Float32, batch: int) -> None:
    found = of_step(*(X[i : i + batch] for i in range(0, len(X), batch)))
    assert same(found, Moments.of(reference_of_directions(X)))


def test_zero_rows_have_no_direction() -> None:
    found = of_step(np.array([[3, 4], [0, 0], [0, 2]], dtype=np.float32))
    assert found.n == 2
    assert (found.mean * 2).tolist() == pytest.approx([0.6, 1.8])


def test_a_block_of_an_engine_leaves_out_unusable_rows() -> None:
    X = np.array([[3, 4], [np.nan, 1], [0, 2]], dtype=np.float32)
    step = MomentsStep(2)
    usable = np.array([True, False, True])
    step.step(Block(0, Batch(["a", "b", "c"], X), np.array([5.0, 0.0, 2.0]), usable))
    assert step.result().n == 2
    assert (step.result().mean * 2).tolist() == pytest.approx([0.6, 1.8])


@pytest.mark.parametrize("offset", [10.0, 1e4])
def test_a_mean_far_away_costs_no_digits_of_the_fourth_moment(offset: float) -> None:
    X = np.random.default_rng(0).standard_normal((60, 3)) * [3, 2, 1]
    far = Moments.of(X + offset)
    halves = Moments.of(X[:20] + offset) + Moments.of(X[20:] + offset)
    assert far.trace_of_square() == pytest.approx(Moments.of(X).trace_of_square(), rel=1e-9)
    assert halves.trace_of_square() == pytest.approx(Moments.of(X).trace_of_square(), rel=1e-9)
    assert halves.centred_quartic == pytest.approx(slow.centred_quartic(X), rel=1e-9)


def mixed_lengths(rng: np.random.Generator, X: Float32) -> Float32:
    lengths = 10.0 ** rng.uniform(-15, 15, len(X))
    return (X.astype(np.float64) * lengths[:, None]).astype(np.float32)


def tiled(kind: str, n: int, dim: int) -> Float32:
    """Return more vectors than are taken in float64."""
    rng = np.random.default_rng(n + dim)
    X = worlds.normal(rng, n, dim)
    if kind == "lengths of 1e-15 to 1e15":
        return mixed_lengths(rng, X)
    if kind == "lengths below float32's normal numbers":
        return X * np.float32(1e-38)
    if kind == "some zeros":
        X[rng.random(n) < 0.3] = 0
    if kind == "one dominant direction":
        X[:, 0] *= 1000
    if kind == "a cone":
        X += 3
    if kind == "first even, then a cone":
        X[4096:] += 30
    if kind == "first a cone, then even":
        X[:5000] += 30
    if kind == "equal but for a few":
        X[: n - 50] = X[0]
    return X


@pytest.mark.parametrize("dim", [3, 40])
@pytest.mark.parametrize("n", [4097, 9000])
@pytest.mark.parametrize(
    "kind",
    [
        "even",
        "lengths of 1e-15 to 1e15",
        "lengths below float32's normal numbers",
        "some zeros",
        "one dominant direction",
        "a cone",
        "first even, then a cone",
        "first a cone, then even",
        "equal but for a few",
    ],
)
def test_tiles_of_float32_keep_the_promised_digits(kind: str, n: int, dim: int) -> None:
    X = tiled(kind, n, dim)
    found = of_step(X)
    x = slow.directions(X)
    assert found.n == len(x)
    expected = slow.covariance_in_long_double(x)
    trace = float(np.trace(expected))
    assert np.abs(found.mean - x.mean(axis=0)).max() < 1e-7
    assert np.abs(found.covariance - expected).max() < 1e-6 * trace + 1e-15
    assert (found.covariance == found.covariance.T).all()
    assert found.centred_quartic == pytest.approx(slow.centred_quartic(x), rel=1e-6)
    # Two passes in float64 say what trace_of_square should be.
    assert found.trace_of_square() == pytest.approx(Moments.of(x).trace_of_square(), rel=2e-6)


def test_a_mean_of_ten_thousand_spreads_costs_no_digits() -> None:
    X = (worlds.normal(np.random.default_rng(5), 12_000, 24) + np.float32(1e4)).astype(np.float32)
    found = of_step(X)
    expected = slow.covariance_in_long_double(slow.directions(X))
    trace = float(np.trace(expected))
    assert float(np.trace(found.covariance)) == pytest.approx(trace, rel=1e-6)
    assert np.abs(found.covariance - expected).max() < 1e-6 * trace


@pytest.mark.parametrize("offset", [0.0, 2.0, 30.0])  # mean cosines of 0, .8 and .999
@pytest.mark.parametrize("batch", [4096, 1000])
def test_vectors_of_length_one_are_multiplied_as_they_are(offset: float, batch: int) -> None:
    X = unit(worlds.normal(np.random.default_rng(8), 13_000, 32) + np.float32(offset))
    found = of_step(*(X[i : i + batch] for i in range(0, len(X), batch)))
    x = slow.directions(X)
    expected = slow.covariance_in_long_double(x)
    assert found.n == 13_000
    assert np.abs(found.mean - x.mean(axis=0)).max() < 1e-7
    assert np.abs(found.covariance - expected).max() < 1e-6 * float(np.trace(expected))
    assert found.trace_of_square() == pytest.approx(Moments.of(x).trace_of_square(), rel=2e-6)


def test_fewer_vectors_than_dimensions_are_taken_in_float64() -> None:
    X = mixed_lengths(np.random.default_rng(6), worlds.normal(np.random.default_rng(7), 40, 100))
    found = of_step(X)
    expected = slow.covariance_in_long_double(slow.directions(X))
    assert np.abs(found.covariance - expected).max() < 1e-14 * float(np.trace(expected))


def test_the_size_of_batches_changes_no_digit_of_the_tiles() -> None:
    X = tiled("a cone", 9000, 8)
    whole, parts = of_step(X[:4096], X[4096:]), of_step(X[:4096], *np.array_split(X[4096:], 17))
    assert whole.second.tobytes() == parts.second.tobytes()
    assert whole.third.tobytes() == parts.third.tobytes()


def test_a_result_can_be_asked_for_before_the_last_block() -> None:
    X = tiled("even", 9000, 8)
    step = MomentsStep(8)
    step.add(X[:6000], row_norms(X[:6000]))
    early = step.result()
    before = early.second.copy()
    step.add(X[6000:], row_norms(X[6000:]))
    assert (early.second == before).all()
    assert same(early, Moments.of(reference_of_directions(X[:6000])), rel=1e-6)
    assert same(step.result(), Moments.of(reference_of_directions(X)), rel=1e-6)
