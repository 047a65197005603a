"""ragdiag for LangChain."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragdiag_langchain.diagnosing import diagnose, record_of
    from ragdiag_langchain.recorder import RetrievalRecorder
    from ragdiag_langchain.records import RetrievalRecord

# Imported on first use: the core looks for adapters here, and LangChain takes two seconds to import.
_HOMES = {
    "RetrievalRecord": "ragdiag_langchain.records",
    "RetrievalRecorder": "ragdiag_langchain.recorder",
    "diagnose": "ragdiag_langchain.diagnosing",
    "record_of": "ragdiag_langchain.diagnosing",
}

__all__ = ["RetrievalRecord", "RetrievalRecorder", "diagnose", "record_of"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ragdiag_langchain' has no attribute {name!r}")
