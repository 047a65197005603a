"""Vectors in a Parquet file: one column of vectors; ids, texts and metadata in the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ragdiag.errors import RagdiagError, StoreError
from ragdiag.stores.base import WHOLE, Opener
from ragdiag.stores.ids import NumberIds, unknown_id
from ragdiag.stores.parquet_columns import (
    check_unique,
    is_json,
    is_vector_type,
    known_column,
    load_pyarrow,
    to_ids,
    to_objects,
    to_python,
    to_vectors,
    vector_column,
)
from ragdiag.stores.parquet_write import parquet_target
from ragdiag.stores.rows import ScannedStore, checked_batch_size, clean_text, sampled_rows, shard_bounds
from ragdiag.stores.uri import as_metric, check_options, existing_path, without_credentials
from ragdiag.types import Batch, IntArray, Shard, StoreInfo

_ID_NAMES = ("id", "_id")
_TEXT_NAMES = ("text", "page_content", "content")
_FETCH_BATCH = 4096


class ParquetStore(ScannedStore):
    """A Parquet file, read a batch at a time.

    Parameters
    ----------
    path : str
        The file.
    name : str, optional
        How the store is called in reports; the path when not given.
    vector, id, text : str, optional
        The columns. When not given: the only column of lists of floats, ``id`` or ``_id``, and
        ``text``, ``page_content`` or ``content``. All other columns are metadata, except further
        columns of vectors. Without ids the row numbers serve. A column of JSON that `write_store`
        wrote gives the fields of its objects.
    metric : Metric or str, optional
        The similarity by which the vectors are meant to be ranked.

    Raises
    ------
    MissingExtraError
        When pyarrow is not installed.
    StoreError
        When the file or a column cannot be used.
    """

    def __init__(
        self,
        path: str,
        *,
        name: str = "",
        vector: str | None = None,
        id: str | None = None,  # noqa: A002 - what the option of the URI is called
        text: str | None = None,
        metric: str | None = None,
    ) -> None:
        self._path = path
        self._name = name or path
        with self._open() as file:
            schema, count = file.schema_arrow, int(file.metadata.num_rows)
            self._vector = vector_column(schema, vector, self._name)
            self._id = self._column(schema, id, _ID_NAMES)
            self._text = self._column(schema, text, _TEXT_NAMES)
            if count == 0:
                raise StoreError(f"{self._name} holds no rows", hint="write at least two vectors")
            used = {self._vector, self._id, self._text}
            self._others = [
                field.name
                for field in schema
                if field.name not in used and not is_vector_type(field.type, integers=False)
            ]
            self._objects = [name for name in self._others if is_json(schema.field(name))]
            self._ids = self._read_ids(file) if self._id is not None else None
            first = next(file.iter_batches(batch_size=1, columns=[self._vector]), None)
            if first is None:
                raise StoreError(f"{self._name} holds no rows", hint="it may be truncated: write it again")
            dim = to_vectors(first.column(0), name=self._name, row=0, dim=None).shape[1]
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._info = StoreInfo(
            name=self._name,
            kind="parquet",
            count=count,
            dim=dim,
            metric=as_metric(metric),
            has_texts=self._text is not None,
            has_metadata=bool(self._others),
        )

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the rows of one contiguous shard in order, at most `batch_size` at a time."""
        size = checked_batch_size(batch_size)
        start, stop = shard_bounds(self._info.count, shard)
        return (batch for _, batch in self._read(start, stop, size))

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order; reads only the row groups that hold them."""
        return self._fetched(self._rows(ids))

    def _fetched(self, rows: IntArray) -> Batch:
        vectors = np.empty((len(rows), self._info.dim), dtype=np.float32)
        ids = [""] * len(rows)
        texts: list[str | None] = [None] * len(rows)
        metadata: list[Any] = [None] * len(rows)
        order = np.argsort(rows, kind="stable")
        groups = np.searchsorted(self._starts, rows[order], side="right")
        for group in np.unique(groups):
            wanted = order[groups == group]
            for first, batch in self._read(int(rows[wanted[0]]), int(rows[wanted[-1]]) + 1, _FETCH_BATCH):
                inside = wanted[(rows[wanted] >= first) & (rows[wanted] < first + len(batch))]
                for at in inside.tolist():
                    row = int(rows[at]) - first
                    ids[at], vectors[at] = batch.ids[row], batch.vectors[row]
                    texts[at] = batch.texts[row] if batch.texts is not None else None
                    metadata[at] = batch.metadata[row] if batch.metadata is not None else None
        return Batch(
            ids,
            vectors,
            texts if self._info.has_texts else None,
            metadata if self._info.has_metadata else None,
        )

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return rows drawn uniformly without replacement, in their order."""
        return self._fetched(sampled_rows(self._info.count, size, rng))

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """Open the file; what Arrow finds wrong with it becomes a `StoreError`."""
        pa = load_pyarrow()
        try:
            # Without pre_buffer, which would hold whole row groups.
            with pa.parquet.ParquetFile(self._path, pre_buffer=False) as file:
                yield file
        except RagdiagError:
            raise
        except (pa.ArrowException, OSError, UnicodeDecodeError, LookupError) as error:
            reason = " ".join(str(error).split())[:200]
            raise StoreError(
                f"{self._name} cannot be read as Parquet ({reason})",
                hint="it may be truncated: write it again",
            ) from None

    def _column(self, schema: Any, asked: str | None, usual: tuple[str, ...]) -> str | None:
        column = asked if asked is not None else next((name for name in usual if name in schema.names), None)
        if column is not None:
            known_column(schema, column, self._name)
        return column

    def _read_ids(self, file: Any) -> Any:
        column = file.read(columns=[self._id]).column(0)
        ids = to_ids(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0), name=self._name)
        check_unique(ids, name=self._name)
        return ids

    def _rows(self, ids: Sequence[str]) -> IntArray:
        if self._ids is None:
            numbers = NumberIds(self._info.count)
            found = [numbers.row(id_) for id_ in ids]
        else:
            pa = load_pyarrow()
            texts = [id_ if isinstance(id_, str) and _is_utf8(id_) else None for id_ in ids]
            found = pa.compute.index_in(pa.array(texts, self._ids.type), value_set=self._ids).to_pylist()
        for id_, row in zip(ids, found, strict=True):
            if row is None:
                raise unknown_id(self._name, id_)
        return np.array(found, dtype=np.int64)

    def _read(self, start: int, stop: int, size: int) -> Iterator[tuple[int, Batch]]:
        """Yield the rows from `start` to `stop`, each batch with the number of its first row."""
        columns = [name for name in (self._vector, self._id, self._text, *self._others) if name is not None]
        if start >= stop:
            return
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        last = int(np.searchsorted(self._starts, stop, side="left"))
        row = int(self._starts[first])
        with self._open() as file:
            groups = list(range(first, last))
            for table in file.iter_batches(batch_size=size, row_groups=groups, columns=columns):
                low, high = max(start - row, 0), min(stop - row, table.num_rows)
                if low < high:
                    yield row + low, self._batch(table.slice(low, high - low), row + low)
                row += table.num_rows
                if row >= stop:
                    return

    def _batch(self, table: Any, row: int) -> Batch:
        if self._id is not None:
            ids = to_ids(table.column(self._id), name=self._name, row=row).to_pylist()
        else:
            ids = [str(number) for number in range(row, row + table.num_rows)]
        texts = None
        if self._text is not None:
            values = to_python(table.column(self._text), name=self._name)
            texts = [clean_text(None if value is None else str(value)) for value in values]
        metadata = None
        if self._others:
            metadata = self._metadata(table, row)
        vectors = to_vectors(table.column(self._vector), name=self._name, row=row, dim=self._info.dim)
        return Batch(ids, vectors, texts, metadata)

    def _metadata(self, table: Any, row: int) -> list[dict[str, Any]]:
        metadata: list[dict[str, Any]] = [{} for _ in range(table.num_rows)]
        for name in self._others:
            column = table.column(name)
            if name in self._objects:
                entries = to_objects(column, name=self._name, row=row)
            else:
                entries = [{name: value} for value in to_python(column, name=self._name)]
            for known, entry in zip(metadata, entries, strict=True):
                known.update(entry)
        return metadata


def _is_utf8(text: str) -> bool:
    return text.isascii() or text.encode("utf-8", "replace").decode() == text


def open_parquet(rest: str, options: dict[str, str]) -> ParquetStore:
    """Open ``parquet:vectors.parquet?vector=embedding&id=id&text=text``."""
    check_options(options, ("vector", "id", "text", "metric"), scheme="parquet")
    return ParquetStore(existing_path(rest), name=without_credentials(rest), **options)


opener = Opener(
    schemes=("parquet",),
    suffixes=(".parquet",),
    description="a Parquet file with a column of vectors: parquet:./vectors.parquet?vector=embedding",
    open_uri=open_parquet,
    target=parquet_target,
)
