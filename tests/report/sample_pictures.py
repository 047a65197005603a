"""Pictures made by hand, of counts that follow from formulas: the sample report with them looks the same everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from ragdiag.pictures.draw import Pictures
from ragdiag.pictures.histogram import BINS, Cosines, Histogram, isotropic_counts
from ragdiag.pictures.listed import Chunk, Hub, Occurrence, poisson_counts
from ragdiag.types import Float64
from tests.report.sample import FULL


def _counts(shares: Float64, n: int, edges: Float64, expected: Float64 | None) -> Histogram:
    counts = np.floor(n * shares + 0.5).astype(np.int64)
    return Histogram(edges, counts, expected, int(counts.sum()))


EDGES = np.linspace(-0.25, 1.0, BINS + 1)
COSINES = Cosines(
    # A cone whose mean cosine is .41, and nearest neighbours around .8, some of them copies.
    pairs=_counts(np.diff(stats.norm.cdf(EDGES, 0.41, 0.11)), 20_000, EDGES, isotropic_counts(EDGES, 20_000, 384)),
    nearest=_counts(0.98 * np.diff(stats.norm.cdf(EDGES, 0.8, 0.06)) + 0.02 * (EDGES[1:] == 1), 2_000, EDGES, None),
    mean=0.41,
    dim=384,
)

TALLY = np.array([*range(13), 16, 21, 27, 35, 46, 60, 78, 101], dtype=np.float64)
# As chance would have it, but for twice the orphans and seven hubs.
_LISTED = np.floor(poisson_counts(TALLY, 12_000, 1.25) + 0.5).astype(np.int64)
_LISTED[0] *= 2
_LISTED[-3:] = (1, 0, 6)
LISTED = Occurrence(
    side="query",
    counts=Histogram(TALLY, _LISTED, poisson_counts(TALLY, 12_000, 1.25), int(_LISTED.sum())),
    mean=1.25,
    m=1500,
    k=10,
    hubs=(Hub(7, Chunk("faq-000", "All rights reserved."), 99, ()),),
    orphans=int(_LISTED[0]),
    expected_orphans=12_000 * float(np.exp(-1.25)),
    orphan_examples=(),
)

PICTURED = replace(FULL, pictures=Pictures(cosines=COSINES, occurrences=(LISTED,)))
