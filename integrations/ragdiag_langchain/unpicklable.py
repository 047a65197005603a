"""Diagnosed objects are copied as others are, and cannot be pickled."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ragdiag.errors import RecordError


def unpicklable(cls: Any) -> dict[str, Any]:
    """Return methods of a view: it cannot be pickled, and is copied as its class is otherwise."""

    def copied(self: Any) -> Any:
        copy: Any = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    def copied_deep(self: Any, memo: dict[int, Any]) -> Any:
        memo[id(self)] = copy = object.__new__(type(self))
        copy.__dict__.update(deepcopy(self.__dict__, memo))
        return copy

    own = {"__copy__": copied, "__deepcopy__": copied_deep}
    return {"__reduce_ex__": not_pickled} | {name: way for name, way in own.items() if not hasattr(cls, name)}


def not_pickled(self: Any, protocol: int) -> Any:
    """Say why in place of ``__reduce_ex__``."""
    raise RecordError(
        f"the {type(self).__name__} is diagnosed and cannot be pickled, as its record is of this process",
        hint="pickle the one that was given to diagnose, diagnose it in each process, and merge their records",
    )
