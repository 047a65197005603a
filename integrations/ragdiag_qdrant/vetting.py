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
_AT_ONCE = 1000  # points


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
    """Raise a `StoreError` when a point is no pickle of plain values.

    Parameters
    ----------
    files : iterable of str
        Paths of ``storage.sqlite``; those that are missing are empty collections.
    """
    for file in files:
        if not os.path.isfile(file):
            continue
        try:
            with closing(sqlite3.connect(f"file:{pathname2url(os.path.abspath(file))}?mode=ro", uri=True)) as database:
                rows = database.execute("SELECT point FROM points")
                while found := rows.fetchmany(_AT_ONCE):
                    for (point,) in found:
                        _Vetting(io.BytesIO(point)).load()
        except StoreError as error:
            raise StoreError(f"{file}: {error.message}", hint=error.hint) from None
        except Exception as error:  # a damaged pickle raises anything
            raise StoreError(f"{file} cannot be read ({type(error).__name__})", hint="is the folder whole?") from None
