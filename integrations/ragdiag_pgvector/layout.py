"""The columns of a table that make a store, and their values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.types import Float32
from ragdiag_pgvector.catalogue import Column, Table, quoted

_NUMBERS: dict[str, np.dtype[Any]] = {"vector": np.dtype(">f4"), "halfvec": np.dtype(">f2")}
_HEADER = 4  # bytes before the numbers of a vector: their count, and two unused


@dataclass(frozen=True)
class Layout:
    """The columns of a table that make a store.

    Attributes
    ----------
    table : Table
    id, vector : Column
    text, metadata : str or None
        Columns; that of metadata holds JSON.
    others : tuple of str
        Further columns of metadata.
    collection : str or None
        The UUID of LangChain's collection, where the table holds many.
    """

    table: Table
    id: Column
    vector: Column
    text: str | None
    metadata: str | None
    others: tuple[str, ...] = ()
    collection: str | None = None

    @property
    def prefix(self) -> str:
        """What stands before ids that another collection has, in a collection that we wrote."""
        return f"{self.collection}:" if self.collection else ""

    @property
    def rows(self) -> str:
        """The rows that have a vector: ``FROM … WHERE …``."""
        return f"FROM {self.table.sql} t WHERE t.{quoted(self.vector.name)} IS NOT NULL AND {self.part}"

    @property
    def part(self) -> str:
        """The condition for rows of this store."""
        return "t.collection_id = %(collection)s::uuid" if self.collection else "true"

    @property
    def columns(self) -> str:
        """What is read of a row: its id, vector, text, JSON and further values, each as JSON."""
        return ", ".join(
            [
                f"t.{quoted(self.id.name)}::text",
                f"t.{quoted(self.vector.name)}",
                f"t.{quoted(self.text)}::text" if self.text else "NULL",
                f"t.{quoted(self.metadata)}::text" if self.metadata else "NULL",
                *(f"to_json(t.{quoted(name)})::text" for name in self.others),
            ]
        )

    def numbers(self, stored: Sequence[bytes], dim: int, name: str) -> Float32:
        """Return vectors as pgvector sends them, each a header of four bytes and its numbers, as shape (b, dim)."""
        kind = _NUMBERS[self.vector.kind]
        size = _HEADER + dim * kind.itemsize
        if any(len(one) != size for one in stored):
            raise StoreError(f"{name}: a vector is not of dimension {dim}", hint="was it added meanwhile?")
        raw = np.frombuffer(b"".join(stored), dtype=np.uint8).reshape(len(stored), size)
        numbers = np.ascontiguousarray(raw[:, _HEADER:]).view(kind)
        return np.asarray(numbers.reshape(len(stored), dim), dtype=np.float32)

    def fields(self, stored: str | None, others: Sequence[str | None]) -> Mapping[str, Any]:
        """Return the metadata of a row: the fields of its JSON, and the other columns under their names."""
        found = json.loads(stored) if stored else None
        fields = found if isinstance(found, dict) else {} if found is None else {self.metadata or "": found}
        values = (None if value is None else json.loads(value) for value in others)
        return {**fields, **dict(zip(self.others, values, strict=True))}


def packed(vectors: Float32) -> list[bytes]:
    """Return vectors as pgvector receives them.

    Examples
    --------
    >>> packed(np.array([[1.0, -2.0]], dtype=np.float32))[0].hex()
    '000200003f800000c0000000'
    """
    count, dim = vectors.shape
    rows = np.empty((count, _HEADER + 4 * dim), dtype=np.uint8)
    rows[:, :_HEADER] = np.array([dim, 0], dtype=">u2").view(np.uint8)
    rows[:, _HEADER:] = np.ascontiguousarray(vectors.astype(">f4")).view(np.uint8)
    return [row.tobytes() for row in rows]
