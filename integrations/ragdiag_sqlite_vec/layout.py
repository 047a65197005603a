"""Where in a SQLite database the vectors are: LangChain's table, one of vec0, or any with a column of BLOBs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from ragdiag.errors import ConfigError, StoreError, StoreNotFoundError
from ragdiag.stores import as_metric
from ragdiag.types import Metric

SCHEME = "sqlite-vec"
OPTIONS = ("table", "vector", "id", "text", "metric")
TEXT, METADATA, VECTOR = "text", "metadata", "text_embedding"  # LangChain's columns

_VEC0 = re.compile(r"\s*CREATE\s+VIRTUAL\s+TABLE\b.*?\bUSING\s+vec0\s*\((.*)\)\s*", re.IGNORECASE | re.DOTALL)
_ANY = re.compile(r"\s*CREATE\s+VIRTUAL\b", re.IGNORECASE)
_COLUMN = re.compile(r"\s*(\w+)\s+(float|f32|int8|i8|bit)\s*\[\s*(\d+)\s*\](.*)", re.IGNORECASE | re.DOTALL)
_METRIC = re.compile(r"\bdistance_metric\s*=\s*(\w+)", re.IGNORECASE)
_KEY = re.compile(r"\s*(\w+)\s+(\w+)\s+primary\s+key\s*", re.IGNORECASE)
_SHADOW = re.compile(r"_(info|chunks|rowids|auxiliary|vector_chunks\d\d|metadatachunks\d\d|metadatatext\d\d)")
_METRICS = {"l2": Metric.L2, "cosine": Metric.COSINE}
_TEXTS = ("text", "page_content", "content", "contents")
_VECTORS = ("embedding", "vector")
_LISTED = 10


def shown(place: str, table: str) -> str:
    """Return the URI of a table.

    Examples
    --------
    >>> shown("./vec.db", "my docs")
    'sqlite-vec:./vec.db?table=my+docs'
    """
    return f"{SCHEME}:{place}?{urlencode({'table': table})}"


@dataclass(frozen=True)
class Layout:
    """How one table holds documents.

    Attributes
    ----------
    table, vector : str
        The table and its column of vectors.
    key : str
        The column by which a document is read: the rowid, or the text key of a vec0 table.
    id : str or None
        The column of ids; None where the rowid serves.
    text : str or None
        The column of texts.
    metadata : str or None
        A column of JSON objects, as LangChain keeps metadata.
    others : tuple of str
        Columns that are fields of the metadata.
    keys : str
        The table that lists the keys in order of `rowid`: the table itself, or what vec0 keeps beside it.
    index : str
        The vec0 table that is searched, "" where there is none.
    dim : int or None
        As declared; None for a plain table.
    metric : Metric or None
        By which it is searched; None where the application says it in its queries.
    """

    table: str
    vector: str
    key: str
    id: str | None
    text: str | None
    metadata: str | None
    others: tuple[str, ...]
    keys: str
    index: str
    dim: int | None
    metric: Metric | None

    @property
    def virtual(self) -> bool:
        """Whether it is read through the extension."""
        return self.index == self.table


class Columns(Protocol):
    """Gives the names of the columns of a table."""

    def __call__(self, table: str) -> Sequence[str]:
        """Return them in order."""
        ...


@dataclass(frozen=True)
class Declared:
    """What the declaration of a vec0 table says: its key, and for each column of vectors type, dimension and metric."""

    key: tuple[str, bool] | None
    vectors: Mapping[str, tuple[str, int, str]]

    @classmethod
    def of(cls, sql: str) -> Declared | None:
        """Read a declaration; None when it is not one of vec0.

        Examples
        --------
        >>> Declared.of("CREATE VIRTUAL TABLE v USING vec0(id text primary key, e float[4] distance_metric=cosine)")
        Declared(key=('id', True), vectors={'e': ('float', 4, 'cosine')})
        """
        found = _VEC0.fullmatch(sql.rstrip("; \n\t"))
        if found is None:
            return None
        key, vectors = None, {}
        for part in found[1].split(","):
            column, primary = _COLUMN.fullmatch(part), _KEY.fullmatch(part)
            if column is not None:
                metric = _METRIC.search(column[4])
                vectors[column[1]] = (column[2].lower(), int(column[3]), metric[1].lower() if metric else "l2")
            elif primary is not None:
                key = (primary[1], primary[2].lower() == "text")
        return cls(key, vectors)


def find_layout(tables: Mapping[str, str], columns: Columns, options: Mapping[str, str], name: str) -> Layout:
    """Return the layout of the table that is asked for, or of the only one there is.

    Parameters
    ----------
    tables : mapping of str to str
        The declaration of each table.
    columns : callable
    options : mapping of str to str
        As they stand in the URI.
    name : str
        Of the database, for errors.
    """
    virtual = {table: found for table, sql in tables.items() if (found := Declared.of(sql)) is not None}
    plain = [table for table, sql in tables.items() if not _ANY.match(sql) and not _of(table, virtual)]
    table = _chosen(virtual, plain, columns, options, name)
    if table in virtual:
        return _vec0(table, virtual[table], columns(table), options, f"{name}: table {table!r}")
    return _plain(table, virtual.get(f"{table}_vec"), columns(table), options, f"{name}: table {table!r}")


def _of(table: str, virtual: Mapping[str, Declared]) -> bool:
    """Whether SQLite, or vec0 for one of its tables, keeps this one."""
    own = any(table.startswith(of) and _SHADOW.fullmatch(table, len(of)) for of in virtual)
    return own or table.startswith("sqlite_")


def _chosen(
    virtual: Mapping[str, Declared], plain: Sequence[str], columns: Columns, options: Mapping[str, str], name: str
) -> str:
    names = {table.casefold(): table for table in [*virtual, *plain]}  # as SQLite compares them
    asked = options.get("table")
    if asked is not None and asked.casefold() in names:
        return names[asked.casefold()]
    langchain = [table for table in plain if {TEXT, METADATA, VECTOR} <= set(columns(table))]
    found = langchain + [table for table in virtual if table.removesuffix("_vec") not in langchain]
    if "vector" in options:
        found += [table for table in plain if table not in langchain and options["vector"] in columns(table)]
    listed = ", ".join(map(repr, found[:_LISTED])) + (f" and {len(found) - _LISTED} more" * (len(found) > _LISTED))
    if asked is not None:
        hint = f"tables with vectors: {listed}" if found else "it has no table with vectors"
        raise StoreNotFoundError(f"{name} has no table {asked!r}", hint=hint)
    if not found:
        raise StoreError(
            f"{name} has no table of vec0 and none of LangChain's", hint="name another one: ?table=NAME&vector=COLUMN"
        )
    if len(found) > 1:
        raise StoreError(f"{name} has {len(found)} tables with vectors: {listed}", hint="choose one: ?table=NAME")
    return found[0]


def _vec0(table: str, declared: Declared, columns: Sequence[str], options: Mapping[str, str], what: str) -> Layout:
    floats = [column for column, (kind, _, _) in declared.vectors.items() if kind in ("float", "f32")]
    if "vector" not in options and len(floats) > 1:
        raise StoreError(f"{what} has several columns of vectors: {', '.join(floats)}", hint=f"?vector={floats[0]}")
    vector = options.get("vector") or next(iter(floats or declared.vectors), "")
    if vector not in declared.vectors:
        raise StoreError(f"{what} has no column of vectors {vector!r}", hint=f"there is {', '.join(declared.vectors)}")
    kind, dim, metric = declared.vectors[vector]
    if vector not in floats:
        raise StoreError(
            f"{what} holds {kind} vectors in {vector!r}, which are codes", hint="only float[…] columns can be read"
        )
    key, texts = declared.key or ("rowid", False)
    if options.get("id", key) != key:
        raise ConfigError(f"{what} is read by its key {key!r}", hint="leave out ?id=")
    text = _text(columns, options, what)
    others = tuple(name for name in columns if name not in {key, text, *declared.vectors})
    known = _agreed(_METRICS.get(metric), options, what)
    return Layout(table, vector, key, key if texts else None, text, None, others, f"{table}_rowids", table, dim, known)


def _plain(
    table: str, beside: Declared | None, columns: Sequence[str], options: Mapping[str, str], what: str
) -> Layout:
    langchain = {TEXT, METADATA, VECTOR} <= set(columns)
    usual = next((name for name in _VECTORS if name in columns), "")
    vector = options.get("vector") or (VECTOR if langchain else usual)
    column = options.get("id", "id" if "id" in columns else None)
    for asked in filter(None, (vector or "?", column)):
        if asked not in columns:
            hint = f"the columns are {', '.join(columns)}; ?vector=NAME"
            raise StoreError(f"{what} has no column {asked!r}" if vector else f"{what} has no known vectors", hint=hint)
    text = _text(columns, options, what)
    index, dim, metric = "", None, as_metric(options.get("metric"))
    if langchain and vector == VECTOR:
        declared = beside.vectors.get(VECTOR) if beside is not None else None
        # Without its vec0 table LangChain makes one that ranks by L2.
        metric = _agreed(_METRICS.get(declared[2]) if declared else Metric.L2, options, what)
        index, dim = (f"{table}_vec", declared[1]) if declared else ("", None)
        return Layout(table, vector, "_rowid_", column, text, METADATA, (), table, index, dim, metric)
    others = tuple(name for name in columns if name not in (vector, column, text))
    return Layout(table, vector, "_rowid_", column, text, None, others, table, index, dim, metric)


def _text(columns: Sequence[str], options: Mapping[str, str], what: str) -> str | None:
    text = options.get("text", next((name for name in _TEXTS if name in columns), None))
    if text is not None and text not in columns:
        raise StoreError(f"{what} has no column {text!r}", hint=f"the columns are {', '.join(columns)}")
    return text


def _agreed(metric: Metric | None, options: Mapping[str, str], what: str) -> Metric | None:
    asked = as_metric(options.get("metric"))
    if asked is not None and metric is not None and asked is not metric:
        raise ConfigError(f"{what} ranks by {metric.value}, not by {asked.value}", hint="leave out ?metric=")
    return metric if metric is not None else asked
