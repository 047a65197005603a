"""Ids of documents and of points: Qdrant knows unsigned numbers and UUIDs only."""

from __future__ import annotations

import re
import uuid
from typing import Any

ID = "ragdiag_id"  # of the payload, where a point's own id is not the document's
_NUMBER = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)
_NAMES = uuid.UUID("b0d24a1c-6f0f-5d1e-9d0b-1f9c4ed9b6a7")  # of nothing else


def point_id(id_: str) -> int | str:
    """Return the point of a document: its own id where that is a number or UUID as Qdrant writes it, else a UUID of it.

    Examples
    --------
    >>> point_id("17"), point_id("0c7c9d52-3b0e-4b0e-8f6e-2b1a3f6f6c11")
    (17, '0c7c9d52-3b0e-4b0e-8f6e-2b1a3f6f6c11')
    >>> point_id("doc-1")
    '...'
    """
    if _NUMBER.fullmatch(id_) and int(id_) < 2**64:
        return int(id_)
    try:
        if str(uuid.UUID(id_)) == id_:
            return id_
    except ValueError:
        pass
    return str(uuid.uuid5(_NAMES, id_))


def document_id(point: int | str, payload: dict[str, Any]) -> str:
    """Return the id of a document; what the payload says is believed only where `point_id` agrees.

    Examples
    --------
    >>> document_id(17, {}), document_id(point_id("doc-1"), {"ragdiag_id": "doc-1"})
    ('17', 'doc-1')
    >>> document_id(17, {"ragdiag_id": "doc-1"})
    '17'
    """
    said = payload.get(ID)
    if isinstance(said, str):
        try:
            if point_id(said) == point:
                return said
        except UnicodeEncodeError:  # half a surrogate pair, which we do not write
            pass
    return str(point)
