from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableBranch, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import create_retriever_tool
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from ragdiag_langchain import RemediedVectorStore, RetrievalRecord, diagnose, record_of
from ragdiag_langchain.traffic import Retrieval

from ragdiag import fix
from ragdiag.errors import RecordError
from tests.integrations.langchain.live import DOCUMENTS, PLANTED, QUESTIONS, Counting, handbook, small


def faiss(n: int = 12, dim: int = 6) -> tuple[Any, Counting]:
    community = pytest.importorskip("langchain_community.vectorstores.faiss")
    embeddings = Counting(dim)
    texts = [f"text {at}" for at in range(n)]
    ids = [f"id-{at}" for at in range(n)]
    return community.FAISS.from_texts(texts, embeddings, [{"n": at} for at in range(n)], ids=ids), embeddings


class Plain(BaseRetriever):
    """Finds the documents whose text is in the query; knows no vectors."""

    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [document for document in self.documents if document.page_content in query]


class Bare(BaseRetriever):
    """As retrievers of the first days were: without a run manager."""

    def _get_relevant_documents(self, query: str) -> list[Document]:  # type: ignore[override]
        return [Document(query, id="1")]


class Broken(BaseRetriever):
    error: Exception

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        raise self.error


def as_text(documents: list[Document]) -> str:
    return "|".join(document.page_content for document in documents)


def rag(retriever: Any) -> Runnable[str, Any]:
    """Return a chain that gives back its context, its question and what a model would be told."""
    prompt = ChatPromptTemplate.from_template("{context} {question}") | RunnableLambda(lambda p: p.to_string())
    parallel = RunnableParallel(context=retriever | as_text, docs=retriever, question=RunnablePassthrough())
    return parallel | RunnablePassthrough.assign(told=prompt)


STYLES: dict[str, Callable[[Any, list[str]], Any]] = {
    "invoke": lambda r, qs: [r.invoke(q) for q in qs],
    "batch": lambda r, qs: r.batch(qs, config={"max_concurrency": 4}),
    "stream": lambda r, qs: [list(r.stream(q)) for q in qs],
    "ainvoke": lambda r, qs: asyncio.run(_each(r, qs)),
    "abatch": lambda r, qs: asyncio.run(r.abatch(qs)),
    "astream": lambda r, qs: asyncio.run(_streamed(r, qs)),
}


async def _each(runnable: Any, queries: list[str]) -> list[Any]:
    return list(await asyncio.gather(*(runnable.ainvoke(query) for query in queries)))


async def _streamed(runnable: Any, queries: list[str]) -> list[Any]:
    found = []
    for query in queries:
        parts = [part async for part in runnable.astream(query)]
        found.append(parts)
    return found


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", ["inmemory", "faiss"])
@settings(max_examples=8, deadline=None)
@given(
    queries=st.lists(st.text(max_size=8), min_size=1, max_size=5),
    k=st.integers(1, 14),
    mmr=st.booleans(),
    chain=st.booleans(),
)
def test_results_are_those_without_it(
    style: str, kind: str, queries: list[str], k: int, mmr: bool, chain: bool
) -> None:
    store, embeddings = small() if kind == "inmemory" else faiss()
    plain = store.as_retriever(search_type="mmr" if mmr else "similarity", search_kwargs={"k": k})
    whole: Any = rag(plain) if chain else plain
    recorded = diagnose(whole)
    assert type(recorded).__name__ == type(whole).__name__
    assert isinstance(recorded, type(whole))
    ask = STYLES[style]
    expected = ask(whole, queries)
    embeddings.asked.clear()
    got = ask(recorded, queries)
    if chain and "stream" in style:  # the parts of a parallel come as its threads are done
        got, expected = ([sorted(map(repr, parts)) for parts in each] for each in (got, expected))
    assert got == expected
    asked = 2 if chain else 1
    assert sorted(embeddings.asked) == sorted(queries * asked), "one embedding for each query"
    record = record_of(recorded)
    assert record.asked == asked * len(queries)
    for retrieval in record.retrievals():
        assert retrieval.vector is not None
        np.testing.assert_array_equal(retrieval.vector, np.array(embeddings.vector(retrieval.query), np.float32))
        assert list(retrieval.ids) == [document.id for document in plain.invoke(retrieval.query)]
        assert retrieval.run_id
        assert bool(retrieval.parent_run_id) == chain


@pytest.mark.parametrize(("make", "direction"), [(small, "higher"), (faiss, "lower")])
def test_scores_are_the_stores_own(make: Callable[[], tuple[Any, Counting]], direction: str) -> None:
    store, _ = make()
    recorded = diagnose(store.as_retriever(search_kwargs={"k": 3}))
    recorded.invoke("text 7")
    (retrieval,) = record_of(recorded).retrievals()
    expected = store.similarity_search_with_score("text 7", k=3)
    assert retrieval.ids == tuple(document.id for document, _ in expected)
    assert retrieval.scores == tuple(float(score) for _, score in expected)
    assert (retrieval.ids[0], retrieval.direction, retrieval.ranks["id-7"]) == ("id-7", direction, 1)


def test_scores_under_a_threshold_and_with_mmr_are_the_stores_own() -> None:
    store, _ = faiss()
    found = store.similarity_search_with_score("text 7", k=12)
    raw = {document.id: float(score) for document, score in found}
    store.relevance_score_fn = None
    store.override_relevance_score_fn = lambda score: max(0.0, 1 - score / 100)
    cut = sorted(raw.values())[4]
    for options in (
        {"search_type": "similarity_score_threshold", "search_kwargs": {"k": 12, "score_threshold": 1 - cut / 100}},
        {"search_type": "mmr", "search_kwargs": {"k": 4}},
    ):
        plain = store.as_retriever(**options)
        recorded = diagnose(plain)
        documents = recorded.invoke("text 7")
        assert [d.id for d in documents] == [d.id for d in plain.invoke("text 7")]
        (retrieval,) = record_of(recorded).retrievals()
        assert retrieval.ids == tuple(d.id for d in documents)
        assert retrieval.scores == pytest.approx([raw[id_] for id_ in retrieval.ids])
        assert retrieval.direction == "lower"


@pytest.mark.parametrize("style", ["invoke", "batch", "abatch"])
def test_a_chain_names_the_planted_hub_after_500_questions(style: str) -> None:
    store, embeddings = handbook()
    plain = store.as_retriever(search_kwargs={"k": 10})
    chain = RunnableParallel(context=plain | as_text, question=RunnablePassthrough()) | RunnableLambda(str)
    queries = [QUESTIONS[at % len(QUESTIONS)] for at in range(500)]
    recorded = diagnose(chain)
    STYLES[style](recorded, queries)
    assert sorted(embeddings.asked) == sorted(queries)
    record = record_of(recorded)
    report = record.report()
    (hub,) = [finding for finding in report.findings if finding.code == "HUB001"]
    named = [document.id for document in hub.documents]
    assert set(named[:5]) <= set(PLANTED["boilerplate"])
    largest = report.measures["hubness.query.largest"]
    assert (largest.value, largest.n) == (77 / 220, 220)  # as the README of the handbook has it: 35 %
    assert hub.documents[0].note == "in 77 of 220 top 10 lists"
    assert report.measures["traffic.empty"].value == report.measures["traffic.failed"].value == 0
    assert report.measures["gap.mean_distance"].value == pytest.approx(0.26, abs=0.02)
    assert report.notes[0].startswith("500 live retrievals: 220 different questions")
    assert {"IDX004", "IDX006", "IDX007", "IDX009", "IDX010"} <= {finding.code for finding in report.findings}


def test_without_its_store_the_record_names_the_hub_too() -> None:
    store, _ = handbook()
    recorded = diagnose(store.as_retriever(search_kwargs={"k": 10}))
    recorded.batch(QUESTIONS)
    record = record_of(recorded)
    report = record.report(store=object())
    (hub,) = report.findings
    assert hub.code == "HUB001"
    assert {document.id for document in hub.documents[:5]} <= set(PLANTED["boilerplate"])
    assert hub.documents[0].text
    assert hub.documents[0].text[:10] in {
        document.page_content[:10] for document in store.get_by_ids([hub.documents[0].id])
    }
    assert report.skipped["IDX004"] == "the store was not read"


def test_one_question_asked_again_and_again_makes_no_hub() -> None:
    store, _ = handbook()
    recorded = diagnose(store.as_retriever(search_kwargs={"k": 3}))
    hubs = set(PLANTED["boilerplate"])
    quiet = [q for q in QUESTIONS if not hubs & {d.id for d in store.similarity_search(q, k=3)}][:60]
    recorded.batch(quiet + [quiet[0]] * 300)
    report = record_of(recorded).report()
    assert not [finding for finding in report.findings if finding.code == "HUB001"]
    assert (report.measures["hubness.query.largest"].value or 0) < 0.1
    assert (report.measures["traffic.top_1_percent"].value or 0) > 0.5  # the places are counted as they were taken


def test_a_store_searched_directly_is_recorded() -> None:
    store, embeddings = small()
    recorded = diagnose(store)
    assert isinstance(recorded, InMemoryVectorStore)
    assert recorded.similarity_search_with_score("text 3", k=2) == store.similarity_search_with_score("text 3", k=2)
    vector = embeddings.vector("text 4")
    assert recorded.similarity_search_by_vector(vector, k=1)[0].id == "id-4"
    assert asyncio.run(recorded.asimilarity_search("text 5", k=1))[0].id == "id-5"
    assert recorded.search("text 6", "mmr", k=1)[0].id == "id-6"
    assert recorded.as_retriever(search_kwargs={"k": 1}).invoke("text 7")[0].id == "id-7"
    found = record_of(recorded).retrievals()
    assert [retrieval.ids[0] for retrieval in found] == ["id-3", "id-4", "id-5", "id-6", "id-7"]
    assert [retrieval.query for retrieval in found] == ["text 3", "", "text 5", "text 6", "text 7"]
    assert [bool(retrieval.run_id) for retrieval in found] == [False, False, False, False, True]
    np.testing.assert_array_equal(np.array([r.vector for r in found])[1], np.array(vector, np.float32))
    assert record_of(recorded).sources == ("InMemoryVectorStore",)


def test_the_users_objects_stay_and_share_their_state() -> None:
    store, embeddings = faiss()
    kind, before = type(store), dict(vars(store))
    recorded = diagnose(store)
    assert (type(store), dict(vars(store)), store.embeddings) == (kind, before, embeddings)
    recorded.add_texts(["new"], ids=["new"])
    assert store.similarity_search("new", k=1)[0].id == "new"
    store.delete(["new"])  # FAISS puts in another map of positions: a copy would not see it
    assert [d.id for d in recorded.similarity_search("new", k=14)] == [
        d.id for d in store.similarity_search("new", k=14)
    ]
    other = Counting(6)
    recorded.embedding_function = other
    assert store.embedding_function is other
    recorded.similarity_search("text 1", k=1)
    assert other.asked == ["text 1"]


def test_faiss_with_a_bare_function_for_embeddings(caplog: pytest.LogCaptureFixture) -> None:
    store, embeddings = faiss()
    with caplog.at_level(logging.CRITICAL):
        store.embedding_function = embeddings.embed_query
    recorded = diagnose(store)
    assert recorded.similarity_search("text 2", k=1)[0].id == "id-2"
    assert embeddings.asked == ["text 2"]
    (retrieval,) = record_of(recorded).retrievals()
    np.testing.assert_array_equal(retrieval.vector, np.array(embeddings.vector("text 2"), np.float32))


class NoScores(VectorStore):
    """A store that can search, and no more."""

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        self._embedding.embed_query(query)
        return [Document(f"{query} {at}", id=str(at)) for at in range(k)]

    @classmethod
    def from_texts(cls, *args: Any, **kwargs: Any) -> NoScores:
        raise NotImplementedError


def test_a_store_without_scores_and_without_an_adapter() -> None:
    embeddings = Counting(5)
    recorded = diagnose(NoScores(embeddings).as_retriever())
    for at in range(12):
        assert [document.id for document in recorded.invoke(f"q{at}")] == ["0", "1", "2", "3"]
    (first, *_) = record_of(recorded).retrievals()
    assert (first.scores, first.direction) == (None, "")
    assert len(embeddings.asked) == 12
    report = record_of(recorded).report()
    assert report.measures["traffic.margin_first"].undefined == "no retrieval came with two scores or more"
    assert any("could not be read" in note for note in report.notes)


def test_empty_results_and_documents_without_ids() -> None:
    recorded = diagnose(Plain(documents=[Document("heat"), Document("pump")]))
    assert [len(documents) for documents in recorded.batch(["heat", "heat pump", "boiler", "gas"])] == [1, 2, 0, 0]
    record = record_of(recorded)
    assert record.sources == ("Plain",)
    empty = record.report().measures["traffic.empty"]
    assert (empty.value, empty.n) == (0.5, 4)
    assert [len(retrieval.ids) for retrieval in record.retrievals()].count(0) == 2
    assert all(id_.startswith("text:") for retrieval in record.retrievals() for id_ in retrieval.ids)


def test_a_retriever_of_the_first_days() -> None:
    recorded = diagnose(Bare())
    assert recorded.invoke("a")[0].page_content == "a"
    assert asyncio.run(recorded.ainvoke("b"))[0].page_content == "b"
    assert [retrieval.query for retrieval in record_of(recorded).retrievals()] == ["a", "b"]


def test_an_error_is_recorded_and_raised_unchanged() -> None:
    error = ConnectionError("the index is away")
    recorded = diagnose(Broken(error=error) | RunnableLambda(len))
    for ask in (recorded.invoke, lambda query: asyncio.run(recorded.ainvoke(query))):
        with pytest.raises(ConnectionError) as caught:
            ask("where?")
        assert caught.value is error
    found: list[Any] = recorded.batch(["a"], return_exceptions=True)
    assert found == [error]
    record = record_of(recorded)
    assert [retrieval.error for retrieval in record.retrievals()] == ["ConnectionError"] * 3
    report = record.report()
    assert report.measures["traffic.failed"].value == 1
    assert "3 retrievals failed: ConnectionError 3" in report.notes


def test_what_goes_wrong_in_the_record_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, _ = small()

    def fail(self: RetrievalRecord, source: str, retrieval: Retrieval, **kwargs: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(RetrievalRecord, "add", fail)
    plain = store.as_retriever()
    recorded = diagnose(plain)
    assert [recorded.invoke(q) for q in ("a", "b")] == [plain.invoke(q) for q in ("a", "b")]
    assert [entry.name for entry in caplog.records] == ["ragdiag_langchain"]
    assert "no room" in caplog.text


def test_create_retrieval_chain() -> None:
    chains = pytest.importorskip("langchain_classic.chains")
    store, embeddings = small()
    answer: Runnable[Any, str] = RunnableLambda(lambda found: f"{found['input']}: {as_text(found['context'])}")
    chain = chains.create_retrieval_chain(store.as_retriever(search_kwargs={"k": 2}), answer)
    expected = chain.invoke({"input": "text 3"})
    embeddings.asked.clear()
    recorded = diagnose(chain)
    assert recorded.invoke({"input": "text 3"}) == expected
    assert asyncio.run(recorded.ainvoke({"input": "text 3"})) == expected
    assert expected["answer"].startswith("text 3: text 3|")
    assert embeddings.asked == ["text 3", "text 3"]
    assert {retrieval.ids[0] for retrieval in record_of(recorded).retrievals()} == {"id-3"}


@pytest.mark.parametrize("include_original", [False, True])
def test_multi_query_is_recorded_once_for_each_query_it_writes(include_original: bool) -> None:
    retrievers = pytest.importorskip("langchain_classic.retrievers")
    store, embeddings = small()
    write: Runnable[Any, list[str]] = RunnableLambda(lambda found: [f"text {at}" for at in (1, 2, 3)])
    plain = retrievers.MultiQueryRetriever(
        retriever=store.as_retriever(search_kwargs={"k": 2}), llm_chain=write, include_original=include_original
    )
    expected = plain.invoke("text 9")
    embeddings.asked.clear()
    recorded = diagnose(plain)
    assert recorded.invoke("text 9") == expected
    assert asyncio.run(recorded.ainvoke("text 9")) == expected
    queries = ["text 1", "text 2", "text 3"] + ["text 9"] * include_original
    assert sorted(embeddings.asked) == sorted(queries * 2)
    found = record_of(recorded).retrievals()
    assert sorted(retrieval.query for retrieval in found) == sorted(queries * 2)
    assert all(retrieval.parent_run_id and retrieval.vector is not None for retrieval in found)


def test_an_ensemble_is_recorded_part_by_part() -> None:
    retrievers = pytest.importorskip("langchain_classic.retrievers")
    store, embeddings = small()
    words = Plain(documents=[Document("text 4", id="id-4"), Document("text 5", id="id-5")])
    plain = retrievers.EnsembleRetriever(retrievers=[store.as_retriever(search_kwargs={"k": 2}), words], weights=[1, 2])
    expected = plain.invoke("text 4")
    embeddings.asked.clear()
    recorded = diagnose(plain)
    assert recorded.invoke("text 4") == expected
    assert asyncio.run(recorded.ainvoke("text 4")) == expected
    assert embeddings.asked == ["text 4", "text 4"]
    record = record_of(recorded)
    assert sorted(record.sources) == ["InMemoryVectorStore", "Plain"]
    assert [retrieval.ids for retrieval in record.retrievals("Plain")] == [("id-4",), ("id-4",)]
    assert "other sources have reports of their own: Plain" in record.report(source="InMemoryVectorStore").notes
    with pytest.raises(RecordError, match="there is no source 'BM25'"):
        record.report(source="BM25")


def test_branches_fallbacks_and_bindings_are_gone_into() -> None:
    store, embeddings = small()
    retriever = store.as_retriever(search_kwargs={"k": 1})
    broken: Runnable[str, list[Document]] = Broken(error=ValueError("no"))
    chain = RunnableBranch(
        (lambda query: query == "text 1", retriever.with_config(tags=["a"])),
        (lambda query: query == "text 2", broken.with_fallbacks([retriever])),
        retriever.bind().with_retry(),
    )
    recorded = diagnose(chain)
    assert [recorded.invoke(f"text {at}")[0].id for at in (1, 2, 3)] == ["id-1", "id-2", "id-3"]
    assert embeddings.asked == ["text 1", "text 2", "text 3"]
    record = record_of(recorded)
    assert record.sources == ("InMemoryVectorStore", "Broken")
    assert len(record.retrievals()) == 3, "the same store is one source"


@pytest.mark.parametrize("artefact", [False, True])
def test_a_retriever_tool(artefact: bool) -> None:
    store, embeddings = small()
    form: Any = "content_and_artifact" if artefact else "content"
    tool = create_retriever_tool(
        store.as_retriever(search_kwargs={"k": 2}), "handbook", "Looks things up.", response_format=form
    )
    recorded = diagnose(tool)
    assert recorded.args_schema is tool.args_schema
    assert recorded.invoke({"query": "text 3"}) == tool.invoke({"query": "text 3"})
    assert asyncio.run(recorded.ainvoke({"query": "text 3"})) == tool.invoke({"query": "text 3"})
    assert record_of(recorded).asked == 2
    assert len(embeddings.asked) == 4


def agent_of(tool: Any) -> Any:
    agents = pytest.importorskip("langchain.agents")
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    class Model(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    call = {"name": "handbook", "args": {"query": "text 5"}, "id": "1", "type": "tool_call"}
    messages = iter([AIMessage("", tool_calls=[call]), AIMessage("It is text 5.")])
    return agents.create_agent(Model(messages=messages), [tool])


@pytest.mark.parametrize("style", ["invoke", "ainvoke"])
def test_an_agent_with_a_retriever_tool(style: str) -> None:
    store, embeddings = small()
    tool = create_retriever_tool(store.as_retriever(search_kwargs={"k": 1}), "handbook", "Looks things up.")
    recorded = diagnose(tool)
    agent = agent_of(recorded)
    asked = {"messages": [("user", "what is text 5?")]}
    answer = agent.invoke(asked) if style == "invoke" else asyncio.run(agent.ainvoke(asked))
    assert [message.content for message in answer["messages"]][2:] == ["text 5", "It is text 5."]
    assert embeddings.asked == ["text 5"]
    (retrieval,) = record_of(recorded).retrievals()
    assert (retrieval.query, retrieval.ids) == ("text 5", ("id-5",))
    assert retrieval.run_id
    assert retrieval.parent_run_id


def test_a_built_agent_cannot_be_reached() -> None:
    store, _ = small()
    agent = agent_of(create_retriever_tool(store.as_retriever(), "handbook", "Looks things up."))
    with pytest.raises(RecordError, match=r"is a built agent or graph.*diagnose the retriever first"):
        diagnose(agent)


def test_functions_that_hold_a_retriever_cannot_be_reached() -> None:
    store, _ = small()
    retriever = store.as_retriever()
    for function in (
        lambda query: retriever.invoke(query),
        lambda query: store.similarity_search(query),
        retriever.invoke,
    ):
        chain: Runnable[str, Any] = RunnableLambda(function) | RunnableLambda(len)
        with pytest.raises(RecordError, match="holds a retriever, and cannot be rebuilt: diagnose the retriever first"):
            diagnose(chain)
    partly = RunnableParallel(a=retriever, b=RunnableLambda(lambda query: retriever.invoke(query)))
    with pytest.warns(UserWarning, match=r"steps__\['b'\].*cannot be rebuilt; its retrievals are not recorded"):
        recorded = diagnose(partly)
    recorded.invoke("text 1")
    assert record_of(recorded).asked == 1
    assert len(record_of(recorded).unreached) == 1
    first = diagnose(retriever)
    inside: Runnable[str, Any] = RunnableLambda(lambda query: first.invoke(query))
    assert record_of(diagnose(inside, record=record_of(first))) is record_of(first)


def test_what_has_no_retriever() -> None:
    for thing in (StrOutputParser(), 7, "chain"):
        with pytest.raises(RecordError, match="there is no retriever in a"):
            diagnose(thing)
    with pytest.raises(RecordError, match="nothing in this StrOutputParser is recorded"):
        record_of(StrOutputParser())
    store, _ = small()
    with pytest.raises(RecordError, match="nothing was recorded yet"):
        record_of(diagnose(store)).report()


def test_diagnosed_twice() -> None:
    store, embeddings = small()
    once = diagnose(store.as_retriever())
    record = record_of(once)
    chain = diagnose(once | as_text, record=record)
    chain.invoke("text 1")
    assert (record.asked, len(embeddings.asked)) == (1, 1)
    with pytest.raises(RecordError, match="is recorded already"):
        diagnose(once)


def test_a_retrieval_within_another_belongs_to_it() -> None:
    store, _ = small()
    record = RetrievalRecord()
    inner = diagnose(store.as_retriever(search_kwargs={"k": 2}), record=record)

    class Outer(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            return inner.invoke(query, config={"callbacks": run_manager.get_child()})[:1]

    outer = diagnose(Outer(), record=record)
    outer.invoke("text 2")
    (retrieval,) = record.retrievals()
    assert record.sources == ("Outer",)
    assert retrieval.ids == ("id-2",)
    assert retrieval.scores is not None
    assert retrieval.vector is not None


def test_a_remedied_store_is_recorded_from_outside(tmp_path: Path) -> None:
    embeddings = Counting(6)
    rng = np.random.default_rng(0)
    fixed = fix(rng.standard_normal((60, 6)).astype(np.float32), "abtt(d=1)", to=str(tmp_path / "fixed.npy"))
    store = RemediedVectorStore(InMemoryVectorStore(embeddings), fixed.artefact)
    store.add_texts([f"text {at}" for at in range(30)], ids=[f"id-{at}" for at in range(30)])
    expected = store.similarity_search_with_score("text 7", k=5)
    embeddings.asked.clear()
    recorded = diagnose(store)
    assert isinstance(recorded, RemediedVectorStore)
    assert recorded.similarity_search_with_score("text 7", k=5) == expected
    assert recorded.as_retriever(search_kwargs={"k": 5}).invoke("text 7") == [document for document, _ in expected]
    assert embeddings.asked == ["text 7", "text 7"]
    first, second = record_of(recorded).retrievals()
    assert first.scores == tuple(score for _, score in expected)
    assert first.ids == second.ids


def test_a_search_that_returns_an_iterator_keeps_its_documents() -> None:
    class Lazy(InMemoryVectorStore):
        def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> Any:
            return iter(super().similarity_search(query, k, **kwargs))

    store = Lazy(Counting())
    store.add_documents(DOCUMENTS[:20])
    plain = [document.id for document in store.similarity_search(QUESTIONS[0])]
    recorded = diagnose(store)
    assert [document.id for document in recorded.similarity_search(QUESTIONS[0])] == plain
    assert len(plain) == 4
    (retrieval,) = record_of(recorded).retrievals()
    assert (retrieval.ids, retrieval.known, retrieval.error) == ((), False, "")
    empty = record_of(recorded).report().measures["traffic.empty"]
    assert (empty.value, empty.n) == (None, 0)
