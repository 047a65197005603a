"""Which collection or table of a database is meant, and by which metric it is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ragdiag.errors import ConfigError, StoreError, StoreNotFoundError
from ragdiag.stores import as_metric, is_a
from ragdiag.stores.collection_target import DRAFT
from ragdiag.types import Metric
from ragdiag_pgvector.address import Address, address_of, address_of_engine
from ragdiag_pgvector.catalogue import (
    COLLECTIONS,
    EMBEDDINGS,
    NOTED,
    VECTORS,
    Column,
    Index,
    Table,
    TableName,
    collections,
    columns_of,
    indexes_of,
    listed,
    refuse_shared,
    table_named,
    table_said,
    tables_with_vectors,
)
from ragdiag_pgvector.layout import Layout
from ragdiag_pgvector.store import PgvectorStore

_IDS = ("langchain_id", "id")
_TEXTS = ("content", "document", "text", "page_content")
_METADATA = ("langchain_metadata", "cmetadata", "metadata")
_PROSE, _JSON = ("text", "varchar", "bpchar", "citext"), ("json", "jsonb")
_NO_VALUES = (*VECTORS, "sparsevec", "bit", "varbit", "tsvector", "bytea")  # columns that are no metadata
_LANGCHAIN = {"PGVector", "PGVectorStore", "AsyncPGVectorStore"}
_DISTANCES = {
    **dict.fromkeys(("cosine", "<=>"), Metric.COSINE),
    **dict.fromkeys(("inner", "<#>"), Metric.DOT),
    **dict.fromkeys(("l2", "<->"), Metric.L2),
}


@dataclass(frozen=True)
class Asked:
    """What is asked for of a database.

    Attributes
    ----------
    collection, table : str or None
        One of them, or neither when there is only one store in the database.
    vector, id, text, metadata : str or None
        Columns of a table; guessed where None.
    others : sequence of str or None
        Further columns of metadata; all when None.
    metric : Metric or None
    settings : mapping of str to str
        With which the application searches, such as ``{"hnsw.ef_search": "100"}``.
    """

    collection: str | None = None
    table: TableName | None = None
    vector: str | None = None
    id: str | None = None
    text: str | None = None
    metadata: str | None = None
    others: Sequence[str] | None = None
    metric: Metric | None = None
    settings: Mapping[str, str] | None = None


def open_pgvector(rest: str, options: dict[str, str]) -> PgvectorStore:
    """Open ``pgvector:postgresql://user:password@host/db?collection=NAME``, or ``?table=schema.table``."""
    asked = Asked(
        options.get("collection"),
        table_said(options["table"]) if "table" in options else None,
        options.get("vector"),
        options.get("id"),
        options.get("text"),
        options.get("metadata"),
        metric=as_metric(options.get("metric")),
    )
    if asked.table is not None and asked.collection is not None:
        raise ConfigError("a pgvector: store is a table or a collection", hint="leave out ?table or ?collection")
    columns = [name for name in ("vector", "id", "text", "metadata") if name in options]
    if asked.collection is not None and columns:
        raise ConfigError(f"the columns of a collection are LangChain's, not ?{columns[0]}", hint="leave that out")
    return opened(address_of(rest, options), asked)


def accepts(target: Any) -> bool:
    """Whether an object is one of the stores of langchain_postgres."""
    return any(is_a(target, name, "langchain_postgres") for name in _LANGCHAIN)


def open_object(target: Any) -> PgvectorStore:
    """Open what a store of langchain_postgres searches, with its own distance strategy."""
    if hasattr(target, "collection_name"):
        strategy = target._distance_strategy
        engine = target._engine if target._engine is not None else target._async_engine
        metric = _DISTANCES[getattr(strategy, "value", strategy)]
        return opened(address_of_engine(engine), Asked(target.collection_name, metric=metric))
    inner = getattr(target, "_PGVectorStore__vs", target)
    tried = inner.index_query_options.to_parameter() if inner.index_query_options else []
    return opened(
        address_of_engine(inner.engine),
        Asked(
            table=TableName(inner.schema_name, inner.table_name),
            vector=inner.embedding_column,
            id=inner.id_column,
            text=inner.content_column,
            metadata=inner.metadata_json_column,
            others=inner.metadata_columns,
            metric=_DISTANCES[inner.distance_strategy.operator],
            settings=dict(re.split(r"\s*=\s*", setting, maxsplit=1) for setting in tried),
        ),
    )


def opened(address: Address, asked: Asked) -> PgvectorStore:
    """Find what is asked for and read what the catalogue says of it."""
    place = address.shown()
    with address.connected(place) as connection:
        address = address.reached(connection)
        place = address.shown()
        asked = _chosen(connection, asked, place)
        if asked.collection is not None:
            name = address.shown(collection=asked.collection)
            layout, noted = _collection(connection, asked.collection, place, name)
        else:
            assert asked.table is not None
            refuse_shared(asked.table.name, list(collections(connection)))
            table = table_named(connection, asked.table)
            if table is None:
                there = listed(tables_with_vectors(connection), "table") or "no table there has vectors"
                raise StoreNotFoundError(f"{place} has no table {str(asked.table)!r}", hint=f"there is {there}")
            name = address.shown(table=table.shown)
            layout, noted = _table(connection, table, asked, name)
        indexes = [
            index
            for index in indexes_of(connection, layout.table, layout.vector.name)
            if not index.predicate or (layout.collection is not None and layout.collection in index.predicate)
        ]
        metric = asked.metric or noted or _of_indexes(indexes, name)
        best = sorted(indexes, key=lambda index: index.metric is not metric)
        return PgvectorStore(
            address,
            layout,
            connection,
            name=name,
            metric=metric,
            index=best[0] if best else None,
            settings=asked.settings,
        )


def _of_indexes(indexes: Sequence[Index], name: str) -> Metric:
    metrics = {index.metric for index in indexes}
    if len(metrics) == 1:
        return metrics.pop()
    why = "has indexes by several metrics" if metrics else "does not say by which metric it is searched"
    raise ConfigError(
        f"{name} {why}", hint="add ?metric=cosine, ?metric=dot or ?metric=l2, as your application searches"
    )


def _chosen(connection: Any, asked: Asked, place: str) -> Asked:
    """Return what is asked for with a collection or a table, the only one where neither is named."""
    if asked.collection is not None or asked.table is not None:
        return asked
    named = [name for name in collections(connection) if not name.startswith(DRAFT)]
    tables = tables_with_vectors(connection)
    if len(named) + len(tables) == 1:
        return replace(asked, collection=named[0]) if named else replace(asked, table=table_said(tables[0]))
    if not named and not tables:
        raise StoreError(
            f"{place} has no table with vectors", hint="is it the right database, with the vector extension?"
        )
    there = ", ".join(filter(None, [listed(named, "collection"), listed(tables, "table")]))
    raise StoreError(f"{place} has several collections or tables of vectors", hint=f"name one: {there}")


def _collection(connection: Any, collection: str, place: str, name: str) -> tuple[Layout, Metric | None]:
    found = collections(connection)
    if collection not in found:
        names = [one for one in found if not one.startswith(DRAFT)]
        there = listed(names, "collection") or f"no collection of LangChain (no {COLLECTIONS} with rows)"
        raise StoreNotFoundError(f"{place} has no collection {collection!r}", hint=f"there is {there}")
    table = table_named(connection, TableName(None, EMBEDDINGS))
    assert table is not None
    columns = columns_of(connection, table)
    uuid, noted = found[collection]
    id_ = "id" if "id" in columns else "uuid"  # as langchain_community made it
    missing = [one for one in (id_, "embedding", "document", "cmetadata", "collection_id") if one not in columns]
    if missing or columns["embedding"].kind not in VECTORS:
        raise StoreError(
            f"{name}: {EMBEDDINGS} is not as LangChain makes it",
            hint=f"it lacks {', '.join(missing) or 'a vector in embedding'}; read it by a view, ?table=VIEW",
        )
    layout = Layout(table, columns[id_], columns["embedding"], "document", "cmetadata", collection=uuid)
    return layout, _noted(noted)


def _table(connection: Any, table: Table, asked: Asked, name: str) -> tuple[Layout, Metric | None]:
    columns = columns_of(connection, table)
    vector = _vector(columns, asked.vector, name)
    text = _column(columns, asked.text, _TEXTS, _PROSE, name)
    metadata = _column(columns, asked.metadata, _METADATA, _JSON, name)
    key = next((column.name for column in columns.values() if column.primary), None)
    id_ = asked.id or next((one for one in (_IDS[0], key, _IDS[1]) if one in columns), None)
    if id_ is None:
        raise StoreError(f"{name} has no primary key of one column and no column id", hint="name one: ?id=COLUMN")
    known = _column(columns, id_, (), (), name)
    assert known is not None
    used = {vector.name, text, metadata, known}
    others = [one.name for one in columns.values() if one.name not in used and one.kind not in _NO_VALUES]
    comment = connection.execute(
        "SELECT d.description FROM pg_description d"
        " JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid"
        " WHERE d.classoid = 'pg_class'::regclass AND d.objoid = %s AND a.attname = %s",
        (table.oid, vector.name),
    ).fetchone()
    noted = comment[0].removeprefix(f"{NOTED}=") if comment and comment[0].startswith(f"{NOTED}=") else None
    chosen = others if asked.others is None else [one for one in asked.others if one in columns]
    return Layout(table, columns[known], vector, text, metadata, others=tuple(chosen)), _noted(noted)


def _vector(columns: Mapping[str, Column], asked: str | None, name: str) -> Column:
    found = [column.name for column in columns.values() if column.kind in VECTORS]
    if asked is not None:
        _column(columns, asked, (), VECTORS, name)
        return columns[asked]
    if not found:
        kinds = sorted({column.kind for column in columns.values()} & {"sparsevec", "bit", "varbit"})
        why = f"{', '.join(kinds)} cannot be read" if kinds else f"the columns are {', '.join(columns) or 'none'}"
        raise StoreError(f"{name} has no column of type vector or halfvec", hint=why)
    if len(found) > 1:
        raise StoreError(
            f"{name} has several columns of vectors", hint=f"name one: {', '.join(f'?vector={one}' for one in found)}"
        )
    return columns[found[0]]


def _column(
    columns: Mapping[str, Column], asked: str | None, guesses: Sequence[str], kinds: Sequence[str], name: str
) -> str | None:
    """Return the column asked for, checked, or the first guess of such a type, or None."""
    if asked is None:
        return next((one for one in guesses if one in columns and columns[one].kind in kinds), None)
    if asked not in columns:
        raise StoreError(f"{name} has no column {asked!r}", hint=f"the columns are {', '.join(columns)}")
    if kinds and columns[asked].kind not in kinds:
        raise StoreError(f"{name}: column {asked!r} is {columns[asked].type}", hint=f"name one of {', '.join(kinds)}")
    return asked


def _noted(value: str | None) -> Metric | None:
    return Metric(value) if value in {metric.value for metric in Metric} else None
