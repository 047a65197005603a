"""FAISS index files of every kind, and LangChain's folder, held to the contract of a store."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import faiss
import numpy as np
import pytest

from ragdiag.stores import FaissStore, VectorStore, open_store
from ragdiag.testing.store_contract import DIM, StoreContract
from ragdiag.types import Float32

Ids = Sequence[str]
Metadata = Sequence[Mapping[str, Any]]


class RawIndex(StoreContract):
    """A raw index file, built by `factory`; ids are what a search of the index would return."""

    keeps_ids = supports_texts = supports_metadata = False
    factory = "Flat"
    numbered = False  # whether the ids are given to the index
    from_file = False  # another process for every test is slow, so a few kinds stand for all

    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        index = faiss.deserialize_index(trained(self.factory))
        if self.numbered:
            index.add_with_ids(vectors, np.arange(len(vectors)))
        else:
            index.add(vectors)
        if not self.from_file:
            return FaissStore(index)
        faiss.write_index(index, str(self.folder / "store.faiss"))
        return open_store(self.folder / "store.faiss")

    def reopen(self, store: VectorStore) -> VectorStore:
        return store if not self.from_file else open_store(f"faiss:{self.folder / 'store.faiss'}")


class TestFlat(RawIndex):
    from_file = True


class TestFlatLive(RawIndex):
    pass


class TestHnsw(RawIndex):
    factory = "HNSW8,Flat"


class TestHnswSq8(RawIndex):
    factory = "HNSW8,SQ8"
    loss_tolerance = 0.02


class TestIvf(RawIndex):
    factory = "IVF8,Flat"
    from_file = True


class TestIvfSq8(RawIndex):
    factory = "IVF8,SQ8"
    loss_tolerance = 0.03


class TestIvfPq(RawIndex):
    factory = "IVF8,PQ8x6"
    loss_tolerance = 0.6


class TestIdMap(RawIndex):
    factory = "IDMap,Flat"
    numbered = True
    from_file = True


class TestIdMap2Hnsw(RawIndex):
    factory = "IDMap2,HNSW8,Flat"
    numbered = True


class TestSq8(RawIndex):
    factory = "SQ8"
    loss_tolerance = 0.02


class TestHalf(RawIndex):
    factory = "SQfp16"
    loss_tolerance = 0.001


class TestPq(RawIndex):
    factory = "PQ8x6"
    loss_tolerance = 0.6


class TestLsh(RawIndex):
    factory = "LSH"
    loss_tolerance = 3.0  # signs alone, whatever the length


class TestRefined(RawIndex):
    factory = "PQ8x6,RFlat"


class TestPadded(RawIndex):
    factory = "Pad32,Flat"


class TestPca(RawIndex):
    factory = "PCA8,Flat"
    loss_tolerance = 0.95


class TestLangChainFolder(StoreContract):
    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        store = langchain_store(ids, vectors, texts, metadata)
        store.save_local(str(self.folder / "index"))
        return open_store(self.folder / "index")

    def reopen(self, store: VectorStore) -> VectorStore:
        return open_store(f"faiss:{self.folder / 'index'}?index_name=index")


class TestLiveIndex(StoreContract):
    def make(self, ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> VectorStore:
        store = langchain_store(ids, vectors, texts, metadata)
        return FaissStore(
            store.index, positions=store.index_to_docstore_id, documents=store.docstore._dict, name="live"
        )


@functools.cache
def trained(factory: str) -> Any:
    """Return an empty index, trained once: product codes take seconds."""
    metric = faiss.METRIC_L2 if factory == "LSH" else faiss.METRIC_INNER_PRODUCT
    index = faiss.index_factory(DIM, factory, metric)
    index.train(np.random.default_rng(1).normal(size=(2000, DIM)).astype(np.float32))
    return faiss.serialize_index(index)


def langchain_store(ids: Ids, vectors: Float32, texts: Ids, metadata: Metadata) -> Any:
    pytest.importorskip("langchain_community")
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document
    from langchain_core.embeddings import DeterministicFakeEmbedding

    index = faiss.IndexFlatL2(DIM)
    index.add(vectors)
    found = zip(ids, texts, metadata, strict=True)
    documents = {i: Document(id=i, page_content=text, metadata=meta) for i, text, meta in found}
    positions = dict(enumerate(ids))
    return FAISS(DeterministicFakeEmbedding(size=DIM), index, InMemoryDocstore(documents), positions)
