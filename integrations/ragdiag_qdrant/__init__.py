"""Qdrant as a store: a local folder, a server, or a live object. See README.md beside this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragdiag.stores import Opener, is_a
from ragdiag_qdrant.place import MARKS, Place, is_database

if TYPE_CHECKING:
    from ragdiag.stores import Target, VectorStore


def _open_uri(rest: str, options: dict[str, str]) -> VectorStore:
    from ragdiag_qdrant.store import open_place

    return open_place(Place.of(rest, options))


def _open_object(obj: Any) -> VectorStore:
    from ragdiag_qdrant.store import open_live

    return open_live(obj)


def _target(rest: str, options: dict[str, str]) -> Target:
    from ragdiag_qdrant.write import qdrant_target

    return qdrant_target(Place.of(rest, options))


def _accepts(obj: Any) -> bool:
    return any(is_a(obj, *mark) for mark in MARKS)


opener = Opener(
    schemes=("qdrant",),
    suffixes=(),
    description="Qdrant: qdrant:FOLDER?collection=NAME, qdrant:http://HOST:6333?collection=NAME, or a live object",
    open_uri=_open_uri,
    accepts=_accepts,
    open_object=_open_object,
    claims_path=is_database,
    target=_target,
)
