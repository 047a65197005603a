"""One retrieval while it runs: what is seen of it on the way, and never an error of ours."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar, Token
from functools import wraps
from hashlib import blake2b
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from langchain_core.documents import Document

from ragdiag_langchain.records import RetrievalRecord
from ragdiag_langchain.traffic import HIGHER, LOWER, TEXT, Retrieval

# Threads and tasks that LangChain starts copy the context, so that each retrieval sees its own.
_current: ContextVar[Watch | None] = ContextVar("ragdiag_retrieval", default=None)

Method = TypeVar("Method", bound=Callable[..., None])


def _harmless(method: Method) -> Method:
    """Let a method of `Watch` log what goes wrong instead of raising it."""

    @wraps(method)
    def guarded(self: Watch, *args: Any) -> None:
        try:
            method(self, *args)
        except Exception:  # the application's result is worth more than our record of it
            self.record.failed()

    return guarded  # type: ignore[return-value]


class Watch:
    """Watches one retrieval, as a context manager around it; records it at the end, whether it failed or not.

    Parameters
    ----------
    record : RetrievalRecord
    source : str
    query : object
        Words, or a vector where the application searches by one.
    direction : str
        Which scores are better, where that is known of the store.
    asking : sequence of list of Watch
        Of each store that a retriever holds, the retrievals under way: this one is listed in them while it runs.
    asked_by : list of Watch
        Of a store that is searched, the retrievals under way of retrievers that hold it.

    A search within a retrieval that is under way is a part of it, and nothing of its own. Which one that is, the
    context says, which LangChain copies into its threads and tasks. A thread that somebody else starts has an empty
    one: there a search is a part of those retrievals of `asked_by` that are for the same query, or the same vector.
    Where there are only others, it is recorded on its own, as one that may have been counted twice.
    """

    def __init__(
        self,
        record: RetrievalRecord,
        source: str,
        query: Any,
        direction: str = "",
        *,
        asking: Sequence[list[Watch]] = (),
        asked_by: Sequence[Watch] = (),
    ) -> None:
        self.record = record
        self._source = source
        self._query = query if isinstance(query, str) else ""
        self._vector: Any = None if isinstance(query, str) else query
        self._direction = direction
        self._searches: list[tuple[str, tuple[Any, ...]]] = []  # they keep the documents, so that their ids stay
        self._scores: dict[int, float] = {}
        self._relevance: set[int] = set()  # those of them that are relevance, not the store's own
        self._asking, self._asked_by = asking, asked_by
        self._parts_of: tuple[Watch, ...] = ()
        self._apart = False
        self._open = False
        self._goes_on = False
        self._documents: Sequence[Document] | None = ()
        self._run = ("", "")
        self._started = 0.0
        self._token: Token[Watch | None] | None = None

    def __enter__(self) -> Watch:
        self._find()
        self._token = _current.set(self)
        self._open = True
        for others in self._asking:
            others.append(self)
        self._started = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        seconds = time.perf_counter() - self._started
        self._open = False
        for others in self._asking:
            others.remove(self)
        self._leave()
        if self._goes_on:
            return
        # What a task began within a retrieval and ended after it was no part of what the application got.
        wholes = [whole for whole in self._parts_of if whole._open]
        if wholes:
            self._hand_over(wholes)
        else:
            self._close(seconds, "" if kind is None else kind.__name__)

    def goes_on(self, name: str, awaitable: Awaitable[Any]) -> Awaitable[Any]:
        """Return what a search gave to be awaited: it ends where that is, and not before."""

        async def watched() -> Any:
            self._goes_on = False
            with self:
                found = await awaitable
                self.searched(name, found)
                self.returned(found)
            return found

        self._goes_on = True
        return watched()

    @_harmless
    def _find(self) -> None:
        """Find the retrievals that this one is a part of."""
        around, others = _current.get(), tuple(self._asked_by)
        if around is not None:  # a task may live longer than the retrieval that started it
            self._parts_of = (around,) if around._open else ()
        else:
            self._parts_of = tuple(other for other in others if other._is_for(self._query, self._vector))
            self._apart = bool(others) and not self._parts_of

    @_harmless
    def _hand_over(self, wholes: Sequence[Watch]) -> None:
        for whole in wholes:
            whole._searches += self._searches
            if self._vector is not None:
                whole.embedded(self._vector)

    def _is_for(self, query: str, vector: Any) -> bool:
        if vector is None or self._vector is None:
            return vector is None and self._query == query
        return np.array_equal(self._vector, vector)

    @_harmless
    def _leave(self) -> None:
        if self._token is not None:
            _current.reset(self._token)

    @_harmless
    def embedded(self, vector: Any) -> None:
        """Note a vector that a query was embedded to; the first one is the query's."""
        if self._vector is None:
            self._vector = vector

    @_harmless
    def runs_as(self, manager: Any) -> None:
        """Note the run ids of a callback manager."""
        self._run = (str(manager.run_id), str(manager.parent_run_id or ""))

    @_harmless
    def searched(self, name: str, found: Any) -> None:
        """Note what a search method of the store came back with."""
        if isinstance(found, list) and found and isinstance(found[0], tuple):
            self._searches.append((name, tuple(found)))

    @_harmless
    def returned(self, found: Any) -> None:
        """Note the documents that the application gets; an iterator is the application's to use up, not ours."""
        if not isinstance(found, list | tuple):
            self._documents = None
            return
        self._documents = [entry[0] if isinstance(entry, tuple) else entry for entry in found]

    @_harmless
    def _close(self, seconds: float, error: str) -> None:
        documents = self._documents or ()
        for search, found in self._searches:
            self._score(search, found)
        scores = tuple(self._scores[id(document)] for document in documents if id(document) in self._scores)
        kinds = {id(document) in self._relevance for document in documents}
        scored = len(scores) == len(documents) and len(kinds) == 1  # not a distance beside a relevance
        relevance = scored and True in kinds
        retrieval = Retrieval(
            query=self._query,
            ids=tuple(identity(document) for document in documents),
            scores=scores if scored else None,
            direction=HIGHER if relevance else self._direction if scored else "",
            seconds=seconds,
            error=error,
            run_id=self._run[0],
            parent_run_id=self._run[1],
            known=self._documents is not None,
            apart=self._apart,
            relevance=relevance,
        )
        texts = [document.page_content[:TEXT] for document in documents]
        self.record.add(self._source, retrieval, vector=self._vector, texts=texts)

    @_harmless
    def _score(self, name: str, found: Sequence[Any]) -> None:
        """Take the scores of a search; the store's own rather than relevance."""
        relevance = "relevance_score" in name  # and not marginal relevance, whose scores are the store's
        for document, score, *_ in found:
            if relevance and id(document) in self._scores:
                continue
            self._scores[id(document)] = float(score)
            (self._relevance.add if relevance else self._relevance.discard)(id(document))
        if not self._direction and not relevance and "marginal" not in name:
            first, last = float(found[0][1]), float(found[-1][1])
            self._direction = HIGHER if first > last else LOWER if first < last else ""


def watch() -> Watch | None:
    """Return the retrieval that is under way here, None when there is none, or it is over."""
    found = _current.get()
    return found if found is not None and found._open else None


def identity(document: Document) -> str:
    """Return a document's id, or a hash of its text where it has none.

    Examples
    --------
    >>> identity(Document("a", id="7")), identity(Document("a"))
    ('7', 'text:27c35e6e9373877f29e562464e46497e')
    """
    if document.id is not None:
        return str(document.id)
    return "text:" + blake2b(document.page_content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
