"""Metadata as Qdrant can hold it: whatever JSON can."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores.rows import clean_text


def kept(metadata: Mapping[str, Any], id_: str, *, store: str, lossy: bool) -> dict[str, Any]:
    """Return metadata as Qdrant gives it back.

    Parameters
    ----------
    metadata : mapping
        Of one document.
    id_ : str
        Of the document, for the error.
    store : str
        How the store is called in an error.
    lossy : bool
        Whether what JSON cannot hold may become text.

    Raises
    ------
    StoreError
        When a value would be changed, and `lossy` is false.

    Examples
    --------
    >>> kept({"pages": [1, {"of": None}]}, "x", store="new", lossy=False)
    {'pages': [1, {'of': None}]}
    >>> kept({"size": float("inf"), "whole": 2**70}, "x", store="new", lossy=True)
    {'size': 'Infinity', 'whole': '1180591620717411303424'}
    """
    given = dict(metadata)
    try:
        text = json.dumps(given, allow_nan=False, ensure_ascii=False, default=_plain)
        text.encode()
        found = json.loads(text, parse_int=_whole)
        if found == given:
            return dict(found)
    except (TypeError, ValueError, RecursionError):
        pass
    if lossy:
        text = json.dumps(given, ensure_ascii=False, default=_or_text, skipkeys=True)
        return dict(json.loads(clean_text(text) or "", parse_int=_whole_or_text, parse_constant=str))
    raise StoreError(
        f"{store}: the metadata of {id_!r} holds values that Qdrant cannot keep as they are",
        hint="store what JSON can hold, or allow the loss (--lossy)",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError


def _or_text(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def _whole(digits: str) -> int:
    if -(2**63) <= int(digits) < 2**63:
        return int(digits)
    raise ValueError("beyond 64 bits, where a server would round it")


def _whole_or_text(digits: str) -> int | str:
    return int(digits) if -(2**63) <= int(digits) < 2**63 else digits
