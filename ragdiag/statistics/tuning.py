"""How many coordinates a bound should have: tried on some of the vectors at hand."""

from __future__ import annotations

import numpy as np

from ragdiag.statistics.bounds import Prefix, below
from ragdiag.types import Float32, Float64
from ragdiag.vectors import row_norms, unit

DOCUMENTS, QUERIES = 1024, 128  # tried: their products cost a hundredth of a search worth tuning
_SHARES = (1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2)
_PROMISING = 20.0
_WORTH = 0.45  # of the cost of all coordinates: what is compared costs the same, and early limits let more through


def tuned(documents: Float32, queries: Float32, limit: Float64, *, asked: int, candidate: float) -> Prefix | None:
    """Return the bound that makes the search cheapest; None where that is all coordinates.

    The cost of a pair, in multiplications: r for the bound, pr/m for its part in the projection of a document, and
    p times `candidate` for each pair whose bound reaches the limit. Directions are the strongest of the sample
    (subspace iteration, Halko, Martinsson & Tropp 2011, doi:10.1137/090771806); how good they are decides the cost,
    not the result.

    Parameters
    ----------
    documents : ndarray of float32, shape (s, p)
        Some of those to search, mapped.
    queries : ndarray of float32, shape (t, p)
        Some of those to search for, mapped and scaled.
    limit : ndarray of float64, shape (t,)
        The k-th best score of each, or what is known of it.
    asked : int
        All queries, m.
    candidate : float
        What scoring a pair costs, in products by all coordinates: `Products.candidate`.
    """
    p = documents.shape[1]
    most = int(p * _SHARES[-1])
    if most < 8:
        return None
    lengths, asked_lengths = row_norms(documents), row_norms(queries)
    axes = _strongest(documents, lengths, queries, asked_lengths, most)
    best, least = None, _WORTH * p
    for share in _SHARES:
        r = int(p * share)
        if r * (1 + p / asked) >= least:
            break
        bound = Prefix.of(axes[:, :r].astype(np.float32))
        (y, rest), (z, asked_rest) = bound.lower(documents, lengths), bound.lower(queries, asked_lengths)
        upper = y @ z.T + np.outer(rest, asked_rest).astype(np.float32)
        cost = r * (1 + p / asked) + candidate * p * float((upper >= below(limit)).mean())
        if cost < least:
            best, least = bound, cost
    return best


def promising(documents: Float32, queries: Float32) -> bool:
    """Whether few directions carry what tells vectors apart.

    That is, whether the mean squared cosine about the mean of the documents, 1/p where all directions carry the same,
    is many times that.
    """
    found, asked = unit(documents), unit(queries)
    centre = found.mean(axis=0)
    cosines = unit(found - centre) @ unit(asked - centre).T
    return bool((cosines**2).mean() > _PROMISING / documents.shape[1])


def _strongest(documents: Float32, lengths: Float64, queries: Float32, asked: Float64, r: int) -> Float64:
    """Return orthonormal directions, shape (p, r), the strongest first, of documents and queries at length one."""
    rows = np.concatenate([documents, queries])
    norms = np.concatenate([lengths, asked])
    rows = rows[norms > 0] / norms[norms > 0, None].astype(np.float32)
    gram = (rows.T @ rows).astype(np.float64)
    start = np.random.default_rng(0).standard_normal((gram.shape[0], r))
    axes = np.linalg.qr(gram @ (gram @ start))[0]
    _, turn = np.linalg.eigh(axes.T @ gram @ axes)
    found: Float64 = axes @ turn[:, ::-1]
    return found
