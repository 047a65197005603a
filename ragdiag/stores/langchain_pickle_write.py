"""The ``index.pkl`` of a LangChain FAISS store, written a document at a time and without LangChain.

`pickle` writes a class only when it can import it, and holds what it wrote. The few operations that
make LangChain's two classes are therefore written here, and only plain values are left to `pickle`.
The bytes depend on the documents alone, not on the version of Python or LangChain.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores.langchain_pickle import admits
from ragdiag.types import Batch

# Since protocol 4 there are frames, which must not be cut apart.
_PROTOCOL = 3
_NEW = pickle.EMPTY_TUPLE + pickle.NEWOBJ
_DOCSTORE = b"clangchain_community.docstore.in_memory\nInMemoryDocstore\n"
_DOCUMENT = b"clangchain_core.documents.base\nDocument\n"
_REMEMBER, _AGAIN = pickle.BINPUT + b"\0", pickle.BINGET + b"\0"
_DEEPEST = 32


class _SortedSet:
    """A set that pickles in one order: that of a set of strings differs between processes."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def __reduce__(self) -> tuple[Any, ...]:
        return set, (self._values,)


_FIELDS = _SortedSet(["id", "metadata", "page_content"])


class DocstoreWriter:
    """Write the tuple of docstore and positions that LangChain's ``FAISS.save_local`` pickles.

    Parameters
    ----------
    file : binary file
        Open for writing.
    store : str
        How the store is called in errors.
    lossy : bool
        Whether metadata that our reader would not admit is written as text.
    """

    def __init__(self, file: IO[bytes], *, store: str, lossy: bool) -> None:
        self._file = file
        self._store = store
        self._lossy = lossy
        self._ids: list[str] = []
        file.write(pickle.PROTO + bytes([_PROTOCOL]) + _DOCSTORE + _NEW + pickle.EMPTY_DICT)
        file.write(_operations("_dict") + pickle.EMPTY_DICT)

    def add(self, batch: Batch) -> Batch:
        """Write the documents of a batch, and return it."""
        nothing = [None] * len(batch)
        for id_, text, metadata in zip(batch.ids, batch.texts or nothing, batch.metadata or nothing, strict=True):
            kind = _AGAIN if self._ids else _DOCUMENT + _REMEMBER
            self._file.write(_operations(id_) + kind + _NEW + self._state(id_, text or "", metadata or {}))
            self._file.write(pickle.BUILD + pickle.SETITEM)
            self._ids.append(id_)
        return batch

    def finish(self) -> None:
        """Write the positions; nothing can be added afterwards."""
        self._file.write(pickle.SETITEM + pickle.BUILD)
        self._file.write(_operations(dict(enumerate(self._ids))) + pickle.TUPLE2 + pickle.STOP)

    def _state(self, id_: str, text: str, metadata: Mapping[str, Any]) -> bytes:
        """Return the state of a document, as pydantic keeps it."""
        fields = {"id": id_, "metadata": self._kept(id_, metadata), "page_content": text, "type": "Document"}
        return _operations(
            {
                "__dict__": fields,
                "__pydantic_extra__": None,
                "__pydantic_fields_set__": _FIELDS,
                "__pydantic_private__": None,
            }
        )

    def _kept(self, id_: str, metadata: Mapping[str, Any]) -> Any:
        kept = _plain(metadata)
        if _can_keep(kept):
            return kept
        if self._lossy:
            as_text = json.loads(json.dumps(dict(metadata), default=str, skipkeys=True))
            if _can_keep(as_text):
                return as_text
        raise StoreError(
            f"{self._store}: the metadata of {id_!r} holds values that a LangChain folder cannot keep safely",
            hint="store text, numbers, dates, lists and mappings, or allow the loss (--lossy)",
        )


def _can_keep(value: Any) -> bool:
    try:
        pickled = pickle.PROTO + bytes([_PROTOCOL]) + _operations(value) + pickle.STOP
    except Exception:  # whatever the reduction of a foreign object meets
        return False
    return admits(pickled)


def _operations(value: Any) -> bytes:
    """Return the operations that make a plain value, without the frame of a whole pickle."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, _PROTOCOL)
    pickler.fast = True  # no memo, whose numbers would clash with those of the documents before
    pickler.dump(value)
    return buffer.getvalue()[2:-1]


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value with numpy's numbers as Python's, and sets in one order; what is too deep is left as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if depth > _DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {_plain(key, depth + 1): _plain(entry, depth + 1) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(entry, depth + 1) for entry in value)
    if isinstance(value, set | frozenset):
        return _SortedSet(sorted((_plain(entry, depth + 1) for entry in value), key=repr))
    return value
