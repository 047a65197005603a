"""The store on a plane: principal components at once, t-SNE of a sample when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.geometry.spectrum import Spectrum
from ragdiag.pictures.listed import Chunk
from ragdiag.types import Float32, Float64, IntArray

POINTS = 3000
QUERIES = 600  # of them, at most
EMBEDDED = 1000  # points laid out by t-SNE
_COMPONENTS = 50  # kept for t-SNE
_PERPLEXITY = 30.0

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MapPicture:
    """Documents and queries in the plane of the first two principal components.

    Attributes
    ----------
    chunks : tuple of Chunk, length p
        Documents first, then queries.
    coordinates : ndarray of float32, shape (p, 2)
    layers : mapping of str to ndarray of bool, shape (p,)
        ``"hubs"``, ``"orphans"``, ``"duplicates"``, ``"outliers"``, ``"queries"``: which points belong to it.
    explained : tuple of float
        Share of the variance of the directions along both axes.
    principal : ndarray of float32, shape (p, ≤ 50)
        More of the components, for `tsne`.
    documents : int
        In the store.
    """

    chunks: tuple[Chunk, ...]
    coordinates: Float32
    layers: Mapping[str, Mask]
    explained: tuple[float, float]
    principal: Float32
    documents: int


def project(
    directions: Float32, shape: Spectrum, mean: Float64, chunks: tuple[Chunk, ...], layers: Mapping[str, Mask], n: int
) -> MapPicture:
    """Lay unit vectors, shape (p, d), out along the principal components of the documents."""
    kept = shape.basis[:, : min(_COMPONENTS, shape.dim)]
    # An eigenvector has no sign of its own; the largest coordinate gets one, so that every machine draws the same.
    signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])])
    principal = ((directions - mean) @ (kept * signs)).astype(np.float32)
    shares = shape.eigenvalues[:2] / max(shape.trace, 1e-300)
    return MapPicture(
        chunks=chunks,
        coordinates=principal[:, :2],
        layers=layers,
        explained=(float(shares[0]), float(shares[1])),
        principal=principal,
        documents=n,
    )


def tsne(picture: MapPicture, seed: int = 0) -> tuple[IntArray, Float32] | None:
    """Lay a sample of the points out by t-SNE of their first 50 principal components.

    Neighbourhoods mean something there; distances between groups and their sizes do not.
    Source: van der Maaten & Hinton 2008, JMLR 9:2579; initialised by the principal components.

    Parameters
    ----------
    picture : MapPicture
    seed : int

    Returns
    -------
    rows : ndarray of int64, shape (s,)
        Points that are laid out, at most 1,000: hubs and a part of each other layer, then any.
    coordinates : ndarray of float32, shape (s, 2)
        None where there are fewer than ten points, or all are one.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng([seed, 77])
    p = len(picture.coordinates)
    if p < 10:
        return None
    order = rng.permutation(p)
    first = [row for mask in picture.layers.values() for row in order[mask[order]][: EMBEDDED // 8]]
    rows = np.array(list(dict.fromkeys([*first, *order]))[:EMBEDDED], dtype=np.int64)
    points = picture.principal[rows]
    spread = float(np.ptp(points, axis=0).max())
    if not spread > 0:  # it divides by it
        return None
    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    model = TSNE(2, init="pca", perplexity=perplexity, random_state=int(rng.integers(2**31)), max_iter=500)
    with threadpool_limits(1):  # sums in one order, so that a seed gives one picture
        return rows, model.fit_transform(points / np.float32(spread)).astype(np.float32)
