"""sqlite-vec in this process, also where its Python loads no extensions."""

from __future__ import annotations

import ctypes
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

sqlite_vec = pytest.importorskip("sqlite_vec")


def _offer() -> None:
    """Let SQLite itself give the functions of sqlite-vec to every connection made from now on."""
    import _sqlite3

    library = next(iter(Path(sqlite_vec.__file__).parent.glob("vec0.*")))
    start = ctypes.CDLL(str(library)).sqlite3_vec_init
    automatic = ctypes.CDLL(_sqlite3.__file__).sqlite3_auto_extension
    automatic.argtypes = [ctypes.c_void_p]
    assert automatic(ctypes.cast(start, ctypes.c_void_p)) == 0


LOADS = hasattr(sqlite3.Connection, "enable_load_extension")
if not LOADS and sys.platform != "win32":
    _offer()


def connected(path: Path | str) -> sqlite3.Connection:
    """Return a connection as `SQLiteVec.create_connection` makes it."""
    connection: Any = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    if LOADS:
        connection.enable_load_extension(True)
        sqlite_vec.load(connection)
        connection.enable_load_extension(False)
    made: sqlite3.Connection = connection
    return made
