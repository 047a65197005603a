"""Checks of arrays at the border: every message says what was found and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from ragdiag.errors import VectorsError
from ragdiag.types import Float32


def as_vectors(array: Any, *, what: str, dim: int | None = None) -> Float32:
    """Return `array` as a C-contiguous float32 matrix, or say why it is none.

    Parameters
    ----------
    array : array-like, shape (n, d)
        Any real numeric type.
    what : str
        How the array is called in an error, such as ``"./vectors.npy"``.
    dim : int, optional
        The dimension it must have.

    Returns
    -------
    ndarray of float32, shape (n, d)

    Raises
    ------
    VectorsError
        When it is not a real numeric matrix, is masked, has no columns, or has another dimension.

    Examples
    --------
    >>> as_vectors([[1, 2], [3, 4]], what="x").dtype
    dtype('float32')
    """
    if isinstance(array, np.ma.MaskedArray):
        raise VectorsError(f"{what} is a masked array", hint="leave its masked rows out, or call its filled method")
    try:
        matrix = np.asarray(array)
    except ValueError as error:
        raise VectorsError(f"{what} has rows of different lengths", hint="store vectors of one dimension") from error
    if matrix.dtype.kind not in "fiu":
        raise VectorsError(
            f"{what} holds {matrix.dtype} values, not numbers", hint="store one row of floats per vector"
        )
    if matrix.ndim != 2:
        raise VectorsError(
            f"{what} has shape {matrix.shape}, not (vectors, dimensions)", hint="store one vector per row"
        )
    if matrix.shape[1] == 0:
        raise VectorsError(f"{what} has vectors of dimension 0", hint="store one row of floats per vector")
    if dim is not None and matrix.shape[1] != dim:
        raise VectorsError(
            f"{what} has dimension {matrix.shape[1]} where the store has {dim}",
            hint="use the embedding model that filled the store",
        )
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, and inf is a finding
        return np.ascontiguousarray(matrix, dtype=np.float32)
