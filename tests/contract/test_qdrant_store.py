"""Qdrant, in memory, in a local folder and through the client of a server, held to the contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from ragdiag_qdrant.point_ids import ID, document_id, point_id

from ragdiag.stores import VectorStore, open_store
from ragdiag.testing import EngineContract, WriteContract
from ragdiag.testing.store_contract import DIM
from ragdiag.types import Float32, Metric
from tests.qdrant_shared import serve

qdrant_client = pytest.importorskip("qdrant_client")

Ids = Sequence[str]
Metadata = Sequence[Mapping[str, Any]]


def unit(vectors: Float32) -> Float32:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def fill(client: Any, name: str, distance: str, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> None:
    """Make a collection in LangChain's layout, with ids of our own kind."""
    models = qdrant_client.models
    params = models.VectorParams(size=DIM, distance=models.Distance(distance))
    if not client.collection_exists(name):
        client.create_collection(name, vectors_config=params)
    client.upload_points(
        name,
        [
            models.PointStruct(
                id=point_id(id_), vector=vector, payload={"page_content": text, "metadata": dict(meta), ID: id_}
            )
            for id_, vector, text, meta in zip(ids, vectors.tolist(), texts, metadata, strict=True)
        ],
    )


class QdrantContract(EngineContract):
    """A collection beside others of one engine."""

    distance = "Cosine"
    metric = Metric.COSINE

    def client(self) -> Any:
        """Return the client that has the engine."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return f"docs of {self.folder.name}"

    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        fill(self.client(), self.name, self.distance, ids, vectors, texts, metadata)
        return self.open()

    def open(self) -> VectorStore:
        raise NotImplementedError

    def reopen(self, store: VectorStore) -> VectorStore:
        return self.open()

    def kept(self, vectors: Float32) -> Float32:
        return unit(vectors) if self.metric is Metric.COSINE else vectors

    @property
    def loss_tolerance(self) -> float:  # type: ignore[override]
        return 2e-7 if self.metric is Metric.COSINE else 0.0

    def add(self, ids: Ids, vectors: Float32) -> None:
        fill(self.client(), self.name, self.distance, ids, vectors, ["new"] * len(ids), [{}] * len(ids))

    def delete(self, ids: Ids) -> None:
        points = [point_id(id_) for id_ in ids]
        self.client().delete(self.name, points_selector=qdrant_client.models.PointIdsList(points=points))

    def make_another(self) -> None:
        ones = np.ones((5, DIM), dtype=np.float32)
        fill(self.client(), f"{self.name} 2", self.distance, self._ids(5), ones, ["other"] * 5, [{}] * 5)


class TestQdrantServer(QdrantContract):
    """The client of a server, answered by the engine in this process."""

    secrets = ("s3cret-key",)
    engine: Any = None

    @pytest.fixture(autouse=True)
    def _serve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        type(self).engine = self.engine or qdrant_client.QdrantClient(":memory:")
        serve(self.engine, monkeypatch)

    def client(self) -> Any:
        return self.engine

    def open(self) -> VectorStore:
        return open_store(f"qdrant:http://host:6333?collection={self.name}&api_key=s3cret-key")


class TestQdrantServerDot(TestQdrantServer):
    distance = "Dot"
    metric = Metric.DOT


class TestQdrantMemory(QdrantContract):
    """A live client, one for each store: it has to hold one collection."""

    distance = "Euclid"
    metric = Metric.L2
    engine: Any = None

    def client(self) -> Any:
        return self.engine

    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        type(self).engine = qdrant_client.QdrantClient(":memory:")
        return super().make(ids, vectors, texts, metadata)

    def open(self) -> VectorStore:
        return open_store(self.engine)

    @pytest.mark.skip(reason="a client that holds two collections does not say which; a store of LangChain's does")
    def test_another_collection_does_not_leak(self) -> None:
        """See `TestQdrantServer` and `TestQdrantFolder`."""


class TestQdrantFolder(QdrantContract):
    """A local folder, which one client at a time has open: what writes is the client that reads."""

    opened: Any = None

    def client(self) -> Any:
        """Return the client of the store that has the folder, or a new one."""
        if self.opened is not None and not self.opened._client._client.closed:
            return self.opened._client
        return qdrant_client.QdrantClient(path=str(self.folder / "db"))

    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        client = qdrant_client.QdrantClient(path=str(self.folder / "db"))
        fill(client, self.name, self.distance, ids, vectors, texts, metadata)
        client.close()
        return self.open()

    def reopen(self, store: Any) -> VectorStore:
        return self.open() if store._client._client.closed else open_store(store)

    def open(self) -> VectorStore:
        opened = open_store(f"qdrant:{self.folder / 'db'}?collection={self.name}")
        type(self).opened = opened
        return opened

    def make_another(self) -> None:
        super().make_another()
        self.client().close()


class WrittenQdrant(WriteContract):
    keeps_odd_numbers = keeps_order = False

    def content(self, name: str) -> None:
        """Return nothing: SQLite's files are not the same each time."""
        return


class TestWrittenFolder(WrittenQdrant):
    def uri(self, name: str) -> str:
        return f"qdrant:{self.folder}/{name}"

    def reopen(self, store: Any) -> VectorStore:
        return super().reopen(store) if store._client._client.closed else open_store(store)


class TestWrittenNamed(TestWrittenFolder):
    metric = Metric.COSINE
    loss_tolerance = 2e-7

    def uri(self, name: str) -> str:
        return f"qdrant:{self.folder}/{name}?collection=文 docs&vector=dense"

    def beside(self, name: str) -> str:
        return f"qdrant:{self.folder}/{name}?collection=others&vector=dense"

    def kept(self, vectors: Float32) -> Float32:
        return unit(vectors)


class TestWrittenServer(WrittenQdrant):
    engine: Any = None

    @pytest.fixture(autouse=True)
    def _serve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        type(self).engine = self.engine or qdrant_client.QdrantClient(":memory:")
        serve(self.engine, monkeypatch)

    def uri(self, name: str) -> str:
        return f"qdrant:http://host:6333?collection={self.folder.name} {name}"

    def beside(self, name: str) -> str:
        return self.uri(name + " too")

    def everything(self) -> Sequence[str]:
        aliases = [alias.alias_name for alias in self.engine.get_aliases().aliases]
        return sorted([found.name for found in self.engine.get_collections().collections] + aliases)


def test_ids_are_mapped_one_to_one() -> None:
    for id_ in ("0", "17", str(2**64 - 1), "0c7c9d52-3b0e-4b0e-8f6e-2b1a3f6f6c11"):
        assert str(point_id(id_)) == id_
        assert document_id(point_id(id_), {}) == id_
    for id_ in ("", "00", "-1", "٣", str(2**64), "0C7C9D52-3B0E-4B0E-8F6E-2B1A3F6F6C11", "doc 1"):
        assert document_id(point_id(id_), {ID: id_}) == id_
        assert document_id(point_id(id_), {}) == point_id(id_) != id_
        assert document_id(3, {ID: id_}) == "3"
    assert document_id(3, {ID: "\ud800"}) == document_id(3, {ID: 3}) == "3"
