from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from ragdiag_langchain import RetrievalRecord, RetrievalRecorder

from tests.integrations.langchain.live import PLANTED, QUESTIONS, handbook, small


class Broken(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        raise KeyError(query)


def test_it_names_the_hub_without_wrapping_anything() -> None:
    store, embeddings = handbook()
    recorder = RetrievalRecorder()
    retriever = store.as_retriever(search_kwargs={"k": 10})
    retriever.batch(QUESTIONS, config={"callbacks": [recorder]})
    assert len(embeddings.asked) == len(QUESTIONS)
    report = recorder.record.report()
    (hub,) = report.findings
    assert {document.id for document in hub.documents[:5]} <= set(PLANTED["boilerplate"])
    assert report.measures["traffic.margin_first"].value is None
    assert report.measures["traffic.outside_documents"].value is None
    assert any("no query vector was seen" in note for note in report.notes)
    with_store = recorder.record.report(store=store)
    assert {"HUB001", "IDX004", "IDX010"} <= {finding.code for finding in with_store.findings}
    assert with_store.measures["hubness.query.largest"].value == 77 / 220
    assert with_store.measures["gap.mean_distance"].value is None


@pytest.mark.parametrize("style", ["invoke", "ainvoke"])
def test_errors_nesting_and_run_ids(style: str) -> None:
    retrievers = pytest.importorskip("langchain_classic.retrievers")
    store, _ = small()
    inner = store.as_retriever(search_kwargs={"k": 1})
    several = retrievers.MultiQueryRetriever(retriever=inner, llm_chain=RunnableLambda(lambda _: ["text 1", "text 2"]))
    record = RetrievalRecord()
    recorder = RetrievalRecorder(record)

    def ask(runnable: BaseRetriever, query: str) -> list[Document]:
        config = {"callbacks": [recorder], "run_id": uuid4()}
        return runnable.invoke(query, config) if style == "invoke" else asyncio.run(runnable.ainvoke(query, config))  # type: ignore[arg-type]

    assert {document.id for document in ask(several, "text 9")} == {"id-1", "id-2"}
    (retrieval,) = record.retrievals()
    assert (retrieval.query, retrieval.ids, retrieval.parent_run_id) == ("text 9", ("id-1", "id-2"), "")
    assert len(retrieval.run_id) == 36
    with pytest.raises(KeyError, match="text 3"):
        ask(Broken(), "text 3")
    assert record.retrievals("Broken")[0].error == "KeyError"
    assert record.sources == ("Broken", "MultiQueryRetriever")
    assert not recorder._pending


def test_ends_without_a_beginning_and_beginnings_without_an_end() -> None:
    recorder = RetrievalRecorder()
    recorder.on_retriever_end([Document("a")], run_id=uuid4())
    for _ in range(10_050):
        recorder.on_retriever_start(None, "q", run_id=uuid4())
    assert len(recorder._pending) == 10_000
    assert recorder.record.asked == 0


class Outer(BaseRetriever):
    """Asks another retriever, with nothing or a chain between."""

    inner: Any

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        found: list[Document] = self.inner.invoke(query, config={"callbacks": run_manager.get_child()})
        return found


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("between", ["nothing", "a chain", "a tool", "a failure"])
def test_three_levels_of_retrievers_are_one_retrieval(between: str) -> None:
    store, _ = small()
    inner: Any = store.as_retriever(search_kwargs={"k": 1})
    if between == "a failure":
        inner = Broken()
    elif between == "a tool":
        inner = inner.as_tool(name="find", description="Finds.")
    elif between == "a chain":
        inner = RunnableLambda(lambda query: query) | inner | RunnableLambda(lambda found: found)
    middle = Outer(inner=inner)
    chained: Any = middle if between == "nothing" else RunnableLambda(lambda query: query) | middle
    recorder = RetrievalRecorder()
    outer: Any = RunnableLambda(lambda query: query) | Outer(inner=chained)
    if between == "a failure":
        with pytest.raises(KeyError):
            outer.invoke("text 4", {"callbacks": [recorder]})
    else:
        assert outer.invoke("text 4", {"callbacks": [recorder]})[0].id == "id-4"
    (retrieval,) = recorder.record.retrievals()
    assert recorder.record.sources == ("Outer",)
    assert (retrieval.query, retrieval.error) == ("text 4", "KeyError" if between == "a failure" else "")
    assert retrieval.parent_run_id
    assert not recorder._pending
    assert not recorder._within
