"""Write a SQLite file as LangChain's `SQLiteVec` lays it out."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

from ragdiag.errors import ConfigError
from ragdiag.stores import NewStore, PathTarget, check_options, told
from ragdiag.stores.json_text import to_json
from ragdiag.stores.uri import without_credentials
from ragdiag.types import Batch, Metric
from ragdiag_sqlite_vec.connection import ask, connect, load_extension, quoted
from ragdiag_sqlite_vec.layout import METADATA, SCHEME, TEXT, VECTOR, shown

# Beside a vec0 table of one column of vectors.
_SHADOW = re.compile(r"_(?:info|chunks|rowids|vector_chunks00)")
_DEFAULT = "langchain"  # what SQLiteVec.from_texts calls its table


@dataclass(frozen=True)
class SqliteVecTarget(PathTarget):
    """A new database with one table and its vec0 table, which ranks by L2, or by cosine where it is told to.

    LangChain numbers its documents; other ids stand in a column `id` beside its own, which it leaves alone.
    """

    table: str = _DEFAULT
    metrics: ClassVar[frozenset[Metric | None]] = frozenset({Metric.L2, Metric.COSINE})

    @property
    def name(self) -> str:
        """As the store opened there is called."""
        return shown(self.rest, self.table)

    def _refuse(self, *, overwrite: bool) -> None:
        """Refuse to replace a database that holds anything but this store, or that is in use."""
        beside = [self.path + end for end in ("-wal", "-journal") if os.path.exists(self.path + end)]
        if beside:  # SQLite would take it for a part of the new file
            raise ConfigError(
                f"cannot write {self.name}, there is {without_credentials(beside[0])}", hint="close the database first"
            )
        if not os.path.isfile(self.path) or not os.path.getsize(self.path):
            return
        with closing(connect(self.path, self.name, still=True)) as connection, told(self.name):
            objects = ask(connection, "SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY name")
        shadows = any(name == f"{self.table}_vec" for _, name, _ in objects)
        strange = [(kind, name) for kind, name, sql in objects if not self._makes(kind, name, sql, shadows)]
        if strange:
            kind, name = strange[0]
            raise ConfigError(
                f"cannot replace {without_credentials(self.path)}, it holds {'an' if kind == 'index' else 'a'} {kind}"
                f" {name!r} which is no part of the store" + " as it would be made anew" * (name in self._made()),
                hint="name another file",
            )

    def _makes(self, kind: str, name: str, sql: str, shadows: bool) -> bool:
        """Whether an object of the database is SQLite's own, or one that this store, or LangChain's, declares so."""
        shadow = (
            shadows
            and kind == "table"
            and name.startswith(f"{self.table}_vec")
            and _SHADOW.fullmatch(name, len(f"{self.table}_vec"))
        )
        # Nobody else can make a table with these names: SQLite keeps those for itself, vec0 has made the others.
        return name.startswith("sqlite_") or bool(shadow) or _bare(sql) in self._made().get(name, ())

    def _made(self) -> dict[str, tuple[str, ...]]:
        """Return the declarations of each object, without what may differ."""
        table, index, trigger = map(_bare, self._declarations(NewStore(dim=1, metric=None)))
        langchain = table.replace(",idtextunique)", ")")
        return {self.table: (table, langchain), f"{self.table}_vec": (index,), f"{self.table}_embed_text": (trigger,)}

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        table = quoted(self.table)
        insert = f"INSERT INTO {table}({TEXT}, {METADATA}, {VECTOR}, id) VALUES (?, ?, ?, ?)"
        with told(self.name):
            connection = sqlite3.connect(draft, isolation_level=None)
        with closing(connection):
            load_extension(connection, self.name)
            with told(self.name):
                connection.execute("PRAGMA journal_mode = OFF")  # the draft is put in its place, or thrown away
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute("BEGIN")
                for statement in self._declarations(new):
                    connection.execute(statement)
            for batch in batches:
                rows = self._rows(batch, new)
                with told(self.name):
                    connection.executemany(insert, rows)
            with told(self.name):
                connection.execute("COMMIT")

    def _declarations(self, new: NewStore) -> tuple[str, ...]:
        table, index = quoted(self.table), quoted(f"{self.table}_vec")
        ranked = " distance_metric=cosine" if new.metric is Metric.COSINE else ""
        return (
            f"CREATE TABLE {table} (rowid INTEGER PRIMARY KEY AUTOINCREMENT,"
            f" {TEXT} TEXT, {METADATA} BLOB, {VECTOR} BLOB, id TEXT UNIQUE)",
            f"CREATE VIRTUAL TABLE {index} USING vec0(rowid INTEGER PRIMARY KEY, {VECTOR} float[{new.dim}]{ranked})",
            f"CREATE TRIGGER {quoted(self.table + '_embed_text')} AFTER INSERT ON {table} BEGIN"
            f" INSERT INTO {index}(rowid, {VECTOR}) VALUES (new.rowid, new.{VECTOR}); END",
        )

    def _rows(self, batch: Batch, new: NewStore) -> list[tuple[str, str, bytes, str]]:
        texts = batch.texts or [None] * len(batch)
        metadata = batch.metadata or [{}] * len(batch)
        return [
            (text or "", to_json(entry or {}, id_=id_, name=self.name, lossy=new.lossy), vector.tobytes(), id_)
            for id_, text, entry, vector in zip(batch.ids, texts, metadata, batch.vectors.astype("<f4"), strict=True)
        ]


def _bare(sql: str) -> str:
    """Return a declaration without blanks, quotes, dimension and metric, which differ among stores of one layout."""
    bare = re.sub(r'[\s";]', "", sql).casefold()
    return re.sub(r"float\[\d+\](?:distance_metric=\w+)?\)$", "float[])", bare)


def sqlite_vec_target(rest: str, options: dict[str, str]) -> SqliteVecTarget:
    """Return where ``sqlite-vec:FILE?table=NAME`` would be written."""
    check_options(options, ("table", "metric"), scheme=SCHEME)
    return SqliteVecTarget(rest, options.get("table", _DEFAULT))
