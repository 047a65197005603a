"""Chroma beyond the contract: its URIs, LangChain's own class, and what goes wrong."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ragdiag_chroma import opener
from ragdiag_chroma.place import Place

from ragdiag.errors import ConfigError, MissingExtraError, StoreError, StoreNotFoundError
from ragdiag.stores import check_target, open_store, write_store
from ragdiag.types import Batch, Metric
from tests.chroma_server import Server, chroma_server

chromadb = pytest.importorskip("chromadb")
langchain_chroma = pytest.importorskip("langchain_chroma")

TEXTS = [f"text {at}" for at in range(40)]
IDS = [f"id-{at}" for at in range(40)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with chroma_server(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the collections one and two."""
    client = chromadb.PersistentClient(path=str(tmp_path / "db"))
    for name in ("one", "two"):
        client.create_collection(name, embedding_function=None).add(ids=["a"], embeddings=[[1.0, 2.0]])
    client.create_collection("empty", embedding_function=None)
    client.close()
    return tmp_path / "db"


def embeddings() -> Any:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    return DeterministicFakeEmbedding(size=8)


def test_langchains_own_store_is_read(tmp_path: Path) -> None:
    model = embeddings()
    live = langchain_chroma.Chroma.from_texts(
        TEXTS, model, metadatas=[{"n": at} for at in range(40)], ids=IDS, persist_directory=str(tmp_path / "db")
    )
    want = np.array(model.embed_documents(TEXTS), dtype=np.float32)
    for target in (live, live._client, live._collection, f"chroma:{tmp_path / 'db'}", tmp_path / "db"):
        store = open_store(target)
        assert (store.info.metric, store.info.loss, store.info.count, store.info.dim) == (Metric.L2, "", 40, 8)
        assert store.info.name.endswith("?collection=langchain")
        batch = store.fetch(IDS)
        assert batch.vectors.tobytes() == want.tobytes()
        assert batch.texts == TEXTS
        assert batch.metadata == [{"n": at} for at in range(40)]
        store.close()
    assert live._collection.count() == 40, "a live object stays open"


@pytest.mark.parametrize("metric", list(Metric))
def test_langchain_opens_what_was_written(tmp_path: Path, metric: Metric) -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    write_store(f"chroma:{tmp_path / 'db'}", [Batch(IDS, vectors, TEXTS, [{"n": 1}] * 40)], dim=8, metric=metric)
    store = langchain_chroma.Chroma(persist_directory=str(tmp_path / "db"), embedding_function=embeddings())
    query = rng.normal(size=8)
    distances = {
        Metric.L2: ((vectors - query) ** 2).sum(axis=1),
        Metric.DOT: 1 - vectors @ query,
        Metric.COSINE: 1 - vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query),
    }[metric]
    found = store.similarity_search_by_vector_with_relevance_scores(query.tolist(), k=10)
    assert [document.id for document, _ in found] == [IDS[at] for at in np.argsort(distances)[:10]]
    np.testing.assert_allclose([score for _, score in found], np.sort(distances)[:10], rtol=1e-5, atol=1e-5)
    store._client.close()


def test_the_space_of_old_metadata_is_understood(tmp_path: Path) -> None:
    client = chromadb.PersistentClient(path=str(tmp_path))
    client.create_collection("old", embedding_function=None, metadata={"hnsw:space": "cosine"}).add(
        ids=["a"], embeddings=[[3.0, 4.0]]
    )
    info = open_store(client).info
    assert (info.metric, info.index) == (Metric.COSINE, "hnsw (ef_search=100, max_neighbors=16)")
    assert info.loss == ""


def test_nothing_is_made_where_there_is_nothing(tmp_path: Path) -> None:
    for name in ("missing", "."):
        with pytest.raises(StoreNotFoundError):
            open_store(f"chroma:{tmp_path / name}")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreNotFoundError, match="is a file"):
        open_store(f"chroma:{tmp_path / 'file'}")
    assert os.listdir(tmp_path) == ["file"]


def test_another_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "chroma.sqlite3"
    file.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="no database of Chroma"):
        open_store(f"chroma:{tmp_path}")
    file.unlink()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE other (x)")
    database.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match="no database of Chroma"):
        open_store(f"chroma:{tmp_path}")
    assert (os.listdir(tmp_path), file.read_bytes()) == (["chroma.sqlite3"], before)


def test_collections_are_chosen_by_name(folder: Path) -> None:
    assert open_store(f"chroma:{folder}?collection=two").info.count == 1
    with pytest.raises(StoreError, match=r"3 collections: 'empty', 'one', 'two': name one with \?collection=NAME"):
        open_store(f"chroma:{folder}")
    for name in ('a"b;drop table x--', "文 档", "two' or 1=1"):
        with pytest.raises(StoreNotFoundError, match="there is 'empty', 'one', 'two'"):
            open_store(f"chroma:{folder}?collection={name}")
    with pytest.raises(StoreError, match="is empty"):
        open_store(f"chroma:{folder}?collection=empty")
    with pytest.raises(StoreError, match="nowhere"):
        open_store(f"chroma:{folder}?collection=one&tenant=nowhere")
    with pytest.raises(ConfigError, match="no option 'colection'"):
        open_store(f"chroma:{folder}?colection=one")
    with pytest.raises(ConfigError, match="no token"):
        open_store(f"chroma:{folder}?token=x")
    many = [f"c{at:02}" for at in range(12)]
    client = chromadb.PersistentClient(path=str(folder))
    for name in many:
        client.create_collection(name, embedding_function=None)
    with pytest.raises(StoreError, match=r"15 collections: 'c00', .*'c09', …:"):
        open_store(f"chroma:{folder}")
    client.close()


def test_a_server_that_is_gone_is_one_error(tmp_path: Path) -> None:
    with chroma_server(tmp_path) as server, server.client() as client:
        made = client.create_collection("docs", embedding_function=None)
        made.add(ids=IDS, embeddings=np.ones((40, 8), dtype=np.float32))
        store = open_store(f"chroma:{server.url}")
        assert store.info.name == f"chroma:{server.url}?collection=docs"
        running = store.scan(batch_size=10)
        next(running)
        server.kill()
        for read in (lambda: list(running), store.count, lambda: store.sample(3, np.random.default_rng(0))):
            with pytest.raises(StoreError, match="is the database still there") as raised:
                read()
            assert "\n" not in str(raised.value)
        store.close()
    with pytest.raises(StoreError, match="Could not connect"):
        open_store(f"chroma:{server.url}?collection=docs&token=s3cret")


def test_a_collection_that_is_deleted_meanwhile_is_one_error(server: Server) -> None:
    with server.client() as client:
        client.create_collection("gone", embedding_function=None).add(ids=IDS, embeddings=np.ones((40, 8)))
        store = open_store(f"chroma:{server.url}?collection=gone")
        running = store.scan(batch_size=10)
        next(running)
        client.delete_collection("gone")
        with pytest.raises(StoreError):
            list(running)
        store.close()


def test_credentials_are_sent_and_never_shown() -> None:
    place = Place.of("http://me:p%40ss@127.0.0.1:1", {"collection": "docs"})
    assert place._headers() == {"Authorization": "Basic bWU6cEBzcw=="}
    assert set(place.secrets) == {"p%40ss", "p@ss"}
    token = Place.of("https://me:pw@[::1]/prefix/", {"token": "s3cret"})
    assert token._headers() == {"Authorization": "Bearer s3cret", "X-Chroma-Token": "s3cret"}
    assert token.name("docs") == "chroma:https://[::1]:443/prefix?collection=docs"
    assert "s3cret" not in repr(token)
    for uri in ("chroma:http://me:p%40ss@127.0.0.1:1", "chroma:http://127.0.0.1:1?token=p%40ss"):
        with pytest.raises(StoreError) as raised:
            open_store(uri)
        assert "p%40ss" not in str(raised.value)
        assert "p@ss" not in str(raised.value)
    for rest in ("http://", "http://host:x", "http://host:99999"):
        with pytest.raises(ConfigError, match="cannot be read"):
            open_store(f"chroma:{rest}")


def test_a_folder_with_more_than_the_collection_is_not_replaced(folder: Path) -> None:
    one = [Batch(["x"], np.ones((1, 2), dtype=np.float32))]
    with pytest.raises(ConfigError, match="also holds the collection 'empty'"):
        write_store(f"chroma:{folder}?collection=one", one, dim=2, metric="l2", overwrite=True)
    target = check_target(f"chroma:{folder}?collection=one", metric="l2", overwrite=True)
    with pytest.raises(ConfigError, match="also holds"), target.draft(f"chroma:{folder}", overwrite=True):
        pass
    (folder.parent / "mine").mkdir()
    (folder.parent / "mine" / "notes.txt").write_text("x")
    strange = check_target(f"chroma:{folder.parent / 'mine'}", metric="l2", overwrite=True)
    with pytest.raises(ConfigError, match=r"notes\.txt"), strange.draft("chroma:x", overwrite=True):
        pass
    assert open_store(f"chroma:{folder}?collection=two").info.count == 1
    for name in ("ab", "a b", 'a"b', "-ab"):
        with pytest.raises(ConfigError, match="takes no collection"):
            check_target(f"chroma:{folder.parent / 'new'}?collection={name}", metric="l2")


def files(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, said: str) -> None:
    """Hold that neither way of replacing the collection one touches the folder."""
    before = files(folder)
    uri = f"chroma:{folder}?collection=one"
    one = [Batch(["x"], np.ones((1, 2), dtype=np.float32))]
    with pytest.raises((ConfigError, StoreError), match=said):
        write_store(uri, one, dim=2, metric="l2", overwrite=True)
    target = check_target(uri, metric="l2", overwrite=True)
    with pytest.raises((ConfigError, StoreError), match=said), target.draft(uri, overwrite=True):
        pass
    assert files(folder) == before


@pytest.fixture
def alone(folder: Path) -> Path:
    """The folder with the collection one alone."""
    client = chromadb.PersistentClient(path=str(folder))
    for name in ("two", "empty"):
        client.delete_collection(name)
    client.close()
    return folder


def test_a_folder_with_another_database_is_not_replaced(alone: Path) -> None:
    client = chromadb.PersistentClient(path=str(alone))
    client._admin_client.create_database("other", "default_tenant")
    client.close()
    refused(alone, "also holds the database 'other' of 'default_tenant'")
    other = chromadb.PersistentClient(path=str(alone), database="other")
    other.create_collection("one", embedding_function=None)
    other.close()
    refused(alone, "also holds the collection 'one' of the database 'other'")


def test_a_folder_with_another_tenant_is_not_replaced(alone: Path) -> None:
    client = chromadb.PersistentClient(path=str(alone))
    client._admin_client.create_tenant("guests")
    client.close()
    refused(alone, "also holds the tenant 'guests'")


def test_a_locked_folder_is_not_replaced(folder: Path) -> None:
    with sqlite3.connect(folder / "chroma.sqlite3", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        refused(folder, "does not tell what else it holds .*locked")
        other.execute("ROLLBACK")
    other.close()
    assert open_store(f"chroma:{folder}?collection=two").info.count == 1


def test_a_folder_without_its_database_or_with_strange_folders_is_not_replaced(alone: Path) -> None:
    strange = alone / "0c7c9d52-3b0e-4b0e-8f6e-2b1a3f6f6c11"
    strange.mkdir()
    (strange / "notes.txt").write_text("mine")
    refused(alone, "also holds '0c7c9d52-3b0e-4b0e-8f6e-2b1a3f6f6c11/notes.txt'")
    (alone / "chroma.sqlite3").unlink()
    refused(alone, "does not tell what else it holds")


def test_a_folder_that_is_open_here_is_not_replaced(alone: Path) -> None:
    live = chromadb.PersistentClient(path=str(alone))
    refused(alone, "is open in a client of Chroma in this process")
    assert live.get_collection("one", embedding_function=None).count() == 1
    live.close()
    one = [Batch(["x", "y"], np.ones((2, 2), dtype=np.float32))]
    assert write_store(f"chroma:{alone}?collection=one", one, dim=2, metric="l2", overwrite=True).count == 2


def test_large_batches_are_asked_for_in_parts() -> None:
    client = chromadb.EphemeralClient()
    made = client.create_collection("large", embedding_function=None)
    ids = [str(at) for at in range(33_000)]
    for start in range(0, len(ids), 5000):
        part = ids[start : start + 5000]
        made.add(ids=part, embeddings=np.array([[float(id_), 1.0] for id_ in part], dtype=np.float32))
    (batch,) = open_store(made).scan(batch_size=40_000)
    assert sorted(batch.ids, key=int) == ids
    assert batch.vectors[:, 0].tolist() == [float(id_) for id_ in batch.ids]
    client.delete_collection("large")
    client.close()


@pytest.mark.parametrize(
    "rest", ["localhost:8000", "me:s3cret@localhost:8000", "me:s3/cret@host", "me@host:8000/x", "//me:s3cret@host:8000"]
)
def test_an_address_without_http_is_told_so(rest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for do in (open_store, lambda uri: check_target(uri, metric="l2")):
        with pytest.raises(ConfigError, match=r"for a server write chroma:http://(localhost|host)") as raised:
            do(f"chroma:{rest}?collection=docs")
        assert "s3" not in str(raised.value)


def test_a_folder_may_look_like_an_address(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    folder.rename("db:80")
    assert open_store("chroma:db:80?collection=one").info.count == 1


def test_http_is_http_in_capitals() -> None:
    place = Place.of("HTTP://me:s3cret@127.0.0.1:1", {"collection": "docs"})
    assert (place.remote, place.name("docs")) == (True, "chroma:http://127.0.0.1:1?collection=docs")
    with pytest.raises(StoreError, match="Could not connect") as raised:
        open_store("chroma:HTTPS://me:s3cret@127.0.0.1:1?collection=docs")
    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in repr(place)
    assert "s3cret" not in repr(opener.target("HTTP://me:s3cret@127.0.0.1:1", {"collection": "docs"}))  # type: ignore[misc]


def test_a_live_client_is_told_what_to_give_instead(folder: Path) -> None:
    client = chromadb.PersistentClient(path=str(folder))
    with pytest.raises(StoreError, match=r"3 collections: .*: give client\.get_collection\(NAME\)"):
        open_store(client)
    client.close()


def test_a_server_asks_for_the_collections_name(server: Server) -> None:
    with pytest.raises(ConfigError, match="has no name"):
        check_target(f"chroma:{server.url}", metric="l2")


def test_a_draft_is_put_in_its_place_or_leaves_nothing(server: Server) -> None:
    uri = f"chroma:{server.url}?collection=drafted"
    target = check_target(uri, metric="l2")
    for value in (1, 2):
        one = [Batch(["x"], np.full((1, 2), value, dtype=np.float32), ["t"], [{}])]
        with target.draft(uri, overwrite=True) as draft:
            write_store(draft.uri, one, dim=2, metric="l2")
        with target.draft(uri, overwrite=True) as draft:
            write_store(draft.uri, one, dim=2, metric="l2")
            draft.put()
        store = open_store(uri)
        assert store.fetch(["x"]).vectors.tolist() == [[value, value]]
        store.close()
    with server.client() as client:
        assert not [found.name for found in client.list_collections() if found.name.startswith("ragdiag_")]


def test_without_the_library_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "chromadb", None)
    with pytest.raises(MissingExtraError, match=r'pip install "ragdiag\[chroma\]"'):
        open_store(f"chroma:{folder}?collection=one")


def test_there_is_no_knob(folder: Path) -> None:
    store: Any = open_store(f"chroma:{folder}?collection=one")
    with pytest.raises(StoreError, match="no setting"):
        store.search(np.ones((1, 2), dtype=np.float32), 1, effort=5)
    assert opener.schemes == ("chroma",)
    store.close()
    with pytest.raises(StoreError):
        store.count()


def test_the_readmes_command_gives_its_queries_vectors() -> None:
    import ragdiag_chroma

    readme = Path(ragdiag_chroma.__file__).with_name("README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.replace("\\\n", " ").splitlines() if line.startswith("ragdiag fix")]
    assert commands
    assert all("--embeddings" in command or "--query-vectors" in command for command in commands)
