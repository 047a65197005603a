"""The document in most lists: its share, with an interval that knows it was picked for being the largest."""

from __future__ import annotations

from collections.abc import Callable

from scipy import stats

from ragdiag.geometry.hubness import Occurrences
from ragdiag.types import Measure

_TAIL = 0.025
_STEPS = 60  # halvings: more than a float64 can tell apart


def largest_share(occ: Occurrences) -> Measure:
    """Largest share of the queries that list one and the same document, max N/m, from k/n to 1.

    The interval is for the largest share p* = max pᵢ that any document has among all queries (of the population,
    or of the stream). The value is the largest of n counts and so reads high where several documents come close;
    an interval of one count, such as Wilson's, would take that for the truth. Its ends:

    - low: the smallest share t for which a maximum as large as that seen is no rarer than 2.5 %. Shares add up
      to k, so that at most k/t documents can have t, and by Bonferroni P(max N ≥ x) ≤ k/t · P(N ≥ x | t).
    - high: the largest t for which the document that has it would be in so few lists in 2.5 %.

    It holds p* in at least 95 % (more, where documents come close to each other). Counts are binomial, or
    hypergeometric when the queries are drawn from a finite population; when all of that was asked, nothing is left
    to estimate. Null: the median of the maximum over n documents when queries list at random.

    Examples
    --------
    >>> import numpy as np
    >>> lists = np.array([[0, 1 + i % 9] for i in range(50)])
    >>> found = largest_share(Occurrences.of(lists, 10, population=None, rng=np.random.default_rng(0)))
    >>> found.value, round(found.low, 2), found.high
    (1.0, 0.91, 1.0)
    """
    m, n, hits = occ.queries, len(occ.counts), int(occ.counts.max())
    null = float(stats.binom.ppf(0.5 ** (1 / n), m, occ.chance)) / m
    value = hits / m
    if occ.sampled_share >= 1:
        return Measure.counted(value, n=m, null=null)

    def at_least(t: float) -> float:
        """Bound the probability of a maximum as large as that seen where the largest share is t."""
        crowd = min(occ.k / t, n) if t > 0 else n
        return crowd * _tail(occ, hits - 1, t, upper=True)

    low = _crossing(lambda t: at_least(t) > _TAIL, 0.0, value)
    high = 1.0 if hits == m else _crossing(lambda t: _tail(occ, hits, t, upper=False) <= _TAIL, value, 1.0)
    return Measure(value, min(low, value), max(high, value), null, m)


def _tail(occ: Occurrences, hits: int, share: float, *, upper: bool) -> float:
    """Return P(N > hits) or P(N ≤ hits) of a document that stands in this share of all lists."""
    m, M = occ.queries, occ.population
    if M:
        hypergeometric = stats.hypergeom.sf if upper else stats.hypergeom.cdf
        return float(hypergeometric(hits, M, round(share * M), m))
    return float((stats.binom.sf if upper else stats.binom.cdf)(hits, m, share))


def _crossing(true_at: Callable[[float], bool], low: float, high: float) -> float:
    """Return where a condition that is false at `low` becomes true; `high` when it never does."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if true_at(middle):
            high = middle
        else:
            low = middle
    return high
