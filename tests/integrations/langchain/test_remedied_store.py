from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from ragdiag_langchain import RemediedEmbeddings, RemediedVectorStore, diagnose, record_of

from ragdiag import Artefact, audit, fix, load_artefact
from ragdiag.errors import ArtefactError, EmbeddingsError, StoreError
from ragdiag.stores import ArrayStore
from ragdiag.types import Float64, Metric
from tests.integrations.langchain.model_by_text import DIM, IDS, QUESTIONS, TEXTS, ModelByText, shifted_world

X, Q = shifted_world()
DOCUMENTS = [
    Document(id=i, page_content=t, metadata={"even": at % 2 == 0})
    for at, (i, t) in enumerate(zip(IDS, TEXTS, strict=True))
]
COSINE, BIASED, DOT = "query-centred | whitened(gamma=0.5)", "csls(k=5)", "query-centred | dot"


def fixed(folder: Path, remedy: str, to: str = "faiss:{}/new", metric: Metric = Metric.COSINE) -> Artefact:
    store = ArrayStore(X, ids=IDS, texts=TEXTS, metadata=[{} for _ in IDS], metric=metric)
    folder.mkdir(exist_ok=True)
    return load_artefact(fix(store, remedy, to=to.format(folder), query_vectors=Q).artefact)


def new_model() -> ModelByText:
    return ModelByText.of(TEXTS, X, QUESTIONS, Q)


def in_memory(artefact: Artefact) -> VectorStore:
    return InMemoryVectorStore(new_model())


def empty_faiss(artefact: Artefact, strategy: str, **options: Any) -> VectorStore:
    community = pytest.importorskip("langchain_community.vectorstores.faiss")
    import faiss
    from langchain_community.docstore.in_memory import InMemoryDocstore

    dim = artefact.documents(X[:1]).shape[1]
    index = faiss.IndexFlatIP(dim) if strategy == "MAX_INNER_PRODUCT" else faiss.IndexFlatL2(dim)
    strategy = getattr(community.DistanceStrategy, strategy)
    store: VectorStore = community.FAISS(
        new_model(), index, InMemoryDocstore(), {}, distance_strategy=strategy, **options
    )
    return store


KINDS: dict[str, Callable[[Artefact], VectorStore]] = {
    "in memory": in_memory,
    "faiss l2": lambda artefact: empty_faiss(artefact, "EUCLIDEAN_DISTANCE"),
    "faiss dot": lambda artefact: empty_faiss(artefact, "MAX_INNER_PRODUCT"),
    "faiss normalised": lambda artefact: empty_faiss(artefact, "EUCLIDEAN_DISTANCE", normalize_L2=True),
}


def filled(artefact: Artefact, kind: str = "in memory") -> RemediedVectorStore:
    store = RemediedVectorStore(KINDS[kind](artefact), artefact)
    assert store.add_documents(DOCUMENTS) == IDS
    return store


def mapped_of(artefact: Artefact) -> tuple[Float64, Float64]:
    return artefact.queries(Q).astype(np.float64), artefact.documents(X).astype(np.float64)


def cosines(A: Float64, B: Float64) -> Float64:
    product: Float64 = A @ B.T / np.outer(np.linalg.norm(A, axis=1), np.linalg.norm(B, axis=1))
    return product


@pytest.mark.parametrize("remedy", [COSINE, BIASED, DOT, "l2"])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_formula(tmp_path: Path, kind: str, remedy: str) -> None:
    artefact = fixed(tmp_path, remedy)
    if remedy == "l2" and kind != "faiss l2":  # written for a store that ranks by L2 itself, as vectors of all lengths
        with pytest.raises(ArtefactError, match="is for a store that ranks by l2"):
            filled(artefact, kind)
        return
    store = filled(artefact, kind)
    queries, documents = mapped_of(artefact)
    relevance = (1 + cosines(queries, documents)) / 2
    by_similarity = artefact.similarity.queries(Q).astype(np.float64) @ artefact.similarity.documents(X).T
    own = {
        "in memory": cosines(queries, documents),
        "faiss l2": ((queries[:, None] - documents[None]) ** 2).sum(axis=2),
        "faiss dot": queries @ documents.T,
        "faiss normalised": 2 - 2 * cosines(queries, documents),
    }[kind]
    for row, question in enumerate(QUESTIONS[:8]):
        best = [IDS[at] for at in np.argsort(-by_similarity[row])[:10]]
        assert [document.id for document in store.similarity_search(question, k=10)] == best
        for found, expected in (
            (store.similarity_search_with_score(question, k=10), own),
            *([] if remedy == "l2" else [(store.similarity_search_with_relevance_scores(question, k=10), relevance)]),
        ):
            assert [document.id for document, _ in found] == best
            scores = [expected[row, IDS.index(str(document.id))] for document, _ in found]
            assert [score for _, score in found] == pytest.approx(scores, rel=1e-5, abs=2e-6)


def test_under_cosine_the_relevance_is_the_score_of_the_similarity(tmp_path: Path) -> None:
    artefact = fixed(tmp_path, COSINE)
    scores = artefact.similarity.queries(Q[:1]) @ artefact.similarity.documents(X).T
    ((_, relevance),) = filled(artefact).similarity_search_with_relevance_scores(QUESTIONS[0], k=1)
    assert relevance == pytest.approx((1 + scores.max()) / 2, abs=1e-6)


def naive_mmr(query: Float64, documents: Float64, k: int, weight: float) -> list[int]:
    near, between = cosines(query[None], documents)[0], cosines(documents, documents)
    chosen = [int(np.argmax(near))]
    while len(chosen) < k:
        left = [at for at in range(len(documents)) if at not in chosen]
        chosen.append(max(left, key=lambda at: weight * near[at] - (1 - weight) * between[at, chosen].max()))
    return chosen


@pytest.mark.parametrize("kind", ["in memory", "faiss l2"])
@pytest.mark.parametrize("remedy", [COSINE, BIASED, DOT])
def test_mmr_weighs_the_dimensions_of_the_content(tmp_path: Path, kind: str, remedy: str) -> None:
    artefact = fixed(tmp_path, remedy)
    store = filled(artefact, kind)
    queries, documents = mapped_of(artefact)
    assert documents.shape[1] == {COSINE: DIM, BIASED: DIM + 2, DOT: DIM + 1}[remedy]
    differs = 0
    for row, question in enumerate(QUESTIONS[:10]):
        near = np.argsort(-cosines(queries[row][None], documents)[0])[:30]
        expected = [IDS[near[at]] for at in naive_mmr(queries[row, :DIM], documents[near, :DIM], 6, 0.3)]
        found = store.max_marginal_relevance_search(question, k=6, fetch_k=30, lambda_mult=0.3)
        assert [document.id for document in found] == expected
        found = store.max_marginal_relevance_search_by_vector(Q[row].tolist(), k=6, fetch_k=30, lambda_mult=0.3)
        assert [document.id for document in found] == expected
        differs += expected != [IDS[near[at]] for at in naive_mmr(queries[row], documents[near], 6, 0.3)]
    assert (differs > 0) == (remedy != COSINE)


def test_mmr_among_the_documents_that_a_filter_leaves(tmp_path: Path) -> None:
    artefact = fixed(tmp_path, BIASED)
    queries, documents = mapped_of(artefact)
    even = np.arange(0, len(IDS), 2)
    near = even[np.argsort(-cosines(queries[:1], documents[even])[0])[:30]]
    expected = [IDS[near[at]] for at in naive_mmr(queries[0, :DIM], documents[near, :DIM], 5, 0.5)]
    found = filled(artefact).max_marginal_relevance_search(
        QUESTIONS[0], k=5, fetch_k=30, filter=lambda document: document.metadata["even"]
    )
    assert [document.id for document in found] == expected
    found = filled(artefact, "faiss l2").max_marginal_relevance_search(
        QUESTIONS[0], k=5, fetch_k=60, filter={"even": True}
    )
    assert len(found) == 5
    assert all(document.metadata["even"] for document in found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("remedy", [COSINE, BIASED])
def test_async_and_vectors_give_the_same(tmp_path: Path, kind: str, remedy: str) -> None:
    store = filled(fixed(tmp_path, remedy), kind)
    question, vector = QUESTIONS[5], Q[5].tolist()

    async def all_of_it() -> list[Any]:
        return [
            await store.asimilarity_search(question, k=5),
            await store.asimilarity_search_with_score(question, k=5),
            await store.asimilarity_search_with_relevance_scores(question, k=5),
            await store.amax_marginal_relevance_search(question, k=5),
            await store.asimilarity_search_by_vector(vector, k=5),
            await store.amax_marginal_relevance_search_by_vector(vector, k=5),
            await store.aget_by_ids(["d3"]),
        ]

    assert asyncio.run(all_of_it()) == [
        found := store.similarity_search(question, k=5),
        store.similarity_search_with_score(question, k=5),
        store.similarity_search_with_relevance_scores(question, k=5),
        diverse := store.max_marginal_relevance_search(question, k=5),
        found,
        diverse,
        store.get_by_ids(["d3"]),
    ]


def test_a_retriever_asks_for_one_embedding_per_query(tmp_path: Path) -> None:
    for number, remedy in enumerate((COSINE, BIASED)):
        store = filled(fixed(tmp_path / str(number), remedy))
        model = store.embeddings
        assert isinstance(model, ModelByText)
        for search in ("similarity", "mmr", "similarity_score_threshold"):
            options = {"k": 3, "score_threshold": 0.0} if search.endswith("threshold") else {"k": 3}
            retriever = store.as_retriever(search_type=search, search_kwargs=options)
            assert len(retriever.invoke(QUESTIONS[0])) == 3
            assert model.asked == [QUESTIONS[0]]
            model.asked.clear()
    assert store.as_retriever().tags == ["RemediedVectorStore", "ModelByText"]


@pytest.mark.parametrize("kind", ["in memory", "faiss l2"])
def test_the_store_that_was_given_is_the_same_and_keeps_its_model(tmp_path: Path, kind: str) -> None:
    artefact = fixed(tmp_path, COSINE)
    given = KINDS[kind](artefact)
    model = given.embeddings
    store = RemediedVectorStore(given, artefact)
    store.add_documents(DOCUMENTS)
    assert given.embeddings is store.embeddings is model
    first, second, third = [document.id for document in store.similarity_search(QUESTIONS[0], k=3)]
    assert first is not None
    assert second is not None
    store.delete([first])
    assert given.get_by_ids([first]) == store.get_by_ids([first]) == []
    given.delete([second])  # FAISS numbers the others anew
    assert store.get_by_ids([second]) == []
    assert [document.id for document in store.similarity_search(QUESTIONS[0], k=1)] == [third]
    store.add_documents([DOCUMENTS[IDS.index(first)]])
    assert [document.id for document in store.similarity_search(QUESTIONS[0], k=1)] == [first]


def test_a_copy_can_be_given_another_model(tmp_path: Path) -> None:
    store = filled(fixed(tmp_path, COSINE))
    watched = copy.copy(store)
    watched.embedding = new_model()
    expected = store.similarity_search_with_score(QUESTIONS[0])
    assert isinstance(store.embedding, ModelByText)
    store.embedding.asked.clear()
    assert watched.similarity_search_with_score(QUESTIONS[0]) == expected
    assert (watched.embedding.asked, store.embedding.asked) == ([QUESTIONS[0]], [])


def test_a_folder_that_fix_wrote_is_wrapped_with_either_model(tmp_path: Path) -> None:
    community = pytest.importorskip("langchain_community.vectorstores.faiss")
    artefact = fixed(tmp_path, BIASED)
    expected = [document.id for document in filled(artefact).similarity_search(QUESTIONS[2], k=10)]
    for model in (new_model(), RemediedEmbeddings(new_model(), artefact)):
        given = community.FAISS.load_local(str(tmp_path / "new"), model, allow_dangerous_deserialization=True)
        store = RemediedVectorStore(given, tmp_path / "new.ragdiag")
        assert isinstance(store.embeddings, ModelByText)
        assert [document.id for document in store.similarity_search(QUESTIONS[2], k=10)] == expected


def test_from_texts_fills_a_store_in_memory(tmp_path: Path) -> None:
    artefact = fixed(tmp_path, COSINE)
    store = RemediedVectorStore.from_texts(TEXTS, new_model(), ids=IDS, artefact=artefact)
    expected = filled(artefact).similarity_search_with_score(QUESTIONS[0])
    assert [(d.id, s) for d, s in store.similarity_search_with_score(QUESTIONS[0])] == [(d.id, s) for d, s in expected]
    with pytest.raises(ArtefactError, match="give artefact="):
        RemediedVectorStore.from_texts(TEXTS, new_model())


class Elsewhere(VectorStore):
    """A store that ragdiag does not know, with its model under a name of its own."""

    def __init__(self, model: Embeddings) -> None:
        self._encoder = model
        self.rows: list[tuple[Document, list[float]]] = []

    @property
    def embeddings(self) -> Embeddings:
        return self._encoder

    def add_texts(self, texts: Any, metadatas: Any = None, *, ids: Any = None, **kwargs: Any) -> list[str]:
        texts = list(texts)
        documents = [Document(id=id_, page_content=text) for id_, text in zip(ids, texts, strict=True)]
        self.rows += zip(documents, self._encoder.embed_documents(texts), strict=True)
        return list(ids)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        rows = sorted(self.rows, key=lambda row: -float(np.dot(row[1], embedding)))
        return [document for document, _ in rows[:k]]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return self.similarity_search_by_vector(self._encoder.embed_query(query), k)

    @classmethod
    def from_texts(cls, *args: Any, **kwargs: Any) -> Elsewhere:
        raise NotImplementedError


def test_a_store_that_nobody_knows(tmp_path: Path) -> None:
    artefact = fixed(tmp_path, BIASED)
    store = RemediedVectorStore(Elsewhere(new_model()), artefact)
    store.add_documents(DOCUMENTS)
    known = filled(artefact)
    for search in ("similarity", "mmr"):
        found = store.search(QUESTIONS[1], search, k=6)
        assert [d.id for d in found] == [d.id for d in known.search(QUESTIONS[1], search, k=6)]
    with pytest.raises(NotImplementedError):  # its own answer
        store.similarity_search_with_relevance_scores(QUESTIONS[1])


def test_a_store_whose_model_cannot_be_reached(tmp_path: Path) -> None:
    artefact = fixed(tmp_path, COSINE)

    class Hidden(Elsewhere):
        def __init__(self, model: Embeddings) -> None:
            self.held = {"model": model}

        @property
        def embeddings(self) -> Embeddings:
            return self.held["model"]

    class Silent(Hidden):
        @property
        def embeddings(self) -> Any:
            return None

    with pytest.raises(StoreError, match=r"Hidden keeps its embedding model where .*: give RemediedEmbeddings\("):
        RemediedVectorStore(Hidden(new_model()), artefact)
    with pytest.raises(StoreError, match="Silent does not show its embedding model"):
        RemediedVectorStore(Silent(new_model()), artefact)


def test_a_store_of_other_vectors_is_refused(tmp_path: Path) -> None:
    artefact = fixed(tmp_path, COSINE)
    original = InMemoryVectorStore(new_model())
    original.add_documents(DOCUMENTS)
    with pytest.raises(ArtefactError, match="holds the vectors from before the fix"):
        RemediedVectorStore(original, artefact)
    original.delete(IDS[:1])  # not the documents that were fixed any more, but their width tells
    with pytest.raises(ArtefactError, match="holds vectors of dimension 10, not 12"):
        RemediedVectorStore(original, fixed(tmp_path / "biased", BIASED))
    wrong = RemediedVectorStore(InMemoryVectorStore(DeterministicFakeEmbedding(size=DIM + 1)), artefact)
    for call in (lambda: wrong.add_texts(["a"]), lambda: wrong.similarity_search("a")):
        with pytest.raises(ArtefactError, match="maps vectors of dimension 10, the embedding model returned one of 11"):
            call()
    assert wrong.store.store == {}  # type: ignore[attr-defined]


def test_a_part_of_the_original_under_other_ids_is_refused_by_its_lengths(tmp_path: Path) -> None:
    artefact = fixed(tmp_path, COSINE)
    original = InMemoryVectorStore(new_model())
    original.add_documents([Document(id=f"new {d.id}", page_content=d.page_content) for d in DOCUMENTS[:20]])
    with pytest.raises(ArtefactError, match="or others that were not mapped by it"):
        RemediedVectorStore(original, artefact)
    mapped = InMemoryVectorStore(RemediedEmbeddings(new_model(), artefact))
    mapped.add_documents([Document(id=f"new {d.id}", page_content=d.page_content) for d in DOCUMENTS[:20]])
    expected = mapped.similarity_search_with_score(QUESTIONS[0])
    assert RemediedVectorStore(mapped, artefact).similarity_search_with_score(QUESTIONS[0]) == expected


def test_what_is_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"a str is no LangChain vector store: open it first, as with FAISS\.load_local"
    ):
        RemediedVectorStore("faiss:./fixed", fixed(tmp_path, COSINE))  # type: ignore[arg-type]


def test_nothing_is_mapped_twice(tmp_path: Path) -> None:
    artefact, other = fixed(tmp_path, COSINE), fixed(tmp_path / "other", "centred")
    store = filled(artefact)
    for given in (store, diagnose(store)):
        with pytest.raises(StoreError, match=r"a RemediedVectorStore maps already: .* give the store behind: \.store"):
            RemediedVectorStore(given, artefact)
    once = RemediedEmbeddings(new_model(), artefact)
    for model in (once, diagnose(InMemoryVectorStore(once)).embeddings):
        for given_artefact in (artefact, other):
            with pytest.raises(
                ArtefactError, match=r"the model maps already, by query-centred \| whitened.*\.embeddings"
            ):
                RemediedEmbeddings(model, given_artefact)
    with pytest.raises(ArtefactError, match="the model maps already"):
        RemediedVectorStore(InMemoryVectorStore(once), other)
    # By the same one, queries and documents are mapped once.
    same = RemediedVectorStore(InMemoryVectorStore(once), load_artefact(tmp_path / "new.ragdiag"))
    same.add_documents(DOCUMENTS)
    expected = store.similarity_search_with_score(QUESTIONS[0])
    assert same.similarity_search_with_score(QUESTIONS[0]) == expected


def test_a_fix_of_what_a_fix_wrote_goes_through_both_maps(tmp_path: Path) -> None:
    community = pytest.importorskip("langchain_community.vectorstores.faiss")
    first = fixed(tmp_path, COSINE)
    path = fix(f"faiss:{tmp_path}/new", "abtt(d=1)", to=f"faiss:{tmp_path}/second").artefact
    second = load_artefact(path)
    model = RemediedEmbeddings(new_model(), first)
    query = second.queries(first.queries(Q[:1]))
    assert RemediedEmbeddings(model, second).embed_query(QUESTIONS[0]) == pytest.approx(query[0].tolist(), abs=1e-6)
    given = community.FAISS.load_local(str(tmp_path / "second"), model, allow_dangerous_deserialization=True)
    store = RemediedVectorStore(given, second)
    scores = (query.astype(np.float64) @ second.documents(first.documents(X)).T)[0]
    found = [document.id for document in store.similarity_search(QUESTIONS[0], k=10)]
    assert found == [IDS[at] for at in np.argsort(-scores)[:10]]


def test_a_diagnosed_store_is_refused(tmp_path: Path) -> None:
    """What it would record is not what the application asks."""
    with pytest.raises(
        StoreError, match=r"is diagnosed, .*put RemediedVectorStore around the store itself, and diagnose"
    ):
        RemediedVectorStore(diagnose(InMemoryVectorStore(new_model())), fixed(tmp_path, COSINE))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("remedy", [COSINE, BIASED])
def test_diagnosed_it_records_the_scores_and_vectors_of_the_store_behind(
    tmp_path: Path, kind: str, remedy: str
) -> None:
    artefact = fixed(tmp_path, remedy)
    store = filled(artefact, kind)
    recorded = diagnose(store)
    raw = {d.id: float(s) for d, s in store.similarity_search_with_score(QUESTIONS[0], k=len(IDS))}
    calls: list[Callable[[Any], Any]] = [
        lambda s: s.similarity_search(QUESTIONS[0], k=5),
        lambda s: asyncio.run(s.asimilarity_search(QUESTIONS[0], k=5)),
        lambda s: s.similarity_search_by_vector(Q[0].tolist(), k=5),
        lambda s: s.as_retriever(search_kwargs={"k": 5}).invoke(QUESTIONS[0]),
        lambda s: s.similarity_search_with_score(QUESTIONS[0], k=5),
        lambda s: s.similarity_search_with_relevance_scores(QUESTIONS[0], k=5),
    ]
    for call in calls:
        assert call(recorded) == call(store)
    model: Any = store.embedding
    model.asked.clear()
    recorded.similarity_search(QUESTIONS[0], k=5)
    assert model.asked == [QUESTIONS[0]]
    found = record_of(recorded).retrievals()
    assert len(found) == len(calls) + 1
    for retrieval in found:
        assert retrieval.scores == pytest.approx([raw[id_] for id_ in retrieval.ids], abs=1e-6)
        assert retrieval.direction == ("lower" if kind in ("faiss l2", "faiss normalised") else "higher")
        assert retrieval.vector is not None
        np.testing.assert_allclose(retrieval.vector, artefact.queries(Q[:1])[0], atol=1e-6)
    report = record_of(recorded).report()  # of the store behind, with the vectors that it was searched by
    assert report.store.count == len(IDS)
    assert (report.measures["hubness.query.largest"].value, report.sampling.queries) == (1.0, 2)


def test_a_remedied_store_is_audited_by_the_store_behind(tmp_path: Path) -> None:
    store = filled(fixed(tmp_path, COSINE))
    for given in (store, diagnose(store)):
        with pytest.raises(StoreError, match=r"holds mapped vectors.*give the store behind, \.store, and RemediedEmb"):
            audit(given)
    assert audit(diagnose(store).store).store.count == len(IDS)


def test_a_fix_for_the_dot_product_needs_a_store_that_ranks_by_it(tmp_path: Path) -> None:
    in_place = fixed(tmp_path, DOT, metric=Metric.DOT)
    assert in_place.target == {}
    for artefact in (in_place, fixed(tmp_path, "l2", "{}/dot.npz?metric=dot")):
        for kind, metric in (("in memory", "cosine"), ("faiss l2", "l2")):
            with pytest.raises(ArtefactError, match=f"is for a store that ranks by the dot product, .* by {metric}"):
                RemediedVectorStore(KINDS[kind](artefact), artefact)
        store = filled(artefact, "faiss dot")
        scores = artefact.similarity.queries(Q).astype(np.float64) @ artefact.similarity.documents(X).T
        for row in range(5):
            found = [document.id for document in store.similarity_search(QUESTIONS[row], k=10)]
            assert found == [IDS[at] for at in np.argsort(-scores[row])[:10]]
        with pytest.raises(ArtefactError, match="no known bound"):
            store.similarity_search_with_relevance_scores(QUESTIONS[0])


def test_in_place_the_index_that_is_there_is_wrapped(tmp_path: Path) -> None:
    community = pytest.importorskip("langchain_community.vectorstores.faiss")
    artefact = fixed(tmp_path, DOT, metric=Metric.DOT)
    strategy = community.DistanceStrategy.MAX_INNER_PRODUCT
    given = community.FAISS.from_documents(DOCUMENTS, new_model(), distance_strategy=strategy)
    store = RemediedVectorStore(given, artefact)
    scores = (Q.astype(np.float64) - Q.astype(np.float64).mean(axis=0)) @ X.T
    for row in range(5):
        found = store.similarity_search_with_score(QUESTIONS[row], k=10)
        assert [document.id for document, _ in found] == [IDS[at] for at in np.argsort(-scores[row])[:10]]
        assert [score for _, score in found] == pytest.approx(np.sort(scores[row])[::-1][:10], rel=1e-5)


def test_a_model_that_returns_nan_is_one_error(tmp_path: Path) -> None:
    store = filled(fixed(tmp_path, COSINE))
    model = store.embeddings
    assert isinstance(model, ModelByText)
    model.documents["new"] = model.queries["new"] = [float("nan")] * DIM
    with pytest.raises(EmbeddingsError, match="NaN or infinite"):
        store.add_texts(["new"], ids=["new"])
    with pytest.raises(EmbeddingsError, match="NaN or infinite"):
        store.similarity_search("new")
    assert store.get_by_ids(["new"]) == []
    assert len(store.similarity_search(QUESTIONS[0])) == 4
