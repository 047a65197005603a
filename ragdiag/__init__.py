"""A linter for vector stores: says what is wrong with the vectors behind a RAG application.

>>> import ragdiag
>>> sorted(ragdiag.__all__)[:3]
['Artefact', 'Diff', 'Explanation']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragdiag.artefact import Artefact, load_artefact
    from ragdiag.auditing import audit
    from ragdiag.comparing import compare
    from ragdiag.diffing import diff
    from ragdiag.engine import LocalEngine
    from ragdiag.errors import RagdiagError
    from ragdiag.explaining import explain
    from ragdiag.fixing import Fixed, fix
    from ragdiag.plan import Plan
    from ragdiag.report.changes import Diff
    from ragdiag.report.explanation import Explanation
    from ragdiag.report.model import Report
    from ragdiag.retrieval.layouts import read_judgements
    from ragdiag.stores import VectorStore, open_store
    from ragdiag.types import Measure, Metric, Severity

# Names are imported on first use, so that `ragdiag --help` loads neither numpy nor faiss.
_HOMES = {
    "Explanation": "ragdiag.report.explanation",
    "Artefact": "ragdiag.artefact",
    "Diff": "ragdiag.report.changes",
    "Fixed": "ragdiag.fixing",
    "LocalEngine": "ragdiag.engine",
    "Measure": "ragdiag.types",
    "Metric": "ragdiag.types",
    "Plan": "ragdiag.plan",
    "RagdiagError": "ragdiag.errors",
    "Report": "ragdiag.report.model",
    "Severity": "ragdiag.types",
    "VectorStore": "ragdiag.stores",
    "audit": "ragdiag.auditing",
    "compare": "ragdiag.comparing",
    "diff": "ragdiag.diffing",
    "explain": "ragdiag.explaining",
    "fix": "ragdiag.fixing",
    "load_artefact": "ragdiag.artefact",
    "open_store": "ragdiag.stores",
    "read_judgements": "ragdiag.retrieval.layouts",
}

__all__ = [
    "Artefact",
    "Diff",
    "Explanation",
    "Fixed",
    "LocalEngine",
    "Measure",
    "Metric",
    "Plan",
    "RagdiagError",
    "Report",
    "Severity",
    "VectorStore",
    "audit",
    "compare",
    "diff",
    "explain",
    "fix",
    "load_artefact",
    "open_store",
    "read_judgements",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ragdiag' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
