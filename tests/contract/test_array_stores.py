"""Arrays in memory and numpy's files, held to the contract of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ragdiag.stores import ArrayStore, VectorStore, open_store
from ragdiag.testing.store_contract import StoreContract
from ragdiag.types import Float32

Ids = Sequence[str]
Metadata = Sequence[Mapping[str, Any]]


class TestArrayStore(StoreContract):
    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        return ArrayStore(vectors, ids=ids, texts=texts, metadata=metadata)


class TestNpy(StoreContract):
    keeps_ids = supports_texts = supports_metadata = False

    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        np.save(self.folder / "vectors.npy", vectors)
        return open_store(self.folder / "vectors.npy")

    def reopen(self, store: VectorStore) -> VectorStore:
        return open_store(f"npy:{self.folder / 'vectors.npy'}?metric=dot")


class TestNpyByColumn(TestNpy):
    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        return super().make(ids, np.asfortranarray(vectors), texts, metadata)


class TestNpyFloat64(TestNpy):
    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        return super().make(ids, vectors.astype(">f8"), texts, metadata)


class TestNpz(StoreContract):
    supports_metadata = False
    save: Any = staticmethod(np.savez)

    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        strings = {"ids": np.array(ids, dtype=str), "texts": np.array(texts, dtype=str)}
        self.save(self.folder / "vectors.npz", vectors=vectors, **strings)
        return open_store(str(self.folder / "vectors.npz"))

    def reopen(self, store: VectorStore) -> VectorStore:
        return open_store(self.folder / "vectors.npz")


class TestNpzCompressed(TestNpz):
    save = staticmethod(np.savez_compressed)
