"""The pickles inside a local folder of Qdrant, looked at before Qdrant itself loads them.

Qdrant's local mode keeps every point as a pickle and runs whatever it names. A folder that came
from elsewhere could name anything.
"""

from __future__ import annotations

import io
import os
import pickle
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any
from urllib.request import pathname2url

from ragdiag.errors import StoreError

_MODULES = ("qdrant_client.http.models.models", "qdrant_client.http.models")
_CLASSES = ("PointStruct", "SparseVector")
# What `CollectionPersistence` makes and asks; a schema that differs in anything else may hide something.
_SCHEMA = [
    ("table", "points", "points", "CREATE TABLE points (id TEXT PRIMARY KEY, point BLOB)"),
    ("index", "sqlite_autoindex_points_1", "points", None),
]
_LOADING = "SELECT rowid, id, point FROM points ORDER BY rowid DESC"


class _Inert:
    """Stands in for the classes of Qdrant's client."""

    def __new__(cls, *_: object, **__: object) -> _Inert:
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Keep nothing."""


class _Vetting(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _MODULES and name in _CLASSES:
            return _Inert
        raise StoreError(
            f"a point's pickle asks for {module}.{name}, which no point needs; it was not run",
            hint="do not open this folder elsewhere before you know who wrote it",
        )


def refuse_foreign_pickles(files: Iterable[str]) -> None:
    """Raise a `StoreError` when a point is no pickle of plain values, or the file could show Qdrant other points.

    What is looked at has to be what Qdrant's client then loads. So the file holds the one table that
    the client makes, and nothing by which the same question could be answered twice in different
    ways (views, triggers, indexes, a journal to be replayed); and the question is the client's own.

    Parameters
    ----------
    files : iterable of str
        Paths of ``storage.sqlite``; those that are missing are empty collections.
    """
    for file in files:
        _refuse_beside(file)
        if not os.path.isfile(file):
            continue
        try:
            with closing(sqlite3.connect(f"file:{pathname2url(os.path.abspath(file))}?mode=ro", uri=True)) as database:
                found = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
                if found and found != _SCHEMA:
                    raise StoreError(
                        "it holds more than Qdrant's table of points; it was not opened", hint="who wrote it?"
                    )
                rows: Iterable[tuple[Any, ...]] = database.execute(_LOADING) if found else ()
                for _, _, point in rows:
                    _Vetting(io.BytesIO(point)).load()
        except StoreError as error:
            raise StoreError(f"{file}: {error.message}", hint=error.hint) from None
        except Exception as error:  # a damaged pickle raises anything
            raise StoreError(f"{file} cannot be read ({type(error).__name__})", hint="is the folder whole?") from None


def _refuse_beside(file: str) -> None:
    """Refuse links, which lead elsewhere, and what SQLite or an old client would turn into other points."""
    folder, name = os.path.split(file)
    if os.path.lexists(file) and (os.path.islink(file) or not os.path.isfile(file)):
        raise StoreError(f"{file} is no regular file; it was not opened", hint="who wrote it?")
    entries = os.listdir(folder) if os.path.isdir(folder) else []
    strange = [entry for entry in sorted(entries) if entry.startswith("storage.") and entry != name]
    if strange:
        raise StoreError(
            f"{os.path.join(folder, strange[0])} would change what {name} holds; it was not opened",
            hint="if the folder is yours, open and close it with Qdrant's own client first",
        )
