"""Open a table of LanceDB: by URI, or as an application holds it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ragdiag.errors import StoreError, StoreNotFoundError
from ragdiag.stores import as_metric, check_options, told, without_credentials
from ragdiag.stores.uri import existing_path
from ragdiag_lancedb.names import OPTIONS, SUFFIX, load_lancedb, shown
from ragdiag_lancedb.store import LanceStore

_LISTED = 10


def open_lancedb(rest: str, options: dict[str, str]) -> LanceStore:
    """Open ``lancedb:FOLDER?table=NAME&vector=…&id=…&text=…&metric=…``.

    The folder may be another place that `lancedb.connect` knows (``s3://bucket/path``, ``db://name``).
    """
    check_options(options, OPTIONS, scheme="lancedb")
    asked = as_metric(options.get("metric"))
    place = rest if "://" in rest else existing_path(rest, folder=True)  # connecting would make the folder
    name = f"lancedb:{without_credentials(rest)}"
    with told(name, hint="is it a folder of LanceDB?"):
        database = load_lancedb().connect(place)
        found = _tables(database)
    table = _chosen(options.get("table"), found, name)
    with told(shown(rest, table), hint="it may be damaged"):
        database.open_table(table)
    return LanceStore(
        lambda: database.open_table(table),
        name=shown(rest, table),
        vector=options.get("vector"),
        id=options.get("id"),
        text=options.get("text"),
        metric=asked,
        own=True,
    )


def claims_path(path: str) -> bool:
    """Whether a bare path is a folder of LanceDB; nothing is imported.

    Examples
    --------
    >>> claims_path("no such folder")
    False
    """
    names = os.listdir(path) if os.path.isdir(path) else []
    return any(name.endswith(SUFFIX) and os.path.isdir(os.path.join(path, name, "_versions")) for name in names)


def accepts(target: Any) -> bool:
    """Whether an object is a table of LanceDB, or LangChain's store on one; nothing is imported."""
    kind = type(target)
    return (kind.__module__.split(".")[0], kind.__name__) in {
        ("lancedb", "LanceTable"),
        ("langchain_lancedb", "LanceDB"),
        ("langchain_community", "LanceDB"),
    }


def open_object(target: Any) -> LanceStore:
    """Open a ``lancedb`` table, or a ``LanceDB`` of ``langchain_lancedb`` or ``langchain_community``."""
    module = type(target).__module__.split(".")[0]
    if module == "lancedb":
        return LanceStore(lambda: _again(target), name=shown(_place(target), target.name))
    if module == "langchain_lancedb":
        return _open_langchain(lambda: target._get_or_create_table()[0])
    columns = {"vector": target._vector_key, "id": target._id_key, "text": target._text_key}
    return _open_langchain(target.get_table, **columns)


def _open_langchain(get_table: Callable[[], Any], **columns: Any) -> LanceStore:
    with told("LanceDB"):
        table = get_table()
    if table is None:
        raise StoreError("the LanceDB store has no table yet", hint="add documents to it first")

    def opened() -> Any:
        held = get_table()
        if held is None:
            raise StoreError("the table is gone", hint="add the documents again")
        return _again(held)

    return LanceStore(opened, name=shown(_place(table), table.name), **columns)


def _again(table: Any) -> Any:
    """Return a handle of our own at the version that the application's one shows."""
    with told(table.name):
        again = table._conn.open_table(table.name, **({"namespace_path": table.namespace} if table.namespace else {}))
        again.checkout(table.version)
    return again


def _place(table: Any) -> str:
    return str(getattr(table._conn, "uri", "")) or "live"


def _tables(database: Any) -> list[str]:
    names: list[str] = []
    token = None
    while True:
        page = database.list_tables(page_token=token)
        names += page.tables
        token = page.page_token
        if not token or not page.tables:
            return sorted(names)


def _chosen(asked: str | None, found: list[str], name: str) -> str:
    listed = ", ".join(found[:_LISTED]) + (f" and {len(found) - _LISTED} more" if len(found) > _LISTED else "")
    if not found:
        raise StoreNotFoundError(f"{name} holds no tables", hint="give the folder that lancedb.connect is given")
    if asked is not None:
        if asked not in found:
            raise StoreNotFoundError(f"{name} has no table {asked!r}", hint=f"there are {listed}")
        return asked
    if len(found) > 1:
        raise StoreError(f"{name} has {len(found)} tables: {listed}", hint="choose one: ?table=NAME")
    return found[0]
