"""When a measure has crossed a threshold, and how it is spoken of."""

from __future__ import annotations

from ragdiag.types import Measure


def at_least(measure: Measure, threshold: float) -> bool:
    """Return whether the whole interval reaches `threshold`; the value alone where there is no interval."""
    low = measure.low if measure.low is not None else measure.value
    return low is not None and low >= threshold


def at_most(measure: Measure, threshold: float) -> bool:
    """Return whether the whole interval stays below `threshold`."""
    high = measure.high if measure.high is not None else measure.value
    return high is not None and high <= threshold


def limit(share: float) -> str:
    """Return a threshold that is a share as a page says it, without the zeros of a measured one.

    Examples
    --------
    >>> [limit(share) for share in (0.0001, 0.005, 0.02, 0.5)]
    ['0.01 %', '0.5 %', '2 %', '50 %']
    """
    return f"{100 * share:g} %"
