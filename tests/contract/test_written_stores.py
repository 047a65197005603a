"""Stores that `write_store` writes, held to the contract of a store and to that of writing."""

from __future__ import annotations

import pytest

from ragdiag.testing.write_contract import WriteContract
from ragdiag.types import Metric


class TestWrittenNpy(WriteContract):
    keeps_ids = supports_texts = supports_metadata = False

    def uri(self, name: str) -> str:
        return f"npy:{self.folder}/{name}.npy?metric=dot"


class TestWrittenNpz(WriteContract):
    supports_metadata = False

    def uri(self, name: str) -> str:
        return f"{self.folder}/{name}.npz?vector=emb&id=keys&text=content"


class TestWrittenParquet(WriteContract):
    @pytest.fixture(autouse=True)
    def _needs_pyarrow(self) -> None:
        pytest.importorskip("pyarrow")

    def uri(self, name: str) -> str:
        return f"{self.folder}/{name}.parquet"


class TestWrittenIndex(WriteContract):
    keeps_ids = supports_texts = supports_metadata = False
    metric = Metric.L2

    def uri(self, name: str) -> str:
        return f"faiss:{self.folder}/{name}.faiss"


class TestWrittenLangChainFolder(WriteContract):
    def uri(self, name: str) -> str:
        return f"faiss:{self.folder}/{name}?index_name=notes"


class TestWrittenParquetNamed(TestWrittenParquet):
    def uri(self, name: str) -> str:
        return f"parquet:{self.folder}/{name}.pq?vector=emb&id=key&text=content&metric=dot"
