"""Numbers that are known without any model: each is held to the tolerance that was published with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from ragdiag.geometry.anisotropy import mean_cosine
from ragdiag.geometry.hubness import Occurrences, gini, orphans, robin_hood, skewness, skewness_at
from ragdiag.geometry.intrinsic import two_nn
from ragdiag.geometry.spectrum import Spectrum, alpha_req, isoscore, participation_ratio, w2_uniformity
from ragdiag.geometry.uniformity import sphere, uniformity
from ragdiag.similarities import L2, Cosine, Similarity
from ragdiag.statistics.moments import Moments
from ragdiag.statistics.neighbors import Neighbors, NeighborSearch, occurrences
from ragdiag.testing import worlds
from ragdiag.types import Float32, Measure
from ragdiag.vectors import unit
from tests.reference import geometry as slow
from tests.reference.moments import naive_participation_ratio, split_participation_ratio


def value_of(measure: Measure) -> float:
    assert measure.value is not None, measure.undefined
    return measure.value


def interval_of(measure: Measure) -> tuple[float, float]:
    assert measure.low is not None
    assert measure.high is not None
    return measure.low, measure.high


def spectrum_of(X: Float32) -> Spectrum:
    return Spectrum.of(Moments.of(X), X[:4000].astype(np.float64))


def all_neighbours(similarity: Similarity, X: Float32, k: int) -> Neighbors:
    search = NeighborSearch(similarity, X, k, exclude=np.arange(len(X)))
    for start in range(0, len(X), 4096):
        block = X[start : start + 4096]
        search.search(start, block, np.ones(len(block), dtype=bool))
    return search.result()


# 1. IsoScore


@pytest.mark.parametrize("k", range(1, 11))
def test_isoscore_of_k_live_dimensions_is_k_less_one_over_nine(k: int) -> None:
    X = worlds.low_rank(np.random.default_rng(k), 100_000, 10, k)
    assert value_of(isoscore(spectrum_of(X))) == pytest.approx((k - 1) / 9, abs=0.002)


@pytest.mark.parametrize(("variance", "expected"), [(2, 0.875), (5, 0.448), (10, 0.221), (20, 0.106), (75, 0.027)])
def test_isoscore_falls_as_one_of_five_dimensions_grows(variance: float, expected: float) -> None:
    X = worlds.spiked(np.random.default_rng(0), 100_000, 5, variance)
    assert value_of(isoscore(spectrum_of(X))) == pytest.approx(expected, abs=0.01)


# 2. Participation ratio


@pytest.mark.parametrize("n", [384, 1536])
def test_the_plug_in_participation_ratio_of_an_isotropic_space_is_biased_as_predicted(n: int) -> None:
    d = 768
    X = worlds.normal(np.random.default_rng(0), n, d).astype(np.float64)
    assert naive_participation_ratio(X) == pytest.approx(n * d / (n + d), rel=0.01)


def test_the_split_participation_ratio_has_no_such_bias() -> None:
    X = worlds.normal(np.random.default_rng(1), 384, 768)
    measured = value_of(participation_ratio(spectrum_of(X)))
    assert measured == pytest.approx(770, rel=0.03)
    slowly = split_participation_ratio(X.astype(np.float64), 12, np.random.default_rng(0))
    assert measured == pytest.approx(slowly, rel=0.01)


# 3. Uniformity


@pytest.mark.parametrize("dim", [128, 384, 768])
def test_uniformity_on_the_sphere_is_the_closed_form(dim: int) -> None:
    X = worlds.isotropic(np.random.default_rng(0), 2000, dim)
    assert value_of(uniformity(X)) == pytest.approx(sphere(dim), abs=5e-4)


def test_the_closed_form_on_the_sphere() -> None:
    assert sphere(384) == pytest.approx(-3.97917, abs=5e-6)
    assert sphere(768) == pytest.approx(-3.98958, abs=5e-6)


def test_uniformity_on_a_cone() -> None:
    rng = np.random.default_rng(0)
    cone = worlds.cone(rng, 2000, 384, 0.5)
    assert value_of(uniformity(cone)) == pytest.approx(-1.987, abs=0.02)
    exact = -2 + math.log(float(special.hyp0f1(383 / 2, 1.0)))
    assert value_of(uniformity(cone)) == pytest.approx(exact, abs=5e-4)
    assert value_of(mean_cosine(Moments.of(cone))) == pytest.approx(0.5, abs=1e-3)
    scattered = unit(worlds.offset_normal(rng, 2000, 384, 0.5))
    assert value_of(uniformity(scattered)) == pytest.approx(-1.987, abs=0.02)


# 4. W₂ uniformity


@pytest.mark.parametrize(("k", "expected"), [(64, 0.765), (32, 1.000), (16, 1.137)])
def test_w2_uniformity_of_k_of_128_live_dimensions(k: int, expected: float) -> None:
    X = unit(worlds.low_rank(np.random.default_rng(k), 20_000, 128, k))
    measured = value_of(w2_uniformity(Moments.of(X), spectrum_of(X)))
    assert measured == pytest.approx(expected, abs=0.01)
    assert measured == pytest.approx(math.sqrt(2 - 2 * math.sqrt(k / 128)), abs=0.01)


# 5. Hubness


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "low", "high"), [(3, 0.06, 0.16), (20, 2.0, 2.36), (100, 4.0, math.inf)])
def test_normal_vectors_have_hubs_under_l2_that_grow_with_the_dimension(dim: int, low: float, high: float) -> None:
    """The known values are .11, 2.18 and above 4; the bands are three sd of the skewness over seeds."""
    X = worlds.normal(np.random.default_rng(dim), 10_000, dim)
    occ = Occurrences.of(all_neighbours(L2(), X, 5).positions, 10_000, population=10_000, rng=np.random.default_rng(0))
    measured = value_of(skewness(occ))
    assert low < measured < high
    assert measured == pytest.approx(slow.skewness(occ.counts), rel=1e-9)
    assert interval_of(skewness(occ)) == pytest.approx((measured, measured), abs=1e-6)  # all were asked


@pytest.mark.slow
def test_normal_vectors_have_no_hubs_under_cosine() -> None:
    X = worlds.normal(np.random.default_rng(0), 10_000, 100)
    counts = occurrences(all_neighbours(Cosine(), X, 10).positions, 10_000)
    assert skewness_at(counts, 10_000, 10_000) == pytest.approx(0.29, abs=0.05)


# 6. Counts without structure


def test_poisson_counts_of_mean_ten() -> None:
    """As many queries as documents, which list ten of them at random."""
    rng = np.random.default_rng(0)
    n = 200_000  # at 10,000 the skewness itself has a standard deviation of .024
    occ = Occurrences.of(rng.integers(n, size=(n, 10)), n, population=n, rng=rng)
    for measure, expected in ((skewness(occ), 0.316), (robin_hood(occ), 0.125), (gini(occ), 0.177)):
        assert value_of(measure) == pytest.approx(expected, abs=0.01)
        assert measure.null == pytest.approx(expected, abs=0.001)
    assert orphans(occ).null == pytest.approx(math.exp(-10), rel=0.01)


# 10. Intrinsic dimension, decay of the spectrum


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "expected"), [(2, 2.00), (5, 5.15), (10, 9.83)])
def test_two_nn_of_normal_vectors(dim: int, expected: float) -> None:
    X = worlds.normal(np.random.default_rng(dim), 10_000, dim)
    found = all_neighbours(L2(), X, 2).positions
    first, second = (np.linalg.norm(X.astype(np.float64) - X[found[:, i]], axis=1) for i in (0, 1))
    assert value_of(two_nn(first, second)) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("exponent", "expected"), [(0.5, 0.49), (1.0, 1.00), (1.5, 1.50)])
def test_the_decay_of_the_spectrum_is_read_back(exponent: float, expected: float) -> None:
    X = worlds.decaying(np.random.default_rng(0), 20_000, 384, exponent)
    assert value_of(alpha_req(spectrum_of(X))) == pytest.approx(expected, abs=0.03)


# 11. Thinning


@pytest.mark.slow
def test_the_skewness_of_all_queries_is_read_from_a_tenth_of_them() -> None:
    """Mild hubs: the skewness of all 10,000 is 2.18; the raw one of 1,000 is biased, the corrected one is not."""
    n, m = 10_000, 1_000
    X = worlds.normal(np.random.default_rng(20), n, 20)
    positions = all_neighbours(L2(), X, 5).positions
    truth = slow.skewness(occurrences(positions, n))
    assert truth == pytest.approx(2.18, abs=0.18)
    rng = np.random.default_rng(0)
    raw, corrected, held = [], [], 0
    for _ in range(40):
        lists = positions[rng.choice(n, m, replace=False)]
        occ = Occurrences.of(lists, n, population=n, rng=rng)
        measure = skewness(occ)
        raw.append(slow.skewness(occ.counts))
        corrected.append(value_of(measure))
        low, high = interval_of(measure)
        held += low <= truth <= high
    # The mean of 40 is off by .05·truth or less; a single one is 2.15 ± .3.
    assert np.mean(corrected) == pytest.approx(truth, rel=0.06)
    assert corrected[0] == pytest.approx(2.15, abs=0.9)
    assert held >= 33  # of 40 intervals of 95 %: binomial P(fewer) = .0005
    assert abs(float(np.mean(raw)) - truth) > abs(float(np.mean(corrected)) - truth)
