"""A matrix inside a file, read a piece at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ragdiag.checks import as_vectors
from ragdiag.errors import StoreError
from ragdiag.stores.ids import Rows
from ragdiag.types import Float32


@dataclass(frozen=True)
class MappedMatrix:
    """Where a matrix lies in a file, and how to read rows of it.

    The file is mapped anew for every read and let go afterwards: pages of a map that stays open
    would add up to the size of the file, and a map does not travel to another process.

    Attributes
    ----------
    path : str
        The file.
    offset : int
        Of the first number, in bytes.
    shape : tuple of int
        Rows and columns.
    dtype : dtype
        Of the numbers.
    by_column : bool
        Whether the numbers of one column lie side by side (Fortran order).
    """

    path: str
    offset: int
    shape: tuple[int, int]
    dtype: DTypeLike
    by_column: bool = False

    def read(self, rows: Rows) -> Float32:
        """Return these rows as float32, in memory of their own.

        Raises
        ------
        StoreError
            When the file has become too short since it was opened.
        """
        offset, shape = self.offset, self.shape
        if isinstance(rows, slice) and not self.by_column:
            offset += rows.start * shape[1] * np.dtype(self.dtype).itemsize
            shape, rows = (rows.stop - rows.start, shape[1]), slice(None)
        try:
            mapped = np.memmap(self.path, self.dtype, "r", offset, shape, "F" if self.by_column else "C")
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path} changed while it was read", hint="open it again") from error
        picked = np.array(mapped[rows])
        return as_vectors(picked, what=self.path)


@dataclass(frozen=True)
class HeldMatrix:
    """A matrix that had to be loaded, read as if it were mapped."""

    path: str
    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.values.shape[0], self.values.shape[1]

    def read(self, rows: Rows) -> Float32:
        """Return these rows as float32, in memory of their own."""
        return as_vectors(np.array(self.values[rows]), what=self.path)
