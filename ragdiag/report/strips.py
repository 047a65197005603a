"""A measure as a small picture: where its value and interval lie, and where the null is."""

from __future__ import annotations

from html import escape

from ragdiag.numbers import interval, number
from ragdiag.types import Measure

_WIDTH, _HEIGHT, _PAD = 220, 26, 10


def strip(measure: Measure) -> str:
    """Return an SVG of a measure: a dot, its interval, and a tick for the null; "" where it is undefined.

    Examples
    --------
    >>> strip(Measure.missing("no queries were given"))
    ''
    """
    if measure.value is None:
        return ""
    ends = [measure.value, *(x for x in (measure.low, measure.high, measure.null) if x is not None)]
    # Zero is in view where it is near: the distance from nothing is what an effect looks like.
    if min(ends) > 0 and min(ends) < 0.5 * max(ends):
        ends.append(0.0)
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0

    def at(x: float) -> str:
        return f"{_PAD + (x - low) / span * (_WIDTH - 2 * _PAD):.1f}"

    middle = _HEIGHT / 2
    said = number(measure.value)
    bounds = interval(measure)
    said += ", counted" if bounds == "exact" else f", 95 % interval {bounds}" if bounds else ""
    parts = [f'<line class="axis" x1="{_PAD}" x2="{_WIDTH - _PAD}" y1="{middle}" y2="{middle}"/>']
    if measure.null is not None:
        said += f"; null {number(measure.null)}"
        x = at(measure.null)
        parts.append(f'<line class="null" x1="{x}" x2="{x}" y1="3" y2="{_HEIGHT - 3}"/>')
    if measure.low is not None and measure.high is not None:
        parts.append(
            f'<line class="interval" x1="{at(measure.low)}" x2="{at(measure.high)}" y1="{middle}" y2="{middle}"/>'
        )
    parts.append(f'<circle class="value" cx="{at(measure.value)}" cy="{middle}" r="4.5"/>')
    return (
        f'<svg class="strip" role="img" aria-label="{escape(said)}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' width="{_WIDTH}" height="{_HEIGHT}">{"".join(parts)}</svg>'
    )
