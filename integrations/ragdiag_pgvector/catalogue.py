"""What PostgreSQL's catalogue says of tables with vectors: their columns and indexes, and LangChain's collections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ragdiag.errors import ConfigError
from ragdiag.stores.collection_target import DRAFT
from ragdiag.types import Metric

COLLECTIONS, EMBEDDINGS = "langchain_pg_collection", "langchain_pg_embedding"
NOTED = "ragdiag_metric"  # in the metadata of a collection, or the comment of a column, that we wrote
VECTORS = ("vector", "halfvec")
_METRICS = {"cosine": Metric.COSINE, "ip": Metric.DOT, "l2": Metric.L2}
_CLASS = re.compile(r"(?:vector|halfvec)_(cosine|ip|l2)_ops")
_PART = re.compile(r'"(?:[^"]|"")+"|[^".][^.]*')
_SAID = re.compile(rf"(?:{_PART.pattern})(?:\.(?:{_PART.pattern}))?", re.DOTALL)
_VISIBLE_LAST = 10  # how many places an error lists


def quoted(name: str) -> str:
    """Return an identifier for psycopg's queries.

    Examples
    --------
    >>> quoted('a"b 100%')
    '"a""b 100%%"'
    """
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name, kind : str
        And the name of its type without its schema.
    type : str
        The type as SQL, quoted where that is needed, without its modifier.
    schema : str
        In which the type is.
    dim : int or None
        Of a vector column that has one.
    primary, unique : bool
        Whether it alone is the primary key, or has a unique index and no NULL.
    """

    name: str
    kind: str
    type: str
    schema: str
    dim: int | None
    primary: bool
    unique: bool


@dataclass(frozen=True)
class Index:
    """An index on a vector column: its access method, metric, options and, where it is partial, predicate."""

    kind: str
    metric: Metric
    options: Mapping[str, str] = field(default_factory=dict)
    predicate: str = ""


@dataclass(frozen=True)
class TableName:
    """What the option ``table`` says: ``schema.name``, or a name that the search path leads to.

    A part that holds a dot or begins with ``"`` stands in quotes, its own doubled, as in SQL; capitals count.
    """

    schema: str | None
    name: str

    def __str__(self) -> str:
        """As the option ``table`` says it."""
        parts = [self.name] if self.schema is None else [self.schema, self.name]
        return ".".join(
            '"' + one.replace('"', '""') + '"' if "." in one or one[:1] in ('"', "") else one for one in parts
        )


def table_said(text: str) -> TableName:
    """Read the option ``table``.

    Raises
    ------
    ConfigError
        When it has more than two parts, or quotes that do not end.

    Examples
    --------
    >>> table_said('app."v1.2"'), str(table_said('app."v1.2"'))
    (TableName(schema='app', name='v1.2'), 'app."v1.2"')
    """
    if not _SAID.fullmatch(text):
        raise ConfigError(
            f"the table {text!r} cannot be read", hint='write schema.table, a name that holds a dot as "a.b"'
        )
    parts = [one[1:-1].replace('""', '"') if one[:1] == '"' else one for one in _PART.findall(text)]
    return TableName(parts[0], parts[1]) if len(parts) == 2 else TableName(None, parts[0])


@dataclass(frozen=True)
class Table:
    """A table, view or foreign table, by its schema and name."""

    oid: int
    schema: str
    name: str

    @property
    def shown(self) -> str:
        """As the option ``table`` names it."""
        return str(TableName(self.schema, self.name))

    @property
    def sql(self) -> str:
        """As a query names it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


_TABLES = "SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"


def schema_of(connection: Any, asked: TableName) -> str | None:
    """Return where a table is, or would be made: the schema named, else as the search path says; None if nowhere."""
    if asked.schema is not None:
        return asked.schema
    row = connection.execute(
        "SELECT coalesce((SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = %s AND pg_table_is_visible(c.oid)),"
        " current_schema())",
        (asked.name,),
    ).fetchone()
    return None if row[0] is None else str(row[0])


def table_named(connection: Any, asked: TableName) -> Table | None:
    """Return the table of this name, in its schema only; without one as the search path finds it."""
    row = connection.execute(
        f"{_TABLES} WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = %s AND c.relname = %s",
        (schema_of(connection, asked), asked.name),
    ).fetchone()
    return Table(*row) if row else None


def tables_with_vectors(connection: Any) -> list[str]:
    """Return the tables with a vector column, without LangChain's shared one and without drafts."""
    rows = connection.execute(
        f"{_TABLES} WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relname <> %s"
        " AND NOT starts_with(c.relname, %s) AND EXISTS"
        " (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE a.attrelid = c.oid AND NOT a.attisdropped AND t.typname = ANY(%s))"
        " ORDER BY 2, 3",
        (EMBEDDINGS, DRAFT, list(VECTORS)),
    )
    return [Table(*row).shown for row in rows]


def refuse_shared(table: str, names: list[str]) -> None:
    """Raise for a table that LangChain keeps all collections in: one store there would be several.

    Parameters
    ----------
    table : str
        Its name without the schema.
    names : list of str
        The collections there, as far as they are known.
    """
    if table in (COLLECTIONS, EMBEDDINGS):
        there = listed([one for one in names if not one.startswith(DRAFT)], "collection")
        raise ConfigError(
            f"the table {table} holds LangChain's collections", hint=f"name one: {there or '?collection=NAME'}"
        )


def columns_of(connection: Any, table: Table) -> dict[str, Column]:
    """Return the columns of a table by name, in its order."""
    rows = connection.execute(
        "SELECT a.attname, t.typname, format_type(a.atttypid, NULL), n.nspname, nullif(a.atttypmod, -1),"
        " coalesce(bool_or(i.indisprimary), false), a.attnotnull AND count(i.indexrelid) > 0"
        " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace"
        " LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL"
        " AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum"
        " WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped"
        " GROUP BY a.attnum, a.attname, t.typname, a.atttypid, n.nspname, a.atttypmod, a.attnotnull ORDER BY a.attnum",
        (table.oid,),
    )
    return {row[0]: Column(*row) for row in rows}


def indexes_of(connection: Any, table: Table, column: str) -> list[Index]:
    """Return the valid indexes on a vector column by one of the three metrics."""
    rows = connection.execute(
        "SELECT m.amname, o.opcname, coalesce(c.reloptions, '{}'), coalesce(pg_get_expr(i.indpred, i.indrelid), '')"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
        " JOIN pg_opclass o ON o.oid = i.indclass[0]"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " WHERE i.indrelid = %s AND a.attname = %s AND i.indisvalid ORDER BY c.relname",
        (table.oid, column),
    )
    return [
        Index(kind, _METRICS[found[1]], dict(option.split("=", 1) for option in options), predicate)
        for kind, opclass, options, predicate in rows
        if (found := _CLASS.fullmatch(opclass))
    ]


def collections(connection: Any) -> dict[str, tuple[str, str | None]]:
    """Return LangChain's collections by name, drafts too: the UUID of each, and the metric that we noted."""
    table = table_named(connection, TableName(None, COLLECTIONS))
    if table is None or table_named(connection, TableName(None, EMBEDDINGS)) is None:
        return {}
    query = f"SELECT name, uuid::text, cmetadata::json ->> %s FROM {table.sql} ORDER BY name"
    return {name: (uuid, metric) for name, uuid, metric in connection.execute(query, (NOTED,))}


def listed(names: list[str], option: str) -> str:
    """Return places as an error lists them, ten at most.

    Examples
    --------
    >>> listed(["a", "b"], "collection")
    '?collection=a, ?collection=b'
    """
    more = [f"and {len(names) - _VISIBLE_LAST} more"] if len(names) > _VISIBLE_LAST else []
    return ", ".join([*(f"?{option}={name}" for name in names[:_VISIBLE_LAST]), *more])
