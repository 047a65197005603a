"""Connections to SQLite: one that only reads, the extension, and one plain way to ask."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ragdiag.errors import MissingExtraError, StoreError
from ragdiag.stores import told

EXTRA = 'pip install "ragdiag[sqlite-vec]"'


def quoted(name: str) -> str:
    """Return the name of a table or column as SQL.

    Examples
    --------
    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def connect(path: str, name: str, *, still: bool = False) -> sqlite3.Connection:
    """Open a database that is there, for reading only; one that lies `still`, without a log, gets none by that."""
    with told(name, hint="is it a SQLite database?"):
        uri = f"file:{quote(str(Path(path).absolute()))}?mode=ro{'&immutable=1' * still}"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    try:
        connection.text_factory = _text
        with told(name, hint="is it a SQLite database that nobody writes to?"):
            connection.execute("PRAGMA trusted_schema = OFF")  # its views and triggers may come from anybody
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def ask(connection: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return all rows, as tuples whatever the connection is set to."""
    cursor = connection.cursor()
    cursor.row_factory = None
    try:
        return cursor.execute(sql, values).fetchall()
    finally:
        cursor.close()


def load_extension(connection: sqlite3.Connection, name: str, *, own: bool = True) -> None:
    """Give a connection of ours the functions and tables of sqlite-vec, unless it has them.

    Raises
    ------
    MissingExtraError
        When sqlite-vec is not installed, or this Python's SQLite takes no extensions.
    StoreError
        When it lacks them and is the application's.
    """
    try:
        ask(connection, "SELECT vec_version()")
    except sqlite3.OperationalError:
        if not own:
            raise StoreError(
                f"{name}: the connection has not loaded sqlite-vec",
                hint="sqlite_vec.load(it), or give the file",
            ) from None
    else:
        return
    try:
        import sqlite_vec
    except ImportError:
        raise MissingExtraError(f"{name} needs sqlite-vec", hint=EXTRA) from None
    if not hasattr(connection, "enable_load_extension"):
        raise MissingExtraError(
            f"{name} needs sqlite-vec ({EXTRA}), and the sqlite3 of this Python loads no extensions",
            hint="use a Python that was built with --enable-loadable-sqlite-extensions",
        )
    with told(name, hint=EXTRA):
        connection.enable_load_extension(True)
        try:
            sqlite_vec.load(connection)
        finally:
            connection.enable_load_extension(False)


def _text(read: bytes) -> str:
    return read.decode("utf-8", "replace")
