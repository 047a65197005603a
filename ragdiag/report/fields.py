"""Values taken out of foreign JSON: of the type that was asked for, or an error that names the place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

_LONGEST = 10_000  # characters of a name: twice the longest path


class Fields:
    """One JSON object, and where it stands in the file.

    Parameters
    ----------
    value : object
        As parsed; raises ValueError unless it is an object.
    place : str
        Such as ``"store"``, for errors.

    Examples
    --------
    >>> Fields({"count": 3}, "store").whole("count")
    3
    >>> Fields({"count": "3"}, "store").whole("count")
    Traceback (most recent call last):
    ValueError: store.count is no whole number
    """

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{place or 'the file'} is no object")
        self._value, self._place = value, place

    def __contains__(self, key: str) -> bool:
        return self._value.get(key) is not None

    def names(self) -> Iterator[str]:
        """Return the keys."""
        return iter(self._value)

    def raw(self, key: str) -> Any:
        """Return what stands under `key`, None when nothing does."""
        return self._value.get(key)

    def place(self, key: str) -> str:
        """Return how `key` is called in an error."""
        return f"{self._place}.{key}" if self._place else key

    def text(self, key: str) -> str:
        """Return a string."""
        value = self.raw(key)
        if not isinstance(value, str):
            raise ValueError(f"{self.place(key)} is no text")
        return value

    def name(self, key: str) -> str:
        """Return a string that is to stand in a line: of at most 10,000 characters."""
        value = self.text(key)
        if len(value) > _LONGEST:
            raise ValueError(f"{self.place(key)} has {len(value):,} characters")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string, or None for null and for nothing."""
        return self.text(key) if key in self else None

    def optional_name(self, key: str) -> str | None:
        """Return a string that is to stand in a line, or None for null and for nothing."""
        return self.name(key) if key in self else None

    def whole(self, key: str) -> int:
        """Return a whole number that is not negative."""
        value = self.raw(key)
        if type(value) is not int or not 0 <= value < 2**63:
            raise ValueError(f"{self.place(key)} is no whole number")
        return value

    def number(self, key: str) -> float | None:
        """Return a finite number, or None for null and for nothing."""
        return None if key not in self else finite(self.raw(key), self.place(key))

    def fields(self, key: str) -> Fields:
        """Return the object under `key`."""
        return Fields(self.raw(key), self.place(key))

    def items(self, key: str) -> list[Any]:
        """Return the list under `key`."""
        value = self.raw(key)
        if not isinstance(value, list):
            raise ValueError(f"{self.place(key)} is no list")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"{self.place(key)} holds something that is no text")
        return tuple(values)


def finite(value: Any, place: str) -> float:
    """Return a number as a float.

    Raises
    ------
    ValueError
        When it is no number, or too large for a float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{place} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{place} is no finite number")
    return number
