"""sqlite-vec as a store: a file, or a live connection. See README.md beside this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragdiag.stores import Opener, is_a

if TYPE_CHECKING:
    from ragdiag.stores import Target, VectorStore

_LIVE = {("sqlite3", "Connection"), ("langchain_community.vectorstores.sqlitevec", "SQLiteVec")}


def _open_uri(rest: str, options: dict[str, str]) -> VectorStore:
    from ragdiag_sqlite_vec.opening import open_file

    return open_file(rest, options)


def _accepts(obj: Any) -> bool:
    return any(is_a(obj, name, module) for module, name in _LIVE)


def _open_object(obj: Any) -> VectorStore:
    from ragdiag_sqlite_vec.opening import open_connection

    if hasattr(obj, "_connection"):
        return open_connection(obj._connection, {"table": obj._table})
    return open_connection(obj, {})


def _target(rest: str, options: dict[str, str]) -> Target:
    from ragdiag_sqlite_vec.write import sqlite_vec_target

    return sqlite_vec_target(rest, options)


opener = Opener(
    schemes=("sqlite-vec",),
    suffixes=(),
    description="SQLite with sqlite-vec: sqlite-vec:./vec.db?table=langchain, or a live object",
    open_uri=_open_uri,
    accepts=_accepts,
    open_object=_open_object,
    target=_target,
)
