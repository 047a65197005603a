"""Connections to DuckDB that reach nothing but their file, and names as SQL."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlencode

from ragdiag.errors import MissingExtraError, StoreError
from ragdiag.stores import told

SCHEME = "duckdb"
OPTIONS = ("table", "vector", "id", "text", "metric")
# A file may come from anybody: what it holds must not read other files, nor load anything.
_CLOSED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "2GB",  # of pages that it keeps; by default most of the machine's
}
_MAGIC = b"DUCK"  # after a checksum of 8 bytes


def load_duckdb() -> Any:
    """Return duckdb and pyarrow's presence checked, or name the extra that brings them."""
    try:
        import duckdb
        import pyarrow  # noqa: F401
    except ImportError:
        raise MissingExtraError("DuckDB is read with duckdb", hint='pip install "ragdiag[duckdb]"') from None
    return duckdb


def connect(path: str, name: str, *, read_only: bool = True) -> Any:
    """Open a database; one that is there, or a new one where it is not `read_only`."""
    duckdb = load_duckdb()
    if os.path.exists(path):
        with told(name), open(path, "rb") as file:
            start = file.read(12)
        if start[8:] != _MAGIC:  # DuckDB would look for an extension that reads it
            raise StoreError(f"{name} is no DuckDB database", hint="check the path")
    with told(name, hint="is it open elsewhere? close it there, or pass the open connection"):
        return duckdb.connect(path, read_only=read_only, config=_CLOSED)


def quoted(name: str) -> str:
    """Return the name of a table or column as SQL.

    Examples
    --------
    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def shown(place: str, table: str) -> str:
    """Return the URI of a table.

    Examples
    --------
    >>> shown("./my.duckdb", "my docs")
    'duckdb:./my.duckdb?table=my+docs'
    """
    return f"{SCHEME}:{place}?{urlencode({'table': table})}"
