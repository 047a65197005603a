from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from ragdiag_langchain import embed_again

from ragdiag import audit, compare, fix, open_store
from ragdiag.errors import ConfigError, EmbeddingsError, StoreError, UnknownStoreError
from ragdiag.retrieval.judgements import Judgements
from tests.integrations.langchain.model_by_text import IDS, QUESTIONS, TEXTS, ModelByText, shifted_world

X, Q = shifted_world()
DOCUMENTS = [Document(id=i, page_content=t, metadata={"n": i}) for i, t in zip(IDS, TEXTS, strict=True)]
LABELS = Judgements("labels", tuple(QUESTIONS), tuple(QUESTIONS), tuple({IDS[at]: 1} for at in range(len(QUESTIONS))))


class Closed(VectorStore):
    """A store without an adapter: it only searches."""

    def __init__(self, model: Embeddings | None) -> None:
        self._model = model
        self._inner = InMemoryVectorStore(ModelByText.of(TEXTS, X, QUESTIONS, Q))
        self._inner.add_documents(DOCUMENTS)

    @property
    def embeddings(self) -> Embeddings | None:
        return self._model

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return self._inner.similarity_search(query, k)

    @classmethod
    def from_texts(cls, *args: Any, **kwargs: Any) -> Closed:
        raise NotImplementedError


@pytest.fixture
def model() -> ModelByText:
    return ModelByText.of(TEXTS, X, QUESTIONS, Q)


def test_given_documents_are_embedded_again(model: ModelByText) -> None:
    opened = embed_again(Closed(model), documents=DOCUMENTS)
    (batch,) = opened.scan()
    assert list(batch.ids) == IDS
    assert batch.texts == TEXTS
    assert batch.metadata == [{"n": i} for i in IDS]
    assert np.array_equal(batch.vectors, X)
    info = opened.info
    assert (info.name, info.kind, info.metric) == (
        "Closed (150 documents embedded again)",
        "langchain-embedded-again",
        None,
    )
    assert info.loss == "150 documents that were given, embedded again with ModelByText"


def test_more_than_size_are_drawn_uniformly(model: ModelByText) -> None:
    store, counts = Closed(model), np.zeros(len(IDS))
    for seed in range(100):
        opened = embed_again(store, documents=DOCUMENTS, size=50, rng=np.random.default_rng(seed))
        (batch,) = opened.scan()
        assert len(batch) == 50
        counts[[IDS.index(id_) for id_ in batch.ids]] += 1
    # 100 draws of a third: mean 33.3, standard deviation 4.7.
    assert counts.sum() == 5000
    assert abs(counts - 100 / 3).max() < 5 * 4.72


def test_queries_find_documents_and_the_report_says_so(model: ModelByText) -> None:
    opened = embed_again(Closed(model), queries=QUESTIONS[:10], size=40)
    nearest = {str(d.id) for question in QUESTIONS[:10] for d in Closed(model).similarity_search(question, k=4)}
    (batch,) = opened.scan()
    assert set(batch.ids) == nearest
    report = audit(opened)
    (said,) = [finding for finding in report.findings if finding.code == "IDX008"]
    assert f"{len(nearest)} documents that 10 queries found, so no uniform sample, embedded again" in said.message
    assert "documents embedded again" in str(report)


def test_a_document_without_an_id_and_one_without_a_text(model: ModelByText) -> None:
    model.documents |= {"a": X[0], "b": X[1]}
    documents = [Document(page_content=t) for t in ("a", " ", "b", "a")]
    (batch,) = embed_again(Closed(model), documents=documents).scan()
    assert (list(batch.ids), batch.texts) == (["#0", "#1"], ["a", "b"])


def test_what_is_missing_is_said(model: ModelByText) -> None:
    with pytest.raises(UnknownStoreError, match=r"ragdiag_langchain\.embed_again opens some of its documents"):
        audit(Closed(model))
    with pytest.raises(EmbeddingsError, match="Closed does not show its embedding model: give it with embeddings="):
        embed_again(Closed(None), documents=DOCUMENTS)
    with pytest.raises(StoreError, match="cannot list its documents: give some with documents=, or queries="):
        embed_again(Closed(model))
    with pytest.raises(StoreError, match="1 documents with a text"):
        embed_again(Closed(model), documents=DOCUMENTS[:1])
    model.documents["text 3"] = [float("nan")] * 10
    with pytest.raises(EmbeddingsError, match="NaN"):
        embed_again(Closed(model), documents=DOCUMENTS)
    assert embed_again(Closed(None), documents=DOCUMENTS[5:], embeddings=model).info.count == 145


def test_a_part_of_a_store_is_compared_and_not_fixed(model: ModelByText, tmp_path: Path) -> None:
    opened = embed_again(Closed(model), documents=DOCUMENTS)
    comparison = compare(opened, LABELS, embeddings=model, similarities=["query-centred"])
    assert [run.similarity for run in comparison.runs] == ["cosine", "query-centred"]
    with pytest.raises(StoreError, match="is a part of a store"):
        fix(opened, "query-centred", to=f"faiss:{tmp_path}/new", judgements=LABELS, embeddings=model)
    assert list(tmp_path.iterdir()) == []


def test_audit_compare_and_fix_take_a_live_store_and_its_model(model: ModelByText, tmp_path: Path) -> None:
    store = InMemoryVectorStore(model)
    store.add_documents(DOCUMENTS)
    report = audit(store, judgements=LABELS, embeddings=store.embeddings)
    assert report.comparison is not None
    assert "IDX012" not in {finding.code for finding in report.findings}
    comparison = compare(store, LABELS, embeddings=model, similarities=["query-centred"])
    fixed = fix(store, "query-centred", to=f"faiss:{tmp_path}/new", judgements=LABELS, embeddings=model)
    assert fixed.comparison is not None
    assert fixed.comparison.runs[1].scores["nDCG@10"].mean == comparison.runs[1].scores["nDCG@10"].mean
    assert fixed.delivered == pytest.approx(fixed.promised, abs=1e-6)
    assert open_store(f"faiss:{tmp_path}/new").info.count == len(IDS)


def test_a_number_that_is_another_document_s_id_is_not_given(model: ModelByText) -> None:
    texts = {"#1": "a", "": "b", "##1": "c", "x": "d"}
    model.documents |= {text: X[at] for at, text in enumerate(texts.values())}
    documents = [Document(id=id_ or None, page_content=text) for id_, text in texts.items()]
    (batch,) = embed_again(Closed(model), documents=documents).scan()
    assert dict(zip(batch.ids, batch.texts or (), strict=True)) == {"#1": "a", "###1": "b", "##1": "c", "x": "d"}


@pytest.mark.parametrize("size", [-1, 0, 1, True, 2.0])
def test_a_size_that_is_none(model: ModelByText, size: Any) -> None:
    with pytest.raises(ConfigError, match=r"size is .*: give a whole number, at least 2"):
        embed_again(Closed(model), documents=DOCUMENTS, size=size)
