"""The fast measures against the slow ones of `tests.reference`."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from ragdiag.geometry.anisotropy import mean_cosine, rogue_dimension
from ragdiag.geometry.gap import mean_distance
from ragdiag.geometry.hubness import Occurrences, gini, orphans, robin_hood, skewness, skewness_at
from ragdiag.geometry.intervals import pair_components, pair_mean_interval, wilson
from ragdiag.geometry.spectrum import Spectrum, isoscore, participation_ratio, top_share, w2_uniformity
from ragdiag.geometry.uniformity import alignment, cross_uniformity, sphere, uniformity
from ragdiag.statistics.moments import Moments
from ragdiag.testing import worlds
from ragdiag.types import Float32, IntArray, Measure
from ragdiag.vectors import unit
from tests.reference import geometry as slow


def value_of(measure: Measure) -> float:
    assert measure.value is not None, measure.undefined
    return measure.value


def half_width(measure: Measure) -> float:
    assert measure.low is not None
    assert measure.high is not None
    return (measure.high - measure.low) / 2


def directions(seed: int, n: int = 30, d: int = 5, offset: float = 0.5) -> Float32:
    rng = np.random.default_rng(seed)
    return unit((rng.standard_normal((n, d)) * np.arange(1, d + 1) + offset).astype(np.float32))


def lists(rng: np.random.Generator, m: int, n: int, k: int) -> IntArray:
    """Top-k lists in which low positions are preferred."""
    weights = 1 / np.arange(1, n + 1)
    return np.array([rng.choice(n, size=k, replace=False, p=weights / weights.sum()) for _ in range(m)])


def occurrences_of(positions: IntArray, n: int, population: int | None = None) -> Occurrences:
    return Occurrences.of(positions, n, population=population, rng=np.random.default_rng(0))


# Mean cosine, uniformity, alignment


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(4, 25), d=st.integers(1, 6), offset=st.floats(-3, 3))
def test_mean_cosine_is_that_of_all_pairs(seed: int, n: int, d: int, offset: float) -> None:
    X = directions(seed, n, d, offset)
    assert value_of(mean_cosine(Moments.of(X))) == pytest.approx(
        slow.mean_cosine(X.astype(np.float64)), rel=1e-5, abs=1e-6
    )


def test_the_interval_of_the_mean_cosine_is_as_wide_as_the_jackknife_says() -> None:
    X = directions(0, 120, 6, offset=2.0)
    expected = 1.96 * math.sqrt(slow.mean_cosine_variance(X.astype(np.float64)))
    assert half_width(mean_cosine(Moments.of(X))) == pytest.approx(expected, rel=0.1)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(10, 25), offset=st.floats(-3, 3))
def test_uniformity_is_that_of_all_pairs(seed: int, n: int, offset: float) -> None:
    X = directions(seed, n, 5, offset)
    assert value_of(uniformity(X)) == pytest.approx(slow.uniformity(X.astype(np.float64)), abs=1e-5)


def test_the_interval_of_uniformity_is_as_wide_as_the_jackknife_says() -> None:
    X = directions(0, 100, 6, offset=2.0)
    X64 = X.astype(np.float64)
    variance = slow.jackknife_variance(100, lambda kept: slow.uniformity(X64[kept]))
    assert half_width(uniformity(X)) == pytest.approx(1.96 * math.sqrt(variance), rel=0.1)


def test_cross_uniformity_is_that_of_all_pairs() -> None:
    Q, X = directions(0, 15), directions(1, 20)
    expected = slow.cross_uniformity(Q.astype(np.float64), X.astype(np.float64))
    assert value_of(cross_uniformity(Q, X)) == pytest.approx(expected, abs=1e-5)


def test_equal_vectors_have_uniformity_0_and_mean_cosine_1_without_width() -> None:
    X = np.repeat(directions(0, 1), 20, axis=0)
    for measure, expected in ((uniformity(X), 0.0), (mean_cosine(Moments.of(X)), 1.0)):
        assert value_of(measure) == pytest.approx(expected, abs=1e-6)
        assert half_width(measure) == pytest.approx(0, abs=1e-5)


def test_alignment_of_equal_and_opposite_pairs() -> None:
    X = directions(0)
    assert value_of(alignment(X, X)) == 0.0
    assert value_of(alignment(X, -X)) == pytest.approx(4.0, abs=1e-6)


def test_the_rogue_dimension_is_found() -> None:
    X = unit(worlds.normal(np.random.default_rng(0), 2000, 32) + 3 * np.eye(32, dtype=np.float32)[7])
    share, which = rogue_dimension(Moments.of(X))
    assert which == 7
    assert value_of(share) == pytest.approx(1.0, abs=0.02)
    random = worlds.isotropic(np.random.default_rng(1), 20_000, 32)
    assert share.null == pytest.approx(float(np.median((random**2).max(axis=1))), rel=0.05)


# Spectrum


def test_spectral_measures_of_a_known_covariance() -> None:
    variances = np.array([8.0, 4.0, 2.0, 1.0])
    X = (worlds.normal(np.random.default_rng(0), 200_000, 4) * np.sqrt(variances)).astype(np.float32)
    spectrum = Spectrum.of(Moments.of(X), X[:4000].astype(np.float64))
    ratio = variances.sum() ** 2 / np.sum(variances**2)
    assert value_of(participation_ratio(spectrum)) == pytest.approx(ratio, rel=0.01)
    assert value_of(isoscore(spectrum)) == pytest.approx((ratio - 1) / 3, rel=0.02)
    assert value_of(top_share(spectrum)) == pytest.approx(8 / 15, rel=0.01)


def test_w2_uniformity_is_the_distance_of_two_normal_laws() -> None:
    X = directions(0, 400, 8)
    moments = Moments.of(X)
    measured = value_of(w2_uniformity(moments, Spectrum.of(moments, X.astype(np.float64))))
    # ‖μ‖² + tr Σ is 1 for unit vectors with Σ divided by n; the unbiased Σ differs by 1/n.
    assert measured == pytest.approx(slow.w2_to_sphere(X.astype(np.float64)), abs=2e-3)


def test_all_vectors_equal_have_no_participation_ratio() -> None:
    X = np.ones((50, 3), dtype=np.float32)
    measure = participation_ratio(Spectrum.of(Moments.of(X), X.astype(np.float64)))
    assert (measure.value, measure.undefined) == (None, "all vectors are equal")


# Hubness


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), m=st.integers(12, 60), n=st.integers(12, 40), k=st.integers(1, 5))
def test_counts_are_summed_up_as_by_definition(seed: int, m: int, n: int, k: int) -> None:
    positions = lists(np.random.default_rng(seed), m, n, k)
    counts = slow.occurrences(positions, n)
    occ = occurrences_of(positions, n)
    assert occ.counts.tolist() == counts.tolist()
    assert value_of(robin_hood(occ)) == pytest.approx(slow.robin_hood(counts), abs=1e-12)
    assert value_of(gini(occ)) == pytest.approx(slow.gini(counts), abs=1e-12)
    assert value_of(orphans(occ)) == pytest.approx(float(np.mean(counts == 0)), abs=1e-12)
    assert skewness_at(occ.counts, m, m) == pytest.approx(slow.skewness(counts), rel=1e-9, abs=1e-9)


def test_the_nulls_are_those_of_random_lists() -> None:
    rng = np.random.default_rng(0)
    m, n, k = 400, 300, 6
    occ = occurrences_of(np.array([rng.choice(n, k, replace=False) for _ in range(m)]), n)
    pmf = stats.binom.pmf(np.arange(60), m, k / n)
    assert gini(occ).null == pytest.approx(slow.gini_null(pmf), abs=1e-9)
    expected = float(np.abs(np.arange(60) - occ.mean) @ pmf / (2 * occ.mean))
    assert robin_hood(occ).null == pytest.approx(expected, abs=1e-9)
    assert skewness(occ).null == pytest.approx(float(stats.binom(m, k / n).stats("s")), abs=1e-9)
    assert orphans(occ).null == pytest.approx(float(pmf[0]), abs=1e-12)


def test_corrected_skewness_is_the_average_over_samples() -> None:
    """Factorial moments of samples average to those of the whole: here over all 15-of-16 samples, exactly."""
    positions = lists(np.random.default_rng(0), 16, 12, 3)
    whole = slow.occurrences(positions, 12).astype(np.float64)
    parts = [slow.occurrences(np.delete(positions, i, axis=0), 12).astype(np.float64) for i in range(16)]
    for r in (2, 3):
        scale = math.perm(16, r) / math.perm(15, r)
        averaged = np.mean([special.poch(N - r + 1, r).mean() for N in parts]) * scale
        assert averaged == pytest.approx(special.poch(whole - r + 1, r).mean())


def test_all_queries_leave_nothing_to_estimate() -> None:
    positions = lists(np.random.default_rng(0), 100, 100, 5)
    measure = skewness(occurrences_of(positions, 100, population=100))
    assert value_of(measure) == pytest.approx(slow.skewness(slow.occurrences(positions, 100)))
    assert measure.low == measure.high == measure.value


def test_more_queries_narrow_the_interval_of_the_skewness() -> None:
    positions = lists(np.random.default_rng(0), 4000, 500, 5)
    widths = [
        half_width(skewness(occurrences_of(positions[:m], 500, population=5000))) for m in (1000, 2000, 3000, 4000)
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[3] < widths[0] / 2
    too_few = skewness(occurrences_of(positions[:500], 500, population=5000))
    assert too_few.undefined == "500 of 5,000 documents searched, 1,000 are needed"


# Gap


def test_the_gap_is_the_distance_of_the_means_without_their_noise() -> None:
    Q, X = directions(0, 25, offset=0.2), directions(1, 40, offset=2.0)
    expected = slow.squared_gap(Q.astype(np.float64), X.astype(np.float64))
    measured = value_of(mean_distance(Moments.of(Q), Moments.of(X)))
    assert measured**2 == pytest.approx(expected, rel=1e-4)


# Intervals


def test_pair_components_are_without_bias() -> None:
    """Kernel x·y of normal vectors around μ: ζ = ‖μ‖², τ = d."""
    rng = np.random.default_rng(0)
    d, n, found = 4, 25, []
    for _ in range(2000):
        X = rng.standard_normal((n, d)) + np.array([0.5, 0, 0, 0])
        K = X @ X.T
        np.fill_diagonal(K, 0)
        mean = K.sum() / (n * (n - 1))
        found.append(pair_components(K.sum(axis=1) / (n - 1), float((K**2).sum()) / (n * (n - 1)) - mean**2))
    zeta, tau = np.mean(found, axis=0)
    assert zeta == pytest.approx(0.25, abs=0.02)
    assert tau == pytest.approx(4.0, rel=0.05)


def test_the_interval_of_a_pair_mean_without_slope_is_the_normal_one() -> None:
    low, high = pair_mean_interval(0.3, zeta=0.5, slope=0.0, tau=2.0, n=100)
    half = 1.959964 * math.sqrt(4 * 0.5 / 100 + 2 * 2.0 / 100**2)
    assert (low, high) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-6)


def test_the_interval_of_a_pair_mean_takes_the_error_of_each_end() -> None:
    low, high = pair_mean_interval(0.3, zeta=0.5, slope=1.0, tau=2.0, n=100)
    for end in (low, high):
        variance = 4 * (0.5 - (0.3 - end)) / 100 + 2 * 2.0 / 100**2
        assert abs(0.3 - end) == pytest.approx(1.959964 * math.sqrt(variance), abs=1e-6)
    assert high - 0.3 > 0.3 - low


def test_nothing_varies_nothing_to_hold() -> None:
    assert pair_mean_interval(0.3, zeta=0.0, slope=0.0, tau=0.0, n=100) == (0.3, 0.3)


@pytest.mark.parametrize("hits", [1, 5, 50, 99])
def test_wilson_ends_are_where_the_share_is_196_standard_errors_away(hits: int) -> None:
    measure = wilson(hits, 100)
    for end in (measure.low, measure.high):
        assert end is not None
        assert abs(hits / 100 - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / 100), abs=1e-6)


def test_uniformity_lies_between_the_sphere_and_0() -> None:
    for seed in range(5):
        X = directions(seed, 200, 16, offset=float(seed))
        assert sphere(16) - 0.05 < value_of(uniformity(X)) < 0
