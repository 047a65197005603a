"""FAISS as a store: a raw index file, or the folder that LangChain's ``FAISS.save_local`` writes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ragdiag.checks import as_vectors
from ragdiag.errors import ConfigError, StoreError, StoreNotFoundError
from ragdiag.stores.base import Hits, Opener, Tuning
from ragdiag.stores.faiss_file import open_index_file
from ragdiag.stores.faiss_rows import IndexRows, index_rows
from ragdiag.stores.faiss_search import FileSearch, FlatSearch, IndexSearch, LiveSearch, index_tuning
from ragdiag.stores.faiss_write import INDEX_SUFFIXES, faiss_target
from ragdiag.stores.ids import Ids, NumberIds, Rows, TextIds, duplicate_ids
from ragdiag.stores.langchain_pickle import Docstore, read_docstore
from ragdiag.stores.rows import Metadata, RowStore, clean_text
from ragdiag.stores.uri import check_options, existing_path, without_credentials
from ragdiag.types import Float32, IntArray, Metric, StoreInfo


class FaissStore(RowStore):
    """The vectors of a faiss index, with a LangChain docstore when there is one.

    Parameters
    ----------
    index : faiss.Index
        Any index whose vectors can be read back; it is never changed.
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

    _search: IndexSearch

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
        self._search = LiveSearch(index)

    @classmethod
    def from_file(cls, path: str, *, docstore: Docstore | None = None, name: str = "") -> FaissStore:
        """Open an index file, with the docstore beside it when there is one."""
        rows, owner = open_index_file(path)
        store = cls.__new__(cls)
        kind = "faiss" if docstore is None else "langchain-faiss"
        store._setup(rows, owner, docstore, name=name or path, kind=kind)
        store._search = FlatSearch(rows) if owner is None else FileSearch(path, index_tuning(owner))
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

    @property
    def tuning(self) -> Tuning:
        """``nprobe`` or ``efSearch`` where the index has one; exact where it is flat."""
        return self._search.tuning

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        """Return what the index finds; see `ragdiag.stores.SearchableStore`.

        The index of a file is searched in another process, since a hostile one can end it.
        """
        name, metric = self.info.name, self.info.metric
        if k < 1 or (effort is not None and effort < 1):
            raise ConfigError(f"{name} is searched for k={k} with effort={effort}", hint="give 1 or more")
        if metric is None:
            raise StoreError(f"{name} ranks by neither inner product nor L2", hint="audit its vectors as .npy")
        if exact and not self.tuning.exact:
            raise StoreError(f"{name} has no exact search ({self.info.index})", hint="leave exact out")
        asked = as_vectors(queries, what="the queries", dim=self.info.dim)
        if not len(asked):
            return []
        distances, labels = self._search.find(asked, min(k, self.info.count), effort)
        scores = distances.astype(np.float64)
        if metric is Metric.L2:
            scores = -np.sqrt(np.maximum(scores, 0.0))  # faiss gives squares, which rounding can bring below 0
        rows = self._rows_of(labels)
        return [
            Hits(tuple(self._ids.at(found[found >= 0])), own[found >= 0])
            for found, own in zip(rows, scores, strict=True)
        ]

    def count(self) -> int:
        """Return how many vectors the index holds now."""
        return self.info.count if self._owner is None else int(self._owner.ntotal)

    def close(self) -> None:
        """End the process that searches a file, where there is one."""
        self._search.close()

    def _rows_of(self, labels: IntArray) -> IntArray:
        """Return the row of each label that a search gave; −1 for none, and for one that was not there."""
        count = self._rows.count
        if self._rows.labels is None:
            return np.where(labels < count, labels, -1)
        known, order = self._rows.labels, self._by_label
        at = np.minimum(np.searchsorted(known, labels, sorter=order), count - 1)
        rows: IntArray = np.where(known[order[at]] == labels, order[at], -1)
        return rows

    @cached_property
    def _by_label(self) -> IntArray:
        assert self._rows.labels is not None
        return np.argsort(self._rows.labels, kind="stable")

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
