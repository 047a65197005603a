"""Write a DuckDB file as LangChain's `DuckDB` lays it out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ragdiag.errors import ConfigError, StoreError
from ragdiag.stores import NewStore, PathTarget, check_options, told
from ragdiag.stores.json_text import to_json
from ragdiag.stores.path_target import ANY_METRIC
from ragdiag.stores.uri import without_credentials
from ragdiag.types import Batch, Metric
from ragdiag_duckdb.connection import OPTIONS, SCHEME, connect, quoted, shown
from ragdiag_duckdb.layout import METADATA

_DEFAULT = "embeddings"
# All that somebody made, in whatever schema; an index that a key brings is not listed.
_OBJECTS = """
SELECT 'table', schema_name, table_name FROM duckdb_tables() WHERE NOT internal
UNION ALL SELECT 'view', schema_name, view_name FROM duckdb_views() WHERE NOT internal
UNION ALL SELECT 'sequence', schema_name, sequence_name FROM duckdb_sequences()
UNION ALL SELECT 'macro', schema_name, function_name FROM duckdb_functions() WHERE NOT internal
UNION ALL SELECT 'type', schema_name, type_name FROM duckdb_types() WHERE NOT internal
UNION ALL SELECT 'index', schema_name, index_name FROM duckdb_indexes() WHERE NOT is_primary
UNION ALL SELECT 'schema', 'main', schema_name FROM duckdb_schemas() WHERE NOT internal AND schema_name <> 'main'
"""
_COLUMNS = "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = ?"


@dataclass(frozen=True)
class DuckDBTarget(PathTarget):
    """A new database with one table of LangChain's columns. The metric is that of the queries, so it takes any."""

    table: str = _DEFAULT
    vector: str = "embedding"
    id: str = "id"
    text: str = "text"
    metrics: ClassVar[frozenset[Metric | None]] = ANY_METRIC

    @property
    def name(self) -> str:
        """As the store opened there is called."""
        return shown(self.rest, self.table)

    def _refuse(self, *, overwrite: bool) -> None:
        """Refuse to replace a database that holds anything but this table, or that is in use."""
        if os.path.exists(self.path + ".wal"):  # DuckDB would take it for a part of the new file
            raise ConfigError(
                f"cannot write {self.name}, there is {without_credentials(self.path)}.wal",
                hint="close the database first",
            )
        if not os.path.isfile(self.path) or not os.path.getsize(self.path):
            return
        with connect(self.path, self.name) as connection, told(self.name):
            objects = connection.execute(_OBJECTS).fetchall()
            columns = connection.execute(_COLUMNS, [self.table]).fetchall()
        strange = sorted(each for each in objects if each != ("table", "main", self.table))
        kinds = {self.id: "VARCHAR", self.text: "VARCHAR", self.vector: "FLOAT[]", METADATA: "VARCHAR"}
        if not strange and objects and dict(columns) != kinds:
            raise ConfigError(
                f"cannot replace {without_credentials(self.path)}, its table {self.table!r} has other columns"
                " than the store would have",
                hint="name another file",
            )
        if strange:
            kind, schema, name = strange[0]
            shown_name = name if schema == "main" else f"{schema}.{name}"
            raise ConfigError(
                f"cannot replace {without_credentials(self.path)}, it holds {'an' if kind == 'index' else 'a'} {kind}"
                f" {shown_name!r} which is no part of the store",
                hint="name another file",
            )

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        columns = [self.id, self.text, self.vector, METADATA]
        if len({name.casefold() for name in columns}) < len(columns):
            raise StoreError(f"{self.name} would have two columns of one name", hint="name them apart in the URI")
        id_, text, vector, metadata = map(quoted, columns)
        declared = f"{id_} VARCHAR PRIMARY KEY, {text} VARCHAR, {vector} FLOAT[], {metadata} VARCHAR"
        with connect(draft, self.name, read_only=False) as connection:
            with told(self.name):
                connection.execute(f"CREATE TABLE {quoted(self.table)} ({declared})")
                connection.execute("BEGIN")
            for batch in batches:
                rows = self._rows(batch, new)
                with told(self.name):
                    connection.register("_ragdiag_rows", rows)
                    connection.execute(f"INSERT INTO {quoted(self.table)} SELECT * FROM _ragdiag_rows")
                    connection.unregister("_ragdiag_rows")
            with told(self.name):
                connection.execute("COMMIT")
                connection.execute("CHECKPOINT")  # leaves no log beside the file

    def _rows(self, batch: Batch, new: NewStore) -> Any:
        import pyarrow as pa

        starts = np.arange(0, batch.vectors.size + 1, new.dim, dtype=np.int32)
        metadata = [
            to_json(entry or {}, id_=id_, name=self.name, lossy=new.lossy)
            for id_, entry in zip(batch.ids, batch.metadata or [{}] * len(batch), strict=True)
        ]
        return pa.table(
            {
                "id": pa.array(list(batch.ids), pa.string()),
                # LangChain makes no document of a text that is missing.
                "text": pa.array([text or "" for text in batch.texts or [None] * len(batch)], pa.string()),
                "vector": pa.ListArray.from_arrays(pa.array(starts), pa.array(batch.vectors.reshape(-1))),
                "metadata": pa.array(metadata, pa.string()),
            }
        )


def duckdb_target(rest: str, options: dict[str, str]) -> DuckDBTarget:
    """Return where ``duckdb:FILE?table=NAME&vector=embedding&id=id&text=text`` would be written."""
    check_options(options, OPTIONS, scheme=SCHEME)
    return DuckDBTarget(rest, **{name: value for name, value in options.items() if name != "metric"})
