from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
import pytest

from ragdiag import LocalEngine, Plan
from ragdiag.errors import StoreError
from ragdiag.geometry.intervals import share_mean
from ragdiag.observe import observe
from ragdiag.retrieval.ann import DOCUMENT, QUERY, UNREACHABLE, AnnCheck, check_index, queries_for
from ragdiag.stores import ArrayStore, FaissStore, Tuning, VectorStore
from ragdiag.testing.engine_contract import true_scores
from ragdiag.testing.worlds import clustered, isotropic
from ragdiag.types import Float32, Float64, Metric
from tests.ann_worlds import Searched, failing, hiding
from tests.shared import DATA, needs_shared_data

X = isotropic(np.random.default_rng(0), 400, 16)
Q = isotropic(np.random.default_rng(8), 120, 16)


def checked(store: VectorStore, asked: Float32 | None = None, k: int = 10, **options: Any) -> AnnCheck:
    plan = Plan(k=k)
    seen, _, _ = observe(
        store, labels=None, vectors=asked, embedder=None, plan=plan, engine=LocalEngine(), progress=None
    )
    return check_index(store, seen, plan.rng("index queries"), **options)


def values(check: AnnCheck) -> tuple[float | None, float | None, float | None]:
    return tuple(check.measures[name].value for name in (DOCUMENT, QUERY, UNREACHABLE))  # type: ignore[return-value]


def test_an_exact_search_misses_nothing() -> None:
    for metric in Metric:
        check = checked(Searched(X, metric=metric), Q)
        assert values(check) == (1.0, 1.0, 0.0)
        assert [check.measures[name].null for name in (DOCUMENT, QUERY, UNREACHABLE)] == [1.0, 1.0, 0.0]
        assert [check.measures[name].n for name in (DOCUMENT, QUERY, UNREACHABLE)] == [200, 120, 200]
        assert (check.settings, check.notes, check.main) == ((), (), QUERY)


def test_every_fifth_neighbour_missed_is_a_recall_of_four_fifths() -> None:
    # A query's list of ten loses places 3 and 8 and gets 11 and 12 instead; of a document its own place is the first.
    store = Searched(X, lambda query, ids, effort: (5, 10) if query < 200 else (4, 9))
    check = checked(store, Q)
    assert check.measures[DOCUMENT].value == pytest.approx(0.8, abs=1e-12)
    assert check.measures[QUERY].value == pytest.approx(0.8, abs=1e-12)
    assert check.measures[UNREACHABLE].value == 0.0
    assert [k for k, _ in store.asked] == [11] * 200 + [10] * 120


def test_recall_is_the_mean_over_queries() -> None:
    def misses(query: int, ids: list[str], effort: int | None) -> range:
        return range(query % 11)  # of query q the first q % 11 neighbours

    # Documents come first and are ignored here.
    check = checked(Searched(X, misses), Q)
    expected = np.mean([1 - ((200 + query) % 11) / 10 for query in range(120)])
    assert check.measures[QUERY].value == pytest.approx(expected, abs=1e-12)


def test_a_search_that_finds_nothing() -> None:
    check = checked(Searched(X, lambda query, ids, effort: range(len(ids))), Q)
    assert values(check) == (0.0, 0.0, 1.0)


def test_a_search_that_gives_fewer_hits() -> None:
    check = checked(Searched(X, lambda query, ids, effort: range(4, len(ids))), Q)
    assert check.measures[DOCUMENT].value == pytest.approx(0.3)
    assert check.measures[QUERY].value == pytest.approx(0.4)


def test_one_hit_given_again_and_again_is_one_hit() -> None:
    class Stutters(Searched):
        def search(self, *args: Any, **options: Any) -> Any:
            hits = super().search(*args, **options)
            return [type(h)((h.ids[0],) * len(h.ids), h.scores) for h in hits]

    assert checked(Stutters(X), Q).measures[QUERY].value == pytest.approx(0.1)


def test_copies_stand_in_for_each_other() -> None:
    copied = np.concatenate([np.repeat(X[:20], 20, axis=0), X[20:]])  # each of the first 20 twenty times
    # Of twenty copies five are never given: as many others are as good, though none of those is the document itself.
    check = checked(Searched(copied[:400], lambda query, ids, effort: range(5)), copied[:40:2])
    assert values(check) == (1.0, 1.0, 0.0)


def test_neighbours_that_rounding_parts_are_equal() -> None:
    near = np.repeat(X[:20], 20, axis=0)
    near *= 1 + np.float32(1e-7) * np.arange(len(near), dtype=np.float32)[:, None] % 5
    check = checked(Searched(near, lambda query, ids, effort: range(4), metric=Metric.DOT), near[:40:2])
    assert check.measures[QUERY].value == 1.0
    # A thousandth apart they are not.
    apart = np.repeat(X[:20], 20, axis=0) * (1 + np.float32(1e-3) * np.arange(400, dtype=np.float32)[:, None])
    check = checked(Searched(apart, lambda query, ids, effort: range(4), metric=Metric.DOT), apart[:40:2])
    assert check.measures[QUERY].value == pytest.approx(0.6)


def test_zero_and_broken_vectors_are_nobodys_neighbours() -> None:
    hard = X.copy()
    hard[:30] = 0
    hard[30:40] = np.nan
    asked = Q.copy()
    asked[:20] = 0
    check = checked(Searched(hard, metric=Metric.L2), asked)
    assert values(check) == (1.0, 1.0, 0.0)
    assert check.measures[QUERY].n == 100


def test_lists_longer_than_the_store() -> None:
    assert values(checked(Searched(X[:7]), Q, k=10)) == (1.0, 1.0, 0.0)
    half = checked(Searched(X[:7], lambda query, ids, effort: range(1, 4)), Q, k=10)  # own, then 3 of 6
    assert half.measures[DOCUMENT].value == pytest.approx(0.5)


def test_a_document_need_not_be_among_its_own_nearest_by_inner_product() -> None:
    lengths = np.linspace(0.01, 3, 400, dtype=np.float32)[:, None]
    check = checked(Searched(X * lengths, metric=Metric.DOT))
    share = check.measures[UNREACHABLE]
    truth = true_scores(X * lengths, X * lengths, Metric.DOT)
    rank = (truth > np.diag(truth)[:, None]).sum(axis=1)
    assert share.value == 0.0
    assert 0 < share.n < 200
    assert share.n / 200 == pytest.approx((rank < 10).mean(), abs=0.1)


def test_documents_that_nothing_finds_are_counted_and_named() -> None:
    hidden = {str(row) for row in range(0, 400, 20)}
    store = Searched(X, hiding(hidden))
    check = checked(store)
    seen, _, _ = observe(
        store, labels=None, vectors=None, embedder=None, plan=Plan(), engine=LocalEngine(), progress=None
    )
    drawn = [int(p) for p in seen.documents.queries.positions[:200] if str(p) in hidden]
    assert 0 < len(drawn) < 20
    assert check.unreached.tolist() == drawn
    assert check.measures[UNREACHABLE].value == len(drawn) / 200
    whole = checked(store, queries=400)
    assert whole.measures[UNREACHABLE].value == 20 / 400
    assert sorted(whole.unreached.tolist()) == list(range(0, 400, 20))


def test_a_node_without_links_to_it_is_unreachable() -> None:
    index: Any = faiss.IndexHNSWFlat(16, 8)
    index.add(X)
    entry = int(index.hnsw.entry_point)
    edges = faiss.vector_to_array(index.hnsw.neighbors)
    lost = [row for row in (3, 77, 200) if row != entry]
    edges[np.isin(edges, lost)] = -1
    # faiss stops at the first −1 of a node's links, so that they move up.
    offsets = faiss.vector_to_array(index.hnsw.offsets)
    for row in range(400):
        base = edges[offsets[row] : offsets[row] + 16]
        edges[offsets[row] : offsets[row] + 16] = np.concatenate([base[base >= 0], base[base < 0]])
    faiss.copy_array_to_vector(edges, index.hnsw.neighbors)
    check = checked(FaissStore(index), queries=400, target=0.9)
    assert set(lost) <= set(check.unreached.tolist())
    assert check.measures[UNREACHABLE].value == len(check.unreached) / 400
    assert len(check.unreached) <= len(lost) + 2


KNOB = Tuning(knob="effort", value=4, values=(1, 2, 4, 8, 16, 32))


def by_effort(query: int, ids: list[str], effort: int | None) -> range:
    """Of ten neighbours at effort e, 10 − 8/e are found, but never a document itself is missed."""
    return range(1, 1 + 8 // (effort or 4))


def test_a_sweep_names_the_smallest_setting_that_does() -> None:
    store = Searched(X, by_effort, tuning=KNOB)
    said: list[tuple[str, int, int]] = []
    check = checked(store, Q, target=0.85, progress=lambda *what: said.append(what))
    assert check.recall.value == pytest.approx(0.8)
    found = {setting.effort: setting.recall.value for setting in check.settings}
    # With 16 nothing is missed, so that 32 need not be tried.
    assert found == pytest.approx({1: 0.2, 2: 0.6, 4: 0.8, 8: 0.9, 16: 1.0})
    low = next(setting.recall.low for setting in check.settings if setting.effort == 8)
    assert low is not None
    assert 0.85 < low < 0.9
    assert (check.reached, check.knob, check.value, check.target) == (8, "effort", 4, 0.85)
    assert all(0 < setting.median_ms <= setting.p95_ms for setting in check.settings)
    tried = [effort for k, effort in store.asked if effort is not None]
    assert [tried.count(effort) for effort in (1, 16, 32)] == [128, 128, 0]  # eight of them to get warm
    assert said[-1] == ("trying effort", 5 * 120, 6 * 120)
    assert ("asking the index", 320, 320) in said


def test_no_setting_may_do() -> None:
    check = checked(Searched(X, lambda query, ids, effort: (0,), tuning=KNOB), Q, target=0.95)
    assert check.reached is None
    assert len(check.settings) == 6


def test_a_value_in_between_is_tried_too() -> None:
    tuning = Tuning(knob="effort", value=3, values=(1, 2, 4))
    check = checked(Searched(X, by_effort, tuning=tuning), Q, target=0.5)
    assert [setting.effort for setting in check.settings] == [1, 2, 3, 4]


def test_what_cannot_be_checked_says_why() -> None:
    bare = checked(ArrayStore(X, metric="dot"), Q)
    assert {measure.undefined for measure in bare.measures.values()} == {"the store has no search of its own"}
    assert bare.notes == ()
    asked = checked(ArrayStore(X, metric="dot"), Q, target=0.9)
    assert asked.notes == ("the index was not checked: the store has no search of its own",)
    gone = checked(Searched(X, failing), Q)
    assert gone.notes == ("the index was not checked: its own search failed: the server has gone",)
    assert values(gone) == (None, None, None)
    still = checked(Searched(X), Q, target=0.9)
    assert still.notes == ("no setting was tried: the store's search has none",)
    few = checked(Searched(X), Q[:20], target=0.9)
    assert few.notes[0] == "20 queries cannot prove a recall of 0.9; more of them could"


def test_hits_that_the_store_does_not_hold() -> None:
    class Stale(Searched):
        """Whose index still gives documents that are gone, in the first place of each list."""

        def search(self, *args: Any, **options: Any) -> Any:
            return [type(h)(("no such id", *h.ids[:-1]), h.scores) for h in super().search(*args, **options)]

    check = checked(Stale(X), Q, target=0.9)
    assert check.measures[QUERY].value == pytest.approx(0.9)
    assert check.measures[DOCUMENT].value == pytest.approx(0.9)
    assert check.notes[0] == (
        "1 id that its search gives is of no document that the store holds; every such hit counts as a miss"
    )


def test_an_index_of_another_store() -> None:
    class Alien(Searched):
        def search(self, *args: Any, **options: Any) -> Any:
            return [type(h)(tuple(f"{id_}!" for id_ in h.ids), h.scores) for h in super().search(*args, **options)]

    check = checked(Alien(X), Q)
    assert values(check) == (0.0, 0.0, 1.0)
    assert check.notes[0].endswith(
        "ids that its search gives are of no document that the store holds; every such hit counts as a miss"
    )


def test_documents_that_are_deleted_between_scan_and_search() -> None:
    class Shrinks(Searched):
        """Gives one near document and the farthest, a fifth of which are gone."""

        def search(self, queries: Any, k: int, **options: Any) -> Any:
            found = super().search(queries, len(X), **options)
            return [type(h)((h.ids[1], *h.ids[-k + 1 :]), h.scores[:k]) for h in found]

        def fetch(self, ids: Sequence[str]) -> Any:
            if any(int(id_) % 5 == 1 for id_ in ids):
                raise StoreError("holds no such document")
            return super().fetch(ids)

    check = checked(Shrinks(X), Q)
    assert check.measures[QUERY].value == pytest.approx(0.1)
    assert "ids that its search gives are of no document" in check.notes[0]


def test_a_store_that_gives_no_documents_any_more() -> None:
    class Gone(Searched):
        def fetch(self, ids: Sequence[str]) -> Any:
            raise StoreError("the server has gone")

    check = checked(Gone(X, lambda query, ids, effort: range(3)), Q)
    assert check.notes == ("the index was not checked: its own search failed: the server has gone",)


def test_hits_without_a_score_are_misses() -> None:
    class Nan(Searched):
        """Ranks zero vectors first, by a cosine that is no number."""

        def search(self, queries: Any, k: int, **options: Any) -> Any:
            found = super().search(queries, k, **options)
            scores = [np.r_[np.nan, np.nan, h.scores[:-2]] for h in found]
            return [type(h)(("3", "7", *h.ids[:-2]), s) for h, s in zip(found, scores, strict=True)]

    hard = X.copy()
    hard[[3, 7]] = 0
    check = checked(Nan(hard), Q)
    assert check.measures[QUERY].value == pytest.approx(0.8)
    assert check.notes == ()


def test_a_server_that_goes_while_settings_are_tried() -> None:
    def misses(query: int, ids: list[str], effort: int | None) -> Any:
        return failing(query, ids, effort) if effort == 4 else by_effort(query, ids, effort)

    check = checked(Searched(X, misses, tuning=KNOB), Q, target=0.9)
    assert [setting.effort for setting in check.settings] == [1, 2]
    assert check.recall.value == pytest.approx(0.8)
    assert check.notes == ("the index could not be tried any further: the server has gone",)


def test_more_queries_for_a_higher_target() -> None:
    for target in (0.5, 0.9, 0.95, 0.99, 0.995):
        m = queries_for(target, 1)
        low = share_mean(np.ones(m)).low
        assert low is not None
        assert low > target


WORLDS: dict[str, tuple[Any, float]] = {
    "all or nothing, 1 %": (lambda rng, m: 1.0 - (rng.random(m) < 0.01), 0.99),
    "all or nothing, 5 %": (lambda rng, m: 1.0 - (rng.random(m) < 0.05), 0.95),
    "ten places of .97": (lambda rng, m: rng.binomial(10, 0.97, m) / 10, 0.97),
    "ten places of .5": (lambda rng, m: rng.binomial(10, 0.5, m) / 10, 0.5),
    "ten places, 1 % lost": (lambda rng, m: np.where(rng.random(m) < 0.01, 0, rng.binomial(10, 0.97, m) / 10), 0.9603),
    "easy and hard": (lambda rng, m: rng.binomial(10, rng.beta(4, 0.4, m)) / 10, 10 / 11),
}


@pytest.mark.parametrize("m", [50, 200])
@pytest.mark.parametrize("world", WORLDS)
def test_the_interval_covers_the_truth(world: str, m: int) -> None:
    draw, truth = WORLDS[world]
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        measure = share_mean(np.asarray(draw(rng, m), dtype=np.float64))
        assert measure.low is not None
        assert measure.high is not None
        covered += measure.low - 1e-12 <= truth <= measure.high + 1e-12
    assert covered / 2000 >= 0.95 - 1.96 * (0.95 * 0.05 / 2000) ** 0.5


def test_the_interval_of_the_bootstrap_would_not() -> None:
    # Where each hundredth query finds nothing, most samples of 50 hold no such query, and their spread is 0.
    draw, _ = WORLDS["all or nothing, 1 %"]
    rng = np.random.default_rng(6)
    spreads = [np.std(np.asarray(draw(rng, 50))) for _ in range(500)]
    assert np.mean(np.array(spreads) == 0) == pytest.approx(0.99**50, abs=0.07)


def brute(queries: Float32, documents: Float32, labels: Any, k: int = 10) -> Float64:
    """Return the recall of faiss's own labels, by sorting all distances in float64."""
    D, A = documents.astype(np.float64), queries.astype(np.float64)
    truth = -np.sqrt(((A**2).sum(axis=1)[:, None] - 2 * A @ D.T + (D**2).sum(axis=1)).clip(0))
    kth = np.sort(truth, axis=1)[:, -k]
    return np.array([np.mean(row[found] >= edge - 1e-6) for row, found, edge in zip(truth, labels, kth, strict=True)])


def compared(index: Any, documents: Float32, queries: Float32) -> tuple[float, AnnCheck]:
    index.train(documents)
    index.add(documents)
    check = checked(FaissStore(index), queries, target=0.95)
    _, labels = index.search(np.ascontiguousarray(queries), 10)
    return float(brute(queries, documents, labels).mean()), check


@pytest.mark.parametrize("factory", ["HNSW4,Flat", "IVF32,Flat"])
def test_indexes_that_look_too_little(factory: str) -> None:
    rng = np.random.default_rng(2)
    documents = clustered(rng, 3000, isotropic(rng, 60, 32), 0.7)
    queries = isotropic(rng, 150, 32)
    index: Any = faiss.index_factory(32, factory)
    if factory.startswith("HNSW"):
        index.hnsw.efSearch = 4
    truth, check = compared(index, documents, queries)
    assert check.recall.value == pytest.approx(truth, abs=1e-12)
    assert truth < 0.8
    recalls = [setting.recall.value or 0.0 for setting in check.settings]
    assert recalls == sorted(recalls)
    assert recalls[-1] > 0.95


@needs_shared_data
@pytest.mark.parametrize("factory", ["HNSW4,Flat", "IVF64,Flat"])
def test_real_vectors(factory: str) -> None:
    folder = DATA / "scifact" / "vectors"
    documents, queries = np.load(folder / "docs.minilm.npy"), np.load(folder / "queries.minilm.npy")[:200]
    index: Any = faiss.index_factory(384, factory)
    if factory.startswith("HNSW"):
        index.hnsw.efSearch = 1
    truth, check = compared(index, documents, queries)
    assert check.recall.value == pytest.approx(truth, abs=1e-12)
    assert truth < 0.85
    assert check.reached is not None
    settings = {setting.effort: setting.recall for setting in check.settings}
    low = settings[check.reached].low
    assert low is not None
    assert low >= 0.95
    assert all((recall.low or 0) < 0.95 for effort, recall in settings.items() if effort < check.reached)
