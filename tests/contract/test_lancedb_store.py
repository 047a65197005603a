"""Tables of LanceDB, held to the contract of a store and to that of writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from ragdiag.errors import StoreError
from ragdiag.stores import VectorStore, open_store
from ragdiag.testing.engine_contract import EngineContract
from ragdiag.testing.store_contract import DIM
from ragdiag.testing.write_contract import WriteContract
from ragdiag.types import Float32, Metric

lancedb = pytest.importorskip("lancedb")
pa = pytest.importorskip("pyarrow")


def rows(
    ids: Sequence[str], vectors: Float32, texts: Sequence[str] | None = None, metadata: Sequence[Any] | None = None
) -> Any:
    """Return documents as LangChain's community class lays them out."""
    kind = pa.struct([("page", pa.int64()), ("source", pa.string())])
    return pa.table(
        {
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM),
            "id": pa.array(ids, pa.string()),
            "text": pa.array(texts or ids, pa.string()),
            "metadata": pa.array(metadata or [{"page": 0, "source": ""}] * len(ids), kind),
        }
    )


class TestLanceDB(EngineContract):
    metric = Metric.L2

    def table(self) -> Any:
        return lancedb.connect(self.folder / "db").open_table("docs.1")

    def index(self, table: Any) -> None:
        """Give a table that has rows its index; none here."""

    def make(
        self, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> VectorStore:
        data = rows(ids, vectors, texts, metadata)
        table = lancedb.connect(self.folder / "db").create_table("docs.1", data, mode="overwrite")
        if len(ids) > 1:
            self.index(table)
        return self.reopen(None)

    def reopen(self, store: VectorStore | None) -> VectorStore:
        return open_store(f"lancedb:{self.folder}/db?table=docs.1")

    def add(self, ids: Sequence[str], vectors: Float32) -> None:
        self.table().add(rows(ids, vectors))

    def delete(self, ids: Sequence[str]) -> None:
        self.table().delete(f"id in ({', '.join(repr(id_) for id_ in ids)})")

    def make_another(self) -> None:
        data = rows(["doc-0", "x"], np.ones((2, DIM), dtype=np.float32))
        lancedb.connect(self.folder / "db").create_table("others", data)


class TestLanceDBCosineIndex(TestLanceDB):
    metric = Metric.COSINE

    def index(self, table: Any) -> None:
        config = lancedb.index.IvfFlat(distance_type="cosine", num_partitions=4)
        table.create_index("vector", config=config)


class TestLanceDBDotProductQuantised(TestLanceDB):
    metric = Metric.DOT
    sees_all = False

    def index(self, table: Any) -> None:
        config = lancedb.index.IvfPq(distance_type="dot", num_partitions=2, num_sub_vectors=4)
        table.create_index("vector", config=config)


class TestLanceDBLive(TestLanceDB):
    def reopen(self, store: VectorStore | None) -> VectorStore:
        return open_store(self.table())

    def make(
        self, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> VectorStore:
        super().make(ids, vectors, texts, metadata)
        self.held = self.table()
        return open_store(self.held)

    def add(self, ids: Sequence[str], vectors: Float32) -> None:
        self.held.add(rows(ids, vectors))

    def delete(self, ids: Sequence[str]) -> None:
        self.held.delete(f"id in ({', '.join(repr(id_) for id_ in ids)})")


class TestWrittenLanceDB(WriteContract):
    def uri(self, name: str) -> str:
        return f"lancedb:{self.folder}/{name}"

    def content(self, name: str) -> None:
        """Files of LanceDB are called by chance."""

    def test_odd_numbers_are_kept_as_they_are(self) -> None:
        odd = np.array([[np.inf, -np.inf, -0.0, 1.0] * (DIM // 4), [1e-45] * DIM, [1.0] * DIM], dtype=np.float32)
        store = self.make(self._ids(3), odd, [""] * 3, [{}] * 3)
        assert store.fetch(self._ids(3)).vectors.tobytes() == odd.tobytes()

    @pytest.mark.xfail(reason="LanceDB's client takes no NaN", raises=StoreError)
    def test_nan_is_kept(self) -> None:
        super().test_odd_numbers_are_kept_as_they_are()


class TestWrittenLanceDBCosine(TestWrittenLanceDB):
    metric = Metric.COSINE

    def uri(self, name: str) -> str:
        return f"lancedb:{self.folder}?table={name}&vector=emb&id=key&text=content"

    def beside(self, name: str) -> str:
        return f"lancedb:{self.folder}?table={name}2&vector=emb&id=key&text=content"
