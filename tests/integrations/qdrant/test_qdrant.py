"""Qdrant beyond the contract: its URIs, LangChain's own class, named vectors, and what goes wrong."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sqlite3
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag.errors import ConfigError, MissingExtraError, StoreError, StoreNotFoundError, TargetExistsError
from ragdiag.stores import SearchableStore, check_target, open_store, write_store
from ragdiag.types import Batch, Metric
from tests.qdrant_shared import serve

qdrant_client = pytest.importorskip("qdrant_client")
langchain_qdrant = pytest.importorskip("langchain_qdrant")
models = qdrant_client.models

TEXTS = [f"text {at}" for at in range(40)]
IDS = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(at))) for at in range(40)]


def embeddings() -> Any:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    return DeterministicFakeEmbedding(size=8)


def params(size: int = 4, distance: str = "Dot", **more: Any) -> Any:
    return models.VectorParams(size=size, distance=models.Distance(distance), **more)


def points(count: int = 3, *, name: str = "") -> list[Any]:
    vectors = np.arange(count * 4, dtype=np.float64).reshape(count, 4).tolist()
    return [models.PointStruct(id=at, vector={name: one} if name else one) for at, one in enumerate(vectors)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the collections one and two."""
    client = qdrant_client.QdrantClient(path=str(tmp_path / "db"))
    for name in ("one", "two"):
        client.create_collection(name, vectors_config=params())
        client.upload_points(name, points())
    client.close()
    return tmp_path / "db"


def test_langchains_own_store_is_read(tmp_path: Path) -> None:
    model = embeddings()
    live = langchain_qdrant.QdrantVectorStore.from_texts(
        TEXTS,
        model,
        metadatas=[{"n": at} for at in range(40)],
        ids=IDS,
        path=str(tmp_path / "db"),
        collection_name="my docs",
        vector_name="dense",
    )
    want = np.array(model.embed_documents(TEXTS))
    want /= np.linalg.norm(want, axis=1, keepdims=True)
    read = []
    for target in (live, live.client, f"qdrant:{tmp_path / 'db'}", tmp_path / "db"):
        if not isinstance(target, langchain_qdrant.QdrantVectorStore | qdrant_client.QdrantClient):
            live.client.close()
        store = open_store(target)
        assert (store.info.metric, store.info.count, store.info.dim) == (Metric.COSINE, 40, 8)
        assert store.info.name.endswith("?collection=my+docs&vector=dense")
        assert store.info.loss == ""
        batch = store.fetch(IDS)
        np.testing.assert_allclose(batch.vectors, want, atol=2e-7)
        np.testing.assert_allclose(np.linalg.norm(batch.vectors, axis=1), 1.0, atol=2e-7)
        assert batch.texts == TEXTS
        assert batch.metadata == [{"n": at} for at in range(40)]
        store.close()
        read.append(batch.vectors)
    # Qdrant holds unit vectors where they were written, and raw ones once the folder is opened again.
    np.testing.assert_allclose(read[0], read[2], atol=2e-7)


@pytest.mark.parametrize("metric", list(Metric))
def test_langchain_opens_what_was_written(tmp_path: Path, metric: Metric) -> None:
    rng = np.random.default_rng(5)
    ids = [f"doc {at}" for at in range(40)]
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    uri = f"qdrant:{tmp_path / 'db'}?collection=docs"
    write_store(uri, [Batch(ids, vectors, TEXTS, [{"n": [1]}] * 40)], dim=8, metric=metric)
    client = qdrant_client.QdrantClient(path=str(tmp_path / "db"))
    distance = {Metric.COSINE: "Cosine", Metric.DOT: "Dot", Metric.L2: "Euclid"}[metric]
    store = langchain_qdrant.QdrantVectorStore(
        client, "docs", embeddings(), distance=models.Distance(distance), validate_embeddings=False
    )
    query = rng.normal(size=8)
    scores = {
        Metric.L2: -np.linalg.norm(vectors - query, axis=1),
        Metric.DOT: vectors @ query,
        Metric.COSINE: vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query),
    }[metric]
    found = store.similarity_search_with_score_by_vector(query.tolist(), k=10)
    sign = -1 if metric is Metric.L2 else 1
    assert [document.page_content for document, _ in found] == [TEXTS[at] for at in np.argsort(-scores)[:10]]
    np.testing.assert_allclose([sign * score for _, score in found], np.sort(scores)[::-1][:10], rtol=1e-5)
    assert found[0][0].metadata["n"] == [1]
    ours: Any = open_store(store)
    (hits,) = ours.search(query[None].astype(np.float32), 10)
    assert list(hits.ids) == [ids[at] for at in np.argsort(-scores)[:10]]
    client.close()


def test_other_layouts_are_read_by_their_keys() -> None:
    client = qdrant_client.QdrantClient(":memory:")
    client.create_collection("docs", vectors_config=params())
    payload = {"body": "hello", "title": "t", "metadata": None, "n": {"a": [None]}}
    client.upload_points("docs", [models.PointStruct(id=7, vector=[1.0, 2, 3, 4], payload=payload)])
    store = open_store(client)
    assert store.fetch(["7"]).texts == [None]
    assert store.fetch(["7"]).metadata == [{"body": "hello", "title": "t", "n": {"a": [None]}}]
    with pytest.MonkeyPatch.context() as patch:
        serve(client, patch)
        batch = open_store("qdrant:http://host:6333?text=body&metadata=n").fetch(["7"])
    assert (batch.texts, batch.metadata) == (["hello"], [{"a": [None]}])


def test_vectors_are_chosen_by_name() -> None:
    client = qdrant_client.QdrantClient(":memory:")
    multi = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    client.create_collection(
        "docs",
        vectors_config={"a": params(), "b": params(distance="Euclid"), "m": params(multivector_config=multi)},
        sparse_vectors_config={"s": models.SparseVectorParams()},
    )
    client.upload_points("docs", [*points(name="a"), models.PointStruct(id=9, vector={"b": [1.0, 0, 0, 0]})])
    with pytest.MonkeyPatch.context() as patch:
        serve(client, patch)
        at = "qdrant:http://host:6333?collection=docs"
        with pytest.raises(StoreError, match="several vectors: 'a', 'b': name one with &vector=NAME"):
            open_store(at)
        for name in ("m", "s", "c", 'a"b'):
            with pytest.raises(StoreError, match="has no dense vector"):
                open_store(f"{at}&vector={name}")
        a, b = open_store(f"{at}&vector=a"), open_store(f"{at}&vector=b")
        assert (a.info.count, a.info.metric, a.info.loss) == (3, Metric.DOT, "")
        assert (b.info.count, b.info.metric) == (1, Metric.L2)
        assert [list(batch.ids) for batch in a.scan()] == [["0", "1", "2"]]
        assert list(b.sample(5, np.random.default_rng(0)).ids) == ["9"]
        with pytest.raises(StoreError, match="no document"):
            b.fetch(["0"])
        # LangChain's hybrid layout: a dense vector without a name beside a sparse one.
        client.create_collection(
            "hybrid", vectors_config=params(), sparse_vectors_config={"s": models.SparseVectorParams()}
        )
        sparse = models.SparseVector(indices=[1], values=[1.0])
        client.upload_points("hybrid", [models.PointStruct(id=1, vector={"": [1.0, 2, 3, 4], "s": sparse})])
        assert open_store("qdrant:http://host:6333?collection=hybrid").fetch(["1"]).vectors.tolist() == [[1, 2, 3, 4]]
        client.create_collection("sparse", sparse_vectors_config={"s": models.SparseVectorParams()})
        client.create_collection("multi", vectors_config=params(multivector_config=multi))
        client.create_collection("cab", vectors_config=params(distance="Manhattan"))
        for name, said in (("sparse", "sparse vectors only"), ("multi", "multivectors only"), ("cab", "Manhattan")):
            with pytest.raises(StoreError, match=said):
                open_store(f"qdrant:http://host:6333?collection={name}")


def test_a_server_is_asked_with_its_knob(monkeypatch: pytest.MonkeyPatch) -> None:
    client = qdrant_client.QdrantClient(":memory:")
    client.create_collection("docs", vectors_config=params(hnsw_config=models.HnswConfigDiff(ef_construct=77)))
    client.upload_points("docs", points())
    made = serve(client, monkeypatch)
    monkeypatch.setattr("ragdiag_qdrant.store.is_local", lambda client: False)
    asked: list[Any] = []
    monkeypatch.setattr(
        client,
        "query_batch_points",
        lambda name, requests: asked.extend(requests) or [],  # type: ignore[func-returns-value]
    )
    store = open_store("qdrant:http://host:6333/?api_key=s3cret")
    assert isinstance(store, SearchableStore)
    assert store.info.name == "qdrant:http://host:6333?collection=docs"
    assert store.info.index == "HNSW (m=16, ef_construct=77)"
    assert (store.tuning.knob, store.tuning.value, store.tuning.exact) == ("hnsw_ef", 77, True)
    assert made[0]["api_key"] == "s3cret"
    store.search(np.ones((1, 4), dtype=np.float32), 3, effort=99)
    store.search(np.ones((1, 4), dtype=np.float32), 3, exact=True)
    assert [(one.params.hnsw_ef, one.params.exact, one.limit) for one in asked] == [(99, False, 3), (None, True, 3)]


def test_a_server_that_is_not_there_is_one_error() -> None:
    with pytest.raises(StoreError, match="is it there") as raised:
        open_store("qdrant:http://127.0.0.1:1?collection=docs&api_key=s3cret")
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    for rest in ("http://", "http://host:x", "http://me:pw@host"):
        with pytest.raises(ConfigError, match="cannot be read") as refused:
            open_store(f"qdrant:{rest}")
        assert "pw" not in str(refused.value)


@pytest.mark.parametrize("rest", ["localhost:6333", "me:s3cret@localhost:6333", "me:s3/cret@host", "//me:s3@host:1"])
def test_an_address_without_http_is_told_so(rest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for do in (open_store, lambda uri: check_target(uri, metric="dot")):
        with pytest.raises(ConfigError, match=r"for a server write qdrant:http://(localhost|host)") as raised:
            do(f"qdrant:{rest}?collection=docs")
        assert "s3" not in str(raised.value)
    with pytest.raises(ConfigError, match="address cannot be read") as refused:
        open_store("qdrant:HTTP://me:s3cret@host?collection=docs")
    assert "s3cret" not in str(refused.value)


def test_a_server_that_goes_away_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = qdrant_client.QdrantClient(":memory:")
    engine.create_collection("docs", vectors_config=params())
    engine.upload_points("docs", points())
    serve(engine, monkeypatch)
    store = open_store("qdrant:http://host:6333?api_key=s3cret")
    running = store.scan(batch_size=1)
    next(running)

    def gone(*_: Any, **__: Any) -> None:
        raise ConnectionError("s3cret refused\n")

    monkeypatch.setattr(engine, "scroll", gone)
    with pytest.raises(StoreError, match=r"docs: \*\*\* refused: is the database still there"):
        list(running)
    monkeypatch.undo()
    engine.delete_collection("docs")
    with pytest.raises(StoreError, match="docs not found"):
        list(store.scan())


def test_nothing_is_made_where_there_is_nothing(tmp_path: Path) -> None:
    for name in ("missing", "."):
        with pytest.raises(StoreNotFoundError):
            open_store(f"qdrant:{tmp_path / name}")
    assert os.listdir(tmp_path) == []
    for content in ("", "[]", '{"collections": 3}'):
        (tmp_path / "meta.json").write_text(content)
        with pytest.raises(StoreError, match="no folder of Qdrant"):
            open_store(f"qdrant:{tmp_path}")
    (tmp_path / "meta.json").write_text(json.dumps({"collections": {"../out": {}}, "aliases": {}}))
    with pytest.raises(StoreError, match="outside itself"):
        open_store(f"qdrant:{tmp_path}")
    assert os.listdir(tmp_path) == ["meta.json"]


def test_collections_are_chosen_by_name(folder: Path) -> None:
    open_store(f"qdrant:{folder}?collection=two").close()
    with pytest.raises(StoreError, match=r"2 collections: 'one', 'two': name one with \?collection=NAME"):
        open_store(f"qdrant:{folder}")
    for name in ('a"b;drop table x--', "文 档", "../one"):
        with pytest.raises(StoreNotFoundError, match="there is 'one', 'two'"):
            open_store(f"qdrant:{folder}?collection={name}")
    with pytest.raises(ConfigError, match="no option 'colection'"):
        open_store(f"qdrant:{folder}?colection=one")
    with pytest.raises(ConfigError, match="no api_key"):
        open_store(f"qdrant:{folder}?api_key=x")


def test_a_locked_folder_is_one_error(folder: Path) -> None:
    client = qdrant_client.QdrantClient(path=str(folder))
    with pytest.raises(StoreError, match="open in another client"):
        open_store(f"qdrant:{folder}?collection=one")
    one = [Batch(["x"], np.ones((1, 4), dtype=np.float32))]
    with pytest.raises(StoreError, match="open in another client"):
        write_store(f"qdrant:{folder}?collection=one", one, dim=4, metric="dot", overwrite=True)
    client.close()
    with pytest.raises(ConfigError, match="also holds the collection 'two'"):
        write_store(f"qdrant:{folder}?collection=one", one, dim=4, metric="dot", overwrite=True)
    open_store(f"qdrant:{folder}?collection=one").close()


def spoilt(folder: Path, how: str) -> None:
    """Leave a folder whose one known collection is "one"."""
    meta = json.loads((folder / "meta.json").read_text())
    if how != "another collection":
        del meta["collections"]["two"]
    if how in ("an alias", "a file"):
        shutil.rmtree(folder / "collection" / "two")
    if how == "an alias":
        meta["aliases"]["prod"] = "one"
    if how == "a file":
        (folder / "collection" / "one" / "notes.txt").write_text("mine")
    (folder / "meta.json").write_text(json.dumps(meta)[: 9 if how == "cut" else None])
    if how == "missing":
        (folder / "meta.json").unlink()


@pytest.mark.parametrize("how", ["cut", "missing", "unnamed", "another collection", "an alias", "a file"])
def test_a_folder_that_is_not_known_to_hold_this_collection_alone_is_not_replaced(folder: Path, how: str) -> None:
    spoilt(folder, how)
    before = {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}
    one = [Batch(["x"], np.ones((1, 4), dtype=np.float32))]
    uri = f"qdrant:{folder}?collection=one"
    with pytest.raises((ConfigError, StoreError)):
        write_store(uri, one, dim=4, metric="dot", overwrite=True)
    target = check_target(uri, metric="dot", overwrite=True)
    with pytest.raises((ConfigError, StoreError)), target.draft(uri, overwrite=True):
        pass
    assert {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")} == before


def test_a_live_client_is_told_what_to_give_instead(folder: Path) -> None:
    client = qdrant_client.QdrantClient(":memory:")
    client.create_collection("docs", vectors_config={"a": params(), "b": params()})
    with pytest.raises(StoreError, match=r"several vectors: 'a', 'b': give a QdrantVectorStore\(…, vector_name=NAME\)"):
        open_store(client)
    client.create_collection("more", vectors_config=params())
    with pytest.raises(StoreError, match=r"2 collections: 'docs', 'more': give a QdrantVectorStore\(…, coll"):
        open_store(client)


def test_a_pickle_that_runs_something_is_not_loaded(folder: Path) -> None:
    file = folder / "collection" / "two" / "storage.sqlite"
    for bad, said in (
        (pickle.dumps(Bomb(folder / "ran")), "asks for posix.mkdir"),
        (b"\x80\x04garbage", "cannot be read"),
    ):
        with sqlite3.connect(file) as database:
            database.execute("UPDATE points SET point = ? WHERE rowid = 1", (bad,))
        database.close()
        with pytest.raises(StoreError, match=said):
            open_store(f"qdrant:{folder}?collection=one")
        assert not (folder / "ran").exists()


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def shown_elsewhere(database: sqlite3.Connection, bad: bytes) -> None:
    """Let the column of points, read alone, come from an index that holds what the table once held."""
    rows = database.execute("SELECT id, point FROM points").fetchall()
    database.execute("DROP TABLE points")
    database.execute("CREATE TABLE points(id TEXT PRIMARY KEY, point BLOB, pad TEXT)")
    database.executemany("INSERT INTO points VALUES(?, ?, ?)", [(*row, "x" * 50) for row in rows])
    database.execute("CREATE INDEX cover ON points(point)")
    index = database.execute("SELECT * FROM sqlite_master WHERE name = 'cover'").fetchone()
    database.execute("PRAGMA writable_schema = 1")
    database.execute("DELETE FROM sqlite_master WHERE name = 'cover'")
    database.commit()
    database.execute("PRAGMA writable_schema = RESET")
    database.execute("UPDATE points SET point = ?", (bad,))
    database.execute("PRAGMA writable_schema = 1")
    database.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)


def behind_a_view(database: sqlite3.Connection, bad: bytes) -> None:
    """Let the first row that is read be good, and the bad one come with the ids."""
    database.execute("ALTER TABLE points RENAME TO kept")
    database.execute("CREATE TABLE bad(point BLOB)")
    database.execute("INSERT INTO bad VALUES (?)", (bad,))
    database.execute(
        "CREATE VIEW points(rowid, id, point) AS SELECT rowid, id, CASE WHEN random() % 2 THEN point "
        "ELSE (SELECT point FROM bad) END FROM (SELECT rowid, id, point FROM kept LIMIT 1)"
    )


def by_a_trigger(database: sqlite3.Connection, bad: bytes) -> None:
    """Bring the bad one in when somebody writes."""
    database.execute("CREATE TABLE bad(point BLOB)")
    database.execute("INSERT INTO bad VALUES (?)", (bad,))
    database.execute("CREATE TRIGGER t AFTER DELETE ON points BEGIN UPDATE points SET point = 'x'; END")


@pytest.mark.parametrize("hide", [shown_elsewhere, behind_a_view, by_a_trigger])
def test_a_database_that_could_show_qdrant_other_points_is_not_opened(folder: Path, hide: Any) -> None:
    file = folder / "collection" / "one" / "storage.sqlite"
    with sqlite3.connect(file) as database:
        hide(database, pickle.dumps(Bomb(folder / "ran")))
    database.close()
    for _ in range(8):
        with pytest.raises(StoreError, match=r"more than Qdrant's table of points|cannot be read"):
            open_store(f"qdrant:{folder}?collection=one")
        assert not (folder / "ran").exists()


@pytest.mark.parametrize("name", ["storage.sqlite-journal", "storage.sqlite-wal", "storage.dbm", "storage.dbm.db"])
def test_files_from_which_points_could_come_are_not_opened(folder: Path, name: str) -> None:
    (folder / "collection" / "one" / name).write_bytes(b"x")
    with pytest.raises(StoreError, match="would change what"):
        open_store(f"qdrant:{folder}?collection=two")


def test_a_folder_whose_parts_lead_elsewhere_is_not_opened(folder: Path) -> None:
    outside = folder.parent / "outside"
    for part in (folder / "collection" / "one" / "storage.sqlite", folder / ".lock"):
        kept = part.read_bytes()
        part.unlink()
        part.symlink_to(outside)
        with pytest.raises(StoreError, match=r"is no regular file|is a link"):
            open_store(f"qdrant:{folder}?collection=one")
        assert not outside.exists(), "Qdrant would have made it"
        part.unlink()
        part.write_bytes(kept)
    open_store(f"qdrant:{folder}?collection=one").close()


def test_names_that_another_encoding_reads_otherwise_are_refused(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    meta["collections"]["é"] = meta["collections"]["one"]
    (folder / "meta.json").write_bytes(json.dumps(meta, ensure_ascii=False).encode())
    with pytest.raises(StoreError, match="UnicodeDecodeError"):
        open_store(f"qdrant:{folder}?collection=one")


def test_an_alias_is_switched_and_the_old_collection_of_ours_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = qdrant_client.QdrantClient(":memory:")
    serve(engine, monkeypatch)
    engine.create_collection("theirs", vectors_config=params())
    engine.upload_points("theirs", points())
    alias = models.CreateAlias(collection_name="theirs", alias_name="docs")
    engine.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    uri = "qdrant:http://host:6333?collection=docs"
    assert open_store("qdrant:http://host:6333").info.name == uri
    for value in (1, 2):
        one = [Batch(["x y"], np.full((1, 4), value, dtype=np.float32), ["t"], [{}])]
        write_store(uri, one, dim=4, metric="dot", overwrite=True)
        assert open_store(uri).fetch(["x y"]).vectors.tolist() == [[value] * 4]
    found = sorted(found.name for found in engine.get_collections().collections)
    assert len(found) == 2, "what was replaced, and made by us, is gone"
    assert found[1] == "theirs", "another's collection stays"
    with pytest.raises(ConfigError, match="has no name"):
        check_target("qdrant:http://host:6333", metric="dot")
    for name in ("a/b", "..", "x" * 256):
        with pytest.raises(ConfigError, match="takes no collection"):
            check_target(f"qdrant:http://host:6333?collection={name}", metric="dot")


def aliased(engine: Any, collection: str, alias: str) -> None:
    made = models.CreateAlias(collection_name=collection, alias_name=alias)
    engine.update_collection_aliases([models.CreateAliasOperation(create_alias=made)])


def state(engine: Any) -> tuple[dict[str, int], dict[str, str]]:
    """Return how many points the collections hold, and what the aliases stand for."""
    names = sorted(found.name for found in engine.get_collections().collections)
    aliases = {alias.alias_name: alias.collection_name for alias in engine.get_aliases().aliases}
    return {name: engine.count(name).count for name in names}, aliases


def test_a_collection_behind_an_alias_is_not_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = qdrant_client.QdrantClient(":memory:")
    serve(engine, monkeypatch)
    engine.create_collection("docs_v1", vectors_config=params())
    engine.upload_points("docs_v1", points())
    aliased(engine, "docs_v1", "docs")
    before = state(engine)
    uri = "qdrant:http://host:6333?collection=docs_v1"
    one = [Batch(["x"], np.ones((1, 4), dtype=np.float32))]
    with pytest.raises(TargetExistsError):
        write_store(uri, one, dim=4, metric="dot")
    with pytest.raises(ConfigError, match="the alias 'docs' stands for it"):
        write_store(uri, one, dim=4, metric="dot", overwrite=True)
    target = check_target(uri, metric="dot", overwrite=True)
    with pytest.raises(ConfigError, match="the alias 'docs' stands for it"), target.draft(uri, overwrite=True):
        pass
    assert state(engine) == before == ({"docs_v1": 3}, {"docs": "docs_v1"})


def test_a_collection_of_ours_that_another_alias_shows_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = qdrant_client.QdrantClient(":memory:")
    serve(engine, monkeypatch)
    uri = "qdrant:http://host:6333?collection=docs"
    for count in (1, 2):
        new = [Batch([str(at) for at in range(count)], np.ones((count, 4), dtype=np.float32))]
        write_store(uri, new, dim=4, metric="dot", overwrite=True)
        if count == 1:
            aliased(engine, state(engine)[1]["docs"], "prod")
    counts, aliases = state(engine)
    assert (counts[aliases["docs"]], counts[aliases["prod"]], len(counts)) == (2, 1, 2)


@pytest.mark.parametrize("real", [False, True])
def test_a_draft_is_put_in_its_place_or_leaves_nothing(monkeypatch: pytest.MonkeyPatch, real: bool) -> None:
    engine = qdrant_client.QdrantClient(":memory:")
    serve(engine, monkeypatch)
    if real:
        engine.create_collection("docs", vectors_config=params())
    before = [found.name for found in engine.get_collections().collections]
    uri = "qdrant:http://host:6333?collection=docs"
    target = check_target(uri, metric="dot", overwrite=True)
    one = [Batch(["x y"], np.ones((1, 4), dtype=np.float32), ["t"], [{}])]
    with target.draft(uri, overwrite=True) as draft:
        write_store(draft.uri, one, dim=4, metric="dot")
    assert [found.name for found in engine.get_collections().collections] == before
    assert engine.get_aliases().aliases == []
    with target.draft(uri, overwrite=True) as draft:
        write_store(draft.uri, one, dim=4, metric="dot")
        assert open_store(draft.uri).info.count == 1
        draft.put()
    assert open_store(uri).fetch(["x y"]).texts == ["t"]
    assert [alias.alias_name for alias in engine.get_aliases().aliases] == ["docs"]
    assert len(engine.get_collections().collections) == 1


def test_without_the_library_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(MissingExtraError, match=r'pip install "ragdiag\[qdrant\]"'):
        open_store(f"qdrant:{folder}?collection=one")


def test_without_the_lock_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "portalocker", None)
    one = [Batch(["x"], np.ones((1, 4), dtype=np.float32))]
    for do in (
        lambda: open_store(f"qdrant:{folder}?collection=one"),
        lambda: write_store(f"qdrant:{folder.parent / 'new'}", one, dim=4, metric="dot"),
    ):
        with pytest.raises(MissingExtraError, match=r'needs portalocker: pip install "ragdiag\[qdrant\]"'):
            do()


def test_the_readmes_command_gives_its_queries_vectors() -> None:
    import ragdiag_qdrant

    readme = Path(ragdiag_qdrant.__file__).with_name("README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.replace("\\\n", " ").splitlines() if line.startswith("ragdiag fix")]
    assert commands
    assert all("--embeddings" in command or "--query-vectors" in command for command in commands)
