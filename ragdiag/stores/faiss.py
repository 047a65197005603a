"""FAISS as a store: a raw index file, or the folder that LangChain's ``FAISS.save_local`` writes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ragdiag.errors import StoreError, StoreNotFoundError
from ragdiag.stores.base import Opener
from ragdiag.stores.faiss_file import open_index_file
from ragdiag.stores.faiss_rows import IndexRows, index_rows
from ragdiag.stores.faiss_write import INDEX_SUFFIXES, faiss_target
from ragdiag.stores.langchain_pickle import Docstore, read_docstore
from ragdiag.stores.rows import Ids, Metadata, NumberIds, Rows, RowStore, TextIds, clean_text, duplicate_ids
from ragdiag.stores.uri import check_options, existing_path, without_credentials
from ragdiag.types import Float32, IntArray, StoreInfo


class FaissStore(RowStore):
    """The vectors of a faiss index, with a LangChain docstore when there is one.

    Parameters
    ----------
    index : faiss.Index
        Any index whose vectors can be read back; it is never searched or changed.
    positions : mapping of int to str, optional
        LangChain's ``index_to_docstore_id``. Without it the ids are the labels that a search
        of the index returns.
    documents : mapping of str to document, optional
        Objects with ``page_content`` and ``metadata``. Where positions, documents and index
        disagree the store opens all the same, and ``info.mismatches`` says by how much.
    name, kind : str
        How the store is called in reports, and ``"faiss"`` or ``"langchain-faiss"``.

    Raises
    ------
    StoreError
        When the index is empty or keeps nothing that can be read back.
    """

    def __init__(
        self,
        index: Any,
        *,
        positions: Mapping[int, str] | None = None,
        documents: Mapping[str, Any] | None = None,
        name: str = "faiss",
        kind: str = "faiss",
    ) -> None:
        docstore = None if positions is None else Docstore(dict(positions), documents or {})
        self._setup(index_rows(index), index, docstore, name=name, kind=kind)

    @classmethod
    def from_file(cls, path: str, *, docstore: Docstore | None = None, name: str = "") -> FaissStore:
        """Open an index file, with the docstore beside it when there is one."""
        rows, owner = open_index_file(path)
        store = cls.__new__(cls)
        kind = "faiss" if docstore is None else "langchain-faiss"
        store._setup(rows, owner, docstore, name=name or path, kind=kind)
        return store

    def _setup(self, rows: IndexRows, owner: Any, docstore: Docstore | None, *, name: str, kind: str) -> None:
        if rows.count == 0:
            raise StoreError(f"{name} holds no vectors", hint="add at least two")
        self._rows = rows
        self._owner = owner  # faiss frees the index with it, and what `rows` reads
        self._documents = None if docstore is None else docstore.documents
        info = StoreInfo(
            name=name,
            kind=kind,
            count=rows.count,
            dim=rows.dim,
            metric=rows.metric,
            index=rows.kind,
            loss=rows.loss,
            counts={} if docstore is None else _counts(rows, docstore),
            mismatches={} if docstore is None else _mismatches(rows, docstore),
            has_texts=docstore is not None,
            has_metadata=docstore is not None,
        )
        super().__init__(info, _label_ids(rows, name) if docstore is None else _docstore_ids(rows, docstore))

    def _vectors(self, rows: Rows) -> Float32:
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        return self._rows.read(numbers)

    def _texts(self, rows: Rows, ids: Sequence[str]) -> Sequence[str | None] | None:
        if self._documents is None:
            return None
        found = (self._documents.get(id_) for id_ in ids)
        return [clean_text(getattr(document, "page_content", None)) for document in found]

    def _metadata(self, rows: Rows, ids: Sequence[str]) -> Metadata | None:
        if self._documents is None:
            return None
        found = (self._documents.get(id_) for id_ in ids)
        return [dict(getattr(document, "metadata", None) or {}) for document in found]


def _label_ids(rows: IndexRows, name: str) -> Ids:
    if rows.labels is not None:
        values, counts = np.unique(rows.labels, return_counts=True)
        if len(values) < rows.count:
            raise duplicate_ids(name, str(values[counts > 1][0]), rows.count - len(values))
    return NumberIds(rows.count, rows.labels)


def _labels(rows: IndexRows) -> IntArray:
    return np.arange(rows.count) if rows.labels is None else rows.labels


def _docstore_ids(rows: IndexRows, docstore: Docstore) -> Ids:
    """Return the document id of each row; a row without one, or with one already taken, gets ``#label``."""
    known = set(docstore.ids.values())
    used: set[str] = set()
    ids = []
    for label in _labels(rows).tolist():
        id_ = docstore.ids.get(label)
        if id_ is None or id_ in used:
            id_ = f"#{label}"
            while id_ in used or id_ in known:
                id_ = f"#{id_}"
        used.add(id_)
        ids.append(id_)
    return TextIds(ids, what="the docstore")


def _counts(rows: IndexRows, docstore: Docstore) -> dict[str, int]:
    """Return the counts that ought to agree."""
    return {"index": rows.count, "ids": len(docstore.ids), "docstore": len(docstore.documents)}


def _mismatches(rows: IndexRows, docstore: Docstore) -> dict[str, int]:
    """Return how many entries of index, ids and docstore have no counterpart."""
    labels = set(_labels(rows).tolist())
    ids = set(docstore.ids.values())
    stored = {id_ for position, id_ in docstore.ids.items() if position in labels}
    found = {
        "ids without a document": len(ids - docstore.documents.keys()),
        "documents without a vector": len(docstore.documents.keys() - stored),
        "vectors without an id": len(labels - docstore.ids.keys()),
        "ids without a vector": len(docstore.ids.keys() - labels),
        "ids used twice": len(docstore.ids) - len(ids),
        "labels used twice": rows.count - len(labels),
    }
    return {what: number for what, number in found.items() if number}


def open_faiss(rest: str, options: dict[str, str]) -> FaissStore:
    """Open ``faiss:FOLDER?index_name=index`` (LangChain's) or ``faiss:FILE`` (a raw index)."""
    check_options(options, ("index_name",), scheme="faiss")
    path, name = existing_path(rest, folder=None), without_credentials(rest)
    if not os.path.isdir(path):
        if options:
            raise StoreError(f"{name} is a file, index_name is for folders", hint="leave the option out")
        return FaissStore.from_file(path, name=name)
    stem = options.get("index_name", "index")
    index, pickle = (os.path.join(path, stem + suffix) for suffix in (".faiss", ".pkl"))
    if not os.path.isfile(index):
        found = sorted(file[: -len(".faiss")] for file in os.listdir(path) if file.endswith(".faiss"))
        hint = f"?index_name={found[0]}" if found else "give the folder that save_local wrote"
        raise StoreNotFoundError(f"there is no {stem}.faiss in {name}", hint=hint)
    docstore = read_docstore(pickle) if os.path.isfile(pickle) else None
    return FaissStore.from_file(index, docstore=docstore, name=name)


opener = Opener(
    schemes=("faiss",),
    suffixes=INDEX_SUFFIXES,
    description="a FAISS index file, or the folder of LangChain's save_local: faiss:./index?index_name=index",
    open_uri=open_faiss,
    target=faiss_target,
    claims_path=lambda path: os.path.isfile(os.path.join(path, "index.faiss")),
)
