"""The spectrum of a store, beside that of vectors without any order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import eigsh

from ragdiag.geometry import isotropic
from ragdiag.geometry.spectrum import Spectrum
from ragdiag.statistics.moments import Moments
from ragdiag.types import Float64, IntArray

SHOWN = 300  # eigenvalues, evenly over the logarithm of their rank


@dataclass(frozen=True)
class SpectrumPicture:
    """Eigenvalues of the covariance of the directions, as shares of their sum, largest first.

    Attributes
    ----------
    ranks : ndarray of int64, shape (r,)
        From 1; all of them up to 300 dimensions.
    shares : ndarray of float64, shape (r,)
    isotropic : ndarray of float64, shape (r,)
        The same of isotropic vectors of the same n and d, mean of simulated draws.
    edge : float
        Upper edge of the Marchenko–Pastur law, (1 + √(d/n))²/d.
    uncentred : float
        Largest eigenvalue of the uncentred second moment, as a share of its trace.
    floor : float
        ‖mean direction‖² = (1 + (n − 1)ρ̄)/n, which `uncentred` cannot be below (Rayleigh's quotient along the
        mean): the mean cosine ρ̄ alone holds that much. Where all cosines are positive n times this bounds the
        largest eigenvalue of the Gram matrix from above (Gao et al. 2021, arXiv:2104.08821, after Merikoski 1984).
    n, dim : int
    refusal : str
        Why single eigenvalues mean nothing here; "" when they do.
    """

    ranks: IntArray
    shares: Float64
    isotropic: Float64
    edge: float
    uncentred: float
    floor: float
    n: int
    dim: int
    refusal: str


def spectrum_picture(shape: Spectrum, moments: Moments) -> SpectrumPicture | None:
    """Return the spectrum of the unit vectors behind `moments`; None where all are equal, or in one dimension."""
    n, d = shape.n, shape.dim
    if shape.trace <= 0 or d < 2 or n < 3:
        return None
    ranks = np.arange(1, d + 1)
    if d > SHOWN:
        ranks = np.unique(np.geomspace(1, d, SHOWN).round().astype(np.int64))
    null = np.mean(isotropic.eigenvalues(n, d), axis=0)
    second = moments.gram / moments.n
    # A mean may be 0 exactly, where nothing starts; its length is below 1, so that with an axis added it never is.
    start = moments.mean + shape.basis[:, 0]
    top = eigsh(second, k=1, v0=start, return_eigenvectors=False)[0] if d > 2 else np.linalg.eigvalsh(second)[-1]
    return SpectrumPicture(
        ranks=ranks.astype(np.int64),
        shares=shape.eigenvalues[ranks - 1] / shape.trace,
        isotropic=null[ranks - 1],
        edge=(1 + math.sqrt(d / n)) ** 2 / d,
        uncentred=float(top / np.trace(second)),
        floor=float(moments.mean @ moments.mean),
        n=n,
        dim=d,
        refusal=shape.refusal,
    )
