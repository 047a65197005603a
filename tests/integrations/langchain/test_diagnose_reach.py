"""What `diagnose` finds, what it says that it cannot reach, and that it changes no result."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import PrivateAttr
from ragdiag_langchain import RemediedVectorStore, RetrievalRecord, diagnose, record_of

from ragdiag import fix
from ragdiag.errors import RecordError
from tests.integrations.langchain.live import Counting, small


class App:
    """An object of the application's that holds a retriever."""

    def __init__(self, retriever: Any) -> None:
        self.parts = {"retriever": retriever}

    def find(self, query: str) -> Any:
        return self.parts["retriever"].invoke(query)


class Slotted:
    __slots__ = ("retriever",)

    def __init__(self, retriever: Any) -> None:
        self.retriever = retriever

    def __call__(self, query: str) -> Any:
        return self.retriever.invoke(query)


class Asks(Runnable[str, Any]):
    """A runnable that is no pydantic model."""

    def __init__(self, retriever: Any) -> None:
        self.retriever = retriever

    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002  LangChain's name
        return self.retriever.invoke(input, config)


def by_helper(retriever: Any) -> Any:
    def helper(query: str) -> Any:
        return retriever.invoke(query)

    return RunnableLambda(lambda query: helper(query))


def by_default(retriever: Any) -> Any:
    def found(query: str, *, asked: Any = retriever) -> Any:
        return asked.invoke(query)

    return RunnableLambda(found)


def decorated(retriever: Any) -> Any:
    def found(query: str) -> Any:
        return retriever.invoke(query)

    @functools.wraps(found)
    def outer(*args: Any) -> Any:
        return found(*args)

    return RunnableLambda(outer)


HIDDEN: dict[str, Callable[[Any], Any]] = {
    "a bound method": lambda retriever: RunnableLambda(App(retriever).find),
    "a callable object": lambda retriever: RunnableLambda(Slotted(retriever).__call__),
    "a partial": lambda retriever: RunnableLambda(
        functools.partial(lambda app, query: app.find(query), App(retriever))
    ),
    "no pydantic model": Asks,
    "a helper": by_helper,
    "a default": by_default,
    "a decorator": decorated,
    "a chain in a helper": lambda retriever: by_helper(retriever | RunnablePassthrough()),
}


@pytest.mark.parametrize("how", HIDDEN)
def test_what_holds_a_retriever_out_of_reach_is_said(how: str, tmp_path: Path) -> None:
    store, _ = small()
    retriever = store.as_retriever(search_kwargs={"k": 1})
    out_of_reach = HIDDEN[how](retriever)
    assert out_of_reach.invoke("text 2")[0].id == "id-2"
    with pytest.raises(RecordError, match=r"holds a retriever, and cannot be rebuilt: diagnose the retriever first"):
        diagnose(out_of_reach)
    both = RunnableParallel(a=retriever, b=out_of_reach)
    with pytest.warns(UserWarning, match=r"steps__\['b'\].*holds a retriever, and cannot be rebuilt; its retrievals"):
        recorded = diagnose(both)
    assert recorded.invoke("text 2") == both.invoke("text 2")
    record = record_of(recorded)
    assert (record.asked, len(record.unreached)) == (1, 1)
    record.save(tmp_path / "r.json")
    loaded = RetrievalRecord.load(tmp_path / "r.json")
    assert loaded.unreached == record.unreached
    for each in (record, loaded, RetrievalRecord.merged([loaded, record])):
        assert [n for n in each.report().notes if n.startswith("not recorded: ")] == [
            f"not recorded: {record.unreached[0]}"
        ]
    inside = HIDDEN[how](diagnose(retriever, record=record))
    assert diagnose(inside, record=record).invoke("text 3")[0].id == "id-3"
    assert (record.asked, len(record.unreached)) == (2, 1)


def test_functions_without_a_retriever_are_not_talked_of() -> None:
    store, _ = small()
    words = App(RunnablePassthrough())
    chain = store.as_retriever() | RunnableLambda(len) | RunnableLambda(words.find) | RunnableLambda(lambda n: n + 1)
    recorded = diagnose(chain)
    assert recorded.invoke("text 1") == 5
    assert record_of(recorded).unreached == ()


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("of", ["retriever", "chain"])
def test_a_retriever_or_a_chain_as_a_tool(of: str) -> None:
    store, embeddings = small()
    retriever = store.as_retriever(search_kwargs={"k": 1})
    if of == "retriever":
        tool, asked = retriever.as_tool(name="find", description="Finds."), "text 4"
    else:
        pick: Runnable[dict[str, str], str] = RunnableLambda(lambda found: found["q"])
        tool = (pick | retriever).as_tool(name="find", description="Finds.", arg_types={"q": str})
        asked = {"q": "text 4"}  # type: ignore[assignment]
    recorded = diagnose(tool)
    expected = tool.invoke(asked)
    embeddings.asked.clear()
    assert recorded.invoke(asked) == asyncio.run(recorded.ainvoke(asked)) == expected
    assert embeddings.asked == ["text 4", "text 4"]
    assert [(r.query, r.ids) for r in record_of(recorded).retrievals()] == [("text 4", ("id-4",))] * 2


def test_a_search_of_one_store_s_own_is_recorded() -> None:
    store, _ = small()
    first = store.similarity_search("text 1", k=1)
    found: Any = lambda query, k=4, **kwargs: first  # noqa: E731
    store.similarity_search = found  # type: ignore[method-assign]
    recorded = diagnose(store)
    assert recorded.similarity_search("text 7", k=1) == first
    assert recorded.as_retriever().invoke("text 8") == first
    assert [(r.query, r.ids) for r in record_of(recorded).retrievals()] == [
        ("text 7", ("id-1",)),
        ("text 8", ("id-1",)),
    ]
    del recorded.similarity_search
    assert "similarity_search" not in vars(store)
    assert recorded.similarity_search("text 7", k=1)[0].id == "id-7"
    assert record_of(recorded).asked == 3


class WithSlots(InMemoryVectorStore):
    __slots__ = ("extra",)

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> Any:
        self.extra: int = getattr(self, "extra", 0) + 1
        return super().similarity_search(query, k + self.extra, **kwargs)


def test_what_lies_in_slots_is_shared(tmp_path: Path) -> None:
    store, embeddings = WithSlots(Counting(6)), Counting(6)
    store.add_texts([f"text {at}" for at in range(12)])
    recorded = diagnose(store)
    sizes = [len(each.similarity_search("text 1", k=1)) for each in (recorded, store, recorded, recorded)]
    assert (sizes, store.extra, recorded.extra) == ([2, 3, 4, 5], 4, 4)
    del recorded.extra
    assert not hasattr(store, "extra")
    rng = np.random.default_rng(0)
    fixed = fix(rng.standard_normal((60, 6)).astype(np.float32), "abtt(d=1)", to=str(tmp_path / "fixed.npy"))
    empty = WithSlots(embeddings)
    empty.extra = 2
    remedied = RemediedVectorStore(empty, fixed.artefact)
    remedied.add_texts([f"text {at}" for at in range(12)])
    assert [len(remedied.similarity_search("text 1", k=1)) for _ in range(2)] == [4, 5]
    assert empty.extra == 4


class Numbered(BaseRetriever):
    _asked: int = PrivateAttr(default=0)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        self._asked += 1
        return [Document(str(self._asked), id=str(self._asked))]


def test_private_attributes_of_a_retriever_are_shared() -> None:
    plain = Numbered()
    recorded = diagnose(plain)
    chain = diagnose(plain | RunnablePassthrough())
    asked = [each.invoke("a")[0].id for each in (recorded, plain, recorded, chain, plain)]
    assert asked == ["1", "2", "3", "4", "5"]


def counted(method: Any) -> Any:
    """Decorate as many do: a plain function around an async one."""

    @functools.wraps(method)
    def outer(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return outer


class Decorated(InMemoryVectorStore):
    @counted
    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        await asyncio.sleep(0)
        found = await self.asimilarity_search_with_score(query, k, **kwargs)
        return [document for document, _ in found]


@pytest.mark.parametrize("of", ["store", "retriever"])
def test_an_async_search_behind_a_plain_decorator_is_one_retrieval(of: str) -> None:
    embeddings = Counting(6)
    store = Decorated(embeddings)
    store.add_texts([f"text {at}" for at in range(12)], ids=[f"id-{at}" for at in range(12)])
    recorded = diagnose(store)
    assert not inspect.iscoroutinefunction(type(store).asimilarity_search)

    async def ask() -> list[list[Document]]:
        if of == "store":
            searches = [recorded.asimilarity_search(f"text {at}", k=2) for at in (3, 5)]
        else:
            searches = [recorded.as_retriever(search_kwargs={"k": 2}).ainvoke(f"text {at}") for at in (3, 5)]
        return list(await asyncio.gather(*searches))

    found = asyncio.run(ask())
    assert [documents[0].id for documents in found] == ["id-3", "id-5"]
    record = record_of(recorded)
    assert record.asked == 2
    for retrieval in record.retrievals():
        expected = store.similarity_search_with_score(retrieval.query, k=2)
        assert retrieval.ids == tuple(document.id for document, _ in expected)
        assert retrieval.scores == tuple(score for _, score in expected)
        assert retrieval.known
        np.testing.assert_array_equal(retrieval.vector, np.array(embeddings.vector(retrieval.query), np.float32))
