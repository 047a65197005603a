"""Worlds with known answers: random vectors whose geometry can be written down.

Every generator takes a `numpy.random.Generator` first and returns float32 vectors, shape (n, d).
Nothing else is random: the same generator state gives the same world.
"""

from __future__ import annotations

import numpy as np

from ragdiag.types import Float32
from ragdiag.vectors import unit


def isotropic(rng: np.random.Generator, n: int, dim: int) -> Float32:
    """Return directions that are uniform on the unit sphere.

    Known answers: mean cosine 0, participation ratio `dim`, uniformity
    `ragdiag.geometry.uniformity.sphere(dim)`, W₂ uniformity 0.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, dim : int
        Vectors, and their dimension.

    Returns
    -------
    ndarray of float32, shape (n, dim)
        At unit length.

    Examples
    --------
    >>> X = isotropic(np.random.default_rng(0), 1000, 8)
    >>> bool(np.allclose(np.linalg.norm(X, axis=1), 1)), bool(np.linalg.norm(X.mean(axis=0)) < 0.1)
    (True, True)
    """
    return unit(normal(rng, n, dim))


def cone(rng: np.random.Generator, n: int, dim: int, rho: float) -> Float32:
    """Return directions at one angle to the first axis, uniform around it.

    Known answers: mean cosine `rho`, exactly; uniformity −4(1 − ρ) + log ₀F₁(; (d − 1)/2; 4(1 − ρ)²);
    participation ratio `dim` − 1, since the axis itself does not vary.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, dim : int
        Vectors, and their dimension (at least 2).
    rho : float
        Expected cosine of two different vectors, 0 … 1.

    Returns
    -------
    ndarray of float32, shape (n, dim)
        At unit length.

    Examples
    --------
    >>> X = cone(np.random.default_rng(0), 1000, 8, rho=0.25)
    >>> bool(np.allclose(X[:, 0], 0.5)), bool(np.allclose(np.linalg.norm(X, axis=1), 1))
    (True, True)
    """
    X = np.empty((n, dim), dtype=np.float32)
    X[:, 0] = np.sqrt(rho)
    X[:, 1:] = np.sqrt(1 - rho) * isotropic(rng, n, dim - 1)
    return X


def offset_normal(rng: np.random.Generator, n: int, dim: int, rho: float) -> Float32:
    """Return normal vectors around a common mean: a cone whose directions scatter as those of models do.

    Known answers: the mean is √ρ along the first axis, the covariance (1 − ρ)/d times the identity. The
    mean cosine is near `rho`, but not equal to it, since lengths vary.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, dim : int
        Vectors, and their dimension.
    rho : float
        Share of the mean in the expected squared length (which is 1), 0 … 1.

    Returns
    -------
    ndarray of float32, shape (n, dim)
        Not at unit length.

    Examples
    --------
    >>> X = offset_normal(np.random.default_rng(0), 20_000, 8, rho=0.25)
    >>> round(float(X[:, 0].mean()), 1), round(float(np.mean(np.sum(X**2, axis=1))), 1)
    (0.5, 1.0)
    """
    X = normal(rng, n, dim) * np.float32(np.sqrt((1 - rho) / dim))
    X[:, 0] += np.float32(np.sqrt(rho))
    return X


def low_rank(rng: np.random.Generator, n: int, dim: int, k: int) -> Float32:
    """Return normal vectors that live in the first `k` of `dim` dimensions: a dimensional collapse.

    Known answers: participation ratio `k`, IsoScore (k − 1)/(d − 1); at unit length uniformity
    `sphere(k)` and W₂ uniformity √(2 − 2√(k/d)), both up to sampling.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, dim : int
        Vectors, and their dimension.
    k : int
        Live dimensions, 1 … `dim`.

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Examples
    --------
    >>> X = low_rank(np.random.default_rng(0), 100, 8, k=3)
    >>> int(np.linalg.matrix_rank(X)), bool(np.all(X[:, 3:] == 0))
    (3, True)
    """
    X = np.zeros((n, dim), dtype=np.float32)
    X[:, :k] = normal(rng, n, k)
    return X


def decaying(rng: np.random.Generator, n: int, dim: int, exponent: float = 1.0) -> Float32:
    """Return normal vectors with variance i^−α along axis i = 1 … d: the spectrum of many trained models.

    Known answers: α-ReQ `exponent`, participation ratio (Σi^−α)²/Σi^−2α.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, dim : int
        Vectors, and their dimension.
    exponent : float
        α; 0 is isotropic.

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Examples
    --------
    >>> X = decaying(np.random.default_rng(0), 20_000, 4)
    >>> np.round(X.var(axis=0), 1).tolist() == np.float32([1, 0.5, 0.3, 0.2]).tolist()
    True
    """
    scale = np.arange(1, dim + 1, dtype=np.float64) ** (-exponent / 2)
    return normal(rng, n, dim) * scale.astype(np.float32)


def spiked(rng: np.random.Generator, n: int, dim: int, variance: float) -> Float32:
    """Return normal vectors with variance `variance` along the first axis and 1 along the others.

    Known answer: participation ratio (x + d − 1)²/(x² + d − 1) for x = `variance`.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, dim : int
        Vectors, and their dimension.
    variance : float
        Of the first coordinate.

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Examples
    --------
    >>> X = spiked(np.random.default_rng(0), 50_000, 3, variance=9.0)
    >>> np.round(X.std(axis=0)).tolist()
    [3.0, 1.0, 1.0]
    """
    X = normal(rng, n, dim)
    X[:, 0] *= np.float32(np.sqrt(variance))
    return X


def clustered(rng: np.random.Generator, n: int, centres: Float32, spread: float) -> Float32:
    """Return an even mixture of normal clusters: documents on a few topics.

    Known answers: the mean is that of the centres, the covariance that of the centres (divided by their
    number) plus σ²/d times the identity, for σ = `spread`.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        Vectors.
    centres : ndarray of float32, shape (c, d)
        Such as ``isotropic(rng, 20, dim)``; they belong to the law, hence are no random part of it.
    spread : float
        Expected distance from the centre, as the root of the mean square.

    Returns
    -------
    ndarray of float32, shape (n, d)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = clustered(rng, 1000, np.eye(2, dtype=np.float32), spread=0.1)
    >>> near = np.minimum(np.linalg.norm(X - [1, 0], axis=1), np.linalg.norm(X - [0, 1], axis=1))
    >>> round(float(np.sqrt(np.mean(near**2))), 2)
    0.1
    """
    dim = centres.shape[1]
    topic = rng.integers(len(centres), size=n)
    return centres[topic] + normal(rng, n, dim) * np.float32(spread / np.sqrt(dim))


def normal(rng: np.random.Generator, n: int, dim: int) -> Float32:
    """Return standard normal vectors: under L2 a world of hubs, under cosine one without.

    Known answers (n = 10⁴, k = 5, L2, every document a query): skewness of N_k about .11, 2.18 and
    above 4 for `dim` = 3, 20 and 100.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, dim : int
        Vectors, and their dimension.

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Examples
    --------
    >>> normal(np.random.default_rng(0), 2, 3).shape
    (2, 3)
    """
    return rng.standard_normal((n, dim), dtype=np.float32)
