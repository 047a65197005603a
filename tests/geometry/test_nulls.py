"""A store in which there is nothing to find reads its null."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ragdiag import audit
from ragdiag.geometry import isotropic
from ragdiag.geometry.matched import matched_hubs
from ragdiag.geometry.normal_store import NormalStore
from ragdiag.geometry.spectrum import Spectrum
from ragdiag.statistics.moments import Moments
from ragdiag.testing import worlds
from ragdiag.types import Float32
from ragdiag.vectors import unit

STORES, DIM = 40, 48
AT_LEAST_36 = (
    "spectrum.effective_rank",
    "spectrum.alpha_req",
    "spectrum.partition_isotropy",
    "spectrum.participation_ratio",
    "uniformity.w2",
    "uniformity.document",
    "population.separation",
    "sensitivity.axis_scaling",
    "intrinsic.two_nn",
    "gap.mean_distance",
    "anisotropy.mean_cosine",
)


@pytest.mark.slow
@pytest.mark.parametrize("per_dimension", [2, 10])
def test_isotropic_stores_hold_their_nulls(per_dimension: int) -> None:
    held: Counter[str] = Counter()
    n = per_dimension * DIM
    for seed in range(STORES):
        X = worlds.isotropic(np.random.default_rng([seed, n]), n + 100, DIM)
        measures = audit(X[:n], query_vectors=X[n:]).measures
        for name in AT_LEAST_36:
            measure = measures[name]
            assert measure.low is not None
            assert measure.high is not None
            assert measure.null is not None
            held[name] += measure.low <= measure.null <= measure.high
    assert {name: held[name] for name in AT_LEAST_36 if held[name] < 36} == {}


def test_the_eigenvalues_are_those_of_isotropic_samples() -> None:
    n, d = 120, 40
    sampled = []
    for seed in range(40):
        X = worlds.normal(np.random.default_rng(seed), n, d).astype(np.float64)
        values = np.linalg.eigvalsh(np.cov(X.T))[::-1]
        sampled.append(values / values.sum())
    drawn, known = np.mean(isotropic.eigenvalues(n, d), axis=0), np.mean(sampled, axis=0)
    assert drawn.sum() == pytest.approx(1)
    assert drawn[[0, 10, 20, 39]] == pytest.approx(known[[0, 10, 20, 39]], rel=0.05)
    few = isotropic.eigenvalues(20, 40)[0]
    assert int(np.sum(few > 1e-12)) == 19


def hubs(X: Float32) -> tuple[float, float]:
    """Return the upper ends of skewness and largest share that matched stores have."""
    rng = np.random.default_rng(0)
    law = NormalStore.of(X, Spectrum.of(Moments.of(X), X.astype(np.float64)), None, rng)
    found = matched_hubs(law, n=len(X), m=len(X), k=10, queries=None, rng=rng)
    assert found.skewness.high is not None
    assert found.largest.high is not None
    return found.skewness.high, found.largest.high


def test_matched_stores_have_the_mean_and_the_spectrum() -> None:
    rng = np.random.default_rng(1)
    X = unit(worlds.decaying(rng, 3000, 32) + np.float32(0.3))
    spectrum = Spectrum.of(Moments.of(X), X.astype(np.float64))
    drawn = np.concatenate(list(NormalStore.of(X, spectrum, None, rng).blocks(20_000, rng)))
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(1, abs=1e-5)
    again = Spectrum.of(Moments.of(drawn), drawn.astype(np.float64))
    assert np.linalg.norm(again.mean) == pytest.approx(np.linalg.norm(spectrum.mean), rel=0.05)
    assert again.eigenvalues[:8] == pytest.approx(spectrum.eigenvalues[:8], rel=0.25)
    assert again.trace == pytest.approx(spectrum.trace, rel=0.05)


@pytest.mark.parametrize("law", ["cone", "spectrum"])
def test_a_healthy_store_has_no_more_hubs_than_a_matched_one(law: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = worlds.offset_normal(rng, 500, 64, 0.7) if law == "cone" else worlds.decaying(rng, 500, 256, 1.0)
        measures = audit(X).measures
        skewness, largest = hubs(unit(X))
        assert (measures["hubness.document.skewness"].value or 0) < skewness
        assert (measures["hubness.document.largest"].value or 0) < largest


def test_a_planted_hub_is_beyond_a_matched_store() -> None:
    rng = np.random.default_rng(0)
    X = unit(worlds.offset_normal(rng, 500, 64, 0.2))
    mean = X.mean(axis=0)
    X[7] = mean / np.linalg.norm(mean)
    report = audit(X)
    assert "HUB001" in {finding.code for finding in report.findings}
    _, largest = hubs(X)
    assert (report.measures["hubness.document.largest"].value or 0) > 1.5 * largest
