"""Two summaries of an endless stream in bounded memory: frequent items and a histogram of durations."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy import stats

from ragdiag.types import IntArray, Measure

_GROWTH = math.log(1.02)  # width of a bin: 2 % of the duration
_BINS = 1200  # 1 µs … 5.8 hours


class FrequentItems:
    """How often each id came, exactly for the first `capacity` ids, and as a summary of Misra and Gries beyond.

    Once more than twice `capacity` different ids are held, the count that stands at rank `capacity` + 1 is taken
    off all, and those left with nothing are forgotten. Then a count is too small by at most `missing`, never too
    large, and `missing` is at most ``total / (capacity + 1)``: an id in more slots than that is never lost. The
    space-saving sketch is the same summary with the counts rounded up. Sources: Misra & Gries 1982,
    doi:10.1016/0167-6423(82)90012-0; Agarwal et al. 2013, doi:10.1145/2500128 (that two can be merged).

    Parameters
    ----------
    capacity : int
        Ids whose counts are kept.

    Attributes
    ----------
    counts : dict of str to int
    total : int
        All that were added.
    missing : int
        The most that any count lacks; 0 while the counts are exact.

    Examples
    --------
    >>> items = FrequentItems(2)
    >>> for id_ in "hahbhchdhe":
    ...     items.add([id_])
    >>> items.counts["h"] + items.missing, items.total
    (5, 10)
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.counts: dict[str, int] = {}
        self.total = 0
        self.missing = 0

    def add(self, ids: Iterable[str]) -> None:
        """Count each of `ids` once more."""
        counts = self.counts
        for id_ in ids:
            counts[id_] = counts.get(id_, 0) + 1
            self.total += 1
        if len(counts) > 2 * self.capacity:
            self._shrink()

    def merge(self, other: FrequentItems) -> None:
        """Take in what another has counted."""
        for id_, count in other.counts.items():
            self.counts[id_] = self.counts.get(id_, 0) + count
        self.total += other.total
        self.missing += other.missing
        if len(self.counts) > 2 * self.capacity:
            self._shrink()

    def largest(self, number: int) -> list[tuple[str, int]]:
        """Return the `number` most frequent ids with their counts, ties in the order of the ids."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:number]

    def _shrink(self) -> None:
        values = np.fromiter(self.counts.values(), dtype=np.int64, count=len(self.counts))
        at = len(values) - self.capacity - 1
        level = int(np.partition(values, at)[at])
        self.counts = {id_: count - level for id_, count in self.counts.items() if count > level}
        self.missing += level


class Durations:
    """A histogram of durations in bins of 2 %, from a microsecond to hours.

    Attributes
    ----------
    bins : ndarray of int64, shape (1200,)

    Examples
    --------
    >>> durations = Durations()
    >>> for ms in range(1, 1001):
    ...     durations.add(ms / 1000)
    >>> median = durations.quantile(0.5)
    >>> 490 < median.value < 510, median.low < 500 < median.high
    (True, True)
    """

    def __init__(self) -> None:
        self.bins: IntArray = np.zeros(_BINS, dtype=np.int64)

    def add(self, seconds: float) -> None:
        """Count one duration."""
        micro = seconds * 1e6
        self.bins[min(int(math.log(micro) / _GROWTH), _BINS - 1) if micro > 1 else 0] += 1

    def quantile(self, share: float) -> Measure:
        """Return a quantile in milliseconds, off by at most 1 %, with the interval of its order statistics."""
        n = int(self.bins.sum())
        if n == 0:
            return Measure.missing("nothing was retrieved")
        if n < 10:
            return Measure(self._at(share * n), None, None, None, n, "fewer than 10 retrievals")
        low, high = (float(stats.binom.ppf(p, n, share)) for p in (0.025, 0.975))
        return Measure(self._at(share * n), self._at(low), self._at(high + 1), None, n)

    def _at(self, rank: float) -> float:
        """Return the duration of rank `rank` of n, in milliseconds."""
        total = np.cumsum(self.bins)
        at = int(np.searchsorted(total, min(max(rank, 1.0), float(total[-1]))))
        return math.exp((at + 0.5) * _GROWTH) / 1000
