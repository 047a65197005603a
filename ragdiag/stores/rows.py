"""Stores whose vectors can be read by row number: what scan and fetch have in common there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from ragdiag.errors import ConfigError, StoreError
from ragdiag.stores.base import WHOLE
from ragdiag.stores.ids import Ids, Rows, unknown_id
from ragdiag.types import Batch, Float32, IntArray, Shard, StoreInfo

Metadata = Sequence[Mapping[str, Any]]


def checked_batch_size(batch_size: int) -> int:
    """Return `batch_size`, or say that it is not a positive number."""
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}", hint="give 1 or more")
    return int(batch_size)


def shard_bounds(count: int, shard: Shard) -> tuple[int, int]:
    """Return the first row of a shard and the one after its last.

    Examples
    --------
    >>> [shard_bounds(10, Shard(i, 3)) for i in range(3)]
    [(0, 3), (3, 6), (6, 10)]
    """
    if not 0 <= shard.index < shard.count:
        raise ConfigError(f"there is no shard {shard.index} of {shard.count}", hint="index < count, from 0")
    return count * shard.index // shard.count, count * (shard.index + 1) // shard.count


def sampled_rows(count: int, size: int, rng: np.random.Generator) -> IntArray:
    """Draw rows uniformly without replacement: all of them where `size` is not smaller; ascending.

    Examples
    --------
    >>> sampled_rows(3, 5, np.random.default_rng(0)).tolist()
    [0, 1, 2]
    """
    if size >= count:
        return np.arange(count)
    return np.sort(rng.choice(count, size=size, replace=False, shuffle=False))


def every(batches: Iterator[Batch], shard: Shard) -> Iterator[Batch]:
    """Yield one shard of a scan that cannot begin in the middle: it is read whole, and its rows dealt in turn."""
    first = 0
    for batch in batches:
        rows = np.arange(-(first - shard.index) % shard.count, len(batch), shard.count)
        first += len(batch)
        if len(rows):
            yield taken(batch, rows)


def taken(batch: Batch, rows: IntArray) -> Batch:
    """Return these rows of a batch."""
    return Batch(pick(batch.ids, rows), batch.vectors[rows], pick(batch.texts, rows), pick(batch.metadata, rows))


def in_order(found: Batch, ids: Sequence[str], name: str) -> Batch:
    """Return documents that an engine found, each once, in the order of the ids asked for.

    Parameters
    ----------
    found : Batch
    ids : sequence of str
        May name a document twice.
    name : str
        Of the store, for the `StoreError` when one was not found.
    """
    row = {id_: at for at, id_ in enumerate(found.ids)}
    for id_ in ids:
        if id_ not in row:
            raise unknown_id(name, id_)
    return taken(found, np.array([row[id_] for id_ in ids], dtype=np.int64))


def joined(batches: Sequence[Batch], info: StoreInfo) -> Batch:
    """Return batches of one store as one."""
    return Batch(
        [id_ for batch in batches for id_ in batch.ids],
        np.concatenate([np.empty((0, info.dim), dtype=np.float32), *(batch.vectors for batch in batches)]),
        [text for batch in batches for text in batch.texts or ()] if info.has_texts else None,
        [one for batch in batches for one in batch.metadata or ()] if info.has_metadata else None,
    )


def clean_text(text: str | None) -> str | None:
    """Return text that can be written as UTF-8: half a surrogate pair becomes the replacement character."""
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class ScannedStore:
    """What a store can do that can be scanned and stays as it was when it was opened; adapters do it better.

    Subclasses set `_info`.
    """

    _info: StoreInfo

    @property
    def info(self) -> StoreInfo:
        """What is known of the store; frozen when it was opened."""
        return self._info

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._info.name}: {self._info.count} × {self._info.dim}>"

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield all documents of one shard; to be given by the subclass."""
        raise NotImplementedError

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return documents drawn uniformly without replacement, in scan order: by one scan."""
        rows, first = sampled_rows(self.count(), size, rng), 0
        parts: list[Batch] = []
        for batch in self.scan():
            inside = rows[(rows >= first) & (rows < first + len(batch))] - first
            first += len(batch)
            parts.append(taken(batch, inside))
        return joined(parts, self.info)

    def count(self) -> int:
        """Return how many documents there are: as many as when the store was opened."""
        return self.info.count

    def close(self) -> None:
        """Do nothing: what is in memory, or mapped, is released with the last reference to it."""


class RowStore(ScannedStore):
    """A `VectorStore` over rows that can be read in any order; subclasses say how.

    Parameters
    ----------
    info : StoreInfo
        Its `count` is the number of rows.
    ids : Ids
        As many as rows.
    """

    def __init__(self, info: StoreInfo, ids: Ids) -> None:
        if len(ids) != info.count:
            raise StoreError(f"{info.name} has {info.count} vectors but {len(ids)} ids", hint="give one id per vector")
        self._info = info
        self._ids = ids

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the rows of one contiguous shard in order, at most `batch_size` at a time."""
        step = checked_batch_size(batch_size)
        start, stop = shard_bounds(self._info.count, shard)
        return (self._batch(slice(row, min(row + step, stop))) for row in range(start, stop, step))

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order; an unknown id is a `StoreError`."""
        rows = np.empty(len(ids), dtype=np.int64)
        for at, id_ in enumerate(ids):
            row = self._ids.row(id_)
            if row is None:
                raise unknown_id(self._info.name, id_)
            rows[at] = row
        return self._batch(rows)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return rows drawn uniformly without replacement, in their order."""
        return self._batch(sampled_rows(self._info.count, size, rng))

    def _batch(self, rows: Rows) -> Batch:
        ids = self._ids.at(rows)
        return Batch(ids, self._vectors(rows), self._texts(rows, ids), self._metadata(rows, ids))

    def _vectors(self, rows: Rows) -> Float32:
        raise NotImplementedError

    def _texts(self, rows: Rows, ids: Sequence[str]) -> Sequence[str | None] | None:
        return None

    def _metadata(self, rows: Rows, ids: Sequence[str]) -> Metadata | None:
        return None


@overload
def pick(values: None, rows: Rows) -> None: ...
@overload
def pick(values: Sequence[Any], rows: Rows) -> list[Any]: ...
def pick(values: Sequence[Any] | None, rows: Rows) -> list[Any] | None:
    """Return the entries of a sequence at these rows; None stays None."""
    if values is None:
        return None
    return list(values[rows]) if isinstance(rows, slice) else [values[row] for row in rows.tolist()]
