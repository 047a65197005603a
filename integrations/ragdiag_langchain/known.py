"""What is known of LangChain's stores beyond their interface: how they score, and where their vectors are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ragdiag.stores import is_a
from ragdiag.types import Metric


def is_in_memory(store: Any) -> bool:
    """Whether it is LangChain's ``InMemoryVectorStore``."""
    return is_a(store, "InMemoryVectorStore", ("langchain_core.vectorstores",))


def is_faiss(store: Any) -> bool:
    """Whether it is the community's ``FAISS``."""
    return is_a(store, "FAISS", ("langchain_community.vectorstores", "langchain.vectorstores"))


def is_remedied(store: Any) -> bool:
    """Whether it is a `RemediedVectorStore`."""
    return is_a(store, "RemediedVectorStore", ("ragdiag_langchain.",))


def behind(store: Any) -> Any:
    """Return the store that holds the vectors: the one behind a `RemediedVectorStore`, or the one given."""
    return store.store if is_remedied(store) else store


def metric_of(store: Any) -> Metric | None:
    """Return what ``similarity_search_with_score`` gives: cosine, dot product or squared L2; None when not known."""
    if is_in_memory(store):
        return Metric.COSINE
    if is_faiss(store):
        from faiss import METRIC_INNER_PRODUCT, METRIC_L2

        return {METRIC_INNER_PRODUCT: Metric.DOT, METRIC_L2: Metric.L2}.get(store.index.metric_type)
    return None


def stored_vectors(store: Any, documents: Sequence[Any]) -> list[Sequence[float]] | None:
    """Return the vectors of documents that the store found, in their order; None where it cannot be asked."""
    ids = [document.id for document in documents]
    if is_in_memory(store):
        return [store.store[id_]["vector"] for id_ in ids]
    if is_faiss(store):
        wanted = set(ids)
        rows = {id_: row for row, id_ in store.index_to_docstore_id.items() if id_ in wanted}
        if wanted <= rows.keys():
            return list(np.array([store.index.reconstruct(rows[id_]) for id_ in ids]))
    return None
