"""Write a collection as LangChain's `PGVector` opens it, or a table as its `PGVectorStore` does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ragdiag.errors import ConfigError, StoreError
from ragdiag.stores import CollectionTarget, Draft
from ragdiag.stores.base import NewStore
from ragdiag.stores.rows import clean_text
from ragdiag.stores.uri import split_options, with_option
from ragdiag.types import Batch, Metric
from ragdiag_pgvector.address import Address, address_of, load_psycopg
from ragdiag_pgvector.catalogue import (
    COLLECTIONS,
    EMBEDDINGS,
    NOTED,
    VECTORS,
    Table,
    TableName,
    collections,
    columns_of,
    quoted,
    refuse_shared,
    schema_of,
    table_named,
    table_said,
)
from ragdiag_pgvector.layout import packed

_LOCK = 1573678846307946496  # that LangChain takes to make the extension
_COLUMNS = {"langchain_id", "content", "embedding", "langchain_metadata"}  # of a table that we make
_LONGEST = 63  # bytes of a name, what is beyond PostgreSQL cuts off
# As LangChain's classes make them.
_TABLES = f"""
    CREATE TABLE IF NOT EXISTS {COLLECTIONS} (
        uuid UUID PRIMARY KEY, name VARCHAR NOT NULL UNIQUE, cmetadata JSON);
    CREATE TABLE IF NOT EXISTS {EMBEDDINGS} (
        id VARCHAR PRIMARY KEY, collection_id UUID REFERENCES {COLLECTIONS} (uuid) ON DELETE CASCADE,
        embedding vector, document VARCHAR, cmetadata JSONB);
    CREATE INDEX IF NOT EXISTS ix_cmetadata_gin ON {EMBEDDINGS} USING gin (cmetadata jsonb_path_ops)"""


@dataclass(frozen=True)
class PgvectorTarget(CollectionTarget):
    """A new collection of LangChain's `PGVector`; filled in one transaction, named in another.

    Ids are unique over all collections of a database. One that another collection has is written as
    ``UUID-OF-THE-COLLECTION:id``; ragdiag reads it as ``id``.
    """

    address: Address
    metrics: ClassVar[frozenset[Metric | None]] = frozenset(Metric)

    @property
    def name(self) -> str:
        """As the store opened there is called."""
        return self.address.shown(collection=self.collection)

    def _collections(self) -> set[str]:
        with self.address.connected(self.name) as connection:
            return set(collections(connection))

    def _fill(self, collection: str, batches: Iterator[Batch], new: NewStore) -> None:
        with self._writing() as connection:
            # Not made in another schema, where they would hide those that are there.
            if None in [table_named(connection, TableName(None, one)) for one in (COLLECTIONS, EMBEDDINGS)]:
                connection.execute(_TABLES)
            table = table_named(connection, TableName(None, EMBEDDINGS))
            if table is None or "id" not in columns_of(connection, table):
                raise StoreError(
                    f"{self.name}: {EMBEDDINGS} is of an older LangChain", hint="write to another database"
                )
            noted = json.dumps({NOTED: new.metric.value}) if new.metric else None
            uuid = connection.execute(
                f"INSERT INTO {COLLECTIONS} (uuid, name, cmetadata) VALUES (gen_random_uuid(), %s, %s) RETURNING uuid",
                (collection, noted),
            ).fetchone()[0]
            into = f"{EMBEDDINGS} (id, collection_id, embedding, document, cmetadata)"
            for batch in batches:
                query = f"SELECT id FROM {EMBEDDINGS} WHERE id = ANY(%s)"
                taken = {id_ for (id_,) in connection.execute(query, (_ids(batch, self.name),))}
                ids = [f"{uuid}:{id_}" if id_ in taken else id_ for id_ in batch.ids]
                with connection.cursor().copy(f"COPY {into} FROM STDIN WITH (FORMAT BINARY)") as copy:
                    copy.set_types(["varchar", "uuid", "bytea", "varchar", "jsonb"])
                    for id_, (_, vector, text, metadata) in zip(ids, _rows(batch, self.name, new), strict=True):
                        copy.write_row((id_, uuid, vector, text, metadata))

    def _rename(self, draft: str) -> None:
        with self._writing() as connection:
            self._delete(connection, self.collection)
            uuid = connection.execute(
                f"UPDATE {COLLECTIONS} SET name = %s WHERE name = %s RETURNING uuid", (self.collection, draft)
            ).fetchone()[0]
            # The store that was here may have been the one that had the ids.
            own = "substr(e.id, length(%(prefix)s::text) + 1)"
            connection.execute(
                f"UPDATE {EMBEDDINGS} e SET id = {own} WHERE e.collection_id = %(uuid)s"
                f" AND starts_with(e.id, %(prefix)s) AND NOT EXISTS (SELECT FROM {EMBEDDINGS} o WHERE o.id = {own})",
                {"uuid": uuid, "prefix": f"{uuid}:"},
            )

    def _drop(self, collection: str) -> None:
        with self.address.connected(self.name, reading=False) as connection:
            if collection in collections(connection):
                self._delete(connection, collection)

    def _delete(self, connection: Any, collection: str) -> None:
        chosen = f"(SELECT uuid FROM {COLLECTIONS} WHERE name = %s)"
        connection.execute(f"DELETE FROM {EMBEDDINGS} WHERE collection_id = {chosen}", (collection,))
        connection.execute(f"DELETE FROM {COLLECTIONS} WHERE name = %s", (collection,))

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """Connect for one transaction, in which there is the extension."""
        errors = load_psycopg().errors
        with self.address.connected(self.name, reading=False) as connection:
            try:
                if not connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone():
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFile):
                hint = "somebody who may has to install pgvector and to say CREATE EXTENSION vector"
                raise StoreError(f"{self.name}: the database has no vector extension", hint=hint) from None
            yield connection


@dataclass(frozen=True)
class TableTarget(PgvectorTarget):
    """A new table of LangChain's `PGVectorStore`, whose ids are text."""

    said: str | None  # the schema, when it is named
    option: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_shared(self.collection, [])
        if len(self.collection.encode()) > _LONGEST:
            raise ConfigError(f"PostgreSQL cuts off the name {self.collection!r}", hint=f"{_LONGEST} bytes at most")

    @property
    def name(self) -> str:
        """As the store opened there is called."""
        return self.address.shown(table=str(TableName(self.schema, self.collection)))

    @cached_property
    def schema(self) -> str:
        """As the store opened there is found: without one that is named, the search path of the database says."""
        asked = TableName(self.said, self.collection)
        if asked.schema is not None:
            return asked.schema
        place = self.address.shown(table=str(asked))
        with self.address.connected(place) as connection:
            found = schema_of(connection, asked)
        if found is None:
            raise StoreError(f"{place}: the search path leads to no schema", hint="name one: ?table=SCHEMA.NAME")
        return found

    @contextmanager
    def draft(self, uri: str, *, overwrite: bool) -> Iterator[Draft]:
        """Give another name in the same schema."""
        with super().draft(uri, overwrite=overwrite) as draft:
            plain = split_options(draft.uri)[1]["table"]
            yield replace(draft, uri=with_option(draft.uri, "table", str(TableName(self.schema, plain))))

    def _collections(self) -> set[str]:
        with self.address.connected(self.name) as connection:
            if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self.schema,)).fetchone():
                raise StoreError(f"{self.name}: there is no schema {self.schema!r}", hint="write to one that is there")
            return self._names(connection)

    def _names(self, connection: Any) -> set[str]:
        query = "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s"
        return {name for (name,) in connection.execute(query, (self.schema,))}

    def _fill(self, collection: str, batches: Iterator[Batch], new: NewStore) -> None:
        place = self._place_of(collection)
        with self._writing() as connection:
            old = table_named(connection, TableName(self.schema, self.collection))
            if old is not None:  # told before the work, and again before it is replaced
                self._refuse_others(connection, old)
            connection.execute(
                f"CREATE TABLE {place} (langchain_id TEXT PRIMARY KEY, content TEXT NOT NULL,"
                f" embedding vector({int(new.dim)}) NOT NULL, langchain_metadata JSON)",
                (),
            )
            metric = new.metric.value if new.metric else ""
            connection.execute(f"COMMENT ON COLUMN {place}.embedding IS '{NOTED}={metric}'", ())
            for batch in batches:
                _ids(batch, self.name)
                with connection.cursor().copy(f"COPY {place} FROM STDIN WITH (FORMAT BINARY)", ()) as copy:
                    copy.set_types(["text", "text", "bytea", "json"])
                    for id_, vector, text, metadata in _rows(batch, self.name, new):
                        copy.write_row((id_, text, vector, metadata))

    def _rename(self, draft: str) -> None:
        with self._writing() as connection:
            old = table_named(connection, TableName(self.schema, self.collection))
            if old is not None:
                self._refuse_others(connection, old)
                connection.execute(f"DROP TABLE {self._place_of(self.collection)}", ())
            connection.execute(f"ALTER TABLE {self._place_of(draft)} RENAME TO {quoted(self.collection)}", ())
            key = self.collection.encode()[: _LONGEST - len("_pkey")].decode(errors="ignore") + "_pkey"
            if key not in self._names(connection):
                old_key = self._place_of(f"{draft}_pkey")
                connection.execute(f"ALTER INDEX {old_key} RENAME TO {quoted(key)}", ())

    def _refuse_others(self, connection: Any, table: Table) -> None:
        """Raise when a table is an application's own: only one that holds nothing but a store is replaced."""
        columns = columns_of(connection, table)
        if set(columns) != _COLUMNS or columns["embedding"].kind not in VECTORS:
            raise StoreError(
                f"{self.name} is no table of LangChain's PGVectorStore alone, its columns are {', '.join(columns)}",
                hint="it is not replaced; name another table",
            )

    def _drop(self, collection: str) -> None:
        with self.address.connected(self.name, reading=False) as connection:
            connection.execute(f"DROP TABLE IF EXISTS {self._place_of(collection)}", ())

    def _place_of(self, table: str) -> str:
        return f"{quoted(self.schema)}.{quoted(table)}"


def pgvector_target(rest: str, options: dict[str, str]) -> PgvectorTarget:
    """Return where ``pgvector:postgresql://…?collection=NAME`` or ``?table=schema.table`` would be written."""
    address = address_of(rest, options)
    given = sorted({"vector", "id", "text", "metadata"} & set(options))
    if given:
        raise ConfigError(f"a new store has LangChain's columns, not ?{given[0]}", hint="leave that out")
    if "table" not in options:
        return PgvectorTarget(options.get("collection", ""), address)
    if "collection" in options:
        raise ConfigError("a pgvector: store is a table or a collection", hint="leave out ?table or ?collection")
    asked = table_said(options["table"])
    return TableTarget(asked.name, address, asked.schema)


def _ids(batch: Batch, name: str) -> list[str]:
    odd = next((id_ for id_ in batch.ids if "\0" in id_), None)
    if odd is not None:
        raise StoreError(f"{name}: PostgreSQL takes no NUL in ids, as in {odd!r}", hint="give another id")
    return list(batch.ids)


def _rows(batch: Batch, name: str, new: NewStore) -> Iterator[tuple[str, bytes, str, dict[str, Any]]]:
    """Yield ids, vectors, texts and metadata as they are sent."""
    if not np.isfinite(batch.vectors).all():
        raise StoreError(f"{name}: pgvector takes no NaN or infinity", hint="leave out the broken vectors")
    texts = batch.texts or [None] * len(batch)
    metadata = batch.metadata or [{}] * len(batch)
    for id_, vector, text, fields in zip(batch.ids, packed(batch.vectors), texts, metadata, strict=True):
        if text and "\0" in text and not new.lossy:
            raise _refused(f"{name}: the text of {id_!r} holds NUL, which PostgreSQL does not take")
        # LangChain's documents have a text.
        yield id_, vector, (text or "").replace("\0", ""), _json(id_, fields, name, lossy=new.lossy)


def _json(id_: str, metadata: Mapping[str, Any], name: str, *, lossy: bool) -> dict[str, Any]:
    try:
        kept = json.loads(json.dumps(dict(metadata), allow_nan=False, default=_number))
        if kept == metadata and _clean(kept) == kept:
            return dict(kept)
    except (TypeError, ValueError, RecursionError):
        pass
    if not lossy:
        raise _refused(f"{name}: the metadata of {id_!r} holds values that PostgreSQL's JSON cannot keep")
    text = json.dumps(dict(metadata), default=str, skipkeys=True)
    return dict(_clean(json.loads(text, parse_constant=str)))


def _refused(what: str) -> StoreError:
    return StoreError(what, hint="leave them out, or allow the loss (--lossy)")


def _clean(value: Any) -> Any:
    """Return JSON without NUL and half surrogate pairs."""
    if isinstance(value, str):
        return (clean_text(value) or "").replace("\0", "")
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(entry) for key, entry in value.items()}
    return value


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value).__name__)
