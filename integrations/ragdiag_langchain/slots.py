"""The part of an object's state that lies in slots, shared as its ``__dict__`` is."""

from __future__ import annotations

import types
from typing import Any


def shared_slots(obj: Any) -> dict[str, Any]:
    """Return properties for a class derived from that of `obj`, which read and write the slots of `obj`.

    Examples
    --------
    >>> class Slotted:
    ...     __slots__ = ("at",)
    >>> one = Slotted()
    >>> other = type("Other", (Slotted,), shared_slots(one))()
    >>> other.at = 3
    >>> one.at
    3
    """
    found = {}
    for base in reversed(type(obj).__mro__):
        members = [(name, slot) for name, slot in vars(base).items() if isinstance(slot, types.MemberDescriptorType)]
        found.update({name: _shared(slot, obj) for name, slot in members})
    return found


def _shared(slot: types.MemberDescriptorType, obj: Any) -> property:
    return property(
        lambda _: slot.__get__(obj), lambda _, value: slot.__set__(obj, value), lambda _: slot.__delete__(obj)
    )
