"""Collections of Milvus, in a folder and behind a server, held to the contract of a store and to that of writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from ragdiag.errors import StoreError
from ragdiag.stores import VectorStore, open_store
from ragdiag.testing.engine_contract import EngineContract
from ragdiag.testing.store_contract import DIM
from ragdiag.testing.write_contract import WriteContract
from ragdiag.types import Float32, Metric

pymilvus = pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")

COLLECTION = 'docs; "drop" 文'
QUOTED = "docs%3B+%22drop%22+%E6%96%87"


def create(client: Any, collection: str, metric: str, kind: str, *, numbers: bool = False) -> None:
    """Make a collection as LangChain does."""
    types = pymilvus.DataType
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("text", types.VARCHAR, max_length=65535)
    if numbers:
        schema.add_field("pk", types.INT64, is_primary=True)
    else:
        schema.add_field("pk", types.VARCHAR, is_primary=True, max_length=65535)
    schema.add_field("vector", types.FLOAT_VECTOR, dim=DIM)
    index = client.prepare_index_params()
    params = {"HNSW": {"M": 8, "efConstruction": 64}, "IVF_FLAT": {"nlist": 8}}.get(kind, {})
    index.add_index("vector", index_type=kind, metric_type=metric, params=params)
    if client.has_collection(collection):
        client.drop_collection(collection)
    client.create_collection(collection, schema=schema, index_params=index)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a server."""
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    server, database, port = start_server_in_thread(str(tmp_path_factory.mktemp("milvus")))
    yield f"127.0.0.1:{port}"
    server.stop(grace=2).wait()
    database.close()


class TestMilvusLite(EngineContract):
    metric = Metric.L2
    kind = ("L2", "FLAT")

    @property
    def collection(self) -> str:
        return COLLECTION

    def client(self) -> Any:
        return pymilvus.MilvusClient(str(self.folder / "m.db"))

    def uri(self) -> str:
        return f"milvus:{self.folder}/m.db?collection={QUOTED}"

    def make(
        self, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> VectorStore:
        client = self.client()
        create(client, self.collection, *self.kind)
        rows = zip(ids, vectors, texts, metadata, strict=True)
        entities = [{"pk": id_, "vector": vector, "text": text, **meta} for id_, vector, text, meta in rows]
        if entities:
            client.insert(self.collection, entities)
        client.close()
        return self.reopen(None)

    def reopen(self, store: VectorStore | None) -> VectorStore:
        return open_store(self.uri())

    def add(self, ids: Sequence[str], vectors: Float32) -> None:
        client = self.client()
        client.insert(self.collection, [{"pk": i, "vector": v, "text": ""} for i, v in zip(ids, vectors, strict=True)])
        client.close()

    def delete(self, ids: Sequence[str]) -> None:
        client = self.client()
        client.delete(self.collection, ids=list(ids))
        client.close()

    def make_another(self) -> None:
        client = self.client()
        create(client, "others", "L2", "FLAT")
        client.insert("others", [{"pk": id_, "vector": np.ones(DIM), "text": "x"} for id_ in ("doc-0", "x")])
        client.close()


class TestMilvusServer(TestMilvusLite):
    """The same, over http with a token, which Milvus Lite does not ask for."""

    metric = Metric.COSINE
    kind = ("COSINE", "HNSW")
    secrets = ("s3cret",)
    address = ""

    @pytest.fixture(autouse=True)
    def _find(self, served: str) -> None:
        self.address = served

    @property
    def collection(self) -> str:
        """One for each store, since all are on one server."""
        return self.folder.name

    def client(self) -> Any:
        return pymilvus.MilvusClient(f"http://{self.address}")

    def uri(self) -> str:
        return f"milvus:http://root:s3cret@{self.address}?collection={self.collection}"


class TestMilvusLive(TestMilvusLite):
    metric = Metric.DOT
    kind = ("IP", "IVF_FLAT")

    def reopen(self, store: VectorStore | None) -> VectorStore:
        self.held = self.client()
        return open_store(self.held)

    @pytest.mark.xfail(reason="a client with two collections does not say which", raises=StoreError)
    def test_another_collection_does_not_leak(self) -> None:
        super().test_another_collection_does_not_leak()


class TestWrittenMilvusLite(WriteContract):
    metric = Metric.COSINE

    def uri(self, name: str) -> str:
        return f"milvus:{self.folder}/{name}.db"

    def beside(self, name: str) -> str:
        return f"milvus:{self.folder}/{name}.db?collection=others"

    def content(self, name: str) -> None:
        """Files of Milvus are called by time."""

    def bytes_on_disk(self) -> Mapping[str, bytes]:
        return {}

    @pytest.mark.xfail(reason="Milvus orders by primary key", raises=AssertionError)
    def test_the_order_is_that_of_the_batches(self) -> None:
        super().test_the_order_is_that_of_the_batches()

    @pytest.mark.xfail(reason="Milvus takes no NaN and no infinity", raises=StoreError)
    def test_odd_numbers_are_kept_as_they_are(self) -> None:
        super().test_odd_numbers_are_kept_as_they_are()
