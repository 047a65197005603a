"""What adapters of engines choose by: the class of a live object, and the collection that is meant."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ragdiag.errors import StoreError, StoreNotFoundError

_SHOWN = 10  # names that an error lists


def is_a(obj: Any, name: str, modules: str | tuple[str, ...]) -> bool:
    """Whether an object's class, or one it derives from, has this name and lives in one of the modules.

    Nothing is imported for it.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> is_a(OrderedDict(), "dict", "builtins"), is_a(OrderedDict(), "OrderedDict", ("json.", "os"))
    (True, False)
    """
    return any(base.__name__ == name and str(base.__module__).startswith(modules) for base in type(obj).__mro__)


def chosen(collection: str, names: Collection[str], where: str, hint: str = "name one with ?collection=NAME") -> str:
    """Return the collection that was named, or the only one there is.

    Parameters
    ----------
    collection : str
        "" when none was named.
    names : collection of str
        Those that are there.
    where : str
        How the database is called in an error.
    hint : str
        How one is named.

    Raises
    ------
    StoreNotFoundError
        When there is none of that name.
    StoreError
        When none was named, and there is none or several.

    Examples
    --------
    >>> chosen("", {"docs"}, "the database")
    'docs'
    """
    known = ", ".join(repr(name) for name in sorted(names)[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    if collection:
        if collection not in names:
            there = f"there is {known}" if names else "there are none"
            raise StoreNotFoundError(f"{where} has no collection {collection!r}", hint=there)
        return collection
    if not names:
        raise StoreError(f"{where} has no collections", hint="add documents to one first")
    if len(names) > 1:
        raise StoreError(f"{where} has {len(names)} collections: {known}", hint=hint)
    return next(iter(names))
