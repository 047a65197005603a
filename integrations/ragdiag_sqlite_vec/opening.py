"""Open a table of a file, or of a live connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from ragdiag.stores import check_options, told
from ragdiag.stores.uri import existing_path
from ragdiag_sqlite_vec.connection import ask, connect
from ragdiag_sqlite_vec.layout import OPTIONS, SCHEME
from ragdiag_sqlite_vec.store import SqliteVecStore


def open_file(rest: str, options: Mapping[str, str]) -> SqliteVecStore:
    """Open ``sqlite-vec:FILE?table=NAME``, for reading only."""
    check_options(options, OPTIONS, scheme=SCHEME)
    connection = connect(existing_path(rest), f"{SCHEME}:{rest}")
    try:
        return SqliteVecStore(connection, rest, options, own=True)
    except BaseException:
        connection.close()
        raise


def open_connection(connection: sqlite3.Connection, options: Mapping[str, str]) -> SqliteVecStore:
    """Open a table of a live connection, which stays open; `options` are those of the URI."""
    check_options(options, OPTIONS, scheme=SCHEME)
    with told(f"{SCHEME}: the connection"):
        place = next((file for _, db, file in ask(connection, "PRAGMA database_list") if db == "main"), "")
    return SqliteVecStore(connection, place or ":memory:", options, own=False)
