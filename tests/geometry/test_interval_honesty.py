"""The 95 % intervals hold the truth about 95 times in 100. `benchmarks/interval_honesty.py` measures it well."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from ragdiag.geometry.anisotropy import mean_cosine
from ragdiag.geometry.hubness import Occurrences, skewness
from ragdiag.geometry.largest import largest_share
from ragdiag.geometry.spectrum import Spectrum, participation_ratio
from ragdiag.geometry.uniformity import sphere, uniformity
from ragdiag.similarities import L2, Cosine, Similarity
from ragdiag.statistics.moments import Moments
from ragdiag.statistics.neighbors import NeighborSearch, occurrences
from ragdiag.testing import worlds
from ragdiag.types import Float32, Measure
from ragdiag.vectors import unit
from tests.reference import geometry as slow

STORES = 200
# The number of truths held is binomial. Of 200 an interval that holds 95 % holds fewer than 175 with probability
# 2e-5 and all of them with 4e-5; one of 85 % holds fewer than 175 with probability .79, and one of 99.9 %, far
# too wide, all of them with .82.
FEWEST, MOST = 175, 199
assert stats.binom.cdf(FEWEST - 1, STORES, 0.95) < 1e-4
assert stats.binom.pmf(STORES, STORES, 0.95) < 1e-4

DIM, N = 32, 300


def draw(law: str, rng: np.random.Generator) -> Float32:
    if law == "sphere":
        return worlds.isotropic(rng, N, DIM)
    if law == "cone":
        return worlds.cone(rng, N, DIM, 0.4)
    if law == "collapse":
        return unit(worlds.low_rank(rng, N, DIM, 6))
    # Directions on two orthogonal circles, one of them more often: all three truths are in closed form.
    X = np.zeros((N, DIM), dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi, N)
    plane = 2 * (rng.random(N) < 0.3).astype(int)
    X[np.arange(N), plane], X[np.arange(N), plane + 1] = np.cos(angle), np.sin(angle)
    return X


# Mean cosine, uniformity, participation ratio. Two circles with shares .3 and .7: two vectors on the same one
# (.58) have E e^{4cos} = I₀(4), others e⁰; eigenvalues .35, .35, .15, .15.
TRUTHS = {
    "sphere": (0.0, sphere(DIM), float(DIM)),
    "cone": (0.4, -2.4 + math.log(float(special.hyp0f1((DIM - 1) / 2, 4 * 0.36))), DIM - 1.0),
    "collapse": (0.0, sphere(6), 6.0),
    "circles": (0.0, -4 + math.log(0.58 * float(special.iv(0, 4)) + 0.42), 1 / (2 * 0.35**2 + 2 * 0.15**2)),
}


def holds(measure: Measure, truth: float) -> bool:
    assert measure.value is not None, measure.undefined
    assert measure.low is not None
    assert measure.high is not None
    assert measure.low <= measure.value <= measure.high
    return measure.low <= truth <= measure.high


@pytest.mark.slow
@pytest.mark.parametrize("law", list(TRUTHS))
def test_intervals_of_the_geometry_of_directions(law: str) -> None:
    held = np.zeros(3, dtype=int)
    for seed in range(STORES):
        X = draw(law, np.random.default_rng([seed, list(TRUTHS).index(law)]))
        moments = Moments.of(X)
        measures = (
            mean_cosine(moments),
            uniformity(X),
            participation_ratio(Spectrum.of(moments, X.astype(np.float64))),
        )
        held += [holds(measure, truth) for measure, truth in zip(measures, TRUTHS[law], strict=True)]
    assert np.all(held >= FEWEST), held
    assert np.all(held <= MOST), held


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "similarity"), [(16, Cosine()), (20, L2())], ids=["without hubs", "with hubs"])
def test_intervals_of_the_corrected_skewness(dim: int, similarity: Similarity) -> None:
    n, m, per_store = 2000, 1000, 8
    held = 0
    for seed in range(STORES // per_store):
        rng = np.random.default_rng([seed, dim])
        X = worlds.normal(rng, n, dim)
        search = NeighborSearch(similarity, X, 10, exclude=np.arange(n))
        search.search(0, X, np.ones(n, dtype=bool))
        positions = search.result().positions
        truth = slow.skewness(occurrences(positions, n))
        for _ in range(per_store):
            sample = positions[rng.choice(n, m, replace=False)]
            held += holds(skewness(Occurrences.of(sample, n, population=n, rng=rng)), truth)
    assert FEWEST <= held <= MOST


@pytest.mark.parametrize(("dim", "stores"), [(3, 8), (20, 4)], ids=["where many come close", "with hubs"])
def test_the_interval_of_the_largest_share_knows_that_it_was_picked(dim: int, stores: int) -> None:
    """A Wilson interval around the maximum holds the truth in 62 of 200 samples of the first world."""
    n, m, per_store = 2000, 500, 10
    held = 0
    for seed in range(stores):
        rng = np.random.default_rng([seed, dim])
        X = worlds.normal(rng, n, dim)
        search = NeighborSearch(L2(), X, 10, exclude=np.arange(n))
        search.search(0, X, np.ones(n, dtype=bool))
        positions = search.result().positions
        truth = occurrences(positions, n).max() / n
        for _ in range(per_store):
            sample = positions[rng.choice(n, m, replace=False)]
            measure = largest_share(Occurrences.of(sample, n, population=n, rng=rng))
            held += holds(measure, truth)
        whole = largest_share(Occurrences.of(positions, n, population=n, rng=rng))
        assert (whole.value, whole.low, whole.high) == (truth, truth, truth)
    draws = stores * per_store
    assert stats.binom.cdf(held, draws, 0.95) > 1e-3
