"""One retrieval while it runs: what is seen of it on the way, and never an error of ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from functools import wraps
from hashlib import blake2b
from types import TracebackType
from typing import Any, TypeVar

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
    """

    def __init__(self, record: RetrievalRecord, source: str, query: Any, direction: str = "") -> None:
        self.record = record
        self._source = source
        self._query = query if isinstance(query, str) else ""
        self._vector: Any = None if isinstance(query, str) else query
        self._direction = direction
        self._scores: dict[int, tuple[Document, float]] = {}
        self._documents: Sequence[Document] = ()
        self._run = ("", "")
        self._started = 0.0
        self._token: Token[Watch | None] | None = None

    def __enter__(self) -> Watch:
        self._token = _current.set(self)
        self._started = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        seconds = time.perf_counter() - self._started
        self._leave()
        self._close(seconds, "" if kind is None else kind.__name__)

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
        """Note the scores that a search method of the store came back with; the store's own rather than relevance."""
        if not isinstance(found, list) or not found or not isinstance(found[0], tuple):
            return
        relevance = "relevance" in name
        for document, score, *_ in found:
            if not (relevance and id(document) in self._scores):
                self._scores[id(document)] = (document, float(score))  # the document is kept, so that its id stays
        if not self._direction and not relevance and "marginal" not in name:
            first, last = float(found[0][1]), float(found[-1][1])
            self._direction = HIGHER if first > last else LOWER if first < last else ""

    @_harmless
    def returned(self, found: Any) -> None:
        """Note the documents that the application gets; an iterator is the application's to use up, not ours."""
        if not isinstance(found, list | tuple):
            return
        self._documents = [entry[0] if isinstance(entry, tuple) else entry for entry in found]

    @_harmless
    def _close(self, seconds: float, error: str) -> None:
        documents = self._documents
        scores = tuple(self._scores[id(document)][1] for document in documents if id(document) in self._scores)
        scored = bool(documents) and len(scores) == len(documents)
        retrieval = Retrieval(
            query=self._query,
            ids=tuple(identity(document) for document in documents),
            scores=scores if scored else None,
            direction=self._direction if scored else "",
            seconds=seconds,
            error=error,
            run_id=self._run[0],
            parent_run_id=self._run[1],
        )
        texts = [document.page_content[:TEXT] for document in documents]
        self.record.add(self._source, retrieval, vector=self._vector, texts=texts)


def watch() -> Watch | None:
    """Return the retrieval that is under way here, None when there is none."""
    return _current.get()


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
