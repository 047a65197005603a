"""Open a table of a file, or of a live connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragdiag.stores import check_options, told
from ragdiag.stores.uri import existing_path
from ragdiag_duckdb.connection import OPTIONS, SCHEME, connect, load_duckdb
from ragdiag_duckdb.store import DuckDBStore


def open_file(rest: str, options: Mapping[str, str]) -> DuckDBStore:
    """Open ``duckdb:FILE?table=NAME``, for reading only."""
    check_options(options, OPTIONS, scheme=SCHEME)
    connection = connect(existing_path(rest), f"{SCHEME}:{rest}")
    try:
        return DuckDBStore(connection, rest, options, own=True)
    except BaseException:
        connection.close()
        raise


def open_connection(connection: Any, options: Mapping[str, str]) -> DuckDBStore:
    """Open a table of a live connection, which stays open; `options` are those of the URI."""
    load_duckdb()
    check_options(options, OPTIONS, scheme=SCHEME)
    with told(f"{SCHEME}: the connection"), connection.cursor() as cursor:
        ((place,),) = cursor.execute(
            "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
        ).fetchall()
    return DuckDBStore(connection, place or ":memory:", options, own=False)
