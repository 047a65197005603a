"""A table of SQLite as a store, read by its keys, and searched by sqlite-vec."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ragdiag.checks import as_vectors
from ragdiag.errors import StoreError
from ragdiag.stores import (
    Hits,
    ScannedStore,
    Tuning,
    checked_batch_size,
    in_order,
    sampled_rows,
    shard_bounds,
    told,
)
from ragdiag.stores.base import WHOLE
from ragdiag.stores.ids import duplicate_ids
from ragdiag.stores.json_text import from_json
from ragdiag.stores.rows import clean_text
from ragdiag.types import Batch, Float32, Metric, Shard, StoreInfo
from ragdiag_sqlite_vec.connection import ask, load_extension, quoted
from ragdiag_sqlite_vec.layout import SCHEME, Declared, find_layout, shown

_MOST = 4096  # what vec0 takes for k
_DISTANCES = {Metric.L2: "vec_distance_L2", Metric.COSINE: "vec_distance_cosine"}


class SqliteVecStore(ScannedStore):
    """One table of a SQLite database.

    Pages of keys are read first, then their documents, each in one short statement: no lock is held between
    them, so that a long scan keeps no application from writing.

    Parameters
    ----------
    connection : sqlite3.Connection
    place : str
        The file, as it is to be shown.
    options : mapping of str to str
        Those of the URI.
    own : bool
        Whether `close` closes the connection.
    """

    def __init__(self, connection: sqlite3.Connection, place: str, options: Mapping[str, str], *, own: bool) -> None:
        self._connection, self._own = connection, own
        self._name = f"{SCHEME}:{place}"
        self._tables = dict(self._ask("SELECT name, coalesce(sql, '') FROM sqlite_master WHERE type = 'table'"))
        self._layout = layout = find_layout(self._tables, self._columns, options, self._name)
        self._name = shown(place, layout.table)
        count = self.count()
        if count == 0:
            raise StoreError(f"{self._name} holds no documents", hint="write at least two")
        dim = layout.dim if layout.virtual and layout.dim else self._dim()
        self._check_ids()
        counts = {}
        if layout.index and not layout.virtual:
            ((indexed,),) = self._ask(f"SELECT count(*) FROM {quoted(layout.index + '_rowids')}")
            counts = {"table": count, "vec0": int(indexed)}
        self._info = StoreInfo(
            name=self._name,
            kind=SCHEME,
            count=count,
            dim=dim,
            metric=layout.metric,
            index="vec0" if layout.index else "",
            counts=counts,
            has_texts=layout.text is not None,
            has_metadata=layout.metadata is not None or bool(layout.others),
        )

    @property
    def tuning(self) -> Tuning:
        """A search of sqlite-vec looks at every vector."""
        return Tuning(exact=True)

    def count(self) -> int:
        """Return how many documents there are now."""
        ((count,),) = self._ask(f"SELECT count(*) FROM {quoted(self._layout.keys)}")
        return int(count)

    def close(self) -> None:
        """Close the connection; one that was given open stays open."""
        if self._own:
            self._connection.close()

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the documents of one range of rowids, in their order; what is added meanwhile is left out."""
        size = checked_batch_size(batch_size)
        shard_bounds(0, shard)
        return self._scanned(size, shard)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return documents drawn uniformly without replacement from the list of keys, in its order."""
        listed = self._ask(f"SELECT {self._key} FROM {quoted(self._layout.keys)} ORDER BY _rowid_")
        return self._read([listed[row][0] for row in sampled_rows(len(listed), size, rng).tolist()])

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order."""
        found = self._read(self._keys(ids))
        return in_order(found, ids, self._name)

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        """Return the `k` nearest documents of each query, by the vec0 table, or by the distances of all rows.

        sqlite-vec has no cosine with a zero vector: where one is found it comes first, and its score is NaN.
        """
        if effort is not None:
            raise StoreError(f"{self._name}: a search of sqlite-vec has no setting", hint="leave out the effort")
        if self._info.metric not in _DISTANCES:
            said = self._info.metric.value if self._info.metric else "a metric it does not say"
            raise StoreError(f"{self._name} is ranked by {said}", hint="it can be asked by ?metric=l2 or cosine")
        load_extension(self._connection, self._name, own=self._own)
        rows = as_vectors(queries, what="the queries", dim=self._info.dim).astype("<f4")
        return [self._hits(row.tobytes(), k) for row in rows]

    @property
    def _key(self) -> str:
        """How the key is called where keys are listed."""
        if not self._layout.virtual:
            return quoted(self._layout.key)
        return "id" if self._layout.id is not None else "rowid"

    def _scanned(self, size: int, shard: Shard) -> Iterator[Batch]:
        layout = self._layout
        keys = quoted(layout.keys)
        ((low, high),) = self._ask(f"SELECT min(_rowid_), max(_rowid_) FROM {keys}")
        if low is None:
            return
        first, stop = (low + at for at in shard_bounds(high - low + 1, shard))
        last = first - 1
        page = f"SELECT _rowid_, {self._key} FROM {keys} WHERE _rowid_ > ? AND _rowid_ < ? ORDER BY _rowid_ LIMIT ?"
        while rows := self._ask(page, (last, stop, size)):
            last = rows[-1][0]
            batch = self._read([key for _, key in rows])
            if len(batch):
                yield batch

    def _read(self, keys: Sequence[Any]) -> Batch:
        """Return the documents with these keys that are there, in this order."""
        layout = self._layout
        names = [layout.key, layout.id or layout.key, layout.vector, *filter(None, (layout.text, layout.metadata))]
        listed = ", ".join(f"t.{quoted(name)}" for name in [*names, *layout.others])
        sql = (
            f"SELECT {listed} FROM json_each(?) AS asked"
            f" CROSS JOIN {quoted(layout.table)} AS t ON t.{quoted(layout.key)} = asked.value"
        )
        rows = self._ask(sql, (json.dumps(keys),))
        ids = [self._id(row[0], row[1]) for row in rows]
        metadata: list[dict[str, Any]] | None = None
        at = 4 if layout.text is not None else 3
        if layout.metadata is not None:
            metadata = [from_json(row[at], id_=id_, name=self._name) for id_, row in zip(ids, rows, strict=True)]
        elif layout.others:
            metadata = [_fields(layout.others, row[at:]) for row in rows]
        texts = [None if row[3] is None else str(row[3]) for row in rows] if layout.text is not None else None
        return Batch(ids, self._vectors(ids, [row[2] for row in rows]), texts, metadata)

    def _id(self, key: Any, id_: Any) -> str:
        if id_ is None:  # a row that LangChain added to a table of ours
            return f"rowid:{key}"
        if not isinstance(id_, str | int):
            raise StoreError(f"{self._name}: an id is {type(id_).__name__}", hint="ids must be text or whole numbers")
        return str(id_)

    def _vectors(self, ids: Sequence[str], blobs: Sequence[Any]) -> Float32:
        dim = self._info.dim
        for id_, blob in zip(ids, blobs, strict=True):
            if not isinstance(blob, bytes) or len(blob) != 4 * dim:
                held = f"{len(blob):,} bytes" if isinstance(blob, bytes) else type(blob).__name__
                raise StoreError(
                    f"{self._name}: the vector of {id_!r} is {held} where {dim} float32 were expected",
                    hint="embed all documents with one model",
                )
        return np.frombuffer(b"".join(blobs), "<f4").astype(np.float32).reshape(len(blobs), dim)

    def _keys(self, ids: Sequence[str]) -> list[Any]:
        """Return the keys of those documents that may be there."""
        unique = [id_ for id_ in dict.fromkeys(ids) if isinstance(id_, str) and clean_text(id_) == id_]
        layout = self._layout
        if layout.id is None:
            return [row for id_ in unique if (row := _rowid(id_)) is not None]
        if layout.virtual:
            return unique
        id_, key = f"t.{quoted(layout.id)}", f"t.{quoted(layout.key)}"
        found = self._ask(
            f"SELECT {key} FROM json_each(?) AS asked CROSS JOIN {quoted(layout.table)} AS t ON {id_} = asked.value",
            (json.dumps(unique),),
        )
        bare = [_rowid(one.removeprefix("rowid:")) for one in unique if one.startswith("rowid:")]
        return [*(row[0] for row in found), *(row for row in bare if row is not None)]

    def _hits(self, query: bytes, k: int) -> Hits:
        layout = self._layout
        table, vector = quoted(layout.table), quoted(layout.vector)
        named = f"t.{quoted(layout.key)}, t.{quoted(layout.id or layout.key)}"
        if not layout.index or k > _MOST:
            assert self._info.metric is not None
            call = f"{_DISTANCES[self._info.metric]}(t.{vector}, ?)"
            sql = f"SELECT {named}, {call} AS distance FROM {table} AS t ORDER BY distance LIMIT ?"
        elif layout.virtual:
            sql = f"SELECT {named}, distance FROM {table} AS t WHERE {vector} MATCH ? AND k = ? ORDER BY distance"
        else:
            sql = (
                f"SELECT {named}, v.distance FROM {quoted(layout.index)} AS v CROSS JOIN {table} AS t"
                f" ON t.{quoted(layout.key)} = v.rowid WHERE v.{vector} MATCH ? AND v.k = ? ORDER BY v.distance"
            )
        rows = self._ask(sql, (query, k))
        away = np.array([np.nan if row[2] is None else row[2] for row in rows], dtype=np.float64)
        return Hits(
            tuple(self._id(row[0], row[1]) for row in rows), 1.0 - away if self._info.metric is Metric.COSINE else -away
        )

    def _dim(self) -> int:
        """Return the dimension of the vectors of a plain table, which have to be of one length."""
        vector = quoted(self._layout.vector)
        kinds = self._ask(
            f"SELECT typeof({vector}), length({vector}), count(*) FROM {quoted(self._layout.table)}"
            " GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5"
        )
        kind, length, _ = kinds[0]
        if len(kinds) == 1 and kind == "blob" and length and length % 4 == 0:
            return int(length) // 4
        listed = ", ".join(
            f"{count:,} " + ("missing" if kind == "null" else f"{kind} of {length:,}") for kind, length, count in kinds
        )
        raise StoreError(
            f"{self._name}: {self._layout.vector!r} does not hold float32 vectors of one dimension ({listed})",
            hint="embed all documents with one model, and store BLOBs of float32",
        )

    def _check_ids(self) -> None:
        layout = self._layout
        if layout.id is None or layout.virtual:
            return
        column = quoted(layout.id)
        repeats = self._ask(
            f"SELECT {column}, count(*) FROM {quoted(layout.table)} WHERE {column} IS NOT NULL"
            " GROUP BY 1 HAVING count(*) > 1 LIMIT 1"
        )
        if repeats:
            raise duplicate_ids(self._name, str(repeats[0][0]), repeats[0][1] - 1)

    def _columns(self, table: str) -> list[str]:
        if Declared.of(self._tables[table]) is not None:
            load_extension(self._connection, self._name, own=self._own)
        return [row[1] for row in self._ask(f"PRAGMA table_info({quoted(table)})")]

    def _ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with told(self._name, hint="was the database changed, or is it locked by somebody who writes?"):
            return ask(self._connection, sql, values)


def _fields(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return {name: value for name, value in zip(names, values, strict=True) if not isinstance(value, bytes)}


def _rowid(id_: str) -> int | None:
    """Return the rowid that is written like this."""
    if len(id_) > 20 or not id_.removeprefix("-").isdecimal() or str(int(id_)) != id_:
        return None
    number = int(id_)
    return number if -(2**63) <= number < 2**63 else None
