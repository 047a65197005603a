"""Write a table of LanceDB, as LangChain's classes open it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ragdiag.errors import ConfigError, StoreError
from ragdiag.stores import Draft, PathTarget, check_options, told
from ragdiag.stores.base import NewStore
from ragdiag.stores.json_text import to_json
from ragdiag.stores.parquet_columns import load_pyarrow
from ragdiag.stores.replace import is_taken, put, replacing, staging
from ragdiag.stores.uri import moved, with_option
from ragdiag.types import Batch, Metric
from ragdiag_lancedb.names import METADATA, OPTIONS, SUFFIX, load_lancedb, shown

_NAMES = re.compile(r"[A-Za-z0-9_.\-]+")  # what LanceDB allows
_PARTS = {"data", "_versions", "_transactions", "_indices", "_deletions", "_refs", "_latest.manifest"}
# The tables that LangChain's classes make, which differ in how they keep metadata.
_DEFAULTS = {"json": "documents", "struct": "vectorstore"}


@dataclass(frozen=True)
class LanceTarget(PathTarget):
    """A new table, in a folder of LanceDB or in a new one.

    The columns are those of LangChain: id, vector, text and metadata. For ``langchain_lancedb`` metadata
    is JSON; for the class of ``langchain_community`` a struct with the fields of the first documents, so
    that others are refused, or left out by `lossy`. To rank by cosine or dot product a table needs an index:
    it gets an ``IVF_FLAT`` of one partition, which is exact.
    """

    table: str = _DEFAULTS["json"]
    vector: str = "vector"
    id: str = "id"
    text: str = "text"
    metadata: str = "json"
    folder: ClassVar[bool] = True
    metrics: ClassVar[frozenset[Metric | None]] = frozenset(Metric)

    def __post_init__(self) -> None:
        super().__post_init__()
        if "://" in self.rest:
            raise ConfigError(f"cannot write {self.name}", hint="LanceDB tables are written to folders of this machine")
        if not _NAMES.fullmatch(self.table):
            raise ConfigError(
                f"LanceDB has no tables called {self.table!r}",
                hint="names hold ASCII letters, digits, underscores, hyphens and periods",
            )
        if self.metadata not in _DEFAULTS:
            raise ConfigError(f"there is no metadata={self.metadata}", hint=f"one of {', '.join(_DEFAULTS)}")

    @property
    def name(self) -> str:
        """As the store opened there is called."""
        return shown(self.rest, self.table)

    @property
    def path(self) -> str:
        """The folder of the database, which may not be there yet; other tables in it stay as they are."""
        return os.path.expanduser(self.rest)

    def exists(self) -> bool:
        """Whether there is a table of this name."""
        return is_taken(self._place, folder=True)

    def write(self, batches: Iterator[Batch], new: NewStore) -> None:
        """Write the table beside its place and put it there when it is whole."""
        with (
            self._database(),
            replacing(self._place, folder=True, overwrite=new.overwrite, belongs=_PARTS.__contains__) as draft,
        ):
            self._fill(draft, batches, new)

    @contextmanager
    def draft(self, uri: str, *, overwrite: bool) -> Iterator[Draft]:
        """Give a hidden database inside this one."""
        with self._database(), staging(self._place) as work:
            made = os.path.join(work, self.table + SUFFIX)

            def place() -> None:
                put(made, self._place, folder=True, overwrite=overwrite)

            yield Draft(with_option(moved(uri, work), "table", self.table), place)

    @contextmanager
    def _database(self) -> Iterator[None]:
        """Make the folder of the database; it is gone again when nothing came into it."""
        made = False
        try:
            os.mkdir(self.path)
            made = True
        except FileExistsError:
            pass
        except OSError as error:
            raise ConfigError(f"cannot write {self.name}", hint=f"{error.strerror}: {self.path}") from None
        try:
            yield
        finally:
            if made:
                with suppress(OSError):  # it is not empty
                    os.rmdir(self.path)

    @property
    def _place(self) -> str:
        return os.path.join(self.path, self.table + SUFFIX)

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        failed: list[BaseException] = []
        first = next(batches)
        schema = self._schema(first, new)

        def rows() -> Iterator[Any]:
            try:
                yield self._rows(first, schema, new)
                for batch in batches:
                    yield self._rows(batch, schema, new)
            except BaseException as error:
                failed.append(error)
                raise

        try:
            with told(self.name):
                lancedb = load_lancedb()
                reader = load_pyarrow().RecordBatchReader.from_batches(schema, rows())
                table = lancedb.connect(draft).create_table(self.table, reader, mode="create")
                if new.metric is not Metric.L2:
                    config = lancedb.index.IvfFlat(
                        distance_type=new.metric.value if new.metric else "l2", num_partitions=1
                    )
                    table.create_index(self.vector, config=config)
        except StoreError:
            if failed:  # what LanceDB told as its own
                raise failed[0] from None
            raise
        made = os.path.join(draft, self.table + SUFFIX)
        for part in os.listdir(made):
            os.rename(os.path.join(made, part), os.path.join(draft, part))
        os.rmdir(made)

    def _schema(self, batch: Batch, new: NewStore) -> Any:
        pa = load_pyarrow()
        fields = [
            pa.field(self.id, pa.string()),
            pa.field(self.vector, pa.list_(pa.float32(), new.dim)),
            pa.field(self.text, pa.string()),
        ]
        if self.metadata == "json":
            fields.append(pa.field(METADATA, pa.string()))
        elif any(batch.metadata or ()):
            fields.append(pa.field(METADATA, self._array(batch.metadata, None).type))
        if len({field.name for field in fields}) < len(fields):
            raise StoreError(f"{self.name} would have two columns of one name", hint="name them apart in the URI")
        return pa.schema(fields)

    def _rows(self, batch: Batch, schema: Any, new: NewStore) -> Any:
        pa = load_pyarrow()
        if np.isnan(batch.vectors).any():
            raise StoreError(f"{self.name}: LanceDB takes no vectors with NaN", hint="leave out the broken vectors")
        columns = [
            pa.array(list(batch.ids), pa.string()),
            pa.FixedSizeListArray.from_arrays(pa.array(batch.vectors.reshape(-1)), new.dim),
            pa.array([text or "" for text in batch.texts or [None] * len(batch)], pa.string()),
        ]
        metadata = batch.metadata or [{}] * len(batch)
        if self.metadata == "json":
            columns.append(pa.array(self._json(batch.ids, metadata, lossy=new.lossy), pa.string()))
        elif METADATA in schema.names:
            columns.append(self._array(metadata, schema.field(METADATA).type))
        kept = columns[3].to_pylist() if len(columns) > 3 else [{}] * len(batch)
        if self.metadata == "struct" and not new.lossy and kept != [dict(entry) for entry in metadata]:
            raise StoreError(
                f"{self.name}: documents have not all the same metadata fields",
                hint="keep it as JSON (metadata=json), or allow the loss (--lossy)",
            )
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _array(self, metadata: Any, kind: Any) -> Any:
        pa = load_pyarrow()
        try:
            return pa.array([dict(entry) for entry in metadata], kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            said = " ".join(str(error).split())[:100]
            raise StoreError(
                f"{self.name}: the metadata does not fit one struct ({said})", hint="keep it as JSON: metadata=json"
            ) from None

    def _json(self, ids: Any, metadata: Any, *, lossy: bool) -> list[str]:
        return [to_json(entry, id_=id_, name=self.name, lossy=lossy) for id_, entry in zip(ids, metadata, strict=True)]


def lancedb_target(rest: str, options: dict[str, str]) -> LanceTarget:
    """Return where ``lancedb:FOLDER?table=NAME&metadata=json`` would be written."""
    check_options(options, OPTIONS, scheme="lancedb")
    layout = options.get("metadata", "json")
    given = {name: value for name, value in options.items() if name not in ("metric", "table")}
    return LanceTarget(rest, options.get("table", _DEFAULTS.get(layout, "")), **given)
