"""Two worlds of one shape, with judged queries: what repairs the one ruins the other.

The documents of both follow the same law, so that no measure of their shape can tell them apart: four directions
hold .93 of the variance, and the others share the rest. Only judged queries show which directions matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ragdiag.testing.worlds import normal
from ragdiag.types import Float32, IntArray

LEADING = np.array([0.242, 0.235, 0.230, 0.223])  # shares of the variance along the first four axes: .93
OTHERS = 1.0 - float(LEADING.sum())
OF_NUISANCE = 0.08  # size of a query's nuisance, against that of a document
OF_NOISE = 2.7  # size of a query's noise in the other directions, against that of a document's content there


@dataclass(frozen=True)
class Labelled:
    """Documents, and queries with one relevant document each.

    Attributes
    ----------
    documents : ndarray of float32, shape (n, d)
    queries : ndarray of float32, shape (m, d)
    relevant : ndarray of int64, shape (m,)
        The row of the document that a query asks for.
    """

    documents: Float32
    queries: Float32
    relevant: IntArray


def nuisance_directions(rng: np.random.Generator, n: int = 2000, m: int = 500, dim: int = 128) -> Labelled:
    """Return a world whose leading directions say nothing: of a query they hold other values than of its document.

    Known answers at the default sizes: R@1 near .52 by cosine; 1.00 whitened, and without the four leading
    directions (``abtt(d=4)``).

    Parameters
    ----------
    rng : numpy.random.Generator
    n, m, dim : int
        Documents, queries (at most `n`), dimension (at least 6).

    Examples
    --------
    >>> world = nuisance_directions(np.random.default_rng(0), n=50, m=10)
    >>> bool(np.allclose(world.queries[:, 4:], world.documents[world.relevant, 4:]))
    True
    """
    documents, relevant = _documents(rng, n, m, dim)
    queries = documents[relevant]
    queries[:, : len(LEADING)] = _leading(rng, m) * np.float32(OF_NUISANCE)
    return Labelled(documents, queries, relevant)


def meaningful_directions(rng: np.random.Generator, n: int = 2000, m: int = 500, dim: int = 128) -> Labelled:
    """Return a world whose leading directions carry the meaning, and whose other ones are mostly noise in a query.

    Known answers at the default sizes: R@1 near .99 by cosine; .70 whitened or with ``abtt(d=4)``.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, m, dim : int
        Documents, queries (at most `n`), dimension (at least 6).

    Examples
    --------
    >>> world = meaningful_directions(np.random.default_rng(0), n=50, m=10)
    >>> bool(np.allclose(world.queries[:, :4], world.documents[world.relevant, :4]))
    True
    """
    documents, relevant = _documents(rng, n, m, dim)
    queries = documents[relevant]
    queries[:, len(LEADING) :] += _other(rng, m, dim) * np.float32(OF_NOISE)
    return Labelled(documents, queries, relevant)


def _documents(rng: np.random.Generator, n: int, m: int, dim: int) -> tuple[Float32, IntArray]:
    documents = np.concatenate([_leading(rng, n), _other(rng, n, dim)], axis=1)
    return documents, rng.permutation(n)[:m].astype(np.int64)


def _leading(rng: np.random.Generator, n: int) -> Float32:
    scale: Float32 = np.sqrt(LEADING).astype(np.float32)
    return normal(rng, n, len(LEADING)) * scale


def _other(rng: np.random.Generator, n: int, dim: int) -> Float32:
    others = dim - len(LEADING)
    return normal(rng, n, others) * np.float32(np.sqrt(OTHERS / others))
