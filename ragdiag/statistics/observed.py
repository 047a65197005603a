"""Everything that was read from a store and its queries; the measures see nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ragdiag.statistics.census import Census
from ragdiag.statistics.moments import Moments
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.statistics.sample import Sample
from ragdiag.statistics.sketch import Sketch
from ragdiag.types import Float32, Float64, IntArray, StoreInfo


@dataclass(frozen=True)
class Documents:
    """What was read of the documents.

    Attributes
    ----------
    census : Census
        Of all documents.
    moments : Moments
        Of the directions of all documents that have one.
    sample : Sample
        Drawn for statistics of rows and pairs.
    queries : Sample
        Drawn to be searched for in the whole store.
    neighbors : Neighbors
        Of `queries`, by the store's own similarity, each without itself.
    cosines : Neighbors
        Of `queries`, by cosine; scores are cosines.
    probes : mapping of str to positions, shape (p, k)
        Neighbours of the first p of `queries` under other similarities.
    rescaled : list of positions, shape (p, k)
        Neighbours of the same under random scalings of the coordinates.
    sketch : Sketch or None
        By which a later audit can tell whether the vectors drifted.
    """

    census: Census
    moments: Moments
    sample: Sample
    queries: Sample
    neighbors: Neighbors
    cosines: Neighbors
    probes: Mapping[str, IntArray]
    rescaled: list[IntArray]
    sketch: Sketch | None = None


@dataclass(frozen=True)
class Queries:
    """What is known of the queries that were given.

    Attributes
    ----------
    vectors : ndarray of float32, shape (m, d)
    unit_moments : Moments
        Of their directions.
    neighbors : Neighbors
        Of all queries, by the store's own similarity.
    texts : tuple of str
        Length m, or empty when only vectors were given.
    relevant : tuple of mappings, or None
        Position to grade, of each query; negative keys are relevant documents that are not in the store.
        None without judgements.
    positives : ndarray of float32, shape (pairs, d), or None
        Directions of relevant documents in the store, with `positive_rows` the query of each and
        `positive_positions` the document.
    positive_rows, positive_positions : ndarray of int64, shape (pairs,)
    """

    vectors: Float32
    unit_moments: Moments
    neighbors: Neighbors
    texts: tuple[str, ...]
    relevant: tuple[Mapping[int, int], ...] | None
    positives: Float32 | None
    positive_rows: IntArray
    positive_positions: IntArray


@dataclass(frozen=True)
class Observed:
    """What was read, and how.

    Attributes
    ----------
    info : StoreInfo
    similarity : str
        Name of the similarity that the store ranks by.
    documents : Documents
    queries : Queries or None
    reembedded : ndarray, shape (s,), or None
        Cosine between stored vectors of a sample and their texts embedded again; with `reembedded_other`
        the cosine to another text of the sample, and `reembedded_positions` the documents.
    k : int
        Neighbours that count as "listed".
    count_after : int or None
        How many documents the store had after it was read; None where it was not asked.
    """

    info: StoreInfo
    similarity: str
    documents: Documents
    queries: Queries | None
    reembedded: Float64 | None
    reembedded_other: Float64 | None
    reembedded_positions: IntArray
    k: int
    count_after: int | None = None

    @property
    def lengths_vary(self) -> bool:
        """Whether lengths differ by more than rounding, so that cosine, dot and L2 can rank differently."""
        return lengths_vary(self.documents.census.norms[self.documents.census.live])


def lengths_vary(norms: Float64) -> bool:
    """Return whether lengths differ by more than a thousandth."""
    return bool(len(norms)) and float(np.ptp(norms)) > 1e-3 * float(norms.mean())
