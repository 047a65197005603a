"""Stores whose vectors can be read by row number: what scan and fetch have in common there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, overload

import numpy as np

from ragdiag.errors import ConfigError, StoreError
from ragdiag.stores.base import WHOLE
from ragdiag.types import Batch, Float32, IntArray, Shard, StoreInfo

Rows = slice | IntArray
Metadata = Sequence[Mapping[str, Any]]


class Ids(Protocol):
    """The ids of a store, row by row; a large store need not hold them as Python strings."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def at(self, rows: Rows) -> list[str]:
        """Return the ids of these rows."""
        ...

    def row(self, id_: str) -> int | None:
        """Return the row of this id, or None when there is no such id."""
        ...


class NumberIds:
    """Ids that are numbers: the labels of an index, or the row numbers when it has none."""

    def __init__(self, count: int, labels: IntArray | None = None) -> None:
        self._count = count
        self._labels = labels
        self._order = np.argsort(labels, kind="stable") if labels is not None else None

    def __len__(self) -> int:
        return self._count

    def at(self, rows: Rows) -> list[str]:
        """Return the numbers of these rows as text."""
        if self._labels is not None:
            numbers = self._labels[rows]
        else:
            numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        return [str(number) for number in numbers.tolist()]

    def row(self, id_: str) -> int | None:
        """Return the row of a number written as `at` writes it."""
        if not isinstance(id_, str) or len(id_) > 20 or not id_.removeprefix("-").isdecimal():
            return None
        number = int(id_)
        if str(number) != id_ or not -(2**63) <= number < 2**63:
            return None
        if self._labels is None or self._order is None:
            return number if 0 <= number < self._count else None
        at = int(np.searchsorted(self._labels, number, sorter=self._order))
        if at == self._count or self._labels[self._order[at]] != number:
            return None
        return int(self._order[at])


class TextIds:
    """Ids that were given, one unique string per row.

    Raises
    ------
    StoreError
        When an id is no string or is there twice.
    """

    def __init__(self, ids: Sequence[str], *, what: str) -> None:
        self._ids = list(ids)
        self._rows: dict[str, int] = {}
        repeats = 0
        example = ""
        for row, id_ in enumerate(self._ids):
            if not isinstance(id_, str):
                raise StoreError(
                    f"{what}: the id of row {row} is {type(id_).__name__}, not str",
                    hint="give ids as strings",
                )
            if self._rows.setdefault(id_, row) != row:
                repeats += 1
                example = example or id_
        if repeats:
            raise duplicate_ids(what, example, repeats)

    def __len__(self) -> int:
        return len(self._ids)

    def at(self, rows: Rows) -> list[str]:
        """Return the ids of these rows."""
        return self._ids[rows] if isinstance(rows, slice) else [self._ids[row] for row in rows.tolist()]

    def row(self, id_: str) -> int | None:
        """Return the row of this id."""
        return self._rows.get(id_)


def duplicate_ids(what: str, example: str, repeats: int) -> StoreError:
    """Return the error for ids that are not unique."""
    rows = "1 row repeats" if repeats == 1 else f"{repeats} rows repeat"
    return StoreError(f"{what}: {rows} an id that another row has, such as {example!r}", hint="ids must be unique")


def unknown_id(what: str, id_: object) -> StoreError:
    """Return the error for an id that a store does not hold."""
    return StoreError(f"{what} holds no document with id {id_!r}", hint="ids are those that scan yields")


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
    """What a store can do that can be scanned and stays as it was when it was opened; adapters do it better."""

    @property
    def info(self) -> StoreInfo:
        """What is known of the store."""
        raise NotImplementedError

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

    @property
    def info(self) -> StoreInfo:
        """What is known of the store; frozen when it was opened."""
        return self._info

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

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._info.name}: {self._info.count} × {self._info.dim}>"

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
