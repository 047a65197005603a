"""ragdiag for LangChain."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragdiag_langchain.diagnosing import diagnose, record_of
    from ragdiag_langchain.door import embed_again
    from ragdiag_langchain.recorder import RetrievalRecorder
    from ragdiag_langchain.records import RetrievalRecord
    from ragdiag_langchain.remedied_embeddings import RemediedEmbeddings
    from ragdiag_langchain.remedied_store import RemediedVectorStore

# Names are imported on first use: the stores here are looked at whenever a store is opened.
_HOMES = {
    "RemediedEmbeddings": "remedied_embeddings",
    "RemediedVectorStore": "remedied_store",
    "RetrievalRecord": "records",
    "RetrievalRecorder": "recorder",
    "diagnose": "diagnosing",
    "embed_again": "door",
    "record_of": "diagnosing",
}

__all__ = [
    "RemediedEmbeddings",
    "RemediedVectorStore",
    "RetrievalRecord",
    "RetrievalRecorder",
    "diagnose",
    "embed_again",
    "record_of",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"ragdiag_langchain.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ragdiag_langchain' has no attribute {name!r}")
