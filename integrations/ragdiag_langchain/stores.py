"""LangChain stores that live in this process: ``InMemoryVectorStore`` and the community's ``FAISS``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ragdiag.checks import as_vectors
from ragdiag.errors import StoreError
from ragdiag.stores import FaissStore, Opener, RowStore, TextIds
from ragdiag.types import Float32, IntArray, Metric, StoreInfo
from ragdiag_langchain.known import is_faiss, is_in_memory, is_remedied


class InMemoryStore(RowStore):
    """The content of an ``InMemoryVectorStore`` at the moment it was opened.

    Parameters
    ----------
    store : langchain_core.vectorstores.InMemoryVectorStore
        Its entries are read, its embedding model is not touched.

    Raises
    ------
    StoreError
        When it is empty, or two vectors differ in dimension.
    """

    def __init__(self, store: Any) -> None:
        name = type(store).__name__
        self._entries: dict[str, dict[str, Any]] = dict(store.store)
        if not self._entries:
            raise StoreError(f"the {name} is empty", hint="add documents to it first")
        dims = {id_: len(entry["vector"]) for id_, entry in self._entries.items()}
        dim = next(iter(dims.values()))
        for id_, found in dims.items():
            if found != dim:
                raise StoreError(
                    f"the {name} holds a vector of dimension {found} ({id_!r}) beside one of {dim}",
                    hint="embed all documents with one model",
                )
        info = StoreInfo(
            name=name,
            kind="langchain-inmemory",
            count=len(dims),
            dim=dim,
            metric=Metric.COSINE,
            has_texts=True,
            has_metadata=True,
        )
        super().__init__(info, TextIds(list(dims), what=name))

    def _chosen(self, rows: slice | IntArray) -> list[dict[str, Any]]:
        return [self._entries[id_] for id_ in self._ids.at(rows)]

    def _vectors(self, rows: slice | IntArray) -> Float32:
        vectors = [entry["vector"] for entry in self._chosen(rows)]
        matrix = np.array(vectors, dtype=np.float64).reshape(len(vectors), self.info.dim)
        return as_vectors(matrix, what=self.info.name)

    def _texts(self, rows: slice | IntArray, ids: Sequence[str]) -> list[str | None]:
        return [entry.get("text") for entry in self._chosen(rows)]

    def _metadata(self, rows: slice | IntArray, ids: Sequence[str]) -> list[dict[str, Any]]:
        return [dict(entry.get("metadata") or {}) for entry in self._chosen(rows)]


def open_faiss(store: Any) -> FaissStore:
    """Open a live ``langchain_community.vectorstores.FAISS``.

    Parameters
    ----------
    store : langchain_community.vectorstores.FAISS
        Its index, docstore and position map are read where they are.

    Returns
    -------
    ragdiag.stores.FaissStore
    """
    positions = {position: str(id_) for position, id_ in store.index_to_docstore_id.items()}
    documents = getattr(store.docstore, "_dict", None)
    if documents is None:  # another docstore, which answers a missing id with a sentence
        found = {id_: store.docstore.search(id_) for id_ in positions.values()}
        documents = {id_: document for id_, document in found.items() if not isinstance(document, str)}
    return FaissStore(
        store.index,
        positions=positions,
        documents={str(id_): document for id_, document in documents.items()},
        name=type(store).__name__,
        kind="langchain-faiss",
    )


def _open_in_memory(store: Any) -> InMemoryStore:
    if is_remedied(store):
        raise StoreError(
            "a RemediedVectorStore holds mapped vectors, and shows the model that does not map",
            hint="give the store behind, .store, and RemediedEmbeddings(model, artefact) where a model is asked for",
        )
    return InMemoryStore(store)


inmemory_opener = Opener(
    schemes=(),
    suffixes=(),
    description="a live langchain_core InMemoryVectorStore",
    accepts=lambda store: is_in_memory(store) or is_remedied(store),
    open_object=_open_in_memory,
)
faiss_opener = Opener(
    schemes=(),
    suffixes=(),
    description="a live langchain_community FAISS store",
    accepts=is_faiss,
    open_object=open_faiss,
)
