"""Lengths and directions of vectors, in float64 where it matters."""

from __future__ import annotations

import numpy as np

from ragdiag.types import Float32


def unit(X: Float32) -> Float32:
    """Scale each row to length one; zero rows stay zero.

    Lengths are taken in float64, so that tiny and huge vectors keep their direction.

    Examples
    --------
    >>> unit(np.array([[3, 4], [0, 0]], dtype=np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    norms = row_norms(X)
    return (X / np.where(norms == 0, 1.0, norms)[:, None]).astype(np.float32)


def row_norms(X: Float32) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the length of each row, shape (n,), in float64."""
    norms: np.ndarray[tuple[int], np.dtype[np.float64]] = np.sqrt(
        np.einsum("ij,ij->i", X, X, dtype=np.float64, casting="unsafe")
    )
    return norms
