"""Write Parquet: columns id, text, metadata (a JSON object per row) and vector, in row groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ragdiag.errors import StoreError
from ragdiag.stores.base import NewStore
from ragdiag.stores.json_text import to_json
from ragdiag.stores.parquet_columns import JSON_MARK, load_pyarrow
from ragdiag.stores.path_target import PathTarget
from ragdiag.stores.uri import check_options
from ragdiag.types import Batch

_GROUP = 8192
_TEXT, _METADATA = "text", "metadata"


@dataclass(frozen=True)
class ParquetTarget(PathTarget):
    """A new Parquet file.

    Vectors are lists of float32 of fixed size. Metadata is one column of JSON, marked in the schema,
    because documents need not have the same fields; `ParquetStore` takes it apart again. Columns of
    texts and metadata are there when the first batch has them, that of texts also when it is named.
    Names of columns can be given by the options of the URI. At most a row group is held in memory.
    """

    vector: str = "vector"
    id: str = "id"
    text: str | None = None

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        pa = load_pyarrow()
        writer, schema = None, None
        held: list[Any] = []
        rows = 0
        try:
            for batch in batches:
                schema = schema or self._schema(batch, new.dim)
                writer = writer or pa.parquet.ParquetWriter(draft, schema, compression="zstd", use_dictionary=False)
                held.append(self._table(batch, schema, new))
                rows += len(batch)
                # Always the same groups, whatever the batches were.
                while rows >= _GROUP:
                    table = pa.concat_tables(held)
                    writer.write_table(table.slice(0, _GROUP))
                    held, rows = [table.slice(_GROUP)], rows - _GROUP
            if writer is not None and rows:
                writer.write_table(pa.concat_tables(held).combine_chunks(), row_group_size=_GROUP)
        finally:
            if writer is not None:
                writer.close()

    def _schema(self, batch: Batch, dim: int) -> Any:
        pa = load_pyarrow()
        fields = [pa.field(self.id, pa.string(), nullable=False)]
        if batch.texts is not None or self.text is not None:
            fields.append(pa.field(self.text or _TEXT, pa.string()))
        if batch.metadata is not None:
            fields.append(pa.field(_METADATA, pa.string(), metadata=JSON_MARK))
        fields.append(pa.field(self.vector, pa.list_(pa.float32(), dim), nullable=False))
        names = [field.name for field in fields]
        if len(set(names)) < len(names):
            raise StoreError(f"{self.name} would have two columns of one name", hint="name them apart in the URI")
        return pa.schema(fields)

    def _table(self, batch: Batch, schema: Any, new: NewStore) -> Any:
        pa = load_pyarrow()
        nothing = [None] * len(batch)
        columns: dict[str, Any] = {
            self.id: list(batch.ids),
            self.text or _TEXT: list(batch.texts or nothing),
            _METADATA: [
                None if entry is None else to_json(entry, id_=id_, name=self.name, lossy=new.lossy)
                for id_, entry in zip(batch.ids, batch.metadata or nothing, strict=True)
            ],
            self.vector: pa.FixedSizeListArray.from_arrays(pa.array(batch.vectors.reshape(-1)), new.dim),
        }
        arrays = [pa.array(columns[field.name], field.type) for field in schema if field.name != self.vector]
        return pa.Table.from_arrays([*arrays, columns[self.vector]], schema=schema)


def parquet_target(rest: str, options: dict[str, str]) -> ParquetTarget:
    """Return where ``parquet:vectors.parquet?vector=vector&id=id&text=text`` would be written."""
    check_options(options, ("vector", "id", "text", "metric"), scheme="parquet")
    return ParquetTarget(rest, **{name: value for name, value in options.items() if name != "metric"})
