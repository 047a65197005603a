"""Documents in a few bytes: product quantisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.base import Training, array_of, refuse_other_width, whole
from ragdiag.types import Float32, FloatArray
from ragdiag.vectors import unit

PER_CENTROID = 39  # vectors below which faiss warns that its centroids are noise
MOST_BITS = 12


@dataclass(frozen=True)
class PQ:
    """``q̂ · Q⁻¹(Q(d̂))``: each of `m` equal pieces of a unit vector as the nearest of 2^bits centroids.

    Queries stay as they are. The centroids are those of faiss, k-means on the training documents; m · bits / 8 bytes
    per vector, the centroids are kept once for the store.
    Source: Jégou, Douze & Schmid 2011, doi:10.1109/TPAMI.2010.57.

    Parameters
    ----------
    m : int
        Pieces; the dimension has to be a multiple of it.
    bits : int
        Of each code, from 1 to 12. Each centroid needs 39 documents: 9,984 at 8 bits, 624 at 4.

    Examples
    --------
    >>> X = np.tile(np.float32([[1, 0], [0, 1], [-1, 0], [0, -1]]), (20, 1))
    >>> fitted = PQ(m=2, bits=1).fit(Training(X))
    >>> fitted.bytes_per_vector, fitted.documents(X[:1]).shape
    (0.25, (1, 2))
    """

    m: int
    bits: int = 8

    kind: ClassVar[str] = "pq"
    scores: ClassVar[bool] = True
    last: ClassVar[bool] = True
    uses_queries: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole(self.m, "pq has m")
        whole(self.bits, "pq has bits")
        if self.bits > MOST_BITS:
            raise SimilarityError(f"pq has bits={self.bits}", hint=f"give at most {MOST_BITS}")

    def fit(self, training: Training) -> Centroids:
        """Learn the centroids, always from the same start."""
        import faiss

        n, dim = training.documents.shape
        if dim % self.m:
            divisors = [m for m in range(1, dim + 1) if dim % m == 0]
            near = min(divisors, key=lambda m: abs(m - self.m))
            raise SimilarityError(f"pq(m={self.m}) cannot cut {dim} dimensions into equal pieces", hint=f"try m={near}")
        fewest = PER_CENTROID << self.bits
        if n < fewest:
            fits = (n // PER_CENTROID).bit_length() - 1
            raise SimilarityError(
                f"pq with {self.bits} bits has {n:,} documents to learn {1 << self.bits:,} centroids from,"
                f" fewer than {PER_CENTROID} for each",
                hint=f"give {fewest:,}, or bits={fits}" if fits > 0 else f"give {fewest:,}",
            )
        quantiser = faiss.ProductQuantizer(dim, self.m, self.bits)
        quantiser.cp.seed = 1 + training.seed % (2**31 - 1)
        quantiser.train(unit(training.documents))
        return Centroids(faiss.vector_to_array(quantiser.centroids).reshape(self.m, 1 << self.bits, dim // self.m))

    def restore(self, arrays: Mapping[str, FloatArray]) -> Centroids:
        """Rebuild the map."""
        centroids = array_of(arrays, "centroids", 3).astype(np.float32)
        if centroids.shape[:2] != (self.m, 1 << self.bits):
            raise SimilarityError("the centroids are not those of this pq", hint="fit and save it again")
        return Centroids(centroids)


@dataclass(frozen=True)
class Centroids:
    """Codes of the nearest centroids, and back.

    Attributes
    ----------
    centroids : ndarray of float32, shape (m, 2^bits, d / m)
    """

    centroids: Float32

    def documents(self, X: Float32) -> Float32:
        """Quantise unit vectors and turn them back; a zero row stays zero."""
        quantiser = self._quantiser()
        refuse_other_width(X, quantiser.d)
        back: Float32 = quantiser.decode(quantiser.compute_codes(unit(X)))
        return back * X.any(axis=1, keepdims=True)

    def queries(self, Q: Float32) -> Float32:
        """Return the directions of queries."""
        return unit(Q)

    def _quantiser(self) -> Any:
        import faiss

        m, size, width = self.centroids.shape
        quantiser = faiss.ProductQuantizer(m * width, m, size.bit_length() - 1)
        faiss.copy_array_to_vector(np.ascontiguousarray(self.centroids).ravel(), quantiser.centroids)
        return quantiser

    @property
    def bytes_per_vector(self) -> float:
        """The bits of `m` codes; whole bytes in a store that packs each vector by itself."""
        m, size, _ = self.centroids.shape
        return float(m * (int(size).bit_length() - 1) / 8)

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The centroids."""
        return {"centroids": self.centroids}
