"""Numbers as people read them: three significant digits, thousands apart, an interval beside each."""

from __future__ import annotations

import math

from ragdiag.types import Measure

# Below this a float is the rounding error of a sum that is zero.
_ROUNDING = 1e-12


def number(value: float) -> str:
    """Return `value` with three significant digits.

    Examples
    --------
    >>> [number(x) for x in (0.41234, 12345.6, 384.0, -0.05, 0.0000321, 1e-17)]
    ['0.412', '12,346', '384', '-0.0500', '3.21e-05', '0']
    """
    size = abs(value)
    if not math.isfinite(value):
        return str(value)
    if size < _ROUNDING:
        return "0"
    if size >= 1e9:
        return f"{value:.2e}"
    if size >= 999.5 or value == int(value):
        return f"{value:,.0f}"
    if size < 1e-4:
        return f"{value:.2e}"
    # The exponent is that of the rounded number: 9.996 has one digit before the point and reads 10.0.
    exponent = int(f"{size:.2e}".split("e")[1])
    return f"{value:.{2 - exponent}f}"


def spoken(value: float | None) -> str:
    """Return `value` as a sentence says it: without zeros at the end.

    Examples
    --------
    >>> [spoken(x) for x in (0.5, 2.0003, 12345.6, None)]
    ['0.5', '2', '12,346', 'undefined']
    """
    if value is None:
        return "undefined"
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def percent(share: float | None) -> str:
    """Return a share as a percentage; only what is all or nothing reads 100 or 0.

    Examples
    --------
    >>> [percent(x) for x in (0.123, 0.0123, 0.001, 0.00001, 0.0, 0.995, 0.9996, 0.99999, 1.0)]
    ['12 %', '1.2 %', '0.10 %', '< 0.01 %', '0 %', '99.5 %', '99.96 %', '> 99.99 %', '100 %']
    """
    p = 100 * (share or 0.0)
    if p in (0.0, 100.0):
        return f"{p:.0f} %"
    if 0 < p < 0.005:
        return "< 0.01 %"
    if 99.995 <= p < 100:
        return "> 99.99 %"
    digits = 2 if p < 1 else 1 if p < 10 else 0
    if 99.5 <= p < 100:
        digits = 1 if p < 99.95 else 2
    return f"{p:.{digits}f} %"


def probability(value: float) -> str:
    """Return a p-value with two significant digits.

    Examples
    --------
    >>> [probability(p) for p in (0.0012, 0.2, 1.0, 0.00009999)]
    ['0.0012', '0.2', '1', '0.0001']
    """
    return f"{value:.2g}"


def count(value: int) -> str:
    """Return a whole number with its thousands apart.

    Examples
    --------
    >>> count(1204)
    '1,204'
    """
    return f"{value:,}"


def counted(value: int, noun: str, plural: str = "") -> str:
    """Return a whole number with its noun.

    Examples
    --------
    >>> counted(1, "query", "queries"), counted(1204, "query", "queries"), counted(0, "error")
    ('1 query', '1,204 queries', '0 errors')
    """
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def interval(measure: Measure) -> str:
    """Return the 95 % interval of a defined measure, ``exact`` when it was counted, "" without one.

    Examples
    --------
    >>> interval(Measure(0.5, 0.4, 0.6, 0.0, 100)), interval(Measure.counted(3, n=100))
    ('[0.400, 0.600]', 'exact')
    """
    if measure.low is None or measure.high is None:
        return ""
    if measure.low == measure.value == measure.high:
        return "exact"
    return f"[{number(measure.low)}, {number(measure.high)}]"


def score(measure: Measure, *, sign: bool = False) -> str:
    """Return a retrieval score or a difference of two, three decimals, with its interval.

    Examples
    --------
    >>> score(Measure(0.0431, 0.0202, 0.066, 0.0, 150), sign=True)
    '+0.043 [+0.020, +0.066]'
    """
    if measure.value is None:
        return "undefined"
    form = "+.3f" if sign else ".3f"
    value = _three(measure.value, form)
    if measure.low is None or measure.high is None:
        return value
    return f"{value} [{_three(measure.low, form)}, {_three(measure.high, form)}]"


def _three(value: float, form: str) -> str:
    # Adding zero turns a rounded -0.0 into 0.0.
    return format(round(value, 3) + 0.0, form)
