"""What LanceDB does that other stores do not: LangChain's two layouts, its indexes, its faults."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag.cli import main
from ragdiag.errors import ConfigError, MissingExtraError, RagdiagError, StoreError, StoreNotFoundError
from ragdiag.stores import SearchableStore, joined, open_store, write_store
from ragdiag.types import Batch, Float32, Metric

lancedb = pytest.importorskip("lancedb")
pa = pytest.importorskip("pyarrow")

DIM = 8
TEXTS = [f"text {at}" for at in range(20)]
IDS = [f"id {at}" for at in range(20)]


def normal(count: int, dim: int = DIM, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def lists(vectors: Float32) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])


def searchable(target: Any) -> SearchableStore:
    store = open_store(target)
    assert isinstance(store, SearchableStore)
    return store


def brute(vectors: Float32, query: Float32, metric: Metric) -> list[int]:
    if metric is Metric.L2:
        return [int(row) for row in np.argsort(np.linalg.norm(vectors - query, axis=1))]
    lengths = np.linalg.norm(vectors, axis=1) if metric is Metric.COSINE else 1.0
    return [int(row) for row in np.argsort(-(vectors @ query) / lengths)]


class Planted:
    """Embeddings that are looked up."""

    def __init__(self, vectors: Float32) -> None:
        self.known: dict[str, list[float]] = {f"text {at}": vector for at, vector in enumerate(vectors.tolist())}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.known[text]


@pytest.mark.parametrize("live", [True, False])
def test_the_community_class_is_read(tmp_path: Path, live: bool) -> None:
    community = pytest.importorskip("langchain_community.vectorstores")
    vectors = normal(20)
    metadata = [{"page": at, "source": "x"} for at in range(20)]
    made = community.LanceDB(embedding=Planted(vectors), uri=str(tmp_path), table_name="vectorstore")
    made.add_texts(TEXTS, metadata, IDS)
    store = searchable(made if live else f"lancedb:{tmp_path}")
    assert store.info.name == f"lancedb:{tmp_path}?table=vectorstore"
    assert (store.info.metric, store.info.index, store.info.count) == (Metric.L2, "", 20)
    batch = store.fetch(IDS)
    np.testing.assert_array_equal(batch.vectors, vectors)
    assert (batch.texts, batch.metadata) == (TEXTS, metadata)
    assert list(store.search(vectors[3:4], 5)[0].ids) == [IDS[row] for row in brute(vectors, vectors[3], Metric.L2)[:5]]
    made.add_texts(["text 1"], [{"page": 0, "source": ""}], ["only"])  # its default is to overwrite
    assert store.count() == 1


@pytest.mark.parametrize("live", [True, False])
def test_the_class_of_its_own_package_is_read(tmp_path: Path, live: bool) -> None:
    langchain_lancedb = pytest.importorskip("langchain_lancedb")
    vectors = normal(20)
    metadata = [{"page": at, "deep": {"list": [at]}} for at in range(20)]
    made = langchain_lancedb.LanceDB.from_texts(TEXTS, Planted(vectors), metadata, IDS, uri=tmp_path)
    batch = open_store(made if live else f"lancedb:{tmp_path}?table=documents").fetch(IDS)
    np.testing.assert_array_equal(batch.vectors, vectors)
    assert (batch.texts, batch.metadata) == (TEXTS, metadata)


def test_an_empty_langchain_store_is_told(tmp_path: Path) -> None:
    langchain_lancedb = pytest.importorskip("langchain_lancedb")
    with pytest.raises(StoreError, match="no table yet"):
        open_store(langchain_lancedb.LanceDB(Planted(normal(1)), uri=tmp_path))


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("layout", ["json", "struct"])
def test_langchain_opens_what_is_written(tmp_path: Path, metric: Metric, layout: str) -> None:
    vectors = normal(20)
    metadata = [{"page": at} for at in range(20)]
    uri = f"lancedb:{tmp_path}/db?metadata={layout}"
    info = write_store(uri, [Batch(IDS, vectors, TEXTS, metadata)], dim=DIM, metric=metric)
    assert info.metric is metric
    folder = f"{tmp_path}/db"
    made: Any
    if layout == "json":
        made = pytest.importorskip("langchain_lancedb").LanceDB(Planted(vectors), uri=folder)
    else:
        community = pytest.importorskip("langchain_community.vectorstores")
        made = community.LanceDB(embedding=Planted(vectors), uri=folder)
    found = made.similarity_search_with_score("text 7", k=6)
    rows = brute(vectors, vectors[7], metric)[:6]
    assert [document.page_content for document, _ in found] == [TEXTS[row] for row in rows]
    assert [document.metadata["page"] for document, _ in found] == rows
    scores = searchable(uri).search(vectors[7:8], 6)[0].scores
    distances = np.array([distance for _, distance in found])
    expected = -np.sqrt(distances) if metric is Metric.L2 else 1 - distances
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_a_struct_holds_the_fields_of_the_first_documents(tmp_path: Path) -> None:
    uri = f"lancedb:{tmp_path}/db?metadata=struct"
    batches = [Batch(["a"], normal(1), [""], [{"x": 1}]), Batch(["b"], normal(1), [""], [{"y": 2}])]
    with pytest.raises(StoreError, match="not all the same metadata fields"):
        write_store(uri, batches, dim=DIM, metric=Metric.L2)
    assert list(tmp_path.iterdir()) == []
    write_store(uri, batches, dim=DIM, metric=Metric.L2, lossy=True)
    assert open_store(uri).fetch(["a", "b"]).metadata == [{"x": 1}, {"x": None}]


def test_the_metric_is_the_index_s_unless_another_is_said(tmp_path: Path) -> None:
    table = lancedb.connect(tmp_path).create_table("t", pa.table({"id": IDS, "vector": lists(normal(20))}))
    table.create_index("vector", config=lancedb.index.IvfFlat(distance_type="cosine", num_partitions=1))
    said, unsaid = searchable(f"lancedb:{tmp_path}?metric=l2"), searchable(f"lancedb:{tmp_path}")
    assert (unsaid.info.metric, unsaid.info.index_metric, unsaid.info.index) == (
        Metric.COSINE,
        Metric.COSINE,
        "IVF_FLAT",
    )
    assert (said.info.metric, said.info.index_metric) == (Metric.L2, Metric.COSINE)
    query = normal(1, seed=5)
    for store, metric in ((said, Metric.L2), (unsaid, Metric.COSINE)):
        for exact in (False, True):
            ids = list(store.search(query, 7, exact=exact)[0].ids)
            assert ids == [IDS[row] for row in brute(normal(20), query[0], metric)[:7]]


def test_a_quantised_index_is_missed_by_some_and_refining_finds_all(tmp_path: Path) -> None:
    vectors = normal(4000, 32)
    data = pa.table({"id": [str(at) for at in range(4000)], "vector": lists(vectors)})
    table = lancedb.connect(tmp_path).create_table("t", data)
    config = lancedb.index.IvfPq(distance_type="l2", num_partitions=64, num_sub_vectors=8)
    table.create_index("vector", config=config)
    store = searchable(f"lancedb:{tmp_path}")
    assert (store.info.index, store.info.loss) == ("IVF_PQ", "")
    np.testing.assert_array_equal(store.fetch(["17"]).vectors, vectors[17:18])  # raw, not the codes
    queries = normal(30, 32, seed=1)
    truth = [set(hits.ids) for hits in store.search(queries, 10, exact=True)]
    recalls = []
    for effort in (1, 64):
        found = store.search(queries, 10, effort=effort)
        recalls.append(np.mean([len(want & set(hits.ids)) / 10 for want, hits in zip(truth, found, strict=True)]))
    assert store.tuning.knob.startswith("refine_factor")
    assert recalls[0] < recalls[1] == 1


def test_rows_without_ids_are_numbered(tmp_path: Path) -> None:
    vectors = normal(30)
    table = lancedb.connect(tmp_path).create_table("t", pa.table({"vector": lists(vectors), "n": range(30)}))
    table.delete("n in (3, 4)")
    table.add(pa.table({"vector": lists(normal(2, seed=9)), "n": [30, 31]}))
    kept = np.concatenate([np.delete(vectors, [3, 4], axis=0), normal(2, seed=9)])
    store = searchable(f"lancedb:{tmp_path}")
    read = joined(list(store.scan()), store.info)
    np.testing.assert_array_equal(read.vectors, kept)
    assert list(read.ids) == [str(at) for at in range(30)]
    assert [store.search(kept[row : row + 1], 1)[0].ids for row in (0, 3, 29)] == [("0",), ("3",), ("29",)]
    assert (read.texts, (read.metadata or [])[3]) == (None, {"n": 5})


def test_columns_of_odd_names_are_read(tmp_path: Path) -> None:
    names = ['a"b;drop table x--', "文 档", "it's"]
    columns = {names[0]: ["one", "two"], names[1]: lists(normal(2)), names[2]: ["x", "y"], "extra": [1, 2]}
    lancedb.connect(tmp_path).create_table("t", pa.table(columns))
    options = "id=a%22b%3Bdrop+table+x--&vector=%E6%96%87+%E6%A1%A3&text=it%27s"
    store = searchable(f"lancedb:{tmp_path}?{options}")
    batch = store.fetch(["two", "one"])
    np.testing.assert_array_equal(batch.vectors, normal(2)[::-1])
    assert (batch.texts, batch.metadata) == (["y", "x"], [{"extra": 2}, {"extra": 1}])
    assert store.search(normal(2)[1:], 1)[0].ids == ("two",)


@pytest.mark.parametrize("table", ['a"b;drop table x--', "文档", "a b", "../up", ""])
def test_names_that_lancedb_has_not_are_refused(tmp_path: Path, table: str) -> None:
    from urllib.parse import quote

    with pytest.raises(ConfigError, match="no tables called"):
        write_store(f"lancedb:{tmp_path}?table={quote(table)}", [], dim=2, metric="l2")
    lancedb.connect(tmp_path).create_table("t", pa.table({"vector": lists(normal(2))}))
    with pytest.raises(StoreNotFoundError, match="there are t"):
        open_store(f"lancedb:{tmp_path}?table={quote(table)}")


def test_a_table_is_chosen(tmp_path: Path) -> None:
    database = lancedb.connect(tmp_path)
    for at in range(12):
        database.create_table(f"t{at:02}", pa.table({"vector": lists(normal(2))}))
    with pytest.raises(StoreError, match=r"12 tables: t00, .*t09 and 2 more: choose one: \?table=NAME"):
        open_store(f"lancedb:{tmp_path}")
    assert open_store(f"lancedb:{tmp_path}?table=t11").info.count == 2


def test_opening_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    for target in (f"lancedb:{tmp_path}/no", f"lancedb:{tmp_path}/no?table=t", "lancedb:"):
        with pytest.raises(StoreNotFoundError):
            open_store(target)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreNotFoundError, match="is a file"):
        open_store(f"lancedb:{tmp_path}/file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreNotFoundError, match="holds no tables"):
        open_store(f"lancedb:{tmp_path}/folder")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert os.listdir(tmp_path / "folder") == []


def test_tables_that_cannot_be_used(tmp_path: Path) -> None:
    database = lancedb.connect(tmp_path)
    ragged = pa.array([[1.0, 2.0], [1.0]], pa.list_(pa.float32()))
    database.create_table("ragged", pa.table({"id": ["a", "b"], "emb": ragged}))
    database.create_table("texts", pa.table({"id": ["a"], "text": ["b"]}))
    database.create_table("twice", pa.table({"id": ["a", "a"], "vector": lists(normal(2))}))
    database.create_table("two", pa.table({"one": lists(normal(2)), "other": lists(normal(2))}))
    said = {
        "ragged": "row 1 has dimension 1 where the others have 2",
        "texts": "no column of lists of floats",
        "twice": "repeats an id",
        "two": "2 columns of vectors",
    }
    for table, words in said.items():
        with pytest.raises(StoreError, match=words):
            list(open_store(f"lancedb:{tmp_path}?table={table}").scan())
    with pytest.raises(StoreError, match="has no column 'no'"):
        open_store(f"lancedb:{tmp_path}?table=texts&vector=no")
    with pytest.raises(ConfigError, match="no option 'collection'"):
        open_store(f"lancedb:{tmp_path}?collection=texts")
    with pytest.raises(ConfigError, match="there is no metric"):
        open_store(f"lancedb:{tmp_path}?table=twice&metric=hamming")


def test_files_that_go_while_a_table_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = lancedb.connect(tmp_path).create_table("t", pa.table({"vector": lists(normal(50))}))
    table.add(pa.table({"vector": lists(normal(50))}))
    store = open_store(f"lancedb:{tmp_path}")
    for file in (tmp_path / "t.lance" / "data").iterdir():
        file.write_bytes(b"x" * 10)
    with pytest.raises(StoreError) as raised:
        list(open_store(f"lancedb:{tmp_path}").scan())
    assert "\n" not in str(raised.value)
    assert store.info.count == 100
    assert main(["audit", f"lancedb:{tmp_path}"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_missing_client_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"ragdiag\[lancedb\]"):
        open_store(f"lancedb:{tmp_path}")


def test_a_table_beside_others_is_replaced_alone(tmp_path: Path) -> None:
    database = lancedb.connect(tmp_path)
    database.create_table("other", pa.table({"vector": lists(normal(2))}))
    write_store(f"lancedb:{tmp_path}?table=t", [Batch(["a"], normal(1))], dim=DIM, metric="l2")
    write_store(f"lancedb:{tmp_path}?table=t", [Batch(["b"], normal(1))], dim=DIM, metric="dot", overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["other.lance", "t.lance"]
    store = open_store(f"lancedb:{tmp_path}?table=t")
    assert ([list(batch.ids) for batch in store.scan()], store.info.metric) == ([["b"]], Metric.DOT)
    (tmp_path / "t.lance" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds 'notes"):
        write_store(f"lancedb:{tmp_path}?table=t", [Batch(["b"], normal(1))], dim=DIM, metric="l2", overwrite=True)


def test_metadata_that_json_has_not_is_refused_or_told_as_text(tmp_path: Path) -> None:
    batch = [Batch(["a"], normal(1), ["x"], [{"when": {1}}])]
    with pytest.raises(StoreError, match="JSON cannot keep"):
        write_store(f"lancedb:{tmp_path}/db", batch, dim=DIM, metric="l2")
    assert list(tmp_path.iterdir()) == []
    write_store(f"lancedb:{tmp_path}/db", batch, dim=DIM, metric="l2", lossy=True)
    assert open_store(f"lancedb:{tmp_path}/db").fetch(["a"]).metadata == [{"when": "{1}"}]


def test_a_fix_reaches_a_table(tmp_path: Path) -> None:
    vectors = normal(300) + 3
    np.savez(tmp_path / "v.npz", vectors=vectors, ids=np.array([f"d{at}" for at in range(300)]))
    target = f"lancedb:{tmp_path}/db?table=fixed"
    arguments = ["fix", f"{tmp_path}/v.npz", "--remedy", "centred", "--to", target]
    assert main(arguments) == 0
    store = open_store(target)
    assert store.info.count == 300
    centred = vectors - vectors.mean(axis=0)
    read = store.fetch([f"d{at}" for at in range(300)]).vectors
    cosine = (read * centred).sum(axis=1) / np.linalg.norm(read, axis=1) / np.linalg.norm(centred, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-5)
    assert sorted(os.listdir(tmp_path / "db")) == ["fixed.lance"]
    assert (tmp_path / "db.ragdiag").is_dir()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    batch = [Batch(["a"], normal(1))]
    for uri in (f"lancedb:{tmp_path}/no/db", "lancedb:s3://bucket/db", "lancedb:", f"lancedb:{tmp_path}?metadata=x"):
        with pytest.raises(RagdiagError):
            write_store(uri, batch, dim=DIM, metric="l2")
    assert list(tmp_path.iterdir()) == []
    assert json.dumps(os.listdir(tmp_path)) == "[]"


@pytest.mark.parametrize("with_ids", [True, False])
def test_rows_without_a_vector_are_left_out(tmp_path: Path, with_ids: bool) -> None:
    rows: list[Any] = normal(9).tolist()
    rows[0] = rows[4] = rows[8] = None
    kept = np.delete(normal(9), [0, 4, 8], axis=0)
    columns = {"vector": pa.array(rows, pa.list_(pa.float32(), DIM))}
    if with_ids:
        columns["id"] = pa.array([f"r{at}" for at in range(9)])
    lancedb.connect(tmp_path).create_table("t", pa.table(columns), on_bad_vectors="null")
    store = searchable(f"lancedb:{tmp_path}")
    ids = [f"r{at}" for at in (1, 2, 3, 5, 6, 7)] if with_ids else [str(at) for at in range(6)]
    assert (store.info.count, store.count()) == (6, 6)
    read = joined(list(store.scan(batch_size=2)), store.info)
    assert list(read.ids) == ids
    np.testing.assert_array_equal(read.vectors, kept)
    np.testing.assert_array_equal(store.fetch(ids[::-1]).vectors, kept[::-1])
    assert list(store.sample(9, np.random.default_rng(0)).ids) == ids
    assert store.search(kept[4:5], 1)[0].ids == (ids[4],)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("kind", ["IvfFlat", "IvfPq", "IvfSq", "IvfRq", "HnswFlat", "HnswPq", "HnswSq"])
def test_every_index_tells_true_scores_and_has_a_knob_that_reaches_all(
    tmp_path: Path, kind: str, metric: Metric
) -> None:
    vectors, query = normal(1000, 16), normal(1, 16, seed=1)
    data = pa.table({"id": [str(at) for at in range(1000)], "vector": lists(vectors)})
    table = lancedb.connect(tmp_path).create_table("t", data)
    options = {"num_sub_vectors": 4} if "Pq" in kind else {}
    config = getattr(lancedb.index, kind)(distance_type=metric.value, num_partitions=2, **options)
    table.create_index("vector", config=config)
    table.add(pa.table({"id": ["new"], "vector": lists(query + np.float32(0.1))}))  # which the index does not hold
    vectors = np.concatenate([vectors, query + np.float32(0.1)])
    store = searchable(f"lancedb:{tmp_path}")
    wide, asked = vectors.astype(float), query[0].astype(float)
    truth = wide @ asked
    if metric is Metric.COSINE:
        truth /= np.linalg.norm(wide, axis=1) * np.linalg.norm(asked)
    if metric is Metric.L2:
        truth = -np.linalg.norm(wide - asked, axis=1)
    for effort in (None, store.tuning.values[-1]):
        hits = store.search(query, 10, effort=effort)[0]
        rows = [1000 if id_ == "new" else int(id_) for id_ in hits.ids]
        np.testing.assert_allclose(hits.scores, truth[rows], atol=1e-4)
    assert set(rows) == set(np.argsort(-truth)[:10].tolist())
    knob = {"IvfFlat": "nprobes", "HnswFlat": "ef"}.get(kind, "refine_factor")
    assert store.tuning.knob == knob
    if knob == "nprobes":
        assert (store.tuning.value, store.tuning.values) == (2, (1, 2))


def test_an_index_that_is_not_used_has_no_knob(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = lancedb.connect(tmp_path).create_table("t", pa.table({"id": IDS, "vector": lists(normal(20))}))
    table.create_index("vector", config=lancedb.index.IvfFlat(distance_type="cosine", num_partitions=1))
    capfd.readouterr()
    store = searchable(f"lancedb:{tmp_path}?metric=dot")
    assert (store.tuning.knob, store.tuning.values) == ("", ())
    store.search(normal(3, seed=5), 4)
    assert "WARN" not in capfd.readouterr().err


def test_a_bare_folder_is_recognised(tmp_path: Path) -> None:
    lancedb.connect(tmp_path).create_table("t", pa.table({"vector": lists(normal(2))}))
    assert open_store(str(tmp_path)).info.name == f"lancedb:{tmp_path}?table=t"


def test_searches_keep_the_table_open_and_see_what_is_written(tmp_path: Path) -> None:
    table = lancedb.connect(tmp_path).create_table("t", pa.table({"id": IDS, "vector": lists(normal(20))}))
    store = searchable(f"lancedb:{tmp_path}")
    store.search(normal(1), 1)
    held = store._held  # type: ignore[attr-defined]
    table.add(pa.table({"id": ["new"], "vector": lists(normal(1, seed=9))}))
    assert store.search(normal(1, seed=9), 1)[0].ids == ("new",)
    assert store._held is held  # type: ignore[attr-defined]
