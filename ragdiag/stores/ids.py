"""The ids of documents: as text or as numbers, unique, found by row and by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.types import IntArray

Rows = slice | IntArray


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
