"""How LanceDB's tables and LangChain's columns in them are called, and what its Python client is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ragdiag.errors import MissingExtraError
from ragdiag.stores.uri import with_option, without_credentials

OPTIONS = ("table", "vector", "id", "text", "metadata", "metric")
METADATA = "metadata"  # the column in which both of LangChain's classes keep it
# Each thread of LanceDB's holds memory of its own: with these an audit of 100,000 × 384 needs a third less. Read once,
# at its first use; one that is set stays.
_THREADS = {"LANCE_CPU_THREADS": "1", "LANCE_IO_THREADS": "2"}
SUFFIX = ".lance"  # of the folder of a table


def load_lancedb() -> Any:
    """Return the client, or name the extra that brings it."""
    for setting, value in _THREADS.items():
        os.environ.setdefault(setting, value)
    try:
        import lancedb
    except ImportError:
        raise MissingExtraError("LanceDB needs its client", hint="pip install 'ragdiag[lancedb]'") from None
    return lancedb


def shown(database: str, table: str) -> str:
    """Return the canonical URI of a table, without credentials.

    Examples
    --------
    >>> shown("./db", "documents")
    'lancedb:./db?table=documents'
    """
    return without_credentials(with_option(f"lancedb:{database}", "table", table))


def fields(name: str, value: Any) -> Mapping[str, Any]:
    """Return the fields of LangChain's metadata (a struct, or JSON), or any other column as one.

    Examples
    --------
    >>> fields("metadata", '{"page": 1}'), fields("page", 1)
    ({'page': 1}, {'page': 1})
    """
    if name == METADATA:
        if value is None or isinstance(value, dict):
            return value or {}
        if isinstance(value, str):
            with suppress(ValueError, RecursionError):
                found = json.loads(value)
                if isinstance(found, dict):
                    return found
    return {name: value}
