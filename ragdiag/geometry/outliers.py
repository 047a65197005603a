"""Documents far from all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ragdiag.geometry.intervals import wilson
from ragdiag.types import Float64, Measure

FAR = 5.0  # robust z of the log distance: 3e-7 of a normal law


def robust_z(distances: Float64) -> Float64:
    """Return (log r − median)/(1.4826·MAD) of neighbour distances, shape (m,); all 0 where the MAD is 0.

    The logarithm makes the law of distances nearly symmetric; zero distances read −inf.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(distances)
    finite = logs[np.isfinite(logs)]
    if len(finite) == 0:
        return np.zeros(len(distances))
    median = float(np.median(finite))
    mad = 1.4826 * float(np.median(np.abs(finite - median)))
    return (logs - median) / mad if mad > 0 else np.zeros(len(distances))


def far_share(distances: Float64) -> tuple[Measure, NDArray[np.bool_]]:
    """Share of documents whose k-th neighbour is farther than robust z 5, and which they are.

    Parameters
    ----------
    distances : ndarray, shape (m,)
        Euclidean distance between directions, to the k-th neighbour.

    Returns
    -------
    Measure
        Null 3e-7, the share of a normal law.
    ndarray of bool, shape (m,)
    """
    far = robust_z(distances) > FAR
    return wilson(int(far.sum()), len(distances), null=2.87e-7), far
