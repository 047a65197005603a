"""What is asked of a LanceDB table beside its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores.parquet_columns import known_column, load_pyarrow, to_python, to_vectors
from ragdiag.types import IntArray, Metric
from ragdiag_lancedb.names import fields

_READ = 4096  # rows


def index_of(table: Any, vector: str) -> tuple[bool, str, Metric | None]:
    """Return whether the vectors have an index, its kind, and what it was built for."""
    for index in table.list_indices():
        if list(index.columns) != [vector]:
            continue
        facts = table.index_stats(index.name)
        if facts is not None:
            return True, str(facts.index_type), Metric(facts.distance_type) if facts.distance_type else None
    return False, "", None


def named_column(schema: Any, asked: str | None, usual: tuple[str, ...], name: str) -> str | None:
    """Return the column that was asked for, or the first usual one that is there."""
    column = asked if asked is not None else next((known for known in usual if known in schema.names), None)
    if column is not None:
        known_column(schema, column, name)
    return column


def dimension_of(table: Any, vector: str, name: str) -> int:
    """Return the length of the vectors."""
    kind = table.schema.field(vector).type
    if load_pyarrow().types.is_fixed_size_list(kind):
        return int(kind.list_size)
    query = table.search().where(f"`{vector}` IS NOT NULL").select([vector])
    first = whole(query.limit(1).to_arrow().column(0))
    if not len(first):
        raise StoreError(f"{name} holds no rows", hint="write at least two vectors")
    return int(to_vectors(first, name=name, row=0, dim=None).shape[1])


def column_of(table: Any, column: str, kept: IntArray | None) -> Any:
    """Return a column, or LanceDB's own ids (``_rowid``), of the rows that are kept."""
    query = table.search().with_row_id(column == "_rowid").select([column])
    values = whole(query.limit(max(1, table.count_rows())).to_arrow().column(column))
    return values if kept is None else values.take(load_pyarrow().array(kept))


def kept_rows(table: Any, vector: str) -> IntArray | None:
    """Return the offsets of the rows that have a vector, shape (n,); None when all have."""
    if not table.count_rows(f"`{vector}` IS NULL"):
        return None
    batches = table.search().select([vector]).limit(table.count_rows()).to_batches(_READ)
    return np.flatnonzero(
        np.concatenate([batch.column(0).is_valid().to_numpy(zero_copy_only=False) for batch in batches])
    )


def metadata_of(parts: Mapping[str, Any], names: Sequence[str], count: int, name: str) -> list[dict[str, Any]]:
    """Return the metadata of some rows, from these columns."""
    metadata: list[dict[str, Any]] = [{} for _ in range(count)]
    for column in names:
        for entry, value in zip(metadata, to_python(parts[column], name=name), strict=True):
            entry.update(fields(column, value))
    return metadata


def whole(column: Any) -> Any:
    """Return a column as one array."""
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column
