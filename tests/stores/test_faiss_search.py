"""The search of a FAISS store is the index's own; a file's is done where it can do no harm."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from ragdiag.errors import ConfigError, StoreError, VectorsError
from ragdiag.stores import FaissStore, SearchableStore, open_store
from ragdiag.stores import child as children
from ragdiag.testing.engine_contract import true_scores
from ragdiag.types import Float32, Metric

DIM = 8
RNG = np.random.default_rng(0)
X: Float32 = RNG.normal(size=(600, DIM)).astype(np.float32)
Q: Float32 = RNG.normal(size=(25, DIM)).astype(np.float32)


def built(factory: str, metric: int = faiss.METRIC_L2, ids: Any = None) -> Any:
    index = faiss.index_factory(DIM, factory, metric)
    index.train(X)
    if ids is None:
        index.add(X)
    else:
        index.add_with_ids(X, np.asarray(ids, dtype=np.int64))
    return index


def saved(path: Path, index: Any) -> Any:
    faiss.write_index(index, str(path))
    return open_store(path)


def recall(store: SearchableStore, metric: Metric, effort: int | None = None, k: int = 10) -> float:
    truth = true_scores(Q, X, metric)
    best = np.argsort(-truth, axis=1)[:, :k]
    hits = store.search(Q, k, effort=effort)
    return float(np.mean([len({*map(int, h.ids)} & set(b)) / k for h, b in zip(hits, best.tolist(), strict=True)]))


@pytest.mark.parametrize("metric", [Metric.L2, Metric.DOT])
@pytest.mark.parametrize("from_file", [False, True])
@pytest.mark.parametrize("factory", ["Flat", "HNSW32,Flat", "IVF8,Flat", "IDMap2,Flat"])
def test_scores_are_those_of_brute_force(tmp_path: Path, factory: str, metric: Metric, from_file: bool) -> None:
    number = faiss.METRIC_L2 if metric is Metric.L2 else faiss.METRIC_INNER_PRODUCT
    ids = np.arange(600) if factory.startswith("IDMap") else None
    index = built(factory, number, ids)
    store = saved(tmp_path / "x.faiss", index) if from_file else FaissStore(index)
    assert isinstance(store, SearchableStore)
    truth = true_scores(Q, X, metric)
    effort = store.tuning.values[-1] if store.tuning.values else None
    for row, hits in enumerate(store.search(Q, 12, effort=effort)):
        found = [int(id_) for id_ in hits.ids]
        assert len(set(found)) == 12
        np.testing.assert_allclose(hits.scores, truth[row][found], atol=1e-5)
        np.testing.assert_allclose(hits.scores, np.sort(truth[row])[::-1][:12], atol=1e-5)
    assert store.tuning.exact == (factory in ("Flat",) or (factory == "IDMap2,Flat"))
    store.close()


@pytest.mark.parametrize(
    ("factory", "knob", "value", "values"),
    [
        ("IVF12,Flat", "nprobe", 1, (1, 2, 4, 8, 12)),
        ("IVF16,PQ4x4", "nprobe", 1, (1, 2, 4, 8, 16)),
        ("IDMap,IVF8,Flat", "nprobe", 1, (1, 2, 4, 8)),
        ("RR8,IVF8,Flat", "nprobe", 1, (1, 2, 4, 8)),
        ("IVF8,PQ4x4,RFlat", "nprobe", 1, (1, 2, 4, 8)),
        ("HNSW4,Flat", "efSearch", 16, (8, 16, 32, 64, 128, 256, 512)),
        ("IDMap,RR8,HNSW4,Flat", "efSearch", 16, (8, 16, 32, 64, 128, 256, 512)),
        ("PQ4x4", "", None, ()),
        ("Flat", "", None, ()),
    ],
)
def test_the_knob_reaches_through_wrappers_and_is_left_as_it_was(
    tmp_path: Path, factory: str, knob: str, value: int | None, values: tuple[int, ...]
) -> None:
    index = built(factory, ids=np.arange(600) if "IDMap" in factory else None)
    for store in (FaissStore(index), saved(tmp_path / "x.index", index)):
        tuning = store.tuning
        assert (tuning.knob, tuning.value, tuning.values) == (knob, value, values)
        if not knob:
            with pytest.raises(StoreError, match="has no setting of its search: leave effort out"):
                store.search(Q, 3, effort=4)
            continue
        low, high = recall(store, Metric.L2, values[0]), recall(store, Metric.L2, values[-1])
        lossless = "PQ" not in factory
        assert high >= (0.99 if lossless else low)
        assert low < high or factory.startswith("IVF8,PQ4x4,R")
        assert store.tuning == tuning
        assert recall(store, Metric.L2) == recall(store, Metric.L2, value)
        store.close()


def test_nprobe_gives_what_the_index_gives_when_it_is_set() -> None:
    index = built("IVF12,Flat")
    store = FaissStore(index)
    asked = {effort: store.search(Q, 10, effort=effort) for effort in (1, 3, 12)}
    for effort, hits in asked.items():
        index.nprobe = effort
        _, labels = index.search(Q, 10)
        assert [list(map(int, h.ids)) for h in hits] == [row[row >= 0].tolist() for row in labels]


def test_ids_are_those_of_the_store(tmp_path: Path) -> None:
    given = np.random.default_rng(1).permutation(600) * 7 + 2**40
    for factory in ("IDMap,Flat", "IVF4,Flat", "IDMap2,HNSW16,Flat"):
        index = built(factory, ids=given)
        for store in (FaissStore(index), saved(tmp_path / "x.index", index)):
            (hits,) = store.search(X[37:38], 1)
            assert hits.ids == (str(given[37]),)
            assert hits.scores.tolist() == [0.0]
            store.close()
    positions = {row: f"doc {row}" for row in range(600)}
    live = FaissStore(built("HNSW16,Flat"), positions=positions, documents={})
    assert live.search(X[[5, 9]], 1)[1].ids == ("doc 9",)


def test_fewer_hits_than_asked_for(tmp_path: Path) -> None:
    index = built("IVF60,Flat")
    for store in (FaissStore(index), saved(tmp_path / "x.index", index)):
        assert min(len(h.ids) for h in store.search(Q, 100, effort=1)) < 100  # one list of ten
        assert all(len(h.ids) == len(h.scores) for h in store.search(Q, 100, effort=1))
        assert [len(h.ids) for h in store.search(Q[:1], 5000, effort=60)] == [600]
        assert store.search(Q[:0], 3) == []
        store.close()


def test_what_cannot_be_asked() -> None:
    store = FaissStore(built("HNSW4,Flat"))
    with pytest.raises(StoreError, match="has no exact search"):
        store.search(Q, 3, exact=True)
    with pytest.raises(ConfigError, match="is searched for k=0"):
        store.search(Q, 0)
    with pytest.raises(ConfigError, match="effort=0"):
        store.search(Q, 3, effort=0)
    with pytest.raises(VectorsError, match="has dimension 4 where the store has 8"):
        store.search(Q[:, :4], 3)
    with pytest.raises(StoreError, match="ranks by neither inner product nor L2"):
        FaissStore(built("Flat", faiss.METRIC_L1)).search(Q, 3)


def test_zero_and_broken_vectors_in_a_query() -> None:
    hard = np.zeros((2, DIM), dtype=np.float32)
    hard[1] = np.nan
    for factory in ("Flat", "HNSW8,Flat", "IVF4,Flat"):
        zero, broken = FaissStore(built(factory)).search(hard, 5)
        assert len(zero.ids) == 5
        assert len(broken.ids) <= 5


def test_a_flat_file_is_searched_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = saved(tmp_path / "x.faiss", built("Flat"))
    whole = store.search(Q, 12)
    monkeypatch.setattr("ragdiag.stores.faiss_search._BLOCK", 7)
    parts = store.search(Q, 12)
    assert [h.ids for h in parts] == [h.ids for h in whole]
    assert recall(store, Metric.L2) == 1.0


def test_a_live_index_is_counted_as_it_is_now() -> None:
    index = built("Flat")
    store = FaissStore(index)
    index.add(X[:3])
    assert (store.info.count, store.count()) == (600, 603)
    # What came later has no place among the rows that were opened.
    assert "601" not in store.search(X[1:2], 5)[0].ids


def hostile(index: Any) -> Any:
    """Return an HNSW index whose edges lead far out of memory."""
    edges = faiss.vector_to_array(index.hnsw.neighbors)
    edges[edges >= 0] = 2**31 - 5
    faiss.copy_array_to_vector(edges, index.hnsw.neighbors)
    return index


def test_a_hostile_graph_ends_a_child_and_nothing_else(tmp_path: Path) -> None:
    try:
        store = saved(tmp_path / "x.faiss", hostile(built("HNSW8,Flat")))
    except StoreError:
        return  # a faiss that reads more closely
    assert sum(len(batch) for batch in store.scan()) == 600
    for _ in range(2):  # a new child dies again
        with pytest.raises(StoreError, match=r"x\.faiss could not be searched"):
            store.search(Q, 10)
    store.close()


def test_a_search_that_never_ends_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "PATIENCE", 0.2)
    path = tmp_path / "x"
    path.write_bytes(b"")
    child = children.Child("tests.stores.handlers", "sleeps", str(path), dead="took too long", memory_factor=1)
    with pytest.raises(StoreError, match="took too long: build it again"):
        child.ask(b"")


@pytest.mark.parametrize(
    ("function", "message"), [("refuses", "not this file: try another"), ("complains", "not this request: ask again")]
)
def test_errors_of_a_child_are_raised_here(tmp_path: Path, function: str, message: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    child = children.Child("tests.stores.handlers", function, str(path), dead="is dead", memory_factor=1)
    for _ in range(2):
        with pytest.raises(StoreError, match=message):
            child.ask(b"hello")
    child.close()


def test_a_child_keeps_answering_and_ends_with_its_store(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    child = children.Child("tests.stores.handlers", "echoes", str(path), dead="is dead", memory_factor=1)
    assert [child.ask(b"a" * size) for size in (0, 1, 300_000)] == [b"", b"a", b"a" * 300_000]
    process = child._process
    assert process is not None
    del child
    gc.collect()
    assert process.returncode is not None


def test_a_file_that_changed_since_it_was_opened(tmp_path: Path) -> None:
    store = saved(tmp_path / "x.faiss", built("HNSW8,Flat"))
    (tmp_path / "x.faiss").write_bytes(b"IHNf")
    with pytest.raises(StoreError, match=r"x\.faiss could not be"):
        store.search(Q, 3)
    store.close()


def test_a_child_that_dies_is_an_error_and_another_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    child = children.Child("tests.stores.handlers", "dies", str(path), dead="could not be searched", memory_factor=1)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"x could not be searched: build it again"):
            child.ask(b"hello")
