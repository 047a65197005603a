"""Which table of a DuckDB database holds vectors, and in which columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ragdiag.errors import StoreError, StoreNotFoundError
from ragdiag_duckdb.connection import quoted

METADATA = "metadata"  # LangChain's column of JSON
_VECTORS = re.compile(r"(?:FLOAT|DOUBLE)\[(\d*)\]")
_IDS, _TEXTS = ("id", "_id"), ("text", "page_content", "content")
_LISTED = 10


@dataclass(frozen=True)
class Layout:
    """How one table holds documents.

    Attributes
    ----------
    table, vector : str
        The table and its column of vectors.
    fixed : int or None
        Dimension of the column's type, ``FLOAT[384]``; None for ``FLOAT[]``.
    id, text : str or None
        Their columns; without ids the row numbers serve.
    metadata : str or None
        A column of text that holds JSON objects, as LangChain keeps metadata.
    others : tuple of str
        Columns that are fields of the metadata.
    """

    table: str
    vector: str
    fixed: int | None
    id: str | None
    text: str | None
    metadata: str | None
    others: tuple[str, ...]

    @property
    def selected(self) -> str:
        """The columns, as SQL."""
        cast = f"{quoted(self.vector)}::FLOAT[]"
        id_ = [f"{quoted(self.id)}::VARCHAR"] if self.id is not None else ["rowid::VARCHAR"]
        rest = [quoted(name) for name in (self.text, self.metadata, *self.others) if name is not None]
        return ", ".join([cast, *id_, *rest])


def find_layout(tables: Mapping[str, Mapping[str, str]], options: Mapping[str, str], name: str) -> Layout:
    """Return the layout of the table that is asked for, or of the only one there is.

    Parameters
    ----------
    tables : mapping of str to mapping of str to str
        The columns of each table and their types.
    options : mapping of str to str
        As they stand in the URI.
    name : str
        Of the database, for errors.
    """
    found = [table for table, columns in tables.items() if any(map(_VECTORS.fullmatch, columns.values()))]
    listed = ", ".join(map(repr, found[:_LISTED])) + (f" and {len(found) - _LISTED} more" * (len(found) > _LISTED))
    asked = options.get("table")
    if asked is not None:
        table = next((one for one in tables if one == asked), None) or next(
            (one for one in tables if one.casefold() == asked.casefold()), None
        )
        if table is None:
            hint = f"tables with vectors: {listed}" if found else "it has no table with vectors"
            raise StoreNotFoundError(f"{name} has no table {asked!r}", hint=hint)
    elif not found:
        raise StoreError(f"{name} has no table with a column of FLOAT[]", hint="write the vectors as lists of FLOAT")
    elif len(found) > 1:
        raise StoreError(f"{name} has {len(found)} tables with vectors: {listed}", hint="choose one: ?table=NAME")
    else:
        table = found[0]
    return _columns(table, tables[table], options, f"{name}: table {table!r}")


def _columns(table: str, columns: Mapping[str, str], options: Mapping[str, str], what: str) -> Layout:
    vectors = [column for column, kind in columns.items() if _VECTORS.fullmatch(kind)]
    hint = f"the columns are {', '.join(columns)}"
    for option in ("vector", "id", "text"):
        if options.get(option, table) not in (*columns, table):
            raise StoreError(f"{what} has no column {options[option]!r}", hint=hint)
    if "vector" not in options and len(vectors) != 1:
        said = f"several columns of vectors: {', '.join(vectors)}" if vectors else "no column of FLOAT[]"
        raise StoreError(f"{what} has {said}", hint=f"?vector={vectors[0]}" if vectors else hint)
    vector = options.get("vector") or vectors[0]
    kind = _VECTORS.fullmatch(columns[vector])
    if kind is None:
        raise StoreError(f"{what}: column {vector!r} is {columns[vector]}, not FLOAT[]", hint=hint)
    id_ = options.get("id") or next((name for name in _IDS if name in columns), None)
    text = options.get("text") or next((name for name in _TEXTS if name in columns), None)
    metadata = METADATA if columns.get(METADATA) in ("VARCHAR", "JSON") and METADATA not in (id_, text) else None
    others = tuple(name for name in columns if name not in {vector, id_, text, metadata, *vectors})
    return Layout(table, vector, int(kind[1]) if kind[1] else None, id_, text, metadata, others)
