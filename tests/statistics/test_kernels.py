"""Every kernel finds the neighbours of float64 brute force: 14 worlds × 3 similarities × 12 cases = 504 each."""

from __future__ import annotations

import numpy as np
import pytest

from ragdiag.engine import products
from ragdiag.similarities import L2, Cosine, Dot
from ragdiag.statistics import all_pairs, neighbors
from ragdiag.statistics.all_pairs import AllPairs, is_symmetric
from ragdiag.statistics.bounds import Prefix
from ragdiag.statistics.neighbors import NeighborSearch
from ragdiag.types import Metric, Similarity
from tests.reference.neighbors import mapped_scores, wrong_neighbours
from tests.statistics.kernels import PRODUCTS, random_prefix
from tests.statistics.worlds import WORLDS, World, normal, tolerance_of

SIMILARITIES: dict[Metric, Similarity] = {Metric.COSINE: Cosine(), Metric.DOT: Dot(), Metric.L2: L2()}
CASES = 12


@pytest.mark.parametrize("prefix", [False, True], ids=["whole", "prefix"])
@pytest.mark.parametrize("kind", list(PRODUCTS))
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
def test_a_search_finds_the_neighbours_of_brute_force(
    world: World, kind: str, prefix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "TILE", 31)
    monkeypatch.setattr(products, "_FEWEST", 3)  # so that there is work for every thread
    for metric, similarity in SIMILARITIES.items():
        for case in range(CASES):
            rng = np.random.default_rng([case, WORLDS.index(world), 5])
            n, d, k = int(rng.integers(1, 90)), int(rng.integers(2, 30)), int(rng.integers(1, 7))
            X = world(rng, n, d)
            own = rng.permutation(n)[: int(rng.integers(1, n + 1))]
            exclude = own if case % 2 else None
            search = NeighborSearch(similarity, X[own], k, exclude=exclude, seed=case)
            if prefix:
                search.bound = random_prefix(similarity.documents(X).shape[1], rng)
            block = int(rng.integers(1, n + 1))
            for start in range(0, n, block):
                rows = X[start : start + block]
                search.search(start, rows, np.ones(len(rows), dtype=bool), PRODUCTS[kind])
            found = search.result()
            scores = mapped_scores(similarity.queries(X[own]), similarity.documents(X))
            tolerance = tolerance_of(similarity.queries(X[own]), similarity.documents(X), scores)
            assert wrong_neighbours(found.positions, scores, tolerance, exclude=exclude) == [], (metric, case)
            here = found.positions >= 0
            there = np.take_along_axis(scores, np.maximum(found.positions, 0), axis=1)
            assert np.all(np.abs(found.scores - there)[here] <= np.broadcast_to(tolerance[:, None], here.shape)[here])


@pytest.mark.parametrize("prefix", [False, True], ids=["whole", "prefix"])
@pytest.mark.parametrize("kind", list(PRODUCTS))
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
def test_all_pairs_are_those_of_a_search(
    world: World, kind: str, prefix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, ties too; and a search finds those of brute force. Dot and cosine: 336 cases each."""
    monkeypatch.setattr(all_pairs, "TILE", 19)
    monkeypatch.setattr(products, "_FEWEST", 3)
    for metric in (Metric.COSINE, Metric.DOT):
        for case in range(CASES):
            rng = np.random.default_rng([case, WORLDS.index(world), 7])
            n, d, k = int(rng.integers(1, 90)), int(rng.integers(2, 30)), int(rng.integers(1, 7))
            X, similarity, positions = world(rng, n, d), SIMILARITIES[metric], rng.permutation(10 * n)[:n]
            if prefix:
                bound = random_prefix(d, rng)
                monkeypatch.setattr(AllPairs, "_tune", lambda self, _, bound=bound: self._use(bound))
                monkeypatch.setattr(all_pairs, "FEWEST", 0)
            found = AllPairs(similarity, X, positions, k, seed=case, products=PRODUCTS[kind]).result()
            search = NeighborSearch(similarity, X, k, exclude=positions, seed=case)
            order = np.argsort(positions)
            search.search_mapped(positions[order], similarity.documents(X[order]), PRODUCTS["float32"])
            expected = search.result()
            assert np.array_equal(found.positions, expected.positions), (metric, case)
            assert np.array_equal(found.scores, expected.scores), (metric, case)


def test_pairs_that_wait_are_scored_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_pairs, "TILE", 16)
    X = normal(np.random.default_rng(0), 300, 8)
    at_once = AllPairs(Dot(), X, np.arange(300), 5).result()
    monkeypatch.setattr(all_pairs, "_WAITING", 10)
    in_parts = AllPairs(Dot(), X, np.arange(300), 5).result()
    assert np.array_equal(at_once.positions, in_parts.positions)
    assert np.array_equal(at_once.scores, in_parts.scores)


def test_every_pair_of_tiles_comes_once_and_no_tile_twice_in_a_round() -> None:
    for count in range(1, 12):
        tiles = [slice(i, i + 1) for i in range(count)]
        seen = []
        for pairs in all_pairs._rounds(tiles):
            places = [tile.start for pair in pairs for tile in pair]
            assert len(places) == len(set(places))
            seen += [tuple(sorted((a.start, b.start))) for a, b in pairs]
        assert sorted(seen) == [(i, j) for i in range(count) for j in range(i + 1, count)]


def test_a_block_without_usable_rows_after_many_rows() -> None:
    rng = np.random.default_rng(0)
    X = normal(rng, 33_000, 8)
    search = NeighborSearch(Cosine(), X[:600], 3)
    search.search(0, X, np.ones(len(X), dtype=bool))
    before = search.result()
    search.search(len(X), X[:100], np.zeros(100, dtype=bool))
    assert np.array_equal(search.result().positions, before.positions)


def test_l2_is_not_symmetric() -> None:
    X = normal(np.random.default_rng(0), 10, 4)
    far = X.copy()
    far[0] *= np.float32(1e-19)
    assert not is_symmetric(Dot(), far)
    assert is_symmetric(Cosine(), X)
    assert is_symmetric(Dot(), X)
    assert not is_symmetric(L2(), X)


@pytest.mark.parametrize(("spectrum", "cheaper"), [(0.0, False), (1.2, True)])
def test_a_search_takes_fewer_coordinates_where_the_spectrum_allows(spectrum: float, cheaper: bool) -> None:
    """Both ways the neighbours are those of brute force."""
    rng = np.random.default_rng(1)
    n, d, m = 12_000, 96, 600
    X = (rng.standard_normal((n, d)) * np.arange(1, d + 1.0) ** -spectrum).astype(np.float32)
    search = NeighborSearch(Cosine(), X[:m], 5, exclude=np.arange(m))
    for start in range(0, n, 4000):
        search.search(start, X[start : start + 4000], np.ones(4000, dtype=bool))
    assert isinstance(search.bound, Prefix) == cheaper
    scores = mapped_scores(Cosine().queries(X[:m]), Cosine().documents(X))
    tolerance = tolerance_of(Cosine().queries(X[:m]), Cosine().documents(X), scores)
    assert wrong_neighbours(search.result().positions, scores, tolerance, exclude=np.arange(m)) == []
