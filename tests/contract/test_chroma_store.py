"""Chroma, a folder on disk and a server, held to the contract of a store of an engine and of one that is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from ragdiag.stores import VectorStore, open_store
from ragdiag.testing import EngineContract, WriteContract
from ragdiag.testing.store_contract import DIM
from ragdiag.types import Float32, Metric
from tests.chroma_server import Server, chroma_server

chromadb = pytest.importorskip("chromadb")

Ids = Sequence[str]
Metadata = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with chroma_server(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    with server.client() as client:
        yield client


class ChromaContract(EngineContract):
    """A collection of Chroma that its own client fills."""

    space = "l2"
    metric = Metric.L2
    name = "docs"

    def client(self) -> Any:
        return chromadb.PersistentClient(path=str(self.folder / "db"))

    def collection(self) -> Any:
        return self.client().get_collection(self.name, embedding_function=None)

    def uri(self) -> str:
        return f"chroma:{self.folder / 'db'}?collection={self.name}"

    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        # So many candidates that the index sees all of 300 documents.
        settings = {"space": self.space, "ef_search": 400, "ef_construction": 400}
        made = self.client().create_collection(self.name, embedding_function=None, configuration={"hnsw": settings})
        if len(ids):
            made.add(ids=list(ids), embeddings=vectors, documents=list(texts), metadatas=list(metadata))
        return self.reopen(None)

    def reopen(self, store: Any) -> VectorStore:
        return open_store(self.uri())

    def add(self, ids: Ids, vectors: Float32) -> None:
        self.collection().add(ids=list(ids), embeddings=vectors, documents=["new"] * len(ids))

    def delete(self, ids: Ids) -> None:
        self.collection().delete(ids=list(ids))

    def make_another(self) -> None:
        other = self.client().create_collection(f"{self.name}-others", embedding_function=None)
        other.add(ids=self._ids(5), embeddings=np.ones((5, DIM), dtype=np.float32), documents=["other"] * 5)


class TestChromaL2(ChromaContract):
    pass


class TestChromaDot(ChromaContract):
    space = "ip"
    metric = Metric.DOT


class TestChromaCosine(ChromaContract):
    space = "cosine"
    metric = Metric.COSINE
    loss_tolerance = 2e-7  # the engine keeps directions and lengths apart


class OnServer:
    """The same on a server, where all tests of a class share a database: each store has a name of its own."""

    url = ""
    folder: Any
    _client: Any

    @pytest.fixture(autouse=True)
    def _give_server(self, server: Server, client: Any) -> None:
        type(self).url, type(self)._client = server.url, client

    def client(self) -> Any:
        return self._client


class TestChromaServer(OnServer, ChromaContract):
    space = "cosine"
    metric = Metric.COSINE
    loss_tolerance = 2e-7
    secrets = ("s3cret-token", "s3cret-tenant")

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"c-{self.folder.name}-x"

    def uri(self) -> str:
        return f"chroma:{self.url}?collection={self.name}&token=s3cret-token"


class WrittenChroma(WriteContract):
    keeps_odd_numbers = nests_metadata = False
    metric = Metric.L2

    def content(self, name: str) -> None:
        """Return nothing: Chroma draws names for its files."""
        return


class TestWrittenFolder(WrittenChroma):
    def uri(self, name: str) -> str:
        return f"chroma:{self.folder}/{name}"


class TestWrittenFolderDot(TestWrittenFolder):
    metric = Metric.DOT

    def uri(self, name: str) -> str:
        return f"chroma:{self.folder}/{name}?collection=docs"

    def beside(self, name: str) -> str:
        return f"chroma:{self.folder}/{name}?collection=others"


class TestWrittenServer(OnServer, WrittenChroma):
    def uri(self, name: str) -> str:
        return f"chroma:{self.url}?collection=w-{self.folder.name}-{name}"

    def beside(self, name: str) -> str:
        return self.uri(name + "-too")

    def everything(self) -> Sequence[str]:
        return sorted(found.name for found in self.client().list_collections())
