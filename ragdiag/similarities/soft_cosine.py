"""Cosine under a given matrix of how coordinates resemble each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.affine import Affine
from ragdiag.similarities.base import Training
from ragdiag.types import Float64, FloatArray

ROUNDING = 1e-6  # of the largest entry or eigenvalue: what float32 leaves of symmetry, and of an eigenvalue 0


@dataclass(frozen=True)
class SoftCosine:
    """``qᵀSd / (√(qᵀSq) √(dᵀSd))``: the cosine of ``Aᵀx`` for ``AAᵀ = S``.

    S says how much coordinate i resembles coordinate j: the terms of a bag of words, say. The identity gives the
    cosine. Nothing is learnt from the vectors.
    Source: Sidorov et al. 2014, Soft similarity and soft cosine measure, Computación y Sistemas 18(3).

    Parameters
    ----------
    matrix : str
        A ``.npy`` file with S: numbers, shape (d, d), symmetric, no eigenvalue below 0. Read when the similarity is
        fitted; once saved, it needs the file no more.

    Examples
    --------
    >>> SoftCosine("terms.npy").matrix
    'terms.npy'
    """

    matrix: str

    kind: ClassVar[str] = "soft-cosine"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False
    uses_queries: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.matrix, str) or not self.matrix or ("'" in self.matrix and '"' in self.matrix):
            raise SimilarityError(f"soft-cosine has matrix={self.matrix}", hint="give the path of a .npy file")

    def fit(self, training: Training) -> Affine:
        """Read the matrix and factor it."""
        S, dim = self._read(), training.dim
        if S.shape != (dim, dim):
            raise SimilarityError(
                f"the matrix {self.matrix!r} has shape {S.shape}, the vectors have {dim} dimensions",
                hint=f"give a matrix of shape {(dim, dim)}",
            )
        if not np.isfinite(S).all() or np.abs(S - S.T).max() > ROUNDING * np.abs(S).max():
            raise SimilarityError(
                f"the matrix {self.matrix!r} is not finite and symmetric", hint="coordinate i resembles j as j does i"
            )
        values, axes = np.linalg.eigh((S + S.T) / 2)
        if values[-1] <= 0 or values[0] < -ROUNDING * values[-1]:
            raise SimilarityError(
                f"the matrix {self.matrix!r} has the eigenvalue {values[0]:.3g}, and is no inner product",
                hint="all eigenvalues have to be 0 or above, and one above",
            )
        alive = values > ROUNDING * values[-1]
        # A factor common to all changes no cosine.
        A = axes[:, alive] * np.sqrt(values[alive] / values[-1])
        return Affine(np.zeros(dim), np.zeros(dim), A)

    def _read(self) -> Float64:
        path = Path(self.matrix)
        try:
            # Mapped, so that a header which promises too much is noticed before memory is asked for.
            S = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SimilarityError(
                f"the matrix {self.matrix!r} cannot be read: {error}", hint="write it with numpy.save"
            ) from error
        if not isinstance(S, np.ndarray):
            S.close()
            raise SimilarityError(f"the matrix {self.matrix!r} is an archive", hint="save one array, as .npy")
        if S.ndim != 2 or S.dtype.kind not in "fiu":
            raise SimilarityError(f"the matrix {self.matrix!r} is no square table of numbers", hint="save a 2-d array")
        return np.array(S, dtype=np.float64)

    def restore(self, arrays: Mapping[str, FloatArray]) -> Affine:
        """Rebuild the map; the file is not needed."""
        return Affine.of(arrays)
