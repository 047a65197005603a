"""What Milvus does that other stores do not: LangChain's layouts, its indexes, a locked folder, a server that goes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag.cli import main
from ragdiag.errors import (
    ConfigError,
    MissingExtraError,
    RagdiagError,
    StoreError,
    StoreNotFoundError,
    TargetExistsError,
)
from ragdiag.stores import SearchableStore, open_store, write_store
from ragdiag.types import Batch, Float32, Metric

pymilvus = pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")

DIM = 8
TEXTS = [f"text {at}" for at in range(20)]
IDS = [f"id {at}" for at in range(20)]
ODD = ['a"b', "it's", 'x" or pk != "', "back\\slash", "tab\tand\nline", "", " ", "文档 🦜", "\\", '\\"']


def normal(count: int, dim: int = DIM, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def brute(vectors: Float32, query: Float32, metric: Metric) -> list[int]:
    if metric is Metric.L2:
        return [int(row) for row in np.argsort(np.linalg.norm(vectors - query, axis=1))]
    lengths = np.linalg.norm(vectors, axis=1) if metric is Metric.COSINE else 1.0
    return [int(row) for row in np.argsort(-(vectors @ query) / lengths)]


def searchable(target: Any) -> SearchableStore:
    store = open_store(target)
    assert isinstance(store, SearchableStore)
    return store


class Planted:
    """Embeddings that are looked up."""

    def __init__(self, vectors: Float32) -> None:
        self.known: dict[str, list[float]] = {f"text {at}": vector for at, vector in enumerate(vectors.tolist())}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.known[text]


def collection(client: Any, name: str, kind: Any, *, numbers: bool = False, **options: Any) -> None:
    schema = client.create_schema(auto_id=numbers)
    length = {} if numbers else {"max_length": 1000}
    types = pymilvus.DataType
    schema.add_field("key", types.INT64 if numbers else types.VARCHAR, is_primary=True, **length)
    schema.add_field("emb", kind, **({} if kind == types.SPARSE_FLOAT_VECTOR else {"dim": DIM}))
    schema.add_field("page", types.INT64)
    index = client.prepare_index_params()
    index.add_index("emb", **{"index_type": "AUTOINDEX", "metric_type": "L2", **options})
    client.create_collection(name, schema=schema, index_params=index)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    """Return the client of an application in this process, and hold everything to letting go in the end."""
    before = threading.active_count()
    client = pymilvus.MilvusClient(str(tmp_path / "m.db"), dedicated=True)
    yield client
    client.close()
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(str(tmp_path / "m.db"))
    assert threading.active_count() <= before + 16  # the pool of the server's threads ends by itself


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    "options",
    [{"enable_dynamic_field": True}, {"metadata_field": "metadata"}, {}, {"auto_id": True}],
    ids=["dynamic", "json", "fields", "auto"],
)
def test_langchain_s_layouts_are_read(tmp_path: Path, client: Any, live: bool, options: dict[str, Any]) -> None:
    milvus = pytest.importorskip("langchain_milvus")
    vectors = normal(20)
    metadata = [{"page": at, "source": "x"} for at in range(20)]
    index = {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 8, "efConstruction": 64}}
    made = milvus.Milvus(
        Planted(vectors),
        collection_name="docs",
        connection_args={"uri": str(tmp_path / "m.db")},
        index_params=index,
        **options,
    )
    keys = made.add_texts(TEXTS, metadata, ids=None if "auto_id" in options else IDS)
    ids = [str(key) for key in keys]
    store = searchable(made if live else f"milvus:{tmp_path}/m.db")
    assert store.info.name == f"milvus:{tmp_path}/m.db?collection=docs"
    assert (store.info.metric, store.info.index, store.info.count) == (Metric.COSINE, "HNSW", 20)
    batch = store.fetch(ids)
    np.testing.assert_array_equal(batch.vectors, vectors)
    assert (batch.texts, batch.metadata) == (TEXTS, metadata)
    ranked = [ids[row] for row in brute(vectors, vectors[3], Metric.COSINE)[:5]]
    assert list(store.search(vectors[3:4], 5)[0].ids) == ranked
    with pytest.raises(StoreError, match="no document"):
        store.fetch(["no such id"])
    store.close()
    assert client.list_collections() == ["docs"]  # the application's own connection is as it was
    made.client.close()


@pytest.mark.parametrize("metric", list(Metric))
def test_langchain_opens_what_is_written(tmp_path: Path, metric: Metric) -> None:
    milvus = pytest.importorskip("langchain_milvus")
    vectors = normal(20)
    metadata = [{"page": at, "deep": {"list": [at, None]}} for at in range(20)]
    uri = f"milvus:{tmp_path}/new.db"
    info = write_store(uri, [Batch(IDS, vectors, TEXTS, metadata)], dim=DIM, metric=metric)
    assert (info.metric, info.name) == (metric, f"{uri}?collection=LangChainCollection")
    made = milvus.Milvus(
        Planted(vectors), connection_args={"uri": f"{tmp_path}/new.db"}, enable_dynamic_field=True, auto_id=False
    )
    found = made.similarity_search_with_score("text 7", k=6)
    rows = brute(vectors, vectors[7], metric)[:6]
    assert [document.page_content for document, _ in found] == [TEXTS[row] for row in rows]
    assert [document.metadata["deep"] for document, _ in found] == [{"list": [row, None]} for row in rows]
    store = searchable(uri)
    distances = np.array([distance for _, distance in found])
    expected = -np.sqrt(distances) if metric is Metric.L2 else distances
    np.testing.assert_allclose(store.search(vectors[7:8], 6)[0].scores, expected, atol=1e-6)
    store.close()
    made.client.close()


def test_keys_are_escaped(tmp_path: Path) -> None:
    vectors = normal(len(ODD))
    uri = f"milvus:{tmp_path}/odd.db"
    write_store(uri, [Batch(ODD, vectors)], dim=DIM, metric="l2")
    store = open_store(uri)
    np.testing.assert_array_equal(store.fetch(ODD).vectors, vectors)
    assert [id_ for batch in store.scan(batch_size=1) for id_ in batch.ids] == sorted(ODD)
    assert sorted(store.sample(4, np.random.default_rng(0)).ids) == list(store.sample(4, np.random.default_rng(0)).ids)
    with pytest.raises(StoreError, match="no document"):
        store.fetch(['" or pk != "'])
    store.close()


def test_numbers_are_keys_in_their_order(tmp_path: Path, client: Any) -> None:
    collection(client, "numbers", pymilvus.DataType.FLOAT_VECTOR, numbers=True)
    vectors = normal(30)
    client.insert("numbers", [{"emb": vector, "page": at} for at, vector in enumerate(vectors)])
    store = open_store(client)
    ids = [id_ for batch in store.scan(batch_size=7) for id_ in batch.ids]
    assert ids == sorted(ids, key=int)
    batch = store.fetch(ids)
    np.testing.assert_array_equal(batch.vectors, vectors)
    assert (batch.texts, batch.metadata) == (None, [{"page": at} for at in range(30)])
    for unknown in ("01", "٣", "9" * 30, "1.0", "", "\ud800"):
        with pytest.raises(StoreError, match="no document"):
            store.fetch([ids[0], unknown])


@pytest.mark.parametrize("kind", ["FLOAT16_VECTOR", "BFLOAT16_VECTOR", "BINARY_VECTOR", "SPARSE_FLOAT_VECTOR"])
def test_other_vectors_are_refused(client: Any, kind: str) -> None:
    sparse = {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "IP"}
    options: dict[str, Any] = sparse if kind == "SPARSE_FLOAT_VECTOR" else {}
    try:
        collection(client, "docs", getattr(pymilvus.DataType, kind), **options)
    except Exception:
        pytest.skip(f"Milvus Lite makes no {kind}")
    with pytest.raises(StoreError, match=f"no field of float vectors: its vectors are {kind}"):
        open_store(client)


def test_the_knob_is_that_of_the_index(tmp_path: Path, client: Any) -> None:
    kinds = {"FLAT": ({}, ""), "HNSW": ({"M": 4, "efConstruction": 8}, "ef"), "IVF_FLAT": ({"nlist": 32}, "nprobe")}
    vectors = normal(2000, DIM)
    for kind, (params, _) in kinds.items():
        collection(client, kind, pymilvus.DataType.FLOAT_VECTOR, index_type=kind, params=params)
        rows = [{"key": str(at), "emb": vector, "page": 0} for at, vector in enumerate(vectors)]
        client.insert(kind, rows)
        client.flush(kind)
    queries = normal(20, seed=3)
    truth = [brute(vectors, query, Metric.L2)[:10] for query in queries]
    for kind, (_, knob) in kinds.items():
        store = searchable(f"milvus:{tmp_path}/m.db?collection={kind}")
        assert (store.info.index, store.tuning.knob, store.tuning.exact) == (kind, knob, kind == "FLAT")
        recalls = []
        for effort in (store.tuning.values[0], store.tuning.values[-1]) if knob else (None,):
            found = store.search(queries, 10, effort=effort)
            hits = [len({int(id_) for id_ in one.ids} & set(rows)) for one, rows in zip(found, truth, strict=True)]
            recalls.append(float(np.mean(hits)) / 10)
        assert recalls[-1] > 0.99
        assert recalls[0] <= recalls[-1]
        if not store.tuning.exact:
            with pytest.raises(StoreError, match="no exact search"):
                store.search(queries, 3, exact=True)
        store.close()


def test_a_collection_is_chosen(tmp_path: Path, client: Any) -> None:
    with pytest.raises(StoreNotFoundError, match="holds no collections"):
        open_store(f"milvus:{tmp_path}/m.db")
    for name in ("one", "two"):
        collection(client, name, pymilvus.DataType.FLOAT_VECTOR)
    for target in (f"milvus:{tmp_path}/m.db", client):
        with pytest.raises(StoreError, match=r"2 collections: one, two: choose one: \?collection=NAME"):
            open_store(target)
    with pytest.raises(StoreNotFoundError, match="no collection 'three': there are one, two"):
        open_store(f"milvus:{tmp_path}/m.db?collection=three")
    assert open_store(f"milvus:{tmp_path}/m.db?collection=two").info.count == 0
    with pytest.raises(StoreError, match="no field 'vec': the fields are key, emb, page"):
        open_store(f"milvus:{tmp_path}/m.db?collection=two&vector=vec")
    with pytest.raises(StoreError, match="field 'page' is INT64"):
        open_store(f"milvus:{tmp_path}/m.db?collection=two&vector=page")
    with pytest.raises(ConfigError, match="no option 'table'"):
        open_store(f"milvus:{tmp_path}/m.db?table=two")


def test_opening_what_is_not_there_makes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.db").write_text("SQLite format 3")
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "folder.db" / "mine").write_text("x")
    said = {"no.db": "there is no", "old.db": "keeps folders since version 3", "folder.db": "no folder of Milvus Lite"}
    for name, words in said.items():
        with pytest.raises(RagdiagError, match=words):
            open_store(f"milvus:{tmp_path}/{name}?collection=x")
    assert sorted(os.listdir(tmp_path)) == ["folder.db", "old.db"]
    assert os.listdir(tmp_path / "folder.db") == ["mine"]
    assert main(["audit", f"milvus:{tmp_path}/no.db"]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_a_folder_in_use_by_another_process(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    uri = f"milvus:{tmp_path}/m.db"
    write_store(uri, [Batch(["a"], normal(1))], dim=DIM, metric="l2")
    held = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    command = [sys.executable, "-c", held, str(tmp_path / "m.db" / "LOCK")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreError, match="in use by another process"):
            open_store(uri)
        with pytest.raises(StoreError, match="is in use"):
            write_store(uri, [Batch(["a"], normal(1))], dim=DIM, metric="l2", overwrite=True)
        other.communicate(b"\n")
    assert "Traceback" not in capfd.readouterr().err
    assert open_store(uri).info.count == 1


def test_a_store_that_is_closed_or_dropped_lets_go(tmp_path: Path) -> None:
    from ragdiag_milvus.lite import is_locked

    path = str(tmp_path / "m.db")
    write_store(f"milvus:{path}", [Batch(["a"], normal(1))], dim=DIM, metric="l2")
    assert not is_locked(path)
    one, other = open_store(f"milvus:{path}"), open_store(f"milvus:{path}")
    one.close()
    one.close()
    assert is_locked(path)
    assert other.count() == 1
    del one, other
    assert not is_locked(path)
    open_store(f"milvus:{path}").close()
    mine = pymilvus.MilvusClient(path, dedicated=True)
    open_store(f"milvus:{path}").close()
    assert mine.list_collections() == ["LangChainCollection"]  # the application's server stays
    mine.close()
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(path)


def test_a_server_that_goes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    server, database, port = start_server_in_thread(str(tmp_path / "server"))
    uri = f"milvus:http://root:s3cret@127.0.0.1:{port}?collection=docs"
    with pytest.raises(StoreNotFoundError):
        open_store(uri)
    write_store(uri, [Batch(IDS, normal(20), TEXTS)], dim=DIM, metric="cosine")
    with pytest.raises(TargetExistsError):
        write_store(uri, [Batch(IDS, normal(20))], dim=DIM, metric="cosine")
    info = write_store(uri, [Batch(["b"], normal(1))], dim=DIM, metric="dot", overwrite=True)
    assert (info.count, info.metric, info.name) == (1, Metric.DOT, f"milvus:http://127.0.0.1:{port}?collection=docs")

    def breaks() -> Iterator[Batch]:
        yield Batch(["a"], normal(1))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_store(uri, breaks(), dim=DIM, metric="dot", overwrite=True)
    assert list(database.list_collections()) == ["docs"]
    with pytest.raises(ConfigError, match="belongs to the store that is read"):
        write_store(uri, [], dim=DIM, metric="dot", overwrite=True, source=uri)
    with pytest.raises(ConfigError, match="has no name"):
        write_store(f"milvus:http://127.0.0.1:{port}", [], dim=DIM, metric="dot")
    write_store(uri, [Batch(IDS, normal(20))], dim=DIM, metric="dot", overwrite=True)
    store = open_store(uri)
    scan = store.scan(batch_size=5)
    next(scan)
    server.stop(grace=0).wait()
    database.close()
    with pytest.raises(StoreError) as raised:
        list(scan)
    assert "\n" not in str(raised.value)
    assert main(["audit", uri]) == 2
    shown = capfd.readouterr().err + str(raised.value)
    assert "s3cret" not in shown
    assert "Traceback" not in shown
    store.close()


def test_what_cannot_be_written(tmp_path: Path, client: Any) -> None:
    collection(client, "other", pymilvus.DataType.FLOAT_VECTOR)
    client.close()
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(str(tmp_path / "m.db"))
    good = [Batch(["a"], normal(1), ["x"], [{"text": 1}])]
    for uri, words in {
        f"milvus:{tmp_path}/m.db": "holds the collection 'other' too",
        f"milvus:{tmp_path}/no/new.db": "there is no folder",
        f"milvus:{tmp_path}/new": "called NAME.db",
        f"milvus:{tmp_path}/new.db?vector=emb": "LangChain's fields",
        f"milvus:{tmp_path}/new.db?token=x": "no token",
        f"milvus:{tmp_path}/new.db": "a field called 'text'",
    }.items():
        with pytest.raises(RagdiagError, match=words):
            write_store(uri, good, dim=DIM, metric="l2", overwrite=True)
    with pytest.raises(StoreError, match="JSON cannot keep"):
        write_store(f"milvus:{tmp_path}/new.db", [Batch(["a"], normal(1), None, [{"x": {1}}])], dim=DIM, metric="l2")
    with pytest.raises(StoreError, match="more than 65535 bytes"):
        write_store(f"milvus:{tmp_path}/new.db", [Batch(["a"], normal(1), ["x" * 65536])], dim=DIM, metric="l2")
    assert sorted(os.listdir(tmp_path)) == ["m.db"]
    write_store(f"milvus:{tmp_path}/new.db", good, dim=DIM, metric="l2", lossy=True)
    assert open_store(f"milvus:{tmp_path}/new.db").fetch(["a"]).metadata == [{}]


def test_a_missing_client_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(MissingExtraError, match=r"ragdiag\[milvus\]"):
        open_store("milvus:http://localhost:1?collection=x")


def test_a_fix_reaches_a_collection(tmp_path: Path) -> None:
    vectors = normal(300) + 3
    ids = [f"d{at}" for at in range(300)]  # whose order is another one in Milvus
    np.savez(tmp_path / "v.npz", vectors=vectors, ids=np.array(ids))
    assert main(["fix", f"{tmp_path}/v.npz", "--remedy", "centred", "--to", f"milvus:{tmp_path}/fixed.db"]) == 0
    store = open_store(f"milvus:{tmp_path}/fixed.db")
    centred = vectors - vectors.mean(axis=0)
    read = store.fetch(ids).vectors
    cosine = (read * centred).sum(axis=1) / np.linalg.norm(read, axis=1) / np.linalg.norm(centred, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-5)
    store.close()
    assert sorted(os.listdir(tmp_path)) == ["fixed.db", "fixed.db.ragdiag", "v.npz"]


def test_another_database_or_a_damaged_collection_is_not_replaced(tmp_path: Path) -> None:
    uri, folder = f"milvus:{tmp_path}/m.db?collection=docs", tmp_path / "m.db"
    rows = [Batch(["a"], normal(1))]
    write_store(uri, rows, dim=DIM, metric="l2")
    client = pymilvus.MilvusClient(str(folder), dedicated=True)
    client.create_database("shop")
    client.close()
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(str(folder))
    with pytest.raises(ConfigError, match="holds 'shop' in databases too"):
        write_store(uri, rows, dim=DIM, metric="l2", overwrite=True)
    shutil.rmtree(folder / "databases" / "shop")
    write_store(uri, rows, dim=DIM, metric="l2", overwrite=True)

    def refused(words: str) -> None:
        with pytest.raises(RagdiagError, match=words):
            write_store(uri, rows, dim=DIM, metric="l2", overwrite=True)

    for file in ("aliases.json", "database_properties.json"):
        (folder / file).write_text('{"prod": "docs"}')
        refused(f"holds {file} too")
        (folder / file).write_text('{"prod')
        refused("cannot be read")
        (folder / file).unlink()
    (folder / "collections" / "docs" / "notes").write_text("mine")
    refused("'notes' in the collection")
    (folder / "collections" / "docs" / "notes").unlink()
    (folder / "collections" / "docs" / "schema.json").rename(tmp_path / "schema.json")
    refused("damaged")
    shutil.rmtree(folder / "collections")
    refused("it holds '.database-staging' too")


def test_threads_leave_the_logging_as_it_was() -> None:
    import logging

    from ragdiag_milvus.client import quiet

    logger = logging.getLogger("pymilvus")
    before = logger.level
    first, second = quiet(), quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert logger.level > logging.CRITICAL
    second.__exit__(None, None, None)
    assert logger.level == before


def test_a_folder_without_milvus_lite_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"milvus:{tmp_path}/m.db"
    write_store(uri, [Batch(["a"], normal(1))], dim=DIM, metric="l2")
    monkeypatch.setitem(sys.modules, "milvus_lite.server_manager", None)
    with pytest.raises(MissingExtraError, match=r"ragdiag\[milvus\]"):
        open_store(uri)


def test_a_target_on_a_server_shows_no_password() -> None:
    from ragdiag_milvus.write import milvus_target

    target = milvus_target("http://me:s3cret@host:19530", {"collection": "docs", "token": "t0ken"})
    assert "s3cret" not in repr(target)
    assert "t0ken" not in repr(target)


def test_a_folder_is_recognised_and_has_no_token(tmp_path: Path) -> None:
    path = f"{tmp_path}/m.db"
    write_store(f"milvus:{path}", [Batch(["a"], normal(1))], dim=DIM, metric="l2")
    store = open_store(path)
    assert (store.info.kind, store.info.count) == ("milvus", 1)
    store.close()
    for option in ("token=abc", "database=shop"):
        with pytest.raises(ConfigError, match="no token and no database"):
            open_store(f"milvus:{path}?{option}")
