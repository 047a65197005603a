"""The ``index.pkl`` that LangChain writes beside a FAISS index, read without trusting it."""

from __future__ import annotations

import datetime
import decimal
import io
import pickle
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragdiag.errors import StoreError
from ragdiag.stores.child import run_in_child

_DOCSTORES = frozenset(
    (f"{root}.docstore.in_memory", "InMemoryDocstore")
    for root in ("langchain_community", "langchain", "langchain_classic")
)
_DOCUMENTS = frozenset(
    (module, "Document")
    for module in (
        "langchain_core.documents.base",
        "langchain_core.documents",
        "langchain.schema.document",
        "langchain.schema",
        "langchain.docstore.document",
        "langchain_classic.schema.document",
        "langchain_classic.schema",
        "langchain_classic.docstore.document",
        "langchain_community.docstore.document",
    )
)
_MAX_DEPTH = 32
_MAX_VALUES = 100_000


class StoredDocument:
    """What a pickled LangChain document holds; stands in for its class, whose code never runs."""

    __slots__ = ("metadata", "page_content")

    page_content: str | None
    metadata: dict[Any, Any]

    def __new__(cls, *_: object) -> StoredDocument:
        """Make an empty document; what a pickle passes is not looked at."""
        document = object.__new__(cls)
        document.__setstate__({})
        return document

    def __setstate__(self, state: Any) -> None:
        fields = _fields(state)
        text, metadata = fields.get("page_content"), fields.get("metadata")
        self.page_content = text if isinstance(text, str) else None
        self.metadata = metadata if isinstance(metadata, dict) else {}


class StoredDocstore:
    """What a pickled LangChain docstore holds."""

    __slots__ = ("documents",)

    documents: dict[Any, Any]

    def __new__(cls, *_: object) -> StoredDocstore:
        """Make an empty docstore; what a pickle passes is not looked at."""
        docstore = object.__new__(cls)
        docstore.documents = {}
        return docstore

    def __setstate__(self, state: Any) -> None:
        documents = _fields(state).get("_dict")
        self.documents = documents if isinstance(documents, dict) else {}


class _Reconstruct:
    """Stands in for ``copyreg._reconstructor``, by which pickles of protocol 0 and 1 make objects."""

    __slots__ = ()

    def __call__(self, kind: Any, base: Any = None, state: Any = None) -> Any:
        if kind is StoredDocument or kind is StoredDocstore:
            return kind()
        raise pickle.UnpicklingError("makes an object of another kind")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("changes a function")


@dataclass(frozen=True)
class Docstore:
    """Texts and ids of a LangChain FAISS store.

    Attributes
    ----------
    ids : mapping of int to str
        Position in the index to document id.
    documents : mapping of str to document
        Objects with ``page_content`` and ``metadata``.
    """

    ids: Mapping[int, str]
    documents: Mapping[str, Any]


# Plain values that loaders put into metadata; making one runs nothing but its own constructor.
_VALUES = {
    ("datetime", "date"): datetime.date,
    ("datetime", "datetime"): datetime.datetime,
    ("datetime", "time"): datetime.time,
    ("datetime", "timedelta"): datetime.timedelta,
    ("datetime", "timezone"): datetime.timezone,
    ("decimal", "Decimal"): decimal.Decimal,
    ("uuid", "UUID"): uuid.UUID,
}


class _Unpickler(pickle.Unpickler):
    """Admits the docstore, the document and plain values; nothing else, so no code of the pickle's choice runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _DOCSTORES:
            return StoredDocstore
        if (module, name) in _DOCUMENTS:
            return StoredDocument
        if (module, name) in _VALUES:
            return _VALUES[module, name]
        if module in ("builtins", "__builtin__") and name in ("set", "object"):
            return set if name == "set" else None  # `object` is an argument that nobody reads
        if module in ("copyreg", "copy_reg") and name == "_reconstructor":
            return _Reconstruct()
        raise StoreError(
            f"the pickle asks for {module}.{name}, which no LangChain docstore needs; it was not run",
            hint="do not open this store elsewhere before you know who wrote it",
        )


def read_docstore(path: str) -> Docstore:
    """Read an ``index.pkl``, after another process has survived reading it.

    Parameters
    ----------
    path : str
        Of the pickle.

    Returns
    -------
    Docstore

    Raises
    ------
    StoreError
        When the pickle asks for any class but LangChain's, is corrupt, or holds something else.
    """
    run_in_child(__name__, "examine", path, unreadable=_UNREADABLE, memory_factor=20)
    return load_docstore(path)


_UNREADABLE = "could not be read as a LangChain docstore (truncated or corrupt)"


def examine(path: str) -> int:
    """Read the pickle and return how many documents it holds; runs in a child process."""
    return len(load_docstore(path).documents)


def admits(pickled: bytes) -> bool:
    """Whether a pickled value, such as the metadata of a document, would be read back."""
    try:
        return _is_small(_Unpickler(io.BytesIO(pickled)).load())
    except Exception:  # as when reading: whatever its operations meet
        return False


def load_docstore(path: str) -> Docstore:
    """Read an ``index.pkl`` in this process."""
    try:
        with open(path, "rb") as file:
            loaded = _Unpickler(file).load()
    except StoreError as error:
        raise StoreError(f"{path}: {error.message}", hint=error.hint) from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})", hint="check its permissions") from None
    except Exception:  # a corrupt pickle raises whatever its operations meet
        raise StoreError(f"{path} {_UNREADABLE}", hint="write it again with save_local") from None
    if not (isinstance(loaded, tuple) and len(loaded) == 2 and isinstance(loaded[0], StoredDocstore)):
        raise StoreError(f"{path} holds no LangChain docstore", hint="give the folder that save_local wrote")
    docstore, positions = loaded
    if not isinstance(positions, dict):
        raise StoreError(f"{path} maps no positions to ids", hint="write it again with save_local")
    documents = {_id(key, path): value for key, value in docstore.documents.items()}
    for id_, document in documents.items():
        if not isinstance(document, StoredDocument):
            raise StoreError(f"{path}: {id_!r} is no LangChain document", hint="write it again with save_local")
        if not _is_small(document.metadata):
            raise StoreError(f"{path}: the metadata of {id_!r} is nested too deeply", hint="flatten it")
    for position in positions:
        if not isinstance(position, int) or not 0 <= position < 2**63:
            raise StoreError(f"{path} has a position that is no row number", hint="write it again with save_local")
    return Docstore({position: _id(id_, path) for position, id_ in positions.items()}, documents)


def _fields(state: Any) -> dict[Any, Any]:
    """Return an object's fields from a pickled state: pydantic keeps them under ``__dict__``."""
    if isinstance(state, tuple) and len(state) == 2:
        state = state[0]
    if not isinstance(state, dict):
        return {}
    inner = state.get("__dict__")
    return inner if isinstance(inner, dict) else state


def _id(value: Any, path: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return str(value)
    raise StoreError(f"{path} has an id that is {type(value).__name__}", hint="ids must be text")


def _is_small(value: Any) -> bool:
    """Whether a value is a tree of bounded size: a pickle can make one that holds itself."""
    level = [value]
    seen = 0
    for _ in range(_MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                deeper.extend(item.values())
            elif isinstance(item, (list, tuple, set, frozenset)):
                deeper.extend(item)
            if len(deeper) + seen > _MAX_VALUES:
                return False
        seen += len(deeper)
        if not deeper:
            return True
        level = deeper
    return False
