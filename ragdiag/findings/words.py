"""Numbers in sentences."""

from __future__ import annotations

from ragdiag.types import Measure


def percent(value: float | None) -> str:
    """Return a share in words: 12 %, 1.2 %, 0.05 %.

    Examples
    --------
    >>> percent(0.123), percent(0.0123), percent(1.0)
    ('12 %', '1.2 %', '100 %')
    """
    p = 100 * (value or 0.0)
    digits = 0 if p >= 10 else 1 if p >= 1 else 2
    return f"{p:.{digits}f} %"


def number(value: float | None) -> str:
    """Return a number with three significant digits, without an exponent where that reads better.

    Examples
    --------
    >>> number(0.12345), number(1234.5), number(2.0)
    ('0.123', '1,234', '2')
    """
    if value is None:
        return "undefined"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def at_least(measure: Measure, threshold: float) -> bool:
    """Return whether the whole interval reaches `threshold`; the value alone where there is no interval."""
    low = measure.low if measure.low is not None else measure.value
    return low is not None and low >= threshold


def at_most(measure: Measure, threshold: float) -> bool:
    """Return whether the whole interval stays below `threshold`."""
    high = measure.high if measure.high is not None else measure.value
    return high is not None and high <= threshold


def count(n: int, one: str, many: str = "") -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> count(1, "vector"), count(2000, "vector")
    ('1 vector', '2,000 vectors')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"
