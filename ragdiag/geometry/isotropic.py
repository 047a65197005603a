"""What isotropic vectors give at the same n and d: the nulls of measures that sampling bends.

Each is an integral over the law of isotropic stores, taken by a few draws or by quadrature. It depends on the sizes
alone: the draws have a fixed seed, as the nodes of a quadrature have fixed places, and are kept.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import stats
from scipy.linalg import eigvalsh_tridiagonal

from ragdiag.types import Float32, Float64

_PAIRS = 1_000_000  # documents drawn for `axis_scaling`, over all queries


def _rng(*sizes: int) -> np.random.Generator:
    return np.random.default_rng(sizes)


@lru_cache(maxsize=16)
def eigenvalues(n: int, d: int) -> tuple[Float64, ...]:
    """Return draws of the eigenvalues of the covariance of n isotropic vectors, largest first; they add up to 1.

    They are those of a Wishart matrix, which a bidiagonal matrix of chi variables has exactly, at O(d²) instead of
    O(nd² + d³). Source: Dumitriu & Edelman 2002, arXiv:math-ph/0206043.

    Examples
    --------
    >>> drawn = eigenvalues(400, 100)[0]
    >>> bool(abs(drawn[0] * 100 - (1 + (100 / 400) ** 0.5) ** 2) < 0.15)
    True
    """
    rng = _rng(n, d, 1)
    large, small = max(n - 1, d), min(n - 1, d)
    found = []
    for _ in range(int(np.clip(3_000_000 // d**2, 5, 40))):
        squares = rng.chisquare(large - np.arange(small))
        below = rng.chisquare(small - 1 - np.arange(small - 1))
        diagonal = squares + np.concatenate([[0.0], below])
        values = eigvalsh_tridiagonal(diagonal, np.sqrt(squares[:-1] * below), lapack_driver="stev")[::-1]
        padded = np.concatenate([values.clip(min=0.0), np.zeros(d - small)])
        found.append(padded / padded.sum())
    return tuple(found)


def principal_scores(n: int, d: int, kept: int, *, draws: int) -> list[Float64]:
    """Return draws of n isotropic vectors in their first `kept` principal coordinates, shape (n, kept).

    The scores of normal vectors are orthonormal columns of random direction times the roots of the eigenvalues.
    """
    rng = _rng(n, d, 2)
    kept = min(kept, d, n - 1)
    found = []
    for values in eigenvalues(n, d)[:draws]:
        frame, _ = np.linalg.qr(rng.standard_normal((n, kept)))
        found.append(frame * np.sqrt(values[:kept] * (n - 1)))
    return found


@lru_cache(maxsize=64)
def partition(n: int, d: int, rows: int) -> float:
    """Return the partition isotropy of n isotropic directions, when `rows` of them give Z.

    Along an eigenvector Z is e^{λ/2}, with the noise of the mean and of the variance of the rows.
    """
    rng = _rng(n, d, rows, 3)
    found = []
    for values in eigenvalues(n, d):
        even = values / 2 + rng.standard_normal(d) * math.sqrt(0.5 / rows) / d
        odd = rng.standard_normal(d) / math.sqrt(rows * d)
        z = np.exp(np.concatenate([even + odd, even - odd]))
        found.append(float(z.min() / z.max()))
    return float(np.mean(found))


@lru_cache(maxsize=64)
def two_nn(n: int, d: int) -> float:
    """Return what TwoNN reads on n directions that are uniform on the sphere in d dimensions.

    1/E log(r₂/r₁), by quadrature: seen from one document the cosines of the others are independent, and
    (1 + cos)/2 follows Beta((d − 1)/2, (d − 1)/2).

    Examples
    --------
    >>> round(two_nn(10_000, 6), 1), round(two_nn(2000, 384))
    (5.0, 121)
    """
    nodes = (np.arange(20_000) + 0.5) / 20_000

    def mean_log_distance(rank: int) -> float:
        tail = stats.beta.ppf(nodes, rank, n - rank)  # how many of the others are nearer, as a share
        cosines = 2 * stats.beta.isf(tail, (d - 1) / 2, (d - 1) / 2) - 1
        return float(np.mean(np.log(np.maximum(2 - 2 * cosines, 1e-300)))) / 2

    return 1 / (mean_log_distance(2) - mean_log_distance(1))


@lru_cache(maxsize=16)
def axis_scaling(n: int, d: int, k: int, sigma: float, similarity: str) -> float:
    """Return the share of the top k of n isotropic directions that is lost when coordinates are rescaled at random.

    A document is drawn by its coordinates along a query q and along w, the part of D²q that is orthogonal to q; the
    rest of it enters into the rescaled length alone.

    Examples
    --------
    >>> round(axis_scaling(5000, 384, 10, 0.25, "cosine"), 1)
    0.6
    """
    rng = _rng(n, d, k, 4)
    queries = int(np.clip(_PAIRS // n, 8, 400))
    lost = np.empty(queries)
    for i in range(queries):
        squares = np.exp(2 * sigma * rng.standard_normal(d))
        q = rng.standard_normal(d)
        q /= np.linalg.norm(q)
        qq = float(q @ (squares * q))
        w = squares * q - qq * q
        qw = float(np.linalg.norm(w))
        w /= max(qw, 1e-300)
        ww = float(w @ (squares * w))
        along_rest = math.sqrt(max(float(np.sum((squares * w) ** 2)) - ww**2 - qw**2, 0.0) / max(d - 2, 1))
        t, c, mixed = rng.standard_normal((3, n))
        rest = _chisquare(d - 2, n, rng)
        lengths = np.sqrt(t**2 + c**2 + rest)
        t, c, rest = t / lengths, c / lengths, rest / lengths**2
        after = qq * t + qw * c
        mean = (float(squares.sum()) - qq - ww) / max(d - 2, 1)
        noise = rng.standard_normal(n) * math.sqrt(2 * float(squares.var()) / d)
        squared = qq * t**2 + ww * c**2 + 2 * qw * t * c + rest * (mean + noise)
        squared += 2 * np.sqrt(rest) * c * along_rest * mixed
        if similarity == "cosine":
            after /= np.sqrt(np.maximum(squared, 1e-3 * mean))
        elif similarity == "l2":
            after -= squared / 2
        lost[i] = 1 - len(np.intersect1d(_top(t, k), _top(after, k))) / min(k, n)
    return float(lost.mean())


def _chisquare(freedom: int, n: int, rng: np.random.Generator) -> Float64:
    if freedom > 50:  # as good as normal, and ten times as fast
        return freedom + math.sqrt(2 * freedom) * rng.standard_normal(n)
    return rng.chisquare(freedom, n) if freedom > 0 else np.zeros(n)


def _top(scores: Float64 | Float32, k: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.argpartition(-scores, k)[:k] if k < len(scores) else np.arange(len(scores))
