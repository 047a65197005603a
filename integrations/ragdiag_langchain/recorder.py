"""Record retrievals without wrapping anything: a callback handler."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document

from ragdiag_langchain.records import RetrievalRecord
from ragdiag_langchain.traffic import TEXT, Retrieval
from ragdiag_langchain.watching import identity

_MOST_PENDING = 10_000  # retrievals whose end never came


class RetrievalRecorder(BaseCallbackHandler):
    """Records every retrieval of a run that it is passed to as a callback.

    It sees the query, the documents, their order, how long it took, errors and run ids, and so finds hubs. It cannot
    see scores and query vectors, which LangChain gives to no callback, so that margins, the gap between queries and
    documents, and queries far from the documents are not measured: `diagnose` sees them.

    A retriever within a retriever is left out, however many chains and tools lie between, since the outer one is
    recorded.

    Parameters
    ----------
    record : RetrievalRecord, optional
        To record into; a new one when not given.

    Attributes
    ----------
    record : RetrievalRecord

    Examples
    --------
    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from langchain_core.vectorstores import InMemoryVectorStore
    >>> store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    >>> ids = store.add_texts(["one", "two"], ids=["1", "2"])
    >>> recorder = RetrievalRecorder()
    >>> found = store.as_retriever(search_kwargs={"k": 1}).invoke("two", config={"callbacks": [recorder]})
    >>> recorder.record.retrievals()[0].ids
    ('2',)
    """

    run_inline = True  # a few microseconds, less than handing it to a thread

    def __init__(self, record: RetrievalRecord | None = None) -> None:
        self.record = record if record is not None else RetrievalRecord()
        self._lock = threading.Lock()
        self._pending: OrderedDict[UUID, tuple[str, str, str, float]] = OrderedDict()
        self._within: OrderedDict[UUID, None] = OrderedDict()  # runs in flight that are parts of a retrieval

    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note a retrieval that begins."""
        with self._lock:
            if self._is_part(run_id, parent_run_id):
                return
            parent = "" if parent_run_id is None else str(parent_run_id)
            name = str(kwargs.get("name") or "retriever")
            self._pending[run_id] = (name, query, parent, time.perf_counter())
            if len(self._pending) > _MOST_PENDING:
                self._pending.popitem(last=False)

    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any) -> None:
        """Record a retrieval that came back."""
        self._close(run_id, documents, "")

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Record a retrieval that failed."""
        self._close(run_id, (), type(error).__name__)

    def on_chain_start(self, *args: Any, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """Note a chain within a retrieval."""
        with self._lock:
            self._is_part(run_id, parent_run_id)

    def on_chain_end(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        """Forget it."""
        with self._lock:
            self._within.pop(run_id, None)

    on_tool_start = on_chain_start
    on_chain_error = on_tool_end = on_tool_error = on_chain_end

    def _is_part(self, run_id: UUID, parent: UUID | None) -> bool:
        if parent not in self._pending and parent not in self._within:
            return False
        self._within[run_id] = None
        if len(self._within) > _MOST_PENDING:
            self._within.popitem(last=False)
        return True

    def _close(self, run_id: UUID, documents: Sequence[Document], error: str) -> None:
        with self._lock:
            self._within.pop(run_id, None)
            begun = self._pending.pop(run_id, None)
        if begun is None:
            return
        try:
            name, query, parent, start = begun
            retrieval = Retrieval(
                query=query,
                ids=tuple(identity(document) for document in documents),
                seconds=time.perf_counter() - start,
                error=error,
                run_id=str(run_id),
                parent_run_id=parent,
            )
            self.record.add(name, retrieval, texts=[document.page_content[:TEXT] for document in documents])
        except Exception:
            self.record.failed()
