"""Metadata as one JSON object in a column of text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ragdiag.errors import StoreError


def to_json(metadata: Mapping[str, Any], *, id_: str, name: str, lossy: bool) -> str:
    """Return metadata as JSON text, from which it can be read back equal.

    Parameters
    ----------
    metadata : mapping
        Of one document.
    id_, name : str
        The document and the store, for errors.
    lossy : bool
        Whether values that JSON cannot keep may be changed to text.

    Raises
    ------
    StoreError
        When a value would be changed, and `lossy` is false.

    Examples
    --------
    >>> to_json({"page": np.int64(3)}, id_="a", name="new", lossy=False)
    '{"page": 3}'
    >>> to_json({"at": 1j}, id_="a", name="new", lossy=True)
    '{"at": "1j"}'
    """
    try:
        text = json.dumps(dict(metadata), allow_nan=False, default=_number)
        exact = json.loads(text) == metadata
    except (TypeError, ValueError, RecursionError):
        exact = False
    if exact:
        return text
    if not lossy:
        raise StoreError(
            f"{name}: the metadata of {id_!r} holds values that JSON cannot keep",
            hint="store text, numbers, lists and mappings by text, or allow the loss (--lossy)",
        )
    return json.dumps(dict(metadata), default=str, skipkeys=True)


def from_json(text: Any, *, id_: str, name: str) -> dict[str, Any]:
    """Return the metadata that a text holds; none for None and ``null``.

    Raises
    ------
    StoreError
        When it is no JSON object.

    Examples
    --------
    >>> from_json('{"page": 3}', id_="a", name="store"), from_json(None, id_="b", name="store")
    ({'page': 3}, {})
    """
    try:
        value = {} if text is None else json.loads(text)
    except (TypeError, ValueError, RecursionError):
        value = text
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise StoreError(f"{name}: the metadata of {id_!r} is no JSON object", hint="write it again")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value).__name__)
