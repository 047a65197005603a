"""What a retrieval is made of, when its parts run in threads and tasks of the application's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from ragdiag_langchain import RetrievalRecord, diagnose, record_of

from tests.integrations.langchain.live import small


def in_a_thread(call: Callable[[], Any]) -> Any:
    """Call it where the context is empty."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


class Threaded(BaseRetriever):
    """Asks its store in a thread that it starts itself, in one of several ways."""

    store: VectorStore
    way: str = "query"

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        if self.way == "query":
            return in_a_thread(lambda: self.store.similarity_search(query, k=2))  # type: ignore[no-any-return]
        if self.way == "vector":
            model: Any = self.store.embeddings
            vector = model.embed_query(query)
            return in_a_thread(lambda: self.store.similarity_search_by_vector(vector, k=2))  # type: ignore[no-any-return]
        return in_a_thread(lambda: self.store.similarity_search(f"text {self.way}", k=2))  # type: ignore[no-any-return]


@pytest.mark.parametrize("way", ["query", "vector"])
def test_a_retriever_that_asks_in_a_thread_is_counted_once(way: str) -> None:
    store, embeddings = small()
    plain = Threaded(store=store, way=way)
    queries = [f"text {at}" for at in (3, 4, 3, 5, 3)]
    expected = plain.batch(queries)
    embeddings.asked.clear()
    recorded = diagnose(plain)
    assert recorded.batch(queries) == expected
    assert sorted(embeddings.asked) == sorted(queries)
    record = record_of(recorded)
    assert (record.asked, record.sources) == (5, ("InMemoryVectorStore",))
    for retrieval in record.retrievals():
        found = store.similarity_search_with_score(retrieval.query, k=2)
        assert retrieval.ids == tuple(document.id for document, _ in found)
        assert retrieval.scores == tuple(score for _, score in found)
        assert retrieval.run_id
        assert not retrieval.apart
        np.testing.assert_array_equal(retrieval.vector, np.array(embeddings.vector(retrieval.query), np.float32))
    assert not any("thread of its own" in note for note in record.report().notes)


def test_a_search_for_something_else_in_a_thread_may_be_counted_twice_and_the_report_says_so() -> None:
    store, _ = small()
    recorded = diagnose(Threaded(store=store, way="7"))
    assert recorded.invoke("text 3")[0].id == "id-7"
    record = record_of(recorded)
    assert sorted((r.query, r.apart, bool(r.run_id)) for r in record.retrievals()) == [
        ("text 3", False, True),
        ("text 7", True, False),
    ]
    note = "1 search of the store in a thread of its own, while a retriever was asked something else"
    assert [told.partition(":")[0] for told in record.report().notes if "thread" in told] == [note]


def test_a_store_asked_in_a_thread_by_itself_is_counted_as_ever() -> None:
    store, _ = small()
    recorded = diagnose(store)
    in_a_thread(lambda: recorded.similarity_search("text 1", k=1))
    recorded.as_retriever(search_kwargs={"k": 1}).invoke("text 1")
    in_a_thread(lambda: recorded.similarity_search("text 1", k=1))
    assert [(r.ids, r.apart) for r in record_of(recorded).retrievals()] == [(("id-1",), False)] * 3


def test_another_store_s_retriever_under_way_changes_nothing() -> None:
    """The same question, at the same time, to two stores."""
    one, other = small()[0], small()[0]
    record = RetrievalRecord()
    second = diagnose(other, record=record)

    class Asks(InMemoryVectorStore):
        def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
            in_a_thread(lambda: second.similarity_search(query, k=1))
            return super().similarity_search(query, k, **kwargs)

    first = Asks(one.embedding)
    first.store = one.store
    diagnose(first, record=record).as_retriever(search_kwargs={"k": 1}).invoke("text 1")
    assert [(name, len(record.retrievals(name))) for name in record.sources] == [
        ("Asks", 1),
        ("InMemoryVectorStore", 1),
    ]
    assert not any(r.apart for name in record.sources for r in record.retrievals(name))


@pytest.mark.parametrize("begins", ["within", "after"])
def test_a_task_that_outlives_the_retrieval_that_started_it_is_recorded(begins: str) -> None:
    store, _ = small()
    view = diagnose(store)
    tasks: list[asyncio.Task[list[Document]]] = []

    class Prefetching(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            raise NotImplementedError

        async def _aget_relevant_documents(
            self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
        ) -> list[Document]:
            tasks.append(asyncio.create_task(later()))
            await asyncio.sleep(0)  # the task begins
            return await view.asimilarity_search(query, k=1)

    over = asyncio.Event()

    class Waiting(InMemoryVectorStore):
        async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
            await over.wait()
            return await super().asimilarity_search(query, k, **kwargs)

    waiting = Waiting(store.embedding)
    waiting.store = store.store
    slow = diagnose(waiting, record=record_of(view))

    async def later() -> list[Document]:
        if begins == "after":
            await over.wait()
        return await slow.asimilarity_search("text 9", k=1)

    async def both() -> list[Document]:
        found = await diagnose(Prefetching(), record=record_of(view)).ainvoke("text 2")
        over.set()
        return found + await tasks[0]

    assert [document.id for document in asyncio.run(both())] == ["id-2", "id-9"]
    record = record_of(view)
    assert {name: [(r.query, r.ids) for r in record.retrievals(name)] for name in record.sources} == {
        "Prefetching": [("text 2", ("id-2",))],
        "Waiting": [("text 9", ("id-9",))],
    }
    assert record.retrievals("Prefetching")[0].scores is not None


def test_a_thread_that_copied_the_context_and_lives_on_is_recorded() -> None:
    import contextvars

    store, _ = small()
    view = diagnose(store)
    go = threading.Event()
    threads: list[threading.Thread] = []

    class Leaves(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            context = contextvars.copy_context()
            threads.append(threading.Thread(target=context.run, args=(self.rest,)))
            threads[0].start()
            return []

        def rest(self) -> None:
            go.wait()
            view.similarity_search("text 8", k=1)

    diagnose(Leaves(), record=record_of(view)).invoke("text 2")
    go.set()
    threads[0].join()
    (found,) = record_of(view).retrievals("InMemoryVectorStore")
    assert (found.query, found.ids, found.vector is not None) == ("text 8", ("id-8",), True)
