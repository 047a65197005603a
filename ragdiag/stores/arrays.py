"""Vectors in numpy's files: ``.npy``, and ``.npz`` with ids and texts beside them."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ragdiag.errors import StoreError
from ragdiag.stores.arrays_write import npy_target, npz_target
from ragdiag.stores.base import Opener
from ragdiag.stores.ids import NumberIds, Rows, TextIds
from ragdiag.stores.mapped import HeldMatrix, MappedMatrix
from ragdiag.stores.rows import RowStore, clean_text, pick
from ragdiag.stores.uri import as_metric, check_options, existing_path, without_credentials
from ragdiag.types import Float32, StoreInfo

Matrix = MappedMatrix | HeldMatrix


class NumpyFileStore(RowStore):
    """A matrix in a ``.npy`` or ``.npz`` file, with ids and texts when there are any.

    Parameters
    ----------
    matrix : MappedMatrix or HeldMatrix
        The vectors.
    name, kind : str
        How the store is called, and ``"npy"`` or ``"npz"``.
    metric : str, optional
        The similarity by which the vectors are meant to be ranked.
    ids, texts : sequence of str, optional
        One per row; the ids are row numbers when there are none.
    """

    def __init__(
        self,
        matrix: Matrix,
        *,
        name: str,
        kind: str,
        metric: str | None = None,
        ids: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
    ) -> None:
        count, dim = matrix.shape
        if texts is not None and len(texts) != count:
            raise StoreError(f"{name} has {count} vectors but {len(texts)} texts", hint="give one text per vector")
        info = StoreInfo(
            name=name, kind=kind, count=count, dim=dim, metric=as_metric(metric), has_texts=texts is not None
        )
        super().__init__(info, NumberIds(count) if ids is None else TextIds(ids, what=name))
        self._matrix = matrix
        self._all_texts = texts

    def _vectors(self, rows: Rows) -> Float32:
        return self._matrix.read(rows)

    def _texts(self, rows: Rows, ids: Sequence[str]) -> Sequence[str | None] | None:
        texts = pick(self._all_texts, rows)
        return None if texts is None else [clean_text(str(text)) for text in texts]


def open_npy(rest: str, options: dict[str, str]) -> NumpyFileStore:
    """Open ``npy:vectors.npy?metric=cosine``; the ids are row numbers."""
    check_options(options, ("metric",), scheme="npy")
    path = existing_path(rest)
    try:
        with open(path, "rb") as file:
            matrix = _matrix_at(file, path, end=os.path.getsize(path))
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})", hint="check its permissions") from None
    return NumpyFileStore(matrix, name=without_credentials(rest), kind="npy", metric=options.get("metric"))


def open_npz(rest: str, options: dict[str, str]) -> NumpyFileStore:
    """Open ``npz:vectors.npz?vector=vectors&id=ids&text=texts``."""
    check_options(options, ("metric", "vector", "id", "text"), scheme="npz")
    path = existing_path(rest)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name.removesuffix(".npy"): name for name in archive.namelist()}
            vector = _vector_member(path, archive, arrays, options.get("vector"))
            matrix = _member_matrix(path, archive.getinfo(vector), archive)
            ids = _strings(path, archive, arrays, options.get("id"), ("ids", "id"), numbers=True)
            texts = _strings(path, archive, arrays, options.get("text"), ("texts", "text"), numbers=False)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise StoreError(f"{path} cannot be read as .npz ({error})", hint="write it with numpy.savez") from None
    return NumpyFileStore(
        matrix,
        name=without_credentials(rest),
        kind="npz",
        metric=options.get("metric"),
        ids=ids,
        texts=texts,
    )


def _header(file: IO[bytes], what: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array; what follows in `file` are its numbers."""
    try:
        version = npy_format.read_magic(file)
        if version == (1, 0):
            return npy_format.read_array_header_1_0(file)
        if version == (2, 0):
            return npy_format.read_array_header_2_0(file)
    except Exception:  # the header is a Python literal: a damaged one fails in the tokenizer, or anywhere
        pass
    raise StoreError(f"{what} is not a numpy array file", hint="write it with numpy.save") from None


def _checked_shape(shape: tuple[int, ...], dtype: np.dtype[Any], what: str) -> tuple[int, int]:
    if dtype.kind not in "fiu":
        kind = "Python objects" if dtype.hasobject else f"{dtype} values"
        raise StoreError(f"{what} holds {kind}, not numbers", hint="store one row of floats per vector")
    if len(shape) != 2:
        raise StoreError(f"{what} has shape {shape}, not (vectors, dimensions)", hint="store one vector per row")
    if min(shape) < 1:
        raise StoreError(f"{what} holds no vectors, its shape is {shape}", hint="write at least two vectors")
    return shape[0], shape[1]


def _matrix_at(file: IO[bytes], what: str, *, end: int) -> MappedMatrix:
    """Return the matrix whose header starts where `file` stands, which has to fit before `end`."""
    shape, by_column, dtype = _header(file, what)
    rows, columns = _checked_shape(shape, dtype, what)
    offset = file.tell()
    missing = offset + rows * columns * dtype.itemsize - end
    if missing > 0:
        raise StoreError(f"{what} is truncated: {missing} bytes are missing", hint="write it again")
    return MappedMatrix(str(file.name), offset, (rows, columns), dtype, by_column)


def _vector_member(path: str, archive: zipfile.ZipFile, arrays: dict[str, str], asked: str | None) -> str:
    """Return the member that holds the vectors: the one asked for, ``vectors``, or the only matrix."""
    listed = ", ".join(arrays) or "nothing"
    if asked is not None:
        if asked not in arrays:
            raise StoreError(f"{path} has no array {asked!r}", hint=f"it holds {listed}")
        return arrays[asked]
    if "vectors" in arrays:
        return arrays["vectors"]
    matrices = []
    for name, member in arrays.items():
        with archive.open(member) as file:
            shape, _, dtype = _header(file, f"{path}[{name}]")
        if len(shape) == 2 and dtype.kind in "fiu":
            matrices.append(member)
    if len(matrices) != 1:
        raise StoreError(f"{path} holds {len(matrices)} matrices ({listed})", hint="name the vectors: ?vector=NAME")
    return matrices[0]


def _member_matrix(path: str, member: zipfile.ZipInfo, archive: zipfile.ZipFile) -> Matrix:
    """Return a member mapped where it lies in the archive, or loaded when it is compressed."""
    what = f"{path}[{member.filename.removesuffix('.npy')}]"
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        values = _load(archive, member.filename, what)
        _checked_shape(values.shape, values.dtype, what)
        return HeldMatrix(what, values)
    with archive.open(member) as inside:
        inside.read(1)  # zipfile checks the local header for us
    with open(path, "rb") as file:
        file.seek(member.header_offset + 26)
        lengths = np.frombuffer(file.read(4), "<u2")  # of the name and of the extra field
        start = member.header_offset + 30 + int(lengths.sum())
        file.seek(start)
        return _matrix_at(file, what, end=start + member.file_size)


def _load(archive: zipfile.ZipFile, member: str, what: str) -> NDArray[Any]:
    with archive.open(member) as file:
        try:
            values: NDArray[Any] = npy_format.read_array(file, allow_pickle=False)
        except (zipfile.BadZipFile, zlib.error, EOFError):  # the archive's fault, told by the caller
            raise
        except Exception as error:
            raise StoreError(f"{what} cannot be read ({error})", hint="write it with numpy.savez") from None
    return values


def _strings(
    path: str,
    archive: zipfile.ZipFile,
    arrays: dict[str, str],
    asked: str | None,
    usual: tuple[str, ...],
    *,
    numbers: bool,
) -> list[str] | None:
    """Return an array of strings, or of whole numbers where these may serve; None when there is none."""
    name = asked if asked is not None else next((name for name in usual if name in arrays), None)
    if name is None:
        return None
    if name not in arrays:
        raise StoreError(f"{path} has no array {name!r}", hint=f"it holds {', '.join(arrays)}")
    what = f"{path}[{name}]"
    values = _load(archive, arrays[name], what)
    if values.ndim != 1 or values.dtype.kind not in ("Uiu" if numbers else "U"):
        raise StoreError(f"{what} has shape {values.shape} and type {values.dtype}", hint="store it as a list of str")
    return [str(value) for value in values.tolist()]


npy_opener = Opener(
    schemes=("npy",),
    suffixes=(".npy",),
    description="a numpy array file, one vector per row: npy:./vectors.npy?metric=cosine",
    open_uri=open_npy,
    target=npy_target,
)
npz_opener = Opener(
    schemes=("npz",),
    suffixes=(".npz",),
    description="a numpy archive with arrays vectors, ids, texts: npz:./vectors.npz?vector=vectors",
    open_uri=open_npz,
    target=npz_target,
)
