"""What hubs a normal store has: the null of hubness matched on n, d, k, m, mean and spectrum.

Some hubs come from nothing but a common mean, or from a spectrum in which few directions carry much: a document
near the middle is near to all. A store is blamed for what it has beyond those.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ragdiag.geometry.hubness import skewness_at
from ragdiag.geometry.intervals import within
from ragdiag.geometry.normal_store import NormalStore
from ragdiag.statistics.neighbors import NeighborSearch, occurrences
from ragdiag.types import Float32, Float64, IntArray, Measure

CAPTURED = 0.1  # of all lists, by one document: from here on it matters what a store without a flaw has
TIMES = 5  # what an even share would be
SKEWED = 3.0
UNSEEN = 0.1  # documents in no list, beyond chance
LARGEST = 20_000  # documents in a drawn store
MOST, FEWEST = 24, 4  # stores drawn
_WORK = 6e9  # multiplications in all, beyond the fewest draws
_USUAL_SPREAD, _USUAL_DRAWS = 0.2, 4  # of the logarithm of skewness and largest share over draws
_MARGIN = 1.15  # what a normal law with an estimated spectrum may miss


@dataclass(frozen=True)
class MatchedHubs:
    """Hubness of stores drawn from a normal law with the store's mean and spectrum.

    Attributes
    ----------
    skewness, largest, orphans : Measure
        As the measures of those names in `ragdiag.geometry.hubness`, orphans less their binomial null: the
        median over the draws as value, and as ends what a single such store passes in one case of a hundred
        on either side, with a margin for what a normal law misses; n is the number of draws.
    """

    skewness: Measure
    largest: Measure
    orphans: Measure


def notable(measures: Mapping[str, Measure], side: str, even: float) -> bool:
    """Return whether the hubness of one side reaches what a rule could report, so that its null is worth drawing.

    `even` is the share of the lists that each document would be in if all were listed alike.
    """
    thresholds = {
        "skewness": SKEWED,
        "largest": max(CAPTURED, TIMES * even),
        "orphans": UNSEEN + (measures[f"hubness.{side}.orphans"].null or 0.0),
    }
    lows = {name: measures[f"hubness.{side}.{name}"].low for name in thresholds}
    return any(low is not None and low >= thresholds[name] for name, low in lows.items())


class _Given:
    """Inner product of vectors at unit length."""

    name = "cosine"

    def documents(self, X: Float32) -> Float32:
        return X

    def queries(self, Q: Float32) -> Float32:
        return Q


def matched_hubs(
    store: NormalStore, *, n: int, m: int, k: int, queries: Float32 | None, rng: np.random.Generator
) -> MatchedHubs:
    """Draw normal stores like this one and count their hubs, as cosine ranks.

    Documents are queries, m of them, each without itself; or the given queries are asked. Those keep their own
    spread, whatever it is, but are moved so that their mean is that of the documents: hubs that come from a gap
    between queries and documents count as found. So do those that lengths make under dot product and L2.

    Cost: a search of m queries among at most 20,000 documents per draw, 3 to 24 draws, in blocks. In larger stores
    the null is that of 20,000 documents, which have somewhat less skewness and a larger largest share.

    Parameters
    ----------
    store : NormalStore
    n, m, k : int
        Documents, queries, and the length of the lists.
    queries : ndarray of float32, shape (m, d), or None
        Directions.
    rng : numpy.random.Generator

    Examples
    --------
    >>> from ragdiag.geometry.spectrum import Spectrum
    >>> from ragdiag.statistics.moments import Moments
    >>> from ragdiag.vectors import unit
    >>> rng = np.random.default_rng(0)
    >>> X = unit(rng.standard_normal((300, 64), dtype=np.float32) + np.float32(1))
    >>> law = NormalStore.of(X, Spectrum.of(Moments.of(X), X.astype(np.float64)), None, rng)
    >>> matched_hubs(law, n=300, m=300, k=10, queries=None, rng=rng).largest.value > 3 * 10 / 300
    True
    """
    n = min(n, LARGEST)
    m = min(m, n) if queries is None else m
    given = None if queries is None else store.centred(queries)
    draws = int(np.clip(_WORK / (n * m * len(store.laws[0].scale)), FEWEST, MOST))
    found = np.array([_hubs(store, n, m, k, given, rng) for _ in range(draws)])
    skewness, largest, orphans = (_spread(column) for column in found.T)
    return MatchedHubs(skewness, within(largest, 0.0, 1.0), within(orphans, 0.0, 1.0))


def _hubs(
    store: NormalStore, n: int, m: int, k: int, given: Float32 | None, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return skewness, largest share and orphans beyond chance of one drawn store."""
    blocks: list[Float32] = []
    drawn = 0
    source = store.blocks(n, rng)
    if given is None:  # the first m documents are the queries
        while drawn < m:
            blocks.append(next(source))
            drawn += len(blocks[-1])
        given, exclude = np.concatenate(blocks)[:m], np.arange(m)
    else:
        exclude = None
    search = NeighborSearch(_Given(), given, k, exclude=exclude)
    start = 0
    for X in itertools.chain(blocks, source):
        search.search(start, X, np.ones(len(X), dtype=bool))
        start += len(X)
    counts: IntArray = occurrences(search.result().positions, n)
    at = m if exclude is None else n
    unseen = float(np.mean(counts == 0)) - (1 - k / n) ** m
    return skewness_at(counts, m, at), float(counts.max()) / m, max(unseen, 0.0)


def _spread(values: Float64) -> Measure:
    """Return the median of the draws with the ends between which the next draw lies in 98 %, and the margin."""
    draws = len(values)
    logs = np.log(np.maximum(np.nan_to_num(values), 1e-3))
    # A few draws tell little of their spread: a usual one counts as much as `_USUAL_DRAWS` more of them.
    freedom = draws - 1 + _USUAL_DRAWS
    variance = (float(np.sum((logs - logs.mean()) ** 2)) + _USUAL_DRAWS * _USUAL_SPREAD**2) / freedom
    half = float(stats.t.ppf(0.99, freedom)) * math.sqrt(variance * (1 + 1 / draws))
    middle = math.exp(float(logs.mean()))
    factor = math.exp(half) * _MARGIN
    return Measure(float(np.median(np.nan_to_num(values))), middle / factor, middle * factor, None, draws)
