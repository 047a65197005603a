"""A LangChain collection or a table of PostgreSQL, each pass in one read-only snapshot."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores import (
    Hits,
    ScannedStore,
    Tuning,
    checked_batch_size,
    in_order,
    joined,
    sampled_rows,
    shard_bounds,
    unknown_id,
)
from ragdiag.stores.base import WHOLE
from ragdiag.stores.ids import duplicate_ids
from ragdiag.stores.rows import clean_text
from ragdiag.types import Batch, Float32, Metric, Shard, StoreInfo
from ragdiag_pgvector.address import Address, load_psycopg
from ragdiag_pgvector.catalogue import Index, quoted
from ragdiag_pgvector.connections import Connections
from ragdiag_pgvector.layout import Layout

_OPERATORS = {Metric.COSINE: "<=>", Metric.DOT: "<#>", Metric.L2: "<->"}
# The knob of an index, what is used when nothing is said, and settings worth a try.
_KNOBS = {
    "hnsw": ("hnsw.ef_search", 40, (10, 20, 40, 80, 160, 320, 640, 1000)),
    "ivfflat": ("ivfflat.probes", 1, (1, 2, 5, 10, 20, 50, 100, 200)),
}


class PgvectorStore(ScannedStore):
    """Vectors in PostgreSQL.

    A scan, a sample and a fetch have a connection and a snapshot each; searches share a connection, so that
    they take as long as they take an application that is connected. Documents come in the order of their ids.

    Parameters
    ----------
    address : Address
    layout : Layout
    connection : psycopg.Connection
        Used only while opening.
    name : str
        Without credentials.
    metric : Metric
        By which the application asks.
    index : Index, optional
    settings : mapping of str to str, optional
        With which the application searches.

    Raises
    ------
    StoreError
        When there are no vectors, they are of several dimensions, or an id is there twice.
    """

    def __init__(
        self,
        address: Address,
        layout: Layout,
        connection: Any,
        *,
        name: str,
        metric: Metric,
        index: Index | None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._layout, self._name = layout, name
        self._connections = Connections(address, name)
        weakref.finalize(self, self._connections.close)  # a store that nobody closes leaves none either
        self._settings = dict(settings or {})
        self._values = {"collection": layout.collection}
        count, dim = self._census(connection)
        self._check_ids(connection)
        bare = connection.execute(f"SELECT count(*) FROM {layout.table.sql} t WHERE {layout.part}", self._values)
        without = bare.fetchone()[0] - count
        half = layout.vector.kind == "halfvec"
        self._info = StoreInfo(
            name=name,
            kind="langchain-pgvector" if layout.collection else "pgvector",
            count=count,
            dim=dim,
            metric=metric,
            index=index.kind if index else "",
            loss="halfvec keeps numbers of 16 bits" if half else "",
            mismatches={"rows without a vector": without} if without else {},
            has_texts=layout.text is not None,
            has_metadata=bool(layout.metadata or layout.others),
            index_metric=index.metric if index else None,
        )
        self._tuning = self._tuned(connection, index if index and index.metric is metric else None)

    @property
    def tuning(self) -> Tuning:
        """Exact without the index; with one that serves the metric, its knob."""
        return self._tuning

    def count(self) -> int:
        """Return how many rows have a vector now."""
        with self._connections.one() as connection:
            return self._count(connection)

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the documents of one shard, by a hash of the ids, in the order of the ids."""
        size = checked_batch_size(batch_size)
        shard_bounds(0, shard)  # a shard that there is not is told at once
        return self._scan(size, shard)

    def _scan(self, size: int, shard: Shard) -> Iterator[Batch]:
        id_ = f"t.{quoted(self._layout.id.name)}"
        dealt, values = "", dict(self._values)
        if shard.count > 1:
            dealt = f" AND (hashtextextended({id_}::text, 0) %% %(of)s + %(of)s) %% %(of)s = %(at)s"
            values.update(at=str(shard.index), of=str(shard.count))
            dealt = dealt.replace("%(of)s", "%(of)s::bigint").replace("%(at)s", "%(at)s::bigint")
        with self._connections.one() as connection:
            # The reader may take its time between two batches.
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            with connection.cursor("ragdiag_scan") as cursor:
                query = f"SELECT {self._layout.columns} {self._layout.rows}{dealt} ORDER BY {id_}"
                cursor.execute(query, values, binary=True)
                while rows := cursor.fetchmany(size):
                    yield self._batch(rows)

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order; an unknown id is a `StoreError`."""
        with self._connections.one() as connection:
            return self._fetch(connection, ids)

    def _fetch(self, connection: Any, ids: Sequence[str]) -> Batch:
        odd = next((id_ for id_ in ids if not _can_be_asked(id_)), None)
        if odd is not None:
            raise unknown_id(self._name, odd)
        layout, wanted = self._layout, list(dict.fromkeys(ids))
        wanted += [layout.prefix + id_ for id_ in wanted] if layout.prefix else []
        id_ = f"t.{quoted(layout.id.name)}"
        select = f"SELECT {layout.columns} {layout.rows} AND"
        values = {**self._values, "ids": wanted}
        try:
            with connection.transaction():
                typed = f"{select} {id_} = ANY(%(ids)s::text[]::{layout.id.type.replace('%', '%%')}[])"
                rows = connection.execute(typed, values, binary=True).fetchall()
        except load_psycopg().DataError:  # not all of them are of the type of the column
            rows = connection.execute(f"{select} {id_}::text = ANY(%(ids)s)", values, binary=True).fetchall()
        return in_order(self._batch(rows), ids, self._name)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return documents drawn uniformly, in the order of their ids; of the others not even the ids are sent."""
        id_ = f"t.{quoted(self._layout.id.name)}"
        with self._connections.one() as connection:
            rows = sampled_rows(self._count(connection), size, rng)
            query = (
                f"SELECT id::text FROM (SELECT {id_} AS id, row_number() OVER (ORDER BY {id_}) AS at"
                f" {self._layout.rows}) numbered WHERE at = ANY(%(rows)s) ORDER BY at"
            )
            drawn = connection.execute(query, {**self._values, "rows": (rows + 1).tolist()})
            ids = [self._own(found) for (found,) in drawn]
            return joined([self._fetch(connection, ids)], self._info)

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        """Return what ``ORDER BY embedding <=> query LIMIT k`` finds, as an application asks it.

        Zero vectors have no cosine: PostgreSQL ranks them last, here they are left out.
        """
        layout, vector = self._layout, self._layout.vector
        operator = f"OPERATOR({quoted(vector.schema)}.{_OPERATORS[self._metric]})"
        distance = f"t.{quoted(vector.name)} {operator} %(query)s::{quoted(vector.schema)}.{quoted(vector.kind)}"
        query = f"SELECT t.{quoted(layout.id.name)}::text, {distance} {layout.rows} ORDER BY {distance} LIMIT %(k)s"
        settings = dict(self._settings)
        if effort is not None:
            if not self._tuning.knob:
                raise StoreError(f"{self._name} has no index with a setting", hint="search without effort")
            settings[self._tuning.knob] = str(effort)
        if exact:
            settings.update(dict.fromkeys(("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"), "off"))
        setting = ", ".join(["set_config(%s, %s, true)"] * len(settings))

        def asked(connection: Any) -> list[Hits]:
            if settings:
                connection.execute(f"SELECT {setting}", [part for pair in settings.items() for part in pair])
            found = []
            for row in np.asarray(queries, dtype=np.float32):
                values = {**self._values, "query": "[" + ",".join(map(str, row)) + "]", "k": k}
                found.append(self._hits(connection.execute(query, values, prepare=False).fetchall()))
            return found

        return self._connections.kept(asked)

    def _hits(self, rows: Sequence[tuple[str, float]]) -> Hits:
        kept = [(self._own(id_), distance) for id_, distance in rows if not np.isnan(distance)]
        distances = np.array([distance for _, distance in kept], dtype=np.float64)
        scores = 1 - distances if self._metric is Metric.COSINE else -distances
        return Hits(tuple(id_ for id_, _ in kept), scores)

    def close(self) -> None:
        """End the connection kept for searches, and those of scans that still run, which then fail."""
        self._connections.close()

    @property
    def _metric(self) -> Metric:
        assert self._info.metric is not None
        return self._info.metric

    def _own(self, id_: str) -> str:
        return id_.removeprefix(self._layout.prefix)

    def _count(self, connection: Any) -> int:
        return int(connection.execute(f"SELECT count(*) {self._layout.rows}", self._values).fetchone()[0])

    def _census(self, connection: Any) -> tuple[int, int]:
        """Return the number of vectors and their dimension."""
        vector = self._layout.vector
        if vector.dim is not None:
            return self._count(connection), vector.dim
        dims = f"{quoted(vector.schema)}.vector_dims(t.{quoted(vector.name)})"
        query = f"SELECT {dims}, count(*) {self._layout.rows} GROUP BY 1 ORDER BY 2 DESC, 1"
        found = connection.execute(query, self._values).fetchall()
        if not found:
            raise StoreError(f"{self._name} holds no vectors", hint="is it the right collection or table?")
        if len(found) > 1:
            said = ", ".join(f"{dim} ({count:,})" for dim, count in found[:10])
            raise StoreError(
                f"{self._name} holds vectors of {len(found)} dimensions: {said}",
                hint="they come from different models: give each a collection of its own",
            )
        return found[0][1], found[0][0]

    def _check_ids(self, connection: Any) -> None:
        layout, id_ = self._layout, f"t.{quoted(self._layout.id.name)}"
        if layout.prefix:  # an id that another collection had once, and this one has now
            query = (
                f"SELECT substr({id_}, %(from)s), 1 {layout.rows} AND starts_with({id_}, %(prefix)s) AND EXISTS"
                f" (SELECT FROM {layout.table.sql} o WHERE o.collection_id = %(collection)s"
                f" AND o.id = substr({id_}, %(from)s))"
            )
        else:
            query = (
                f"SELECT {id_}::text, count(*) - 1 {layout.rows} GROUP BY 1 HAVING count(*) > 1 OR {id_}::text IS NULL"
            )
        if layout.id.unique and not (layout.prefix and layout.id.kind in ("text", "varchar")):
            return
        values = {**self._values, "prefix": layout.prefix, "from": len(layout.prefix) + 1}
        twice = connection.execute(f"{query} LIMIT 1", values).fetchone()
        if twice and twice[0] is None:
            raise StoreError(f"{self._name}: rows have no id", hint="name a column that is never NULL: ?id=COLUMN")
        if twice:
            raise duplicate_ids(self._name, twice[0], int(twice[1]))

    def _tuned(self, connection: Any, index: Index | None) -> Tuning:
        knob, default, values = _KNOBS.get(index.kind if index else "", ("", None, ()))
        if not knob:
            return Tuning(exact=True)
        said = connection.execute("SELECT current_setting(%s, true)", (knob,)).fetchone()[0]
        lists = int(index.options.get("lists", 100)) if index and index.kind == "ivfflat" else max(values)
        tried = tuple(sorted({value for value in values if value < lists} | {lists}))
        return Tuning(exact=True, knob=knob, value=int(self._settings.get(knob) or said or default or 0), values=tried)

    def _batch(self, rows: Sequence[tuple[Any, ...]]) -> Batch:
        layout = self._layout
        return Batch(
            [self._own(row[0]) for row in rows],
            layout.numbers([row[1] for row in rows], self._info.dim, self._name),
            [clean_text(row[2]) for row in rows] if layout.text else None,
            [layout.fields(row[3], row[4:]) for row in rows] if self._info.has_metadata else None,
        )


def _can_be_asked(id_: object) -> bool:
    return isinstance(id_, str) and "\0" not in id_ and clean_text(id_) == id_
