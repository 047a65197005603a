"""DuckDB as a store: a file, or a live connection. See README.md beside this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragdiag.stores import Opener, is_a

if TYPE_CHECKING:
    from ragdiag.stores import Target, VectorStore

_LIVE = {
    ("_duckdb", "DuckDBPyConnection"),
    ("duckdb.duckdb", "DuckDBPyConnection"),  # before 1.4
    ("langchain_community.vectorstores.duckdb", "DuckDB"),
}


def _open_uri(rest: str, options: dict[str, str]) -> VectorStore:
    from ragdiag_duckdb.opening import open_file

    return open_file(rest, options)


def _accepts(obj: Any) -> bool:
    return any(is_a(obj, name, module) for module, name in _LIVE)


def _open_object(obj: Any) -> VectorStore:
    from ragdiag_duckdb.opening import open_connection

    if not hasattr(obj, "_connection"):
        return open_connection(obj, {})
    keys = {"table": obj._table_name, "vector": obj._vector_key, "id": obj._id_key, "text": obj._text_key}
    return open_connection(obj._connection, keys)


def _target(rest: str, options: dict[str, str]) -> Target:
    from ragdiag_duckdb.write import duckdb_target

    return duckdb_target(rest, options)


opener = Opener(
    schemes=("duckdb",),
    suffixes=(),
    description="DuckDB: duckdb:./my.duckdb?table=embeddings&metric=cosine, or a live object",
    open_uri=_open_uri,
    accepts=_accepts,
    open_object=_open_object,
    target=_target,
)
