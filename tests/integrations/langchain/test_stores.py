from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from ragdiag.errors import StoreError, UnknownStoreError
from ragdiag.stores import VectorStore, open_store
from ragdiag.testing.store_contract import DIM, StoreContract
from ragdiag.types import Float32, Metric

TEXTS = [f"text {at}" for at in range(6)]
IDS = [f"id-{at}" for at in range(6)]
EMBEDDING = DeterministicFakeEmbedding(size=5)


def community() -> Any:
    return pytest.importorskip("langchain_community.vectorstores.faiss")


def faiss_store(**options: Any) -> Any:
    metadatas = [{"n": at} for at in range(6)]
    return community().FAISS.from_texts(TEXTS, EMBEDDING, metadatas=metadatas, ids=IDS, **options)


class TestInMemory(StoreContract):
    def make(
        self,
        ids: Sequence[str],
        vectors: Float32,
        texts: Sequence[str],
        metadata: Sequence[Mapping[str, Any]],
    ) -> VectorStore:
        live = InMemoryVectorStore(DeterministicFakeEmbedding(size=DIM))
        for id_, vector, text, meta in zip(ids, vectors.tolist(), texts, metadata, strict=True):
            live.store[id_] = {"id": id_, "vector": vector, "text": text, "metadata": dict(meta)}
        return open_store(live)


def test_inmemory_with_real_documents() -> None:
    live = InMemoryVectorStore(EMBEDDING)
    live.add_texts(TEXTS, ids=IDS)
    store = open_store(live)
    assert (store.info.kind, store.info.metric, store.info.dim) == ("langchain-inmemory", Metric.COSINE, 5)
    assert store.fetch(["id-4"]).texts == ["text 4"]
    np.testing.assert_allclose(store.fetch(["id-4"]).vectors[0], EMBEDDING.embed_query("text 4"), rtol=1e-6)
    live.delete(["id-4"])
    assert store.info.count == 6  # as it was when opened
    assert open_store(live).info.count == 5


def test_inmemory_that_cannot_be_used() -> None:
    live = InMemoryVectorStore(EMBEDDING)
    with pytest.raises(StoreError, match="the InMemoryVectorStore is empty"):
        open_store(live)
    live.add_texts(["a"], ids=["a"])
    live.store["b"] = {**live.store["a"], "vector": [1.0, 2.0]}
    with pytest.raises(StoreError, match=r"a vector of dimension 2 \('b'\) beside one of 5"):
        open_store(live)


def test_a_subclass_is_recognised_and_a_namesake_is_not() -> None:
    class Mine(InMemoryVectorStore): ...

    live = Mine(EMBEDDING)
    live.add_texts(["a"])
    assert open_store(live).info.name == "Mine"

    class FAISS: ...

    with pytest.raises(UnknownStoreError):
        open_store(FAISS())


@pytest.mark.parametrize("strategy", ["EUCLIDEAN_DISTANCE", "MAX_INNER_PRODUCT", "COSINE"])
def test_faiss_reports_the_metric_of_the_index(strategy: str) -> None:
    live = faiss_store(distance_strategy=getattr(community().DistanceStrategy, strategy))
    metric = Metric.DOT if strategy == "MAX_INNER_PRODUCT" else Metric.L2
    assert open_store(live).info.metric is metric


@pytest.mark.parametrize("folder", [False, True])
def test_faiss_after_a_deletion(tmp_path: Path, folder: bool) -> None:
    live = faiss_store()
    live.delete(["id-0", "id-3"])
    live.add_texts(["late"], metadatas=[{"n": 9}], ids=["late"])
    if folder:
        live.save_local(str(tmp_path / "index"))
    store = open_store(str(tmp_path / "index") if folder else live)
    (batch,) = store.scan()
    assert batch.ids == ["id-1", "id-2", "id-4", "id-5", "late"]
    assert batch.texts == ["text 1", "text 2", "text 4", "text 5", "late"]
    assert batch.metadata == [{"n": n} for n in (1, 2, 4, 5, 9)]
    expected = EMBEDDING.embed_documents([text or "" for text in batch.texts])
    np.testing.assert_allclose(batch.vectors, expected, rtol=1e-5)
    assert store.info.counts == {"index": 5, "ids": 5, "docstore": 5}
    assert store.info.kind == "langchain-faiss"


def test_a_live_faiss_whose_parts_disagree() -> None:
    live = faiss_store()
    del live.docstore._dict["id-2"]
    del live.index_to_docstore_id[4]
    store = open_store(live)
    (batch,) = store.scan()
    assert batch.ids == ["id-0", "id-1", "id-2", "id-3", "#4", "id-5"]
    assert batch.texts == ["text 0", "text 1", None, "text 3", None, "text 5"]
    assert store.info.mismatches["ids without a document"] == 1
    assert store.info.mismatches["vectors without an id"] == 1


def test_a_docstore_of_another_kind() -> None:
    live = faiss_store()
    documents = live.docstore._dict

    class Remote:
        def search(self, search: str) -> Any:
            return documents[search] if search != "id-1" else f"ID {search} not found."

    live.docstore = Remote()
    store = open_store(live)
    assert store.fetch(["id-0", "id-1"]).texts == ["text 0", None]


def test_a_docstore_that_is_a_class_of_theirs(tmp_path: Path) -> None:
    live = faiss_store()
    live.docstore._dict["id-0"].metadata["when"] = Path("x")  # pickles as pathlib.PosixPath
    live.save_local(str(tmp_path))
    with pytest.raises(StoreError, match=r"asks for pathlib.*was not run"):
        open_store(tmp_path)
