"""Did a measure move between two stores, beyond what its two intervals leave open?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

from ragdiag.geometry.intervals import Z, wilson
from ragdiag.types import Measure

SMALLEST = 0.01  # a change of which nobody has to hear
RELATIVE = 0.1  # of the old value, likewise


@dataclass(frozen=True)
class Movement:
    """How far a measure moved.

    Attributes
    ----------
    old, new : Measure
    delta, low, high : float
        New less old, with its joint 95 % interval.
    p : float
        Two-sided, that nothing moved.
    """

    old: Measure
    new: Measure
    delta: float
    low: float
    high: float
    p: float

    @property
    def away(self) -> bool:
        """Whether it moved away from its null: from what it reads where there is nothing to find."""
        null = self.new.null
        if null is None or self.new.value is None or self.old.value is None:
            return False
        return abs(self.new.value - null) > abs(self.old.value - null)

    @property
    def notable(self) -> bool:
        """Whether it moved by .01 and by a tenth of the old value."""
        return abs(self.delta) >= max(SMALLEST, RELATIVE * abs(self.old.value or 0.0))


def movement(old: Measure, new: Measure) -> Movement | None:
    """Return how far a measure moved; None where either side has no value or no interval, or one beyond all floats.

    The interval of a difference of two independent estimates, from the ends of their own (MOVER). What was counted
    over all documents has no width for its store, but other documents of the same kind would count otherwise: a
    share gets the interval of Wilson, and of another exact number (a skewness over all documents) nothing is known that
    could be held against chance: its p is 1.

    Source: Zou & Donner 2008, doi:10.1002/sim.3095.

    Examples
    --------
    >>> moved = movement(Measure(0.1, 0.06, 0.14, 0.0, 200), Measure(0.2, 0.17, 0.23, 0.0, 200))
    >>> round(moved.low, 3), round(moved.high, 3), moved.p < 1e-4
    (0.05, 0.15, True)
    """
    first, second = _with_ends(old), _with_ends(new)
    if first is None or second is None:
        return None
    (v1, low1, high1), (v2, low2, high2) = first, second
    delta = v2 - v1
    down, up = math.hypot(v2 - low2, high1 - v1), math.hypot(high2 - v2, v1 - low1)
    if not math.isfinite(delta) or not math.isfinite(down + up):
        return None
    # A value at the very end of its interval leaves no room on that side: the other side then stands for both.
    half = (down if delta > 0 else up) or max(down, up)
    known = low1 < high1 and low2 < high2
    p = 2 * float(stats.norm.sf(Z * abs(delta) / half)) if known else 1.0
    return Movement(old, new, delta, delta - down, delta + up, p)


def _with_ends(measure: Measure) -> tuple[float, float, float] | None:
    value, low, high = measure.value, measure.low, measure.high
    if value is None or low is None or high is None:
        return None
    if low == high and 0 <= value <= 1 and measure.n > 0:
        drawn = wilson(round(value * measure.n), measure.n)
        return value, min(drawn.low or 0.0, value), max(drawn.high or 0.0, value)
    return value, min(low, value), max(high, value)
