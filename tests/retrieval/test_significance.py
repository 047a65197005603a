from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy import stats

from ragdiag.retrieval.compare import compare_runs
from ragdiag.retrieval.significance import RESAMPLES, bootstrap_mean, holm, randomisation_test
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.types import Float64

Law = Callable[[np.random.Generator, int], Float64]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_bootstrap_is_that_of_scipy() -> None:
    values = rng(1).beta(0.5, 0.5, size=300)
    ours = bootstrap_mean(values, rng(2))
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=rng(3))
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.003)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.003)
    assert (ours.null, ours.n) == (None, 300)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "mean"),
    [
        (lambda g, m: g.beta(0.4, 0.6, size=m), 0.4),  # as nDCG is: much at 0 and at 1
        (lambda g, m: np.where(g.random(m) < 0.9, 0.0, g.normal(0.3, 0.4, size=m)), 0.03),  # a difference of two runs
    ],
)
def test_the_bootstrap_covers(law: Law, mean: float) -> None:
    generator, sims = rng(4), 300
    found = [bootstrap_mean(law(generator, 200), generator) for _ in range(sims)]
    covered = np.mean([(m.low or 0) <= mean <= (m.high or 0) for m in found])
    assert 0.92 <= covered <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("zeros", [0.0, 0.5])
def test_p_is_uniform_where_there_is_no_difference(zeros: float) -> None:
    generator, sims = rng(5), 400
    p = []
    for _ in range(sims):
        differences = generator.standard_t(5, size=60)
        differences[generator.random(60) < zeros] = 0.0
        p.append(randomisation_test(differences, generator))
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.08


def test_p_is_never_below_what_was_drawn() -> None:
    assert randomisation_test(np.full(200, 0.3), rng()) == 1 / (1 + RESAMPLES)
    assert randomisation_test(np.full(200, -0.3), rng()) == 1 / (1 + RESAMPLES)


def test_p_is_that_of_all_sign_flips() -> None:
    differences = np.array([0.5, 0.2, 0.1, -0.3, 0.4, 0.25, 0.0, 0.15])
    moved = differences[differences != 0]
    sums = [abs(sum(s * d for s, d in zip(signs, moved, strict=True))) for signs in product((-1, 1), repeat=7)]
    exact = np.mean(np.array(sums) >= abs(moved.sum()) - 1e-12)
    assert 0.05 < exact < 0.3
    assert randomisation_test(differences, rng()) == exact
    # Of more than 13 they are drawn.
    more = np.concatenate([differences, differences, [0.1]])
    moved = more[more != 0]
    signs = np.array(list(product((-1, 1), repeat=len(moved))))
    exact = np.mean(np.abs(signs @ moved) >= abs(moved.sum()) - 1e-12)
    assert randomisation_test(more, rng()) == pytest.approx(exact, abs=0.005)


def test_equal_runs_give_one() -> None:
    assert randomisation_test(np.zeros(10), rng()) == 1.0
    assert randomisation_test(np.array([0.5, -0.5]), rng()) == 1.0
    assert randomisation_test(np.array([0.1, 0.3, -0.1, 0.0, -0.3]), rng()) == 1.0


def test_holm_by_hand() -> None:
    # Sorted .01, .02, .022, .2: times 4, 3, 2, 1, and never falling.
    assert holm([0.02, 0.2, 0.01, 0.022]) == pytest.approx([0.06, 0.2, 0.04, 0.06])
    assert holm([0.5, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.03]) == [0.03]
    assert holm([]) == []
    assert holm([0.9, 0.6]) == [1.0, 1.0]


def alone(m: int) -> list[dict[int, int]]:
    """Each query has a relevant document of its own."""
    return [{100 + i: 1} for i in range(m)]


def runs(*hits: list[int]) -> list[Neighbors]:
    """Return lists in which query i finds its one document, 100 + i, at the given rank."""
    found = []
    for name, ranks in zip("abc", hits, strict=False):
        lists = np.tile(np.arange(1, 11), (len(ranks), 1))
        for row, rank in enumerate(ranks):
            if rank < 10:
                lists[row, rank] = 100 + row
        found.append(Neighbors(name, lists.astype(np.int64), np.zeros(lists.shape)))
    return found


def test_a_comparison_is_paired_and_corrected() -> None:
    m = 100
    base, better, worse = [1] * m, [0] * 40 + [1] * 60, [1] * 90 + [10] * 10
    compared = compare_runs(runs(base, better, worse), alone(m), seed=0)
    assert (compared.baseline, compared.winner, compared.queries) == ("a", "b", m)
    a, b, c = (run.scores["nDCG@10"] for run in compared.runs)
    one = 1 / np.log2(3)
    assert a.mean.value == pytest.approx(one)
    assert (a.delta.value, a.p) == (0.0, None)
    assert b.delta.value == pytest.approx(0.4 * (1 - one))
    error = (1 - one) * np.sqrt(0.4 * 0.6 / m)
    assert b.delta.low == pytest.approx(0.4 * (1 - one) - 1.96 * error, abs=0.2 * error)
    assert b.delta.high == pytest.approx(0.4 * (1 - one) + 1.96 * error, abs=0.2 * error)
    assert b.p == 2 / (1 + RESAMPLES)  # Holm: two candidates
    assert c.delta.value == pytest.approx(-0.1 * one)
    # Ten differences of one sign: 2/2¹⁰ by chance, within four standard errors of so many flips.
    assert c.p == pytest.approx(2 / 2**10, abs=4 * np.sqrt(2 / 2**10 / RESAMPLES))
    assert compared.runs[1].scores["RR@10"].delta.value == pytest.approx(0.4 * 0.5)
    assert compared.runs[2].scores["R@10"].delta.value == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("ranks", "min_effect"),
    [
        ([1] * 100, 0.01),  # equal
        ([0] * 3 + [1] * 97, 0.01),  # too small and too few
        ([0] * 40 + [1] * 60, 0.2),  # proven, and smaller than what counts
        ([0] * 40 + [4] * 60, 0.01),  # not better on average
    ],
)
def test_leave_it_alone(ranks: list[int], min_effect: float) -> None:
    compared = compare_runs(runs([1] * 100, ranks), alone(100), seed=0, min_effect=min_effect)
    assert compared.winner is None


def test_the_best_of_several_winners() -> None:
    compared = compare_runs(runs([1] * 100, [0] * 40 + [1] * 60, [0] * 60 + [1] * 40), alone(100), seed=0)
    assert compared.winner == "c"
