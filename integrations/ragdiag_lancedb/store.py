"""A LanceDB table, read a batch at a time on one version of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores import (
    Hits,
    NumberIds,
    ScannedStore,
    Tuning,
    checked_batch_size,
    joined,
    sampled_rows,
    shard_bounds,
    told,
    unknown_id,
)
from ragdiag.stores.base import WHOLE
from ragdiag.stores.parquet_columns import (
    check_unique,
    is_vector_type,
    load_pyarrow,
    to_ids,
    to_python,
    to_vectors,
    vector_column,
)
from ragdiag.stores.rows import clean_text
from ragdiag.types import Batch, Float32, IntArray, Metric, Shard, StoreInfo
from ragdiag_lancedb.table import column_of, dimension_of, index_of, kept_rows, metadata_of, named_column, whole
from ragdiag_lancedb.tuning import REFINE, is_quantised, partitions_of, told_scores, true_scores, tuned, tuning_of

_ID_NAMES = ("id", "_id")
_TEXT_NAMES = ("text", "page_content", "content")
_ROW = "_rowid"


class LanceStore(ScannedStore):
    """A table of LanceDB.

    Parameters
    ----------
    open_table : callable
        Returns a handle of its own on the table, which stays at the version that the application sees.
    name : str
        How the table is called in reports; without credentials.
    vector, id, text : str, optional
        The columns. When not given: the only column of lists of floats; ``id`` or ``_id``; ``text``,
        ``page_content`` or ``content``. Without ids the row numbers serve. All others are metadata, except
        further columns of vectors; of LangChain's column ``metadata`` the fields are.
    metric : Metric, optional
        By which the application asks. When not given it is that of the index, and the squared Euclidean
        distance where there is none, as LanceDB does it.
    own : bool
        Whether searches may keep the table open and follow its newest version: no application's view counts.

    Raises
    ------
    StoreError
        When a column cannot be used, or ids are there twice.
    """

    def __init__(
        self,
        open_table: Callable[[], Any],
        *,
        name: str,
        vector: str | None = None,
        id: str | None = None,  # noqa: A002 - what the option of the URI is called
        text: str | None = None,
        metric: Metric | None = None,
        own: bool = False,
    ) -> None:
        self._open_table = open_table
        self._name = name
        self._asked = metric
        self._own = own
        self._held: Any = None
        self._nulls: tuple[int, IntArray | None] | None = None
        self._known: tuple[int, Any] | None = None
        with told(name):
            table = self._table()
            schema = table.schema
            self._vector = vector_column(schema, vector, name)
            count = self._size(table)
            self._id = named_column(schema, id, _ID_NAMES, name)
            self._text = named_column(schema, text, _TEXT_NAMES, name)
            used = {self._vector, self._id, self._text}
            self._others = [
                field.name
                for field in schema
                if field.name not in used and not is_vector_type(field.type, integers=False)
            ]
            dim = dimension_of(table, self._vector, name)
            indexed, kind, index_metric = index_of(table, self._vector)
            # By another metric LanceDB reads the whole table, and warns for each query that it does.
            self._used = indexed and (metric is None or index_metric in (None, metric))
            self._ids_of(table)
        self._info = StoreInfo(
            name=name,
            kind="lancedb",
            count=count,
            dim=dim,
            metric=metric or index_metric or Metric.L2,
            index=kind,
            index_metric=index_metric,
            has_texts=self._text is not None,
            has_metadata=bool(self._others),
        )

    @property
    def tuning(self) -> Tuning:
        """Exact by ``bypass_vector_index``; the knob is that of the index, where queries use it."""
        if not self._used:
            return Tuning(exact=True)
        with told(self._name):
            return tuning_of(self._info.index, self._partitions)

    @cached_property
    def _partitions(self) -> int | None:
        return partitions_of(self._table(), self._vector, self._info.dim)

    def count(self) -> int:
        """Return how many rows there are now."""
        with told(self._name):
            return self._size(self._table())

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the rows of one contiguous shard in order, of the version there is when it begins."""
        size = checked_batch_size(batch_size)
        shard_bounds(0, shard)  # a shard that there is not is told at once
        return self._scan(size, shard)

    def _scan(self, size: int, shard: Shard) -> Iterator[Batch]:
        with told(self._name):
            table = self._table()
            start, stop = shard_bounds(self._size(table), shard)
            if start == stop:
                return
            kept = self._kept(table)
            first, last = (start, stop) if kept is None else (int(kept[start]), int(kept[stop - 1]) + 1)
            query = table.search().select(self._columns()).offset(first).limit(last - first)
            for read in query.to_batches(size):
                batch = read if kept is None else read.filter(read.column(0).is_valid())
                for at in range(0, batch.num_rows, size):
                    part = batch.slice(at, size)
                    yield self._batch(part, np.arange(start, start + part.num_rows))
                    start += part.num_rows

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order."""
        with told(self._name):
            table = self._table()
            rows = self._rows(table, ids)
            unique, back = np.unique(rows, return_inverse=True)
            return self._taken(table, unique, back)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return rows drawn uniformly without replacement, in their order."""
        with told(self._name):
            table = self._table()
            rows = sampled_rows(self._size(table), size, rng)
            return self._taken(table, rows, np.arange(len(rows)))

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        """Return what LanceDB finds, asked as the application asks it, in the newest version."""
        with told(self._name, hint="LanceDB searches columns of fixed-size lists"):
            table = self._searched()
            return [self._search_one(table, query, k, exact, effort) for query in queries]

    def close(self) -> None:
        """Do nothing: handles hold no lock, and are released with the last reference to them."""

    def _table(self) -> Any:
        table = self._open_table()
        table.checkout(table.version)  # whatever is written from now on
        return table

    def _columns(self) -> list[str]:
        return [name for name in (self._vector, self._id, self._text, *self._others) if name is not None]

    def _ids_of(self, table: Any) -> Any:
        """Return all ids of a version, read once, as Arrow's strings; None where row numbers serve."""
        if self._id is None:
            return None
        if self._known is None or self._known[0] != table.version:
            ids = to_ids(column_of(table, self._id, self._kept(table)), name=self._name)
            check_unique(ids, name=self._name)
            self._known = table.version, ids
        return self._known[1]

    def _row_ids(self, table: Any) -> Any:
        """Return LanceDB's own ids of all rows, by which hits without ids are found again."""
        if self._known is None or self._known[0] != table.version:
            self._known = table.version, column_of(table, _ROW, self._kept(table))
        return self._known[1]

    def _kept(self, table: Any) -> IntArray | None:
        """Return the offsets of the rows that have a vector, where some have none; searches skip those too."""
        if self._nulls is None or self._nulls[0] != table.version:
            self._nulls = table.version, kept_rows(table, self._vector)
        return self._nulls[1]

    def _size(self, table: Any) -> int:
        kept = self._kept(table)
        return int(table.count_rows()) if kept is None else len(kept)

    def _searched(self) -> Any:
        """Return the table for a search; opening it costs more than many a search."""
        if not self._own:
            return self._table()
        if self._held is None:
            self._held = self._open_table()
        else:
            self._held.checkout_latest()
        return self._held

    def _rows(self, table: Any, ids: Sequence[str]) -> IntArray:
        known = self._ids_of(table)
        if known is None:
            numbers = NumberIds(self._size(table))
            found = [numbers.row(id_) for id_ in ids]
        else:
            pa = load_pyarrow()
            texts = [id_ if isinstance(id_, str) and clean_text(id_) == id_ else None for id_ in ids]
            found = pa.compute.index_in(pa.array(texts, pa.string()).cast(known.type), value_set=known).to_pylist()
        for id_, row in zip(ids, found, strict=True):
            if row is None:
                raise unknown_id(self._name, id_)
        return np.array(found, dtype=np.int64)

    def _taken(self, table: Any, rows: IntArray, order: IntArray) -> Batch:
        """Return these rows, which ascend, in another order."""
        if not len(rows):
            return joined([], self._info)
        kept = self._kept(table)
        found = (
            table.take_offsets((rows if kept is None else kept[rows]).tolist())
            .select(self._columns())
            .to_arrow()
            .combine_chunks()
        )
        if found.num_rows != len(rows):
            raise StoreError(f"{self._name} gave {found.num_rows} of {len(rows)} rows", hint="try again")
        return self._batch(found.take(order), rows[order])

    def _batch(self, table: Any, rows: IntArray) -> Batch:
        first = int(rows.min()) if len(rows) else 0
        parts = {name: whole(table.column(at)) for at, name in enumerate(table.schema.names)}
        if self._id is not None:
            ids = to_ids(parts[self._id], name=self._name, row=first).to_pylist()
        else:
            ids = [str(row) for row in rows.tolist()]
        vectors = to_vectors(parts[self._vector], name=self._name, row=first, dim=self._info.dim)
        texts = None
        if self._text is not None:
            texts = [clean_text(None if v is None else str(v)) for v in to_python(parts[self._text], name=self._name)]
        metadata = metadata_of(parts, self._others, len(rows), self._name) if self._others else None
        return Batch(ids, vectors, texts, metadata)

    def _search_one(self, table: Any, query: Float32, k: int, exact: bool, effort: int | None) -> Hits:
        metric, by_index = self._info.metric or Metric.L2, self._used and not exact
        builder = table.search(query, vector_column_name=self._vector)
        if not by_index:  # without the index LanceDB would rank by L2 where nothing is said
            builder = builder.bypass_vector_index().distance_type(metric.value)
        elif self._asked is not None:
            builder = builder.distance_type(self._asked.value)
        knob = ""
        if effort is not None and by_index:
            knob = self.tuning.knob
            builder = tuned(builder, knob, effort, self._partitions, k)
        wanted = [self._id or _ROW, "_distance"]
        estimated = by_index and is_quantised(self._info.index) and not knob.startswith(REFINE)
        if estimated:
            wanted.append(self._vector)
        found = builder.with_row_id(self._id is None).select(wanted).limit(k).to_arrow()
        column = whole(found.column(wanted[0]))
        if self._id is not None:
            ids = to_ids(column, name=self._name).to_pylist()
        else:
            ids = [str(row) for row in load_pyarrow().compute.index_in(column, self._row_ids(table)).to_pylist()]
        if estimated:
            vectors = to_vectors(whole(found.column(self._vector)), name=self._name, row=0, dim=self._info.dim)
            scores = true_scores(query, vectors, metric)
            order = np.argsort(-scores, kind="stable")  # `Hits` are best first, and the estimates may not be
            return Hits(tuple(ids[at] for at in order), scores[order])
        return Hits(tuple(ids), told_scores(found.column("_distance").to_numpy(), metric))
