from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from ragdiag import read_judgements
from ragdiag.retrieval.clusters import query_clusters
from ragdiag.retrieval.significance import RESAMPLES, bootstrap_mean, randomisation_test
from ragdiag.types import Float64, IntArray
from tests.shared import DATA, needs_shared_data

SIZES = np.array([1, 2, 3, 5, 8] * 8)
CLUSTERS = np.repeat(np.arange(len(SIZES)), SIZES)
M = len(CLUSTERS)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def planted(generator: np.random.Generator) -> Float64:
    """Differences of mean 0; half of their variance is common to the queries of a cluster."""
    common = generator.standard_normal(len(SIZES))
    values: Float64 = common[CLUSTERS] + generator.standard_normal(M)
    return values


def test_clusters_are_the_connected_components() -> None:
    relevant = [{1: 1}, {2: 1}, {1: 2, 3: 1}, {}, {3: 1}, {-5: 1}, {}, {4: 1, -5: 1}, {9: 1}]
    assert query_clusters(relevant).tolist() == [0, 1, 0, 2, 0, 3, 4, 3, 5]
    # A chain: each query shares a document with the next one alone.
    assert query_clusters([{i: 1, i + 1: 1} for i in range(500)]).tolist() == [0] * 500
    assert query_clusters([]).tolist() == []
    assert query_clusters([{}, {}]).tolist() == [0, 1]
    assert query_clusters([{0: 1}]).dtype == np.int64


@needs_shared_data
@pytest.mark.parametrize(("name", "number", "largest"), [("scifact", 490, 8), ("xquad-en", 240, 17)])
def test_clusters_of_real_judgements(name: str, number: int, largest: int) -> None:
    judgements = read_judgements(DATA / name)
    position = {id_: i for i, id_ in enumerate(sorted(judgements.document_ids()))}
    clusters = query_clusters([{position[id_]: 1 for id_ in graded} for graded in judgements.relevant])
    sizes = np.bincount(clusters)
    assert (len(sizes), sizes.max()) == (number, largest)


@pytest.mark.parametrize("labels", [np.arange(60), np.arange(60)[::-1], rng(7).permutation(60) * 3])
def test_alone_means_as_before(labels: IntArray) -> None:
    values = rng(1).standard_t(4, size=60)
    assert bootstrap_mean(values, rng(2), null=0.0, clusters=labels) == bootstrap_mean(values, rng(2), null=0.0)
    assert randomisation_test(values, rng(3), clusters=labels) == randomisation_test(values, rng(3))


def test_the_interval_is_that_of_the_ratio() -> None:
    values = planted(rng(4))
    sums, sizes = np.bincount(CLUSTERS, weights=values), SIZES.astype(np.float64)

    def ratio(s: Float64, n: Float64, axis: int = -1) -> Float64:
        found: Float64 = s.sum(axis=axis) / n.sum(axis=axis)
        return found

    theirs = stats.bootstrap(
        (sums, sizes), ratio, paired=True, n_resamples=99_999, batch=1000, method="percentile", rng=rng(5)
    ).confidence_interval
    ours = bootstrap_mean(values, rng(6), null=0.0, clusters=CLUSTERS)
    assert ours.value == pytest.approx(values.mean())
    # The error of a quantile at 2.5 % is √(p(1 − p)/B) over the density there, which is .0584/σ for a normal law.
    sigma = (theirs.high - theirs.low) / 3.92
    error = np.sqrt(0.025 * 0.975 / RESAMPLES) / 0.0584 * sigma
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=4 * error)
    assert (ours.null, ours.n, ours.undefined) == (0.0, M, "")


def test_p_is_that_of_all_flips_of_clusters() -> None:
    values = np.array([0.5, 0.2, -0.1, 0.3, 0.4, -0.25, 0.1, 0.2, 0.15, -0.05])
    labels = np.array([4, 4, 1, 2, 2, 1, 0, 3, 3, 0])
    sums = np.array([values[labels == label].sum() for label in range(5)])
    flips = np.abs([np.dot(signs, sums) for signs in product((-1, 1), repeat=5)])
    exact = float(np.mean(flips >= abs(sums.sum()) - 1e-12))
    assert randomisation_test(values, rng(), clusters=labels) == exact
    alone = randomisation_test(values, rng())
    assert abs(alone - exact) > 0.015


def test_p_has_its_floor() -> None:
    values = np.full(100, 0.3)
    assert randomisation_test(values, rng(), clusters=np.arange(100) // 5) == 1 / (1 + RESAMPLES)
    # Four clusters: 2 of the 16 flips are as extreme.
    assert randomisation_test(values, rng(), clusters=np.arange(100) // 25) == 2 / 16
    assert randomisation_test(values, rng(), clusters=np.zeros(100, dtype=np.int64)) == 1.0


def test_what_cancels_within_its_cluster_is_no_difference() -> None:
    # In floating point .1 + .2 − .3 is 5.6e-17.
    values = np.tile([0.1, 0.2, -0.3], 20)
    assert randomisation_test(values, rng(), clusters=np.arange(60) // 3) == 1.0


def test_few_clusters_have_no_interval() -> None:
    values = rng(8).standard_normal(90)
    few = bootstrap_mean(values, rng(), null=0.0, clusters=np.arange(90) % 9)
    assert few.value == pytest.approx(values.mean())
    assert (few.low, few.high, few.null, few.n) == (None, None, 0.0, 90)
    assert few.undefined == "an interval needs 10 independent groups of queries; there are 9"
    assert bootstrap_mean(values, rng(), clusters=np.arange(90) % 10).low is not None
    # One holds 60 of the 90 queries: 31 clusters count for 90²/(60² + 30) = 2.2.
    lopsided = bootstrap_mean(values, rng(), clusters=np.maximum(np.arange(90) - 59, 0))
    assert lopsided.undefined == "an interval needs 10 independent groups of queries; there are 31, of unequal size"


@pytest.mark.slow
def test_p_is_uniform_where_there_is_no_difference() -> None:
    generator = rng(9)
    p, alone = [], []
    for sim in range(1000):
        values = planted(generator)
        p.append(randomisation_test(values, generator, clusters=CLUSTERS))
        if sim < 200:
            alone.append(randomisation_test(values, generator))
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.03 <= np.mean(np.array(p) <= 0.05) <= 0.07
    # Without the clusters about one in three is found different where nothing is.
    assert np.mean(np.array(alone) <= 0.05) > 0.15


@pytest.mark.slow
def test_the_interval_covers_only_with_the_clusters() -> None:
    generator = rng(10)
    with_clusters: list[bool] = []
    alone: list[bool] = []
    for _ in range(300):
        values = planted(generator)
        found = bootstrap_mean(values, generator, clusters=CLUSTERS)
        with_clusters.append((found.low or 0) <= 0 <= (found.high or 0))
        if len(alone) < 150:
            found = bootstrap_mean(values, generator)
            alone.append((found.low or 0) <= 0 <= (found.high or 0))
    assert np.mean(with_clusters) >= 0.9
    assert np.mean(alone) <= 0.8
