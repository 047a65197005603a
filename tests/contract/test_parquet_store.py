"""Parquet files, held to the contract of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ragdiag.stores import VectorStore, open_store
from ragdiag.testing.store_contract import StoreContract
from ragdiag.types import Float32

Ids = Sequence[str]
Metadata = Sequence[Mapping[str, Any]]

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


class TestParquet(StoreContract):
    vector_type: Any = pa.list_(pa.float32())

    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        columns = {
            "id": pa.array(ids, pa.string()),
            "text": pa.array(texts, pa.string()),
            "embedding": pa.array(list(vectors), self.vector_type),
            "page": pa.array([entry["page"] for entry in metadata], pa.int64()),
            "source": pa.array([entry["source"] for entry in metadata], pa.string()),
        }
        pq.write_table(pa.table(columns), self.folder / "vectors.parquet", row_group_size=70)
        return open_store(self.folder / "vectors.parquet")

    def reopen(self, store: VectorStore) -> VectorStore:
        return open_store(f"parquet:{self.folder / 'vectors.parquet'}?vector=embedding&id=id&text=text")


class TestParquetFixedSize(TestParquet):
    vector_type = pa.list_(pa.float32(), 16)


class TestParquetLargeFloat64(TestParquet):
    vector_type = pa.large_list(pa.float64())
