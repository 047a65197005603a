"""A table of DuckDB as a store, read in the order of its rows, and searched by its own functions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ragdiag.checks import as_vectors
from ragdiag.errors import StoreError
from ragdiag.stores import (
    Hits,
    ScannedStore,
    Tuning,
    as_metric,
    checked_batch_size,
    in_order,
    joined,
    sampled_rows,
    shard_bounds,
    told,
)
from ragdiag.stores.base import WHOLE
from ragdiag.stores.ids import duplicate_ids
from ragdiag.stores.json_text import from_json
from ragdiag.stores.parquet_columns import to_python, to_vectors
from ragdiag.stores.rows import clean_text
from ragdiag.types import Batch, Float32, IntArray, Metric, Shard, StoreInfo
from ragdiag_duckdb.connection import SCHEME, quoted, shown
from ragdiag_duckdb.layout import find_layout

_SCORES = {
    Metric.COSINE: "list_cosine_similarity({}, ?::FLOAT[])",
    Metric.DOT: "list_inner_product({}, ?::FLOAT[])",
    Metric.L2: "-list_distance({}, ?::FLOAT[])",
}
_HNSW = {"l2sq": Metric.L2, "cosine": Metric.COSINE, "ip": Metric.DOT}
_ROWS = 2048  # of one batch of DuckDB
_HINT = "was the database changed or closed meanwhile?"


class DuckDBStore(ScannedStore):
    """One table of a DuckDB database.

    Each call reads one state of the table, whoever writes meanwhile. The order is that of the rows.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The store takes a cursor of it, which `close` closes.
    place : str
        The file, as it is to be shown.
    options : mapping of str to str
        Those of the URI.
    own : bool
        Whether `close` closes the connection.
    """

    def __init__(self, connection: Any, place: str, options: Mapping[str, str], *, own: bool) -> None:
        self._name = f"{SCHEME}:{place}"
        with told(self._name, hint=_HINT):
            self._cursor = connection.cursor()
        self._connection = connection if own else None
        try:
            self._info = self._opened(place, options)
        except BaseException:
            self._cursor.close()
            raise

    def _opened(self, place: str, options: Mapping[str, str]) -> StoreInfo:
        self._layout = layout = find_layout(self._tables(), options, self._name)
        self._name = shown(place, layout.table)
        self._table, self._vector = quoted(layout.table), quoted(layout.vector)
        count = self.count()
        if count == 0:
            raise StoreError(f"{self._name} holds no documents", hint="write at least two")
        dim = self._dim()
        self._check_ids()
        kind, built_for = self._index()
        return StoreInfo(
            name=self._name,
            kind=SCHEME,
            count=count,
            dim=dim,
            metric=as_metric(options.get("metric")) or built_for or Metric.COSINE,
            index=kind,
            has_texts=layout.text is not None,
            has_metadata=layout.metadata is not None or bool(layout.others),
            index_metric=built_for,
        )

    @property
    def tuning(self) -> Tuning:
        """A search looks at every vector."""
        return Tuning(exact=True)

    def count(self) -> int:
        """Return how many documents there are now."""
        ((count,),) = self._ask(f"SELECT count(*) FROM {self._table}")
        return int(count)

    def close(self) -> None:
        """Close the cursor; a connection that was given open stays open."""
        self._cursor.close()
        if self._connection is not None:
            self._connection.close()

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the rows of one contiguous shard in order, at most `batch_size` at a time."""
        size = checked_batch_size(batch_size)
        shard_bounds(0, shard)
        return self._scanned(size, shard)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return rows drawn uniformly without replacement, in their order; only row numbers are listed."""
        with told(self._name, hint=_HINT), self._cursor.cursor() as cursor:
            cursor.execute("BEGIN")  # row numbers change when deleted rows are cleared away
            rows: IntArray = cursor.execute(f"SELECT rowid FROM {self._table}").fetchnumpy()["rowid"]
            rows = np.sort(rows)
            drawn = rows[sampled_rows(len(rows), size, rng)]
            return self._found(cursor, "rowid", drawn.tolist(), "BIGINT")

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order."""
        unique = [id_ for id_ in dict.fromkeys(ids) if isinstance(id_, str) and clean_text(id_) == id_]
        column = f"{quoted(self._layout.id)}::VARCHAR" if self._layout.id is not None else "rowid::VARCHAR"
        with told(self._name, hint=_HINT), self._cursor.cursor() as cursor:
            found = self._found(cursor, column, unique, "VARCHAR")
        return in_order(found, ids, self._name)

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        """Return the `k` best documents of each query, by DuckDB's functions on lists, as LangChain does.

        DuckDB 2.0 has no cosine with a zero vector and ranks it before all others: its score is NaN.
        """
        if effort is not None:
            raise StoreError(f"{self._name}: a search of DuckDB has no setting", hint="leave out the effort")
        assert self._info.metric is not None
        score = _SCORES[self._info.metric].format(f"{self._vector}::FLOAT[]")
        id_ = quoted(self._layout.id) if self._layout.id is not None else "rowid"
        sql = f"SELECT {id_}::VARCHAR, {score} AS score FROM {self._table} ORDER BY score DESC LIMIT ?"
        hits = []
        for query in as_vectors(queries, what="the queries", dim=self._info.dim):
            rows = self._ask(sql, [query.tolist(), k])
            hits.append(Hits(tuple(row[0] for row in rows), np.array([row[1] for row in rows], dtype=np.float64)))
        return hits

    def _scanned(self, size: int, shard: Shard) -> Iterator[Batch]:
        row = 0
        with told(self._name, hint=_HINT):
            own = self._cursor.cursor()
        with own as cursor:
            with told(self._name, hint=_HINT):
                cursor.execute("BEGIN")
                ((last,),) = cursor.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {self._table}").fetchall()
                first, stop = shard_bounds(last, shard)
                # DuckDB keeps the order of rows by itself unless it was told not to; to sort would hold them all.
                ((kept,),) = cursor.execute("SELECT current_setting('preserve_insertion_order')").fetchall()
                order = "" if kept else "ORDER BY rowid"
                reader = self._read(cursor, f"rowid >= {first:d} AND rowid < {stop:d} {order}", None)
            while True:
                with told(self._name, hint=_HINT):
                    table = next(reader, None)
                if table is None:
                    return
                for start in range(0, table.num_rows, size):
                    yield self._batch(table.slice(start, size), row + start)
                row += table.num_rows

    def _found(self, cursor: Any, column: str, values: Sequence[Any], kind: str) -> Batch:
        """Return the documents whose column holds one of these values, in the order of the rows."""
        condition = f"{column} IN (SELECT unnest(?::{kind}[])) ORDER BY rowid"
        return joined([self._batch(table, 0) for table in self._read(cursor, condition, [list(values)])], self._info)

    def _read(self, cursor: Any, condition: str, values: Sequence[Any] | None) -> Iterator[Any]:
        relation = cursor.sql(f"SELECT {self._layout.selected} FROM {self._table} WHERE {condition}", params=values)
        # Older releases call it otherwise.
        reader = relation.to_arrow_reader if hasattr(relation, "to_arrow_reader") else relation.fetch_arrow_reader
        return iter(reader(_ROWS))

    def _batch(self, table: Any, row: int) -> Batch:
        layout = self._layout
        vectors, ids, *rest = table.columns
        read = to_python(ids, name=self._name)
        others = [to_python(column, name=self._name) for column in rest]
        texts = others.pop(0) if layout.text is not None else None
        metadata = None
        if layout.metadata is not None:
            jsons = others.pop(0)
            metadata = [from_json(text, id_=id_, name=self._name) for id_, text in zip(read, jsons, strict=True)]
        if layout.others:
            fields = [dict(zip(layout.others, values, strict=True)) for values in zip(*others, strict=True)]
            metadata = [{**one, **two} for one, two in zip(fields, metadata or [{}] * len(fields), strict=True)]
        return Batch(read, to_vectors(vectors, name=self._name, row=row, dim=self._info.dim), texts, metadata)

    def _tables(self) -> dict[str, dict[str, str]]:
        tables: dict[str, dict[str, str]] = {}
        for table, column, kind in self._ask(
            "SELECT table_name, column_name, data_type FROM duckdb_columns()"
            " JOIN duckdb_tables() USING (database_name, schema_name, table_name)"
            " WHERE database_name = current_database() AND schema_name = current_schema()"
            " ORDER BY table_name, column_index"
        ):
            tables.setdefault(table, {})[column] = kind
        return tables

    def _dim(self) -> int:
        """Return the dimension of the vectors, which have to have one."""
        dims = self._ask(
            f"SELECT len({self._vector}::FLOAT[]), count(*) FROM {self._table} GROUP BY 1 ORDER BY 2 DESC LIMIT 5"
        )
        if len(dims) == 1 and dims[0][0]:
            return int(dims[0][0])
        listed = ", ".join(f"{count:,} " + ("missing" if dim is None else f"of {dim:,}") for dim, count in dims)
        raise StoreError(
            f"{self._name}: {self._layout.vector!r} does not hold vectors of one dimension ({listed})",
            hint="embed all documents with one model",
        )

    def _check_ids(self) -> None:
        if self._layout.id is None:
            return
        id_ = quoted(self._layout.id)
        wrong = self._ask(
            f"SELECT {id_}::VARCHAR, count(*) FROM {self._table} GROUP BY 1"
            " HAVING count(*) > 1 OR first(" + id_ + ") IS NULL LIMIT 1"
        )
        if wrong and wrong[0][0] is None:
            raise StoreError(f"{self._name}: a row has no id", hint="give every row an id")
        if wrong:
            raise duplicate_ids(self._name, wrong[0][0], wrong[0][1] - 1)

    def _index(self) -> tuple[str, Metric | None]:
        found = self._ask(
            "SELECT sql FROM duckdb_indexes() WHERE database_name = current_database()"
            " AND schema_name = current_schema() AND table_name = ? AND sql IS NOT NULL",
            [self._layout.table],
        )
        return next(filter(None, (hnsw(sql, self._layout.vector) for (sql,) in found)), ("", None))

    def _ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with told(self._name, hint=_HINT):
            rows: list[tuple[Any, ...]] = self._cursor.execute(sql, list(values)).fetchall()
        return rows


def hnsw(sql: str, vector: str) -> tuple[str, Metric | None] | None:
    """Return the kind of index and its metric when the statement makes one of the extension vss on the vectors.

    Examples
    --------
    >>> hnsw("CREATE INDEX i ON docs USING HNSW (embedding) WITH (metric = 'cosine');", "embedding")
    ('HNSW', <Metric.COSINE: 'cosine'>)
    """
    found = re.search(r"USING\s+HNSW\s*\(\s*(.*?)\s*\)(.*)", sql, re.IGNORECASE | re.DOTALL)
    if found is None or found[1] not in (vector, quoted(vector)):
        return None
    metric = re.search(r"\bmetric\s*=\s*'(\w+)'", found[2], re.IGNORECASE)
    return "HNSW", _HNSW.get(metric[1].lower() if metric else "l2sq")
