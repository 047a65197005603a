"""Write ``.npy``, which keeps vectors alone, and ``.npz``, which keeps ids and texts beside them."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, ClassVar

import numpy as np
from numpy.lib import format as npy_format

from ragdiag.errors import StoreError
from ragdiag.stores.base import IDS, TEXTS, NewStore
from ragdiag.stores.path_target import PathTarget
from ragdiag.stores.uri import check_options
from ragdiag.types import Batch

# numpy pads every string to the longest; over this size that has to be worth it.
_PADDED = 1 << 30
_MOST_PADDING = 20
_BLOCK = 1024


class NpyTarget(PathTarget):
    """A new ``.npy`` file: float32, one row per document. Ids that are not row numbers cannot be kept."""

    keeps: ClassVar[frozenset[str]] = frozenset()

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        write_matrix(draft, (batch for batch in batches), new.dim)


@dataclass(frozen=True)
class NpzTarget(PathTarget):
    """A new ``.npz`` archive, not compressed, so that its vectors can be mapped.

    The arrays are called ``vectors``, ``ids`` and ``texts``, or as the options of the URI say.
    Without a single text there is no array of texts unless it is named; a missing text is empty. All ids
    and texts are held in memory until the end. numpy pads each to the longest, at 4 bytes a
    character: for long texts Parquet is the better place.
    """

    vector: str = "vectors"
    id: str = "ids"
    text: str | None = None
    keeps: ClassVar[frozenset[str]] = frozenset({IDS, TEXTS})

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        ids: list[str] = []
        texts: list[str] = []

        def noted() -> Iterator[Batch]:
            for batch in batches:
                ids.extend(batch.ids)
                texts.extend(text or "" for text in batch.texts or [None] * len(batch))
                yield batch

        # A member says first how long it is, so the vectors take the way over a file of their own.
        vectors = f"{draft}.vectors"
        write_matrix(vectors, noted(), new.dim)
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
            with open(vectors, "rb") as source, _member(archive, self.vector, os.path.getsize(vectors)) as member:
                shutil.copyfileobj(source, member, 1 << 20)
            _write_strings(archive, self.id, ids, store=self.name)
            if self.text is not None or any(texts):
                _write_strings(archive, self.text or "texts", texts, store=self.name)
        os.unlink(vectors)


def write_matrix(path: str, batches: Iterator[Batch], dim: int) -> int:
    """Write the vectors of all batches to a ``.npy`` file, a batch at a time, and return their number.

    The header, which says how many there are, comes last: until then the file is no array.
    """
    count = 0
    room = len(_header((0, dim), "<f4"))
    with open(path, "wb") as file:
        file.write(bytes(room))
        for batch in batches:
            file.write(batch.vectors.astype("<f4", copy=False).tobytes())
            count += len(batch)
        header = _header((count, dim), "<f4")
        assert len(header) == room, "numpy pads its headers, so that an array can grow"
        file.seek(0)
        file.write(header)
    return count


def _header(shape: tuple[int, ...], dtype: str) -> bytes:
    head = io.BytesIO()
    npy_format.write_array_header_1_0(head, {"descr": dtype, "fortran_order": False, "shape": shape})
    return head.getvalue()


def _member(archive: zipfile.ZipFile, name: str, size: int) -> IO[bytes]:
    """Open a new member of an archive; it has no date and no owner, for the same bytes each time."""
    entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    entry.file_size = size
    return archive.open(entry, "w")


def _write_strings(archive: zipfile.ZipFile, name: str, values: Sequence[str], *, store: str) -> None:
    ended = next((value for value in values if value.endswith("\0")), None)
    if ended is not None:
        raise StoreError(f"{store}: numpy drops the NUL at the end of {ended[-40:]!r}", hint="write .parquet")
    longest = max(1, *map(len, values))
    padded = 4 * longest * len(values)
    if padded > _PADDED and padded > _MOST_PADDING * 4 * sum(map(len, values)):
        raise StoreError(
            f"{store}: numpy pads all {name} to the longest, to {padded / 1e9:.0f} GB in all", hint="write .parquet"
        )
    dtype = f"<U{longest}"
    header = _header((len(values),), dtype)
    with _member(archive, name, len(header) + padded) as member:
        member.write(header)
        for start in range(0, len(values), _BLOCK):
            member.write(np.array(values[start : start + _BLOCK], dtype=dtype).tobytes())


def npy_target(rest: str, options: dict[str, str]) -> NpyTarget:
    """Return where ``npy:vectors.npy`` would be written."""
    check_options(options, ("metric",), scheme="npy")
    return NpyTarget(rest)


def npz_target(rest: str, options: dict[str, str]) -> NpzTarget:
    """Return where ``npz:vectors.npz?vector=vectors&id=ids&text=texts`` would be written."""
    check_options(options, ("metric", "vector", "id", "text"), scheme="npz")
    return NpzTarget(rest, **{name: value for name, value in options.items() if name != "metric"})
