"""Write Chroma: a new folder, put in its place whole, or a collection of a server."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from ragdiag.errors import ConfigError, StoreError
from ragdiag.stores import CollectionTarget, NewStore, PathTarget, told
from ragdiag.types import Batch, Metric
from ragdiag_chroma.alone import OWN, beside, is_open
from ragdiag_chroma.keeping import kept
from ragdiag_chroma.place import Place, close
from ragdiag_chroma.store import SPACES

_T = TypeVar("_T")

DEFAULT = "langchain"  # the collection of LangChain's Chroma, when it is not told another
_SPACES = {metric: space for space, metric in SPACES.items()}
_METRICS: frozenset[Metric | None] = frozenset(_SPACES)
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")


@dataclass(frozen=True)
class FolderTarget(PathTarget):
    """A new folder with one collection, as LangChain's ``Chroma(persist_directory=…)`` opens it."""

    place: Place
    folder: ClassVar[bool] = True
    metrics: ClassVar[frozenset[Metric | None]] = _METRICS

    @property
    def name(self) -> str:
        """The folder and the collection, as `StoreInfo.name` of the store opened there."""
        return self.place.name(self.place.collection)

    def _refuse(self, *, overwrite: bool) -> None:
        """Raise when replacing the folder would remove more than the collection, or pull it from under a client."""
        if is_open(self.path):
            raise StoreError(
                f"{self.rest} is open in a client of Chroma in this process, which would not see it replaced",
                hint="close the client, or name another folder",
            )
        parts = [name for name in os.listdir(self.path) if self._belongs(name)] if os.path.isdir(self.path) else []
        if not overwrite or not parts:
            return  # nothing of Chroma's; what else there is `_belongs` does not allow
        others = beside(self.path, self.place)
        if others:
            raise ConfigError(f"cannot replace {self.rest}, it also holds {others[0]}", hint="name another folder")

    def _belongs(self, name: str) -> bool:
        return OWN.fullmatch(name) is not None

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        place = replace(self.place, rest=draft)
        client = place.client(new=True)
        try:
            _fill(client, self.place.collection, batches, new, self.place, self.name)
        finally:
            close(client)


@dataclass(frozen=True)
class ServerTarget(CollectionTarget):
    """A collection of a server; while one is replaced there is none of its name between two renames."""

    place: Place
    metrics: ClassVar[frozenset[Metric | None]] = _METRICS

    @property
    def name(self) -> str:
        """The server and the collection, as `StoreInfo.name` of the store opened there."""
        return self.place.name(self.collection)

    def _collections(self) -> set[str]:
        return _asked(self.place, _names)

    def _fill(self, collection: str, batches: Iterator[Batch], new: NewStore) -> None:
        client = self.place.client()
        try:
            _fill(client, collection, batches, new, self.place, self.name)
        finally:
            close(client)

    def _rename(self, draft: str) -> None:
        def swap(client: Any) -> None:
            new = client.get_collection(draft, embedding_function=None)
            if self.collection not in _names(client):
                new.modify(name=self.collection)
                return
            old = client.get_collection(self.collection, embedding_function=None)
            aside = f"ragdiag_old_{secrets.token_hex(4)}"
            old.modify(name=aside)
            try:
                new.modify(name=self.collection)
            except BaseException:
                old.modify(name=self.collection)
                raise
            client.delete_collection(aside)

        _asked(self.place, swap)

    def _drop(self, collection: str) -> None:
        def drop(client: Any) -> None:
            if collection in _names(client):
                client.delete_collection(collection)

        _asked(self.place, drop)


def chroma_target(place: Place) -> FolderTarget | ServerTarget:
    """Return where ``chroma:FOLDER?collection=langchain`` or ``chroma:http://…?collection=NAME`` would be written."""
    if place.collection and not _NAME.fullmatch(place.collection):
        raise ConfigError(
            f"Chroma takes no collection {place.collection!r}",
            hint="3 to 512 letters, digits, dots, hyphens and underscores, with a letter or digit at both ends",
        )
    if place.remote:
        return ServerTarget(place.collection, place)
    return FolderTarget(place.rest, replace(place, collection=place.collection or DEFAULT))


def _fill(client: Any, collection: str, batches: Iterator[Batch], new: NewStore, place: Place, name: str) -> None:
    """Make a collection in LangChain's layout and add all batches; a document without a text gets an empty one."""
    assert new.metric is not None
    settings = {"hnsw": {"space": _SPACES[new.metric]}}
    with told(name, secrets=place.secrets):
        made = client.create_collection(collection, embedding_function=None, configuration=settings)
        most = client.get_max_batch_size()
    for batch in batches:
        odd = np.flatnonzero(~np.isfinite(batch.vectors).all(axis=1))
        if len(odd):
            raise StoreError(
                f"{name}: the vector of {batch.ids[odd[0]]!r} holds NaN or infinity, which Chroma refuses",
                hint="leave such documents out, or write to a file",
            )
        texts = [text or "" for text in batch.texts or [""] * len(batch)]
        pairs = zip(batch.ids, batch.metadata or [{}] * len(batch), strict=True)
        metadata = [kept(one, id_, store=name, lossy=new.lossy) for id_, one in pairs]
        for start in range(0, len(batch), most):
            part = slice(start, start + most)
            with told(name, secrets=place.secrets):
                made.add(
                    ids=list(batch.ids[part]),
                    embeddings=batch.vectors[part],
                    documents=texts[part],
                    metadatas=metadata[part],
                )


def _asked(place: Place, action: Callable[[Any], _T]) -> _T:
    """Do something with a client of its own."""
    client = place.client()
    try:
        with told(place.shown, secrets=place.secrets):
            return action(client)
    finally:
        close(client)


def _names(client: Any) -> set[str]:
    return {found.name for found in client.list_collections()}
