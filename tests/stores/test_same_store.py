"""A store is not written over itself, whatever it is called."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag import plugins
from ragdiag.errors import ConfigError, StoreError
from ragdiag.fixing import fix
from ragdiag.stores import ArrayStore, CollectionTarget, NewStore, Opener, PathTarget, open_store, write_store
from ragdiag.stores import open as reading
from ragdiag.stores import write as writing
from ragdiag.stores.same_store import same_store
from ragdiag.types import Batch, Metric

X = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32) + 2
URL = "db:http://localhost:1"


@pytest.fixture(autouse=True)
def hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "localhost": ["127.0.0.1", "::1"],
        "h": ["10.0.0.5"],
        "alias": ["10.0.0.9", "10.0.0.5"],
        "other": ["10.7.7.7"],
    }

    def getaddrinfo(host: str, port: object) -> list[Any]:
        if host[0].isdigit():
            return [(0, 0, 0, "", (host, 0))]
        if host not in known:
            raise socket.gaierror
        return [(0, 0, 0, "", (address, 0)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("qdrant:http://h?collection=a", "qdrant:http://h?collection=a", True),
        ("qdrant:http://h?collection=a", "qdrant:http://H.:6333/?collection=a", True),
        ("qdrant:http://h?collection=a", "qdrant:http://h:6334?collection=a", False),
        ("chroma:http://localhost:8000?collection=a", "chroma:http://127.0.0.1:8000?collection=a", True),
        ("chroma:http://localhost:8000?collection=a", "chroma:http://[::1]:8000?collection=a", True),
        ("chroma:http://h:8000?collection=a", "chroma:http://alias:8000?collection=a", True),
        ("chroma:http://h:8000?collection=a", "chroma:http://10.0.0.5:8000?collection=a", True),
        ("chroma:http://h:8000?collection=a", "chroma:http://other:8000?collection=a", False),
        ("chroma:http://h:8000?collection=a", "chroma:http://h:8000?collection=b", False),
        ("chroma:http://h:8000?collection=a", "qdrant:http://h:8000?collection=a", False),
        ("chroma:http://h:8000?collection=a", "chroma:http://h:8000?collection=a&database=default_database", True),
        ("chroma:http://h:8000?collection=a", "chroma:http://h:8000?collection=a&database=mine", False),
        ("chroma:http://h:8000?collection=a", "chroma:http://h:8000", None),
        ("chroma:http://h:8000?collection=a", "chroma:?collection=a", None),
        ("chroma:?collection=a", "chroma:?collection=a", None),
        ("chroma:http://h:8000?collection=a", "chroma:?collection=b", False),
        ("new:http://h?collection=a", "new:http://h:7?collection=a", None),
        ("pgvector:postgresql://h/rag?collection=a", "pgvector:postgresql://h:5433/rag?collection=a", False),
        ("pgvector:postgresql://h/rag?collection=a", "pgvector:postgresql://h/other?collection=a", False),
        ("pgvector:postgresql://h/rag?collection=a", "pgvector:postgresql://h/?collection=a", None),
        ("pgvector:postgresql:///rag?collection=a", "pgvector:postgresql://localhost/rag?collection=a", True),
        ("pgvector:postgresql:///rag?host=/run&collection=a", "pgvector:postgresql:///rag?collection=a", True),
        ("pgvector:postgresql:///rag?host=x,h&collection=a", "pgvector:postgresql://h/rag?collection=a", True),
        ("pgvector:postgresql://h/rag?table=app.items", "pgvector:postgresql://h/rag?table=items", None),
        ("pgvector:postgresql://h/rag?table=app.items", "pgvector:postgresql://h/rag?table=public.items", False),
        ("pgvector:postgresql://h/rag?table=a", "pgvector:postgresql://h/rag?collection=a", False),
        ("lancedb:./db?table=a", "lancedb:db/?table=a", True),
        ("lancedb:./db?table=a", "lancedb:./other?table=a", False),
        ("lancedb:./db?table=a", "lancedb:s3://bucket/db?table=a", False),
    ],
)
def test_two_names_of_one_store(one: str, other: str, same: bool | None) -> None:
    assert same_store(one, other) is same
    assert same_store(other, one) is same


class Rows(ArrayStore):
    """A collection of an engine."""

    def __init__(self, name: str) -> None:
        super().__init__(X, metric="l2", ids=[f"d{i}" for i in range(len(X))], name=name)


class Server(CollectionTarget):
    """A target in an engine that has one collection, ``docs``; nothing may ever be written to it."""

    metrics = frozenset({Metric.L2})

    @property
    def name(self) -> str:
        return f"{URL}?collection={self.collection}"

    def _collections(self) -> set[str]:
        return {"docs"}

    def _fill(self, collection: str, batches: Iterator[Batch], new: NewStore) -> None:
        raise AssertionError


class Folder(PathTarget):
    """A target that is a folder of the same engine."""

    @property
    def name(self) -> str:
        return f"db:{self.rest}?collection=docs"

    folder = True


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose one collection is opened when none is named; returns what was opened."""
    asked: list[str] = []

    def opened(rest: str, options: dict[str, str]) -> Rows:
        asked.append(rest)
        if rest.endswith("locked"):
            raise StoreError("locked")
        return Rows(f"{URL}?collection={options.get('collection', 'docs')}")

    def target(rest: str, options: dict[str, str]) -> Any:
        return Server(options.get("collection", "")) if "://" in rest else Folder(rest)

    opener = Opener(("db",), (), "db:URL", open_uri=opened, target=target)
    for module in (reading, writing):
        monkeypatch.setattr(module, "load_openers", lambda: plugins.Openers((("db", opener),)))
    return asked


def write(to: str, source: object) -> None:
    batch = Batch([f"d{i}" for i in range(len(X))], X)
    write_store(to, [batch], dim=8, metric="l2", overwrite=True, source=source)


SURE, UNSURE = (
    "it belongs to the store that is read: write elsewhere",
    "it may be the store that is read: name that one",
)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("db:http://localhost:1", SURE),
        ("db:http://me:pw@LOCALHOST:1?collection=docs", SURE),
        ("db:http://127.0.0.1:1", SURE),
        ("db:http://localhost:1/locked", UNSURE),
        (Rows(f"{URL}?collection=docs"), SURE),
        (Rows("db:?collection=docs"), UNSURE),
    ],
)
def test_a_collection_is_not_written_over_itself(engine: list[str], source: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write(f"{URL}?collection=docs", source)


@pytest.mark.parametrize(
    "source", ["db:http://localhost:1?collection=b", Rows("db:?collection=b"), X, "x.npy", Path("x")]
)
def test_another_collection_is_no_source(engine: list[str], source: object) -> None:
    assert writing.check_target(f"{URL}?collection=docs", metric="l2", overwrite=True, source=source).exists()
    assert engine == []  # its text alone told


def test_what_is_not_there_cannot_be_the_source(engine: list[str]) -> None:
    source = Rows("db:?collection=new")
    assert not writing.check_target(f"{URL}?collection=new", metric="l2", source=source).exists()


def test_a_fix_does_not_write_over_the_one_collection_there_is(engine: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=SURE):
        fix("db:http://127.0.0.1:1", "centred", to=f"{URL}?collection=docs", overwrite=True, artefact=tmp_path / "maps")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_a_live_object_may_lie_in(engine: list[str], tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    for place, message in ((f"{tmp_path}/there", SURE), ("", UNSURE)):
        with pytest.raises(ConfigError, match=message):
            write(f"db:{tmp_path}/there", Rows(f"db:{place}?collection=x"))
    writing.check_target(f"db:{tmp_path}/new", metric="l2", source=Rows("db:?collection=x"))


def test_an_array_that_is_mapped_from_the_target(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", X)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    for source in (mapped, open_store(f"{tmp_path}/v.npy")):
        with pytest.raises(ConfigError, match=SURE):
            write_store(tmp_path / "v.npy", [], dim=8, metric=None, overwrite=True, source=source)


def test_a_live_collection_of_chroma_and_its_own_folder(tmp_path: Path) -> None:
    chromadb = pytest.importorskip("chromadb")
    uri = f"chroma:{tmp_path}/db?collection=docs"
    write_store(uri, [Batch([f"d{i}" for i in range(len(X))], X)], dim=8, metric="cosine")
    client = chromadb.PersistentClient(f"{tmp_path}/db")
    collection = client.get_collection("docs")
    with pytest.raises(ConfigError, match="the store that is read"):
        fix(collection, "centred", to=uri, overwrite=True, artefact=tmp_path / "maps")
    np.testing.assert_allclose(collection.get(["d3"], include=["embeddings"])["embeddings"], X[3:4], rtol=1e-6)
    client.close()
