"""A faiss index file opened so that nothing in it can hurt: read without faiss, or by a child first."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from typing import Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores.child import run_in_child
from ragdiag.stores.faiss_rows import IndexRows, index_rows, load_faiss
from ragdiag.stores.mapped import MappedMatrix
from ragdiag.types import Float32, IntArray, Metric

_UNREADABLE = "could not be read as a faiss index (truncated or corrupt)"
_SAMPLE = 1000

# Flat index files, which are most of them: four letters, dimension, count, two unused numbers,
# trained or not, metric, number of floats; then the floats.
_FLAT = struct.Struct("<4siqqq?iQ")
_FLAT_KINDS = {b"IxF2": "IndexFlatL2", b"IxFI": "IndexFlatIP", b"IxFl": "IndexFlat"}
_FLAT_METRICS = {0: Metric.DOT, 1: Metric.L2}


def open_index_file(path: str) -> tuple[IndexRows, Any]:
    """Return the rows of an index file, and the object that must stay alive while they are read.

    Parameters
    ----------
    path : str
        As written by ``faiss.write_index``. It is mapped where faiss can do so, and another
        process reads it first: faiss trusts its files, and a hostile one can end the process.

    Raises
    ------
    StoreError
        When the file is truncated, corrupt or of a kind whose vectors cannot be read back.
    """
    flat = flat_rows(path)
    if flat is not None:
        return flat, None
    run_in_child(__name__, "examine", path, unreadable=_UNREADABLE, memory_factor=4)
    return load_index(path)


def flat_rows(path: str) -> IndexRows | None:
    """Return the rows of a flat index by its header, or None when the file is anything else."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            head = file.read(_FLAT.size)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})", hint="check its permissions") from None
    if len(head) < _FLAT.size:
        raise StoreError(f"{path} {_UNREADABLE}", hint="write it again")
    magic, dim, count, _, _, _, metric, floats = _FLAT.unpack(head)
    if magic not in _FLAT_KINDS or metric not in _FLAT_METRICS:
        return None
    if dim < 1 or count < 0 or floats != dim * count or size != _FLAT.size + 4 * floats:
        raise StoreError(f"{path} {_UNREADABLE}", hint="write it again")
    matrix = MappedMatrix(path, _FLAT.size, (count, dim), "<f4")
    return IndexRows(_FLAT_KINDS[magic], count, dim, _FLAT_METRICS[metric], matrix.read)


def flat_header(count: int, dim: int, metric: Metric) -> bytes:
    """Return what a flat index file starts with, as ``faiss.write_index`` writes it; the floats follow."""
    magic = b"IxFI" if metric is Metric.DOT else b"IxF2"
    number = next(number for number, known in _FLAT_METRICS.items() if known is metric)
    return _FLAT.pack(magic, dim, count, 1 << 20, 1 << 20, True, number, count * dim)


def load_index(path: str) -> tuple[IndexRows, Any]:
    """Read an index file with faiss in this process; see `open_index_file`."""
    faiss = load_faiss()
    mapped = getattr(faiss, "IO_FLAG_MMAP_IFC", 0)  # since faiss 1.11
    try:
        try:
            owner = faiss.read_index(path, mapped)
        except RuntimeError:  # some kinds cannot be mapped
            owner = faiss.read_index(path)
        rows = index_rows(owner)
    except StoreError as error:
        raise StoreError(f"{path}: {error.message}", hint=error.hint) from None
    except (RuntimeError, MemoryError, ValueError) as error:
        raise StoreError(f"{path} {_UNREADABLE}, says faiss: {_cause(error)}", hint="write it again") from None
    return _read_safely(rows), owner


def examine(path: str) -> int:
    """Read the index and some of its vectors, and return their number; runs in a child process."""
    rows, _owner = load_index(path)
    if rows.count:
        rows.read(np.unique(np.linspace(0, rows.count - 1, _SAMPLE).astype(np.int64)))
    return rows.count


def _read_safely(rows: IndexRows) -> IndexRows:
    """Return the rows with what faiss raises while it decodes them as a `StoreError`."""

    def read(numbers: IntArray) -> Float32:
        try:
            return rows.read(numbers)
        except RuntimeError as error:
            raise StoreError(f"a {rows.kind} could not be read back ({_cause(error)})") from None

    return replace(rows, read=read)


def _cause(error: Exception) -> str:
    """Return what faiss says of an error, without the place in its source and the failed expression."""
    text = " ".join(str(error).split())
    return text.rpartition(": ")[2][:120] or type(error).__name__
