from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ragdiag.engine.base import Block
from ragdiag.similarities import L2, Cosine, Dot, Similarity
from ragdiag.statistics.neighbors import Neighbors, NeighborSearch, occurrences, overlap
from ragdiag.types import Batch, Float32, IntArray, Metric
from ragdiag.vectors import row_norms
from tests.reference import geometry as slow
from tests.reference.neighbors import direct_scores, mapped_scores, wrong_neighbours
from tests.statistics.worlds import WORLDS, World, all_sizes, duplicates, equal, normal, tolerance_of

SIMILARITIES: dict[Metric, Similarity] = {Metric.COSINE: Cosine(), Metric.DOT: Dot(), Metric.L2: L2()}


def find(
    similarity: Similarity,
    Q: Float32,
    X: Float32,
    k: int,
    *,
    block: int = 10**9,
    exclude: IntArray | None = None,
    usable: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Neighbors:
    search = NeighborSearch(similarity, Q, k, exclude=exclude, seed=seed)
    allowed = np.ones(len(X), dtype=bool) if usable is None else usable
    for start in range(0, len(X), block):
        search.search(start, X[start : start + block], allowed[start : start + block])
    return search.result()


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("world", WORLDS)
def test_the_neighbours_are_those_of_brute_force(world: World, metric: Metric) -> None:
    similarity = SIMILARITIES[metric]
    for case in range(8):  # 14 worlds × 3 similarities × 8 cases = 336
        rng = np.random.default_rng([case, WORLDS.index(world)])
        n, d, k = int(rng.integers(1, 60)), int(rng.integers(1, 40)), int(rng.integers(1, 12))
        X = world(rng, n, d)
        usable = rng.random(n) < 0.8 if case % 2 else np.ones(n, dtype=bool)
        own = rng.permutation(n)[: int(rng.integers(1, n + 1))]
        exclude = own if case % 4 < 2 else None
        Q, D = similarity.queries(X[own]), similarity.documents(X)
        scores = mapped_scores(Q, D)
        tolerance = tolerance_of(Q, D, scores)
        found = find(
            similarity, X[own], X, k, block=int(rng.integers(1, n + 1)), exclude=exclude, usable=usable, seed=case
        )
        assert wrong_neighbours(found.positions, scores, tolerance, exclude=exclude, usable=usable) == []
        here = found.positions >= 0
        there = np.take_along_axis(scores, np.maximum(found.positions, 0), axis=1)
        assert np.all(np.abs(found.scores - there)[here] <= np.broadcast_to(tolerance[:, None], here.shape)[here])
        assert np.all(found.scores[~here] == -np.inf)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("world", [w for w in WORLDS if w is not all_sizes])
def test_the_neighbours_are_those_of_the_formula(world: World, metric: Metric) -> None:
    """Not of the mapped vectors but of the definition of the metric, up to what float32 maps keep."""
    similarity = SIMILARITIES[metric]
    for case in range(3):
        rng = np.random.default_rng([case, 99])
        X, Q = world(rng, 40, 12), world(rng, 7, 12)
        scores = direct_scores(Q, X, metric)
        lengths = np.linalg.norm(Q.astype(np.float64), axis=1)
        longest = float(np.linalg.norm(X.astype(np.float64), axis=1).max())
        tolerance = {
            Metric.COSINE: np.full(7, 4 * 2.0**-24),  # both are rounded to float32 unit vectors
            Metric.DOT: lengths * longest * 2.0**-39,
            Metric.L2: (lengths + longest) ** 2 * 2.0**-38,
        }[metric]
        found = find(similarity, Q, X, 5, block=11)
        assert wrong_neighbours(found.positions, scores, tolerance) == []


@settings(max_examples=150, deadline=None)
@given(data=st.data(), metric=st.sampled_from(list(Metric)))
def test_any_small_integers_are_searched_exactly(data: st.DataObject, metric: Metric) -> None:
    """Integers make ties everywhere, and their products are exact."""
    n, d = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    k, block = data.draw(st.integers(1, 14)), data.draw(st.integers(1, 12))
    rows = st.lists(st.lists(st.integers(-3, 3), min_size=d, max_size=d), min_size=n, max_size=n)
    X = np.array(data.draw(rows), dtype=np.float32).reshape(n, d)
    usable = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    similarity = SIMILARITIES[metric]
    Q, D = similarity.queries(X), similarity.documents(X)
    scores = mapped_scores(Q, D)
    exclude = np.arange(n)
    found = find(similarity, X, X, k, block=block, exclude=exclude, usable=usable)
    complaints = wrong_neighbours(found.positions, scores, tolerance_of(Q, D, scores), exclude=exclude, usable=usable)
    assert complaints == []


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("world", WORLDS)
def test_the_size_of_the_blocks_changes_nothing(world: World, metric: Metric) -> None:
    rng = np.random.default_rng(3)
    X = world(rng, 50, 9)
    whole = find(SIMILARITIES[metric], X, X, 6, exclude=np.arange(50), seed=4)
    for block in (1, 2, 3, 7, 25, 49, 50):
        parts = find(SIMILARITIES[metric], X, X, 6, block=block, exclude=np.arange(50), seed=4)
        assert np.array_equal(whole.positions, parts.positions)
        assert np.array_equal(whole.scores, parts.scores)


def test_merging_searches_of_two_halves_is_searching_the_whole() -> None:
    rng = np.random.default_rng(0)
    X = duplicates(rng, 80, 6)
    everything = np.ones(40, dtype=bool)
    first, second = (NeighborSearch(Cosine(), X, 7, exclude=np.arange(80), seed=1) for _ in range(2))
    first.search(0, X[:40], everything)
    second.search(40, X[40:], everything)
    first.merge(second.result())
    whole = find(Cosine(), X, X, 7, exclude=np.arange(80), seed=1)
    assert np.array_equal(first.result().positions, whole.positions)
    assert np.array_equal(first.result().scores, whole.scores)


def test_a_block_of_an_engine_is_searched_like_rows() -> None:
    X = normal(np.random.default_rng(0), 20, 4)
    usable = np.ones(20, dtype=bool)
    usable[3] = False
    search = NeighborSearch(L2(), X, 3)
    search.step(Block(0, Batch([str(i) for i in range(20)], X), row_norms(X), usable))
    assert np.array_equal(search.result().positions, find(L2(), X, X, 3, usable=usable).positions)
    assert 3 not in search.result().positions


@pytest.mark.parametrize("metric", list(Metric))
def test_more_neighbours_than_documents_leaves_the_rest_empty(metric: Metric) -> None:
    X = normal(np.random.default_rng(0), 4, 3)
    found = find(SIMILARITIES[metric], X, X, 6, exclude=np.arange(4), block=3)
    assert np.all(found.positions[:, 3:] == -1)
    assert np.all(found.scores[:, 3:] == -np.inf)
    assert [sorted(row[:3].tolist()) for row in found.positions] == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


def test_no_usable_document_is_no_neighbour() -> None:
    X = normal(np.random.default_rng(0), 4, 3)
    found = find(Cosine(), X, X, 2, usable=np.zeros(4, dtype=bool))
    assert found.positions.tolist() == [[-1, -1]] * 4


def test_unusable_rows_may_hold_anything() -> None:
    X = normal(np.random.default_rng(0), 30, 3)
    X[[4, 9]] = np.nan
    X[12] = np.inf
    usable = np.array([bool(np.isfinite(row).all()) for row in X])
    found = find(Dot(), X[usable], X, 5, usable=usable, block=8)
    assert not set(found.positions.ravel().tolist()) & {4, 9, 12}
    assert np.isfinite(found.scores).all()


def test_queries_of_any_length_are_searched_exactly() -> None:
    """The product of a query of 1e30 with documents of 1e15 is beyond float32, as that of 1e-30 is below it."""
    rng = np.random.default_rng(0)
    directions, X = normal(rng, 10, 16), normal(rng, 50, 16) * np.float32(1e15)
    base = find(Dot(), directions, X, 5).positions
    for scale in (1e-35, 1e-30, 1e15, 1e30):
        scaled = directions * np.float32(scale)
        scores = mapped_scores(scaled, X)
        tolerance = tolerance_of(scaled, X, scores)
        assert wrong_neighbours(find(Dot(), scaled, X, 5).positions, scores, tolerance) == []
        if scale >= 1e-30:
            assert np.array_equal(find(Dot(), scaled, X, 5).positions, base)


def test_a_document_is_excluded_by_its_position_and_never_by_its_rank() -> None:
    """Of triplicates the first column is often another one: dropping it would leave the document itself."""
    X = np.repeat(normal(np.random.default_rng(0), 20, 8), 3, axis=0)
    found = find(Cosine(), X, X, 2, exclude=np.arange(60), block=7).positions
    for i, row in enumerate(found):
        twins = {3 * (i // 3), 3 * (i // 3) + 1, 3 * (i // 3) + 2} - {i}
        assert set(row.tolist()) == twins


@pytest.mark.parametrize("block", [7, 1000])
def test_among_equal_documents_chance_decides_for_each_query_anew(block: int) -> None:
    rng = np.random.default_rng(0)
    X = np.concatenate([np.repeat(normal(rng, 1, 8), 50, axis=0), -normal(rng, 40, 8)])[rng.permutation(90)]
    copies = np.flatnonzero((X[np.argmax((X[:, None] == X[None]).all(2).sum(1))] == X).all(axis=1))
    assert len(copies) == 50
    # Over queries of one seed: every copy is as likely as any other …
    Q = np.repeat(X[copies[:1]], 2000, axis=0)
    counts = occurrences(find(Cosine(), Q, X, 5, block=block, seed=1).positions, 90)
    assert counts.sum() == counts[copies].sum() == 10_000
    # (5 of 50 without replacement: the variance is .9 of that of independent draws, so χ² is scaled.)
    statistic = float(np.sum((counts[copies] - 200) ** 2) / 200 / 0.918)
    assert stats.chi2.cdf(statistic, 49) < 0.999
    assert stats.chi2.sf(statistic, 49) < 0.999
    # … and over seeds of one query.
    by_seed = np.concatenate([find(Cosine(), Q[:1], X, 5, block=block, seed=seed).positions for seed in range(1000)])
    statistic = float(np.sum((occurrences(by_seed, 90)[copies] - 100) ** 2) / 100 / 0.918)
    assert stats.chi2.cdf(statistic, 49) < 0.999
    assert stats.chi2.sf(statistic, 49) < 0.999


def test_duplicates_make_no_hubs() -> None:
    """With ties decided once per document ten of the copies would be in every list, the others in none."""
    X = np.repeat(normal(np.random.default_rng(0), 1, 8), 400, axis=0)
    counts = occurrences(find(Cosine(), X, X, 10, exclude=np.arange(400)).positions, 400)
    assert counts.sum() == 4000
    assert counts.max() < 30  # binomial(400, 1/40): 30 is 6.4 σ above 10
    assert counts.min() > 0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ties() -> None:
    X = equal(np.random.default_rng(0), 60, 5)
    one, same, other = (find(Cosine(), X, X, 4, seed=seed) for seed in (1, 1, 2))
    assert one.positions.tobytes() == same.positions.tobytes()
    assert one.scores.tobytes() == same.scores.tobytes()
    assert not np.array_equal(one.positions, other.positions)


def test_two_similarities_that_rank_alike_break_ties_alike() -> None:
    X = duplicates(np.random.default_rng(0), 60, 5)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    a, b = find(Cosine(), X, X, 4), find(Cosine(), X * np.float32(2), X * np.float32(4), 4)
    assert np.array_equal(a.positions, b.positions)


def test_top_is_the_beginning_of_the_lists() -> None:
    X = normal(np.random.default_rng(0), 30, 5)
    found = find(Cosine(), X, X, 8)
    assert found.top(3).k == 3
    assert np.array_equal(found.top(3).positions, find(Cosine(), X, X, 3).positions)


@given(st.lists(st.lists(st.integers(-1, 6), min_size=3, max_size=3), min_size=1, max_size=9))
def test_occurrences_are_counted_one_by_one(rows: list[list[int]]) -> None:
    lists = [sorted(set(row)) + [-1] * (3 - len(set(row))) for row in rows]
    positions = np.array(lists, dtype=np.int64)
    assert occurrences(positions, 7).tolist() == slow.occurrences(positions, 7).tolist()


def test_overlap_is_the_share_in_common() -> None:
    a = np.array([[0, 1, 2, 3], [4, 5, -1, -1], [-1, -1, -1, -1]])
    b = np.array([[3, 2, 9, 8], [5, 4, -1, -1], [-1, -1, -1, -1]])
    assert overlap(a, b).tolist() == [0.5, 1.0, 0.0]
