"""Metadata as Chroma can hold it: text, whole numbers, numbers, truth values, and lists of one kind of these."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores.rows import clean_text

_RESERVED = "chroma:document"


def kept(metadata: Mapping[str, Any], id_: str, *, store: str, lossy: bool) -> dict[str, Any] | None:
    """Return metadata as Chroma gives it back; None when there is none, which Chroma wants so.

    Parameters
    ----------
    metadata : mapping
        Of one document.
    id_ : str
        Of the document, for the error.
    store : str
        How the store is called in an error.
    lossy : bool
        Whether other values may become text in JSON, and those that are missing (None) be left out.

    Raises
    ------
    StoreError
        When a value would be changed, and `lossy` is false.

    Examples
    --------
    >>> kept({"page": 3, "tags": ["a", "b"]}, "x", store="new", lossy=False)
    {'page': 3, 'tags': ['a', 'b']}
    >>> kept({"author": {"name": "Ann"}, "year": None}, "x", store="new", lossy=True)
    {'author': '{"name": "Ann"}'}
    """
    result = {}
    for key, value in metadata.items():
        plain = value.item() if isinstance(value, np.generic) else value
        name = str(key)
        if _holds(plain) and name == key and name not in ("", _RESERVED) and _is_text(name):
            result[name] = plain
        elif not lossy:
            raise StoreError(
                f"{store}: the metadata of {id_!r} holds {key!r}, which Chroma cannot keep as it is",
                hint="store text, numbers and lists of one kind of them, or allow the loss (--lossy)",
            )
        elif plain is not None and name not in ("", _RESERVED):
            said = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, default=str)
            result[clean_text(name) or ""] = clean_text(said)
    return result or None


def _holds(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and len({type(one) for one in value}) == 1 and all(_is_plain(one) for one in value)
    return _is_plain(value)


def _is_plain(value: Any) -> bool:
    """Whether a value comes back with its type: Chroma tells text, int64, float64 and truth values apart."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    return kind is bool or (kind is str and _is_text(value))


def _is_text(value: str) -> bool:
    return clean_text(value) == value
