from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from ragdiag_langchain import RemediedEmbeddings

from ragdiag import fix, load_artefact
from ragdiag.errors import ArtefactError, EmbeddingsError
from ragdiag.similarities import Training
from ragdiag.stores import ArrayStore
from ragdiag.types import Metric
from tests.integrations.langchain.model_by_text import DIM, IDS, QUESTIONS, TEXTS, ModelByText, shifted_world
from tests.reference import similarities as reference

X, Q = shifted_world()


def fixed(folder: Path, remedy: str, metric: Metric = Metric.COSINE, to: str = "faiss:{}/new") -> str:
    store = ArrayStore(X, ids=IDS, texts=TEXTS, metadata=[{} for _ in IDS], metric=metric)
    return fix(store, remedy, to=to.format(folder), query_vectors=Q).artefact


@pytest.fixture
def model() -> ModelByText:
    return ModelByText.of(TEXTS, X, QUESTIONS, Q)


def test_queries_and_documents_go_through_their_own_maps(tmp_path: Path, model: ModelByText) -> None:
    remedied = RemediedEmbeddings(model, fixed(tmp_path, "query-centred"))
    mapped = np.array(remedied.embed_documents(TEXTS)), np.array([remedied.embed_query(q) for q in QUESTIONS])
    expected = reference.query_centred(Q.astype(np.float64), X.astype(np.float64), Training(X, Q))
    np.testing.assert_allclose(mapped[1] @ mapped[0].T, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(mapped[0], axis=1), 1, atol=1e-6)


def test_async_is_the_same(tmp_path: Path, model: ModelByText) -> None:
    remedied = RemediedEmbeddings(model, fixed(tmp_path, "query-centred | whitened(gamma=0.5)"))

    async def both() -> tuple[list[list[float]], list[float]]:
        return await remedied.aembed_documents(TEXTS), await remedied.aembed_query(QUESTIONS[0])

    assert asyncio.run(both()) == (remedied.embed_documents(TEXTS), remedied.embed_query(QUESTIONS[0]))
    assert remedied.embed_documents([]) == []


def test_a_fixed_folder_is_searched_and_added_to(tmp_path: Path, model: ModelByText) -> None:
    community = pytest.importorskip("langchain_community.vectorstores.faiss")
    path = fixed(tmp_path, "csls(k=5)")
    remedied = RemediedEmbeddings(model, path)
    store = community.FAISS.load_local(str(tmp_path / "new"), remedied, allow_dangerous_deserialization=True)
    similarity = load_artefact(path).similarity
    new = (X[3] + X[7]) / 2
    model.documents["late"] = new.tolist()
    store.add_texts(["late"], ids=["late"])
    scores = similarity.queries(Q).astype(np.float64) @ similarity.documents(np.vstack([X, new])).T
    best = np.argsort(-scores, axis=1)[:, :10]
    for row, question in enumerate(QUESTIONS):
        found = [document.id for document in store.similarity_search(question, k=10)]
        assert found == [[*IDS, "late"][at] for at in best[row]]


def test_after_a_fix_in_place_documents_stay_as_they_are(tmp_path: Path, model: ModelByText) -> None:
    path = fixed(tmp_path, "query-centred | dot", Metric.DOT)
    assert load_artefact(path).target == {}
    remedied = RemediedEmbeddings(model, path)
    assert np.array_equal(np.array(remedied.embed_documents(TEXTS), dtype=np.float32), X)
    expected = Q[0].astype(np.float64) - Q.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(remedied.embed_query(QUESTIONS[0]), expected, atol=1e-6)


class Broken(Embeddings):
    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if isinstance(self.rows, Exception):
            raise self.rows
        rows: list[list[float]] = self.rows
        return rows

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([[1.0] * (DIM + 1)], ArtefactError, "maps vectors of dimension 10, the embedding model returned one of 11"),
        ([[float("nan")] * DIM], EmbeddingsError, "NaN or infinite"),
        ([[float("inf")] * DIM], EmbeddingsError, "NaN or infinite"),
        (TimeoutError("busy"), TimeoutError, "busy"),
    ],
)
def test_what_the_model_does_wrong_is_one_error_and_nothing_is_stored(
    tmp_path: Path, rows: Any, error: type[Exception], message: str
) -> None:
    remedied = RemediedEmbeddings(Broken(rows), fixed(tmp_path, "query-centred"))
    store = InMemoryVectorStore(remedied)
    with pytest.raises(error, match=message):
        store.add_texts(["a"])
    assert store.store == {}
    with pytest.raises(error, match=message):
        remedied.embed_query("a")
    with pytest.raises(error, match=message):
        asyncio.run(remedied.aembed_query("a"))


def test_a_text_without_a_vector_is_noticed(tmp_path: Path) -> None:
    remedied = RemediedEmbeddings(Broken([[1.0] * DIM]), fixed(tmp_path, "query-centred"))
    with pytest.raises(EmbeddingsError, match="1 vectors for 2 texts"):
        remedied.embed_documents(["a", "b"])


def test_what_is_no_artefact_or_no_model_is_said(tmp_path: Path) -> None:
    model = DeterministicFakeEmbedding(size=DIM)
    with pytest.raises(ArtefactError, match="cannot be read"):
        RemediedEmbeddings(model, tmp_path / "none")
    with pytest.raises(ArtefactError, match="a dict is no artefact"):
        RemediedEmbeddings(model, {})  # type: ignore[arg-type]
    with pytest.raises(EmbeddingsError, match="a int is no embedding model"):
        RemediedEmbeddings(3, fixed(tmp_path, "query-centred"))  # type: ignore[arg-type]
