"""Chroma as a store: a folder on disk, a server, or a live object. See README.md beside this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragdiag.stores import Opener, is_a
from ragdiag_chroma.place import FILE, MARKS, Place

if TYPE_CHECKING:
    from ragdiag.stores import Target, VectorStore


def _open_uri(rest: str, options: dict[str, str]) -> VectorStore:
    from ragdiag_chroma.store import open_place

    return open_place(Place.of(rest, options))


def _open_object(obj: Any) -> VectorStore:
    from ragdiag_chroma.store import open_live

    return open_live(obj)


def _target(rest: str, options: dict[str, str]) -> Target:
    from ragdiag_chroma.write import chroma_target

    return chroma_target(Place.of(rest, options))


def _accepts(obj: Any) -> bool:
    return any(is_a(obj, *mark) for mark in MARKS)


def _claims_path(path: str) -> bool:
    import os

    return os.path.isfile(os.path.join(path, FILE))


opener = Opener(
    schemes=("chroma",),
    suffixes=(),
    description="Chroma: chroma:FOLDER?collection=NAME, chroma:http://HOST:8000?collection=NAME, or a live object",
    open_uri=_open_uri,
    accepts=_accepts,
    open_object=_open_object,
    claims_path=_claims_path,
    target=_target,
)
