"""Hubs and orphans: how unevenly documents share the top k of the queries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ragdiag.geometry import thinning
from ragdiag.geometry.intervals import grouped_jackknife
from ragdiag.statistics.neighbors import occurrences
from ragdiag.types import Float64, IntArray, Measure

GROUPS = 40  # of queries, for the jackknife
FEWEST = 10  # queries for which an interval means anything
TOO_FEW = f"fewer than {FEWEST} queries"
FEWEST_SAMPLED = 1000  # of a population: fewer miss hubs that carry the skewness, and no interval shows that


@dataclass(frozen=True)
class Occurrences:
    """k-occurrence counts with what their nulls and intervals need.

    Attributes
    ----------
    counts : ndarray of int64, shape (n,)
        N_k: in how many of the m top-k lists each document stands.
    queries : int
        m.
    k : int
        Length of the lists.
    population : int or None
        How many queries there are of which the m are a uniform sample without replacement
        (documents as queries); None when the m are a sample of an unbounded stream.
    positions : ndarray of int64, shape (m, k)
        The lists.
    group : ndarray of int64, shape (m,)
        A random group of each query, of `GROUPS` (each query its own, if there are fewer).
    """

    counts: IntArray
    queries: int
    k: int
    population: int | None
    positions: IntArray
    group: IntArray

    @classmethod
    def of(cls, positions: IntArray, n: int, *, population: int | None, rng: np.random.Generator) -> Occurrences:
        """Count the top-k lists `positions`, shape (m, k), over n documents."""
        m = len(positions)
        group = rng.permutation(m) % min(GROUPS, m)
        return cls(occurrences(positions, n), m, positions.shape[1], population, positions, group)

    @property
    def mean(self) -> float:
        """μ: slots per document."""
        return float(self.counts.mean())

    @property
    def chance(self) -> float:
        """Probability that a query that ranks at random lists a given document."""
        return min(self.mean / self.queries, 1.0)

    @property
    def sampled_share(self) -> float:
        """Share of the population of queries that was used; 0 for a stream."""
        return self.queries / self.population if self.population else 0.0

    @property
    def groups(self) -> int:
        """Groups of queries that the jackknife leaves out in turn."""
        return min(GROUPS, self.queries)

    def interval(self, value: float, statistic: Callable[[IntArray, int], float], null: float | None) -> Measure:
        """Give `value`, a share, the jackknife interval of `statistic(counts, m)`, within 0 … 1."""
        if self.queries < FEWEST:
            return Measure.missing(TOO_FEW, n=self.queries, null=null)
        variance = self.jackknife(statistic)
        found = self.with_variance(value, variance * (1 - self.sampled_share), null)
        if found.low is None or found.high is None:
            return found
        return Measure(value, max(found.low, 0.0), min(found.high, 1.0), null, self.queries)

    def jackknife(self, statistic: Callable[[IntArray, int], float]) -> float:
        """Return the delete-a-group variance of `statistic(counts, m)`."""

        def without(g: int) -> float:
            left_out = self.group == g
            counts = self.counts - occurrences(self.positions[left_out], len(self.counts))
            return statistic(counts, self.queries - int(left_out.sum()))

        return grouped_jackknife(self.groups, without)

    def with_variance(self, value: float, variance: float, null: float | None) -> Measure:
        """Return the t interval of `value`, without ends when the variance is unknown."""
        if not math.isfinite(variance):
            return Measure.missing("one group of queries decides it", n=self.queries, null=null)
        half = float(stats.t.ppf(0.975, self.groups - 1)) * math.sqrt(variance)
        if half < 0.5 * value:  # well away from 0: errors are multiplicative
            factor = math.exp(half / value)
            return Measure(value, value / factor, value * factor, null, self.queries)
        return Measure(value, value - half, value + half, null, self.queries)


def _falling(counts: IntArray, m: int) -> tuple[float, float, float]:
    """Return f_r = mean of (N)_r/(m)_r for r = 1, 2, 3: unbiased moments of the hit probability."""
    N = counts.astype(np.float64)
    f1 = float(N.mean()) / m
    f2 = float((N * (N - 1)).mean()) / (m * (m - 1))
    f3 = float((N * (N - 1) * (N - 2)).mean()) / (m * (m - 1) * (m - 2))
    return f1, f2, f3


def skewness_at(counts: IntArray, m: int, at: int) -> float:
    """Return the skewness of N_k that `at` queries would give, estimated without bias from m of them.

    The factorial moments of a thinned count are those of the whole times (m)_r/(at)_r, so
    F_r = mean (N)_r · (at)_r/(m)_r; M₂ = F₂ + F₁, M₃ = F₃ + 3F₂ + F₁, and the skewness follows. NaN where
    the variance is not positive.

    Examples
    --------
    >>> counts = np.array([0, 1, 2, 5])
    >>> round(skewness_at(counts, m=5, at=5), 6) == round(float(stats.skew(counts)), 6)
    True
    """
    f1, f2, f3 = _falling(counts, m)
    F1, F2, F3 = f1 * at, f2 * at * (at - 1), f3 * at * (at - 1) * (at - 2)
    M2, M3 = F2 + F1, F3 + 3 * F2 + F1
    variance = M2 - F1**2
    return (M3 - 3 * F1 * M2 + 2 * F1**3) / variance**1.5 if variance > 1e-15 else math.nan


def skewness(occ: Occurrences) -> Measure:
    """Skewness of the k-occurrence, E(N − μ)³/σ³, as all the queries of the population would give it.

    For queries from a stream it is the skewness at the m given. Null: the binomial law of queries that
    list documents at random, (1 − 2p)/√(Mp(1 − p)) for M queries, about 1/√μ. Above 1.2 hubs are notable.
    Raw skewness from a sample of queries is biased in both directions; see `skewness_at`.
    Interval: Fieller's, from the jackknife over queries, for a finite population; undefined where the
    queries are too few to bound it, and below 1,000 queries sampled from more.
    Source: Radovanović et al. 2010, JMLR 11:2487.
    """
    M = occ.population or occ.queries
    p = occ.chance
    if occ.queries < FEWEST:
        return Measure.missing(TOO_FEW, n=occ.queries)
    if not 0 < p < 1:
        return Measure.missing("every query lists every document", n=occ.queries)
    if occ.queries < min(FEWEST_SAMPLED, M):
        why = f"{occ.queries:,} of {M:,} documents searched, {FEWEST_SAMPLED:,} are needed"
        return Measure.missing(why, n=occ.queries, null=(1 - 2 * p) / math.sqrt(M * p * (1 - p)))
    null = (1 - 2 * p) / math.sqrt(M * p * (1 - p))
    value = skewness_at(occ.counts, occ.queries, M)
    if not math.isfinite(value):
        return Measure.missing("the queries are too few to tell the documents apart", n=occ.queries, null=null)
    if occ.sampled_share >= 1:  # every query was asked
        return Measure.counted(value, n=occ.queries, null=null)
    low, high = thinning.interval(occ.counts, occ.positions, occ.group, at=M, share=occ.sampled_share)
    if low is None or high is None:
        return Measure.missing("the queries are too few to bound it", n=occ.queries, null=null)
    return Measure(value, low, high, null, occ.queries)


def latent_skewness(occ: Occurrences) -> Measure:
    """Skewness of the probability of being listed, whatever the number of queries: 0 when all are equal.

    (f₃ − 3f₁f₂ + 2f₁³)/(f₂ − f₁²)^1.5 with f_r = E[(N)_r]/(m)_r. Undefined where the probabilities do not
    vary beyond chance.
    """
    if occ.queries < FEWEST:
        return Measure.missing(TOO_FEW, n=occ.queries, null=0.0)

    def latent(counts: IntArray, m: int) -> float:
        f1, f2, f3 = _falling(counts, m)
        variance = f2 - f1**2
        return (f3 - 3 * f1 * f2 + 2 * f1**3) / variance**1.5 if variance > 1e-9 * f1**2 else math.nan

    value = latent(occ.counts, occ.queries)
    if not math.isfinite(value):
        return Measure.missing("documents are listed as evenly as by chance", n=occ.queries, null=0.0)
    return occ.with_variance(value, occ.jackknife(latent) * (1 - occ.sampled_share), 0.0)


def _null_pmf(occ: Occurrences) -> tuple[Float64, Float64]:
    """Return the support and the probabilities of N_k when queries list documents at random."""
    top = int(stats.binom.ppf(1 - 1e-12, occ.queries, occ.chance)) + 2
    support = np.arange(top + 1)
    return support.astype(np.float64), stats.binom.pmf(support, occ.queries, occ.chance)


def robin_hood(occ: Occurrences) -> Measure:
    """Share of the slots that would have to move to make all documents equal: ½Σ|N − μ|/ΣN, 0 … 1.

    Compare only at equal μ. Null: binomial, .125 at μ = 10. Source: Feldbauer et al. 2018,
    doi:10.1109/ICBK.2018.00055.
    """
    support, pmf = _null_pmf(occ)
    null = float(0.5 * np.abs(support - occ.mean) @ pmf / occ.mean)

    def statistic(counts: IntArray, m: int) -> float:
        return float(0.5 * np.abs(counts - counts.mean()).sum() / counts.sum())

    return occ.interval(statistic(occ.counts, occ.queries), statistic, null)


def gini(occ: Occurrences) -> Measure:
    """Gini coefficient of the k-occurrence, 0 (all equal) … 1 (one document takes all).

    Compare only at equal μ. Null: binomial, .177 at μ = 10.
    """
    _, pmf = _null_pmf(occ)
    cdf = np.cumsum(pmf)
    null = float(np.sum(cdf[:-1] * (1 - cdf[:-1]))) / occ.mean  # E|N − N′|/2μ = ΣF(1 − F)/μ

    def statistic(counts: IntArray, m: int) -> float:
        n = len(counts)
        ordered = np.sort(counts)
        return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))

    return occ.interval(statistic(occ.counts, occ.queries), statistic, null)


def orphans(occ: Occurrences) -> Measure:
    """Share of documents that no query lists (antihubs): P(N = 0).

    It falls with the number of queries, so that only the excess over the null, (1 − k/n)^m ≈ e^−μ, means
    anything.
    """
    null = (1 - occ.chance) ** occ.queries

    def statistic(counts: IntArray, m: int) -> float:
        return float(np.mean(counts == 0))

    return occ.interval(statistic(occ.counts, occ.queries), statistic, null)


def hub_share(occ: Occurrences) -> Measure:
    """Share of documents that are listed at least twice as often as the mean: P(N ≥ 2μ).

    Below μ = 5 twice the mean is within chance; the 99.9 % point of the null is used instead.
    Null: the binomial probability of the same.
    """
    threshold = 2 * occ.mean
    if occ.mean < 5:
        threshold = float(stats.binom.ppf(0.999, occ.queries, occ.chance)) + 1
    null = float(stats.binom.sf(math.ceil(threshold) - 1, occ.queries, occ.chance))

    def statistic(counts: IntArray, m: int) -> float:
        return float(np.mean(counts >= threshold * m / occ.queries))

    return occ.interval(statistic(occ.counts, occ.queries), statistic, null)


def top_percent_share(occ: Occurrences) -> Measure:
    """Share of all slots that the top 1 % of documents (at least one) take, .01 … 1.

    Null: the same under the binomial law, .019 at μ = 10 with many documents.
    """
    n = len(occ.counts)
    top = max(1, round(n / 100))

    def statistic(counts: IntArray, m: int) -> float:
        tally = np.bincount(counts)[::-1]  # how many documents have each count, the largest first: no need to sort them
        taken = np.diff(np.minimum(np.cumsum(tally), top), prepend=0)
        return float(taken @ np.arange(len(tally) - 1, -1, -1) / counts.sum())

    quantiles = stats.binom.ppf((np.arange(n - top, n) + 0.5) / n, occ.queries, occ.chance)
    null = float(quantiles.sum()) / float(occ.counts.sum())
    return occ.interval(statistic(occ.counts, occ.queries), statistic, null)
