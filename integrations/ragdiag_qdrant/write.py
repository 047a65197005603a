"""Write Qdrant: a new local folder, put in its place whole, or a collection of a server, shown by an alias."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from ragdiag.errors import ConfigError, StoreError
from ragdiag.stores import CollectionTarget, Draft, NewStore, PathTarget, told
from ragdiag.stores.collection_target import DRAFT
from ragdiag.types import Batch, Metric
from ragdiag_qdrant.dense import DISTANCES
from ragdiag_qdrant.keeping import kept
from ragdiag_qdrant.place import COLLECTIONS, FILE, LOCK, STORAGE, Place, described, refuse_locked
from ragdiag_qdrant.point_ids import ID, point_id

DEFAULT = "langchain"  # a name for the only collection of a new folder
_DISTANCES = {metric: distance for distance, metric in DISTANCES.items()}
_METRICS: frozenset[Metric | None] = frozenset(_DISTANCES)
_INVALID = frozenset('<>:"/\\|?*\0\x1f')  # Qdrant's own list
_T = TypeVar("_T")


@dataclass(frozen=True)
class FolderTarget(PathTarget):
    """A new folder with one collection, as ``QdrantClient(path=…)`` opens it."""

    place: Place
    folder: ClassVar[bool] = True
    metrics: ClassVar[frozenset[Metric | None]] = _METRICS

    @property
    def name(self) -> str:
        """The folder and the collection, as `StoreInfo.name` of the store opened there."""
        return self.place.name(self.place.collection, self.place.vector)

    def _refuse(self, *, overwrite: bool) -> None:
        """Raise when replacing the folder would remove other collections, or pull it from under another client."""
        inside = os.path.join(self.path, COLLECTIONS)
        found = set(os.listdir(inside)) if os.path.isdir(inside) else set()
        if not found and not os.path.isfile(os.path.join(self.path, FILE)):
            return  # no database, of which `_belongs` allows nothing more than the lock
        refuse_locked(self.path)
        known = described(self.path)
        others = sorted((found | set(known["collections"])) - {self.place.collection})
        strange = [f"the collection {other!r}" for other in others] + [
            *(f"the alias {alias!r}" for alias in sorted(known.get("aliases") or {})),
            *(f"{path!r} in the collection" for path in _strange(os.path.join(inside, self.place.collection))),
        ]
        if strange:
            raise ConfigError(f"cannot replace {self.rest}, it also holds {strange[0]}", hint="name another folder")

    def _belongs(self, name: str) -> bool:
        return name in (FILE, COLLECTIONS, LOCK)

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        client = replace(self.place, rest=draft).client(new=True)
        try:
            _fill(client, self.place.collection, batches, new, self.place, self.name)
        finally:
            client.close()


@dataclass(frozen=True)
class ServerTarget(CollectionTarget):
    """A collection of a server, whose name is an alias: Qdrant cannot rename, but switches aliases in one step."""

    place: Place
    metrics: ClassVar[frozenset[Metric | None]] = _METRICS

    @property
    def name(self) -> str:
        """The server and the collection, as `StoreInfo.name` of the store opened there."""
        return self.place.name(self.collection, self.place.vector)

    def write(self, batches: Iterator[Batch], new: NewStore) -> None:
        """Fill a collection under another name and point the alias to it when it is whole."""
        if new.overwrite:
            self._asked(self._refuse_aliased)
        super().write(batches, new)

    @contextmanager
    def draft(self, uri: str, *, overwrite: bool) -> Iterator[Draft]:
        """Give another name on the same server."""
        if overwrite:
            self._asked(self._refuse_aliased)
        with super().draft(uri, overwrite=overwrite) as draft:
            yield draft

    def _collections(self) -> set[str]:
        return self._asked(lambda client: _names(client) | set(_aliases(client)))

    def _refuse_aliased(self, client: Any) -> None:
        """Raise a `ConfigError` when a collection that has to be deleted is also what an alias stands for."""
        shown = sorted(alias for alias, real in _aliases(client).items() if real == self.collection)
        if shown:
            raise ConfigError(
                f"cannot replace {self.name}, the alias {shown[0]!r} stands for it", hint="name another collection"
            )

    def _fill(self, collection: str, batches: Iterator[Batch], new: NewStore) -> None:
        client = self.place.client()
        try:
            _fill(client, collection, batches, new, self.place, self.name)
        finally:
            client.close()

    def _rename(self, draft: str) -> None:
        """Point the alias to the draft; a collection that has the name itself has to be deleted just before."""

        def switch(client: Any) -> None:
            from qdrant_client import models

            aliases = _aliases(client)
            old, new = aliases.get(self.collection), aliases.get(draft, draft)  # a draft that was written has an alias
            if old is None and self.collection in _names(client):
                self._refuse_aliased(client)
                client.delete_collection(self.collection)
            taken = [name for name in (self.collection, draft) if name in aliases]
            alias = models.CreateAlias(collection_name=new, alias_name=self.collection)
            steps = [*map(_without, taken), models.CreateAliasOperation(create_alias=alias)]
            client.update_collection_aliases(steps)
            # Made by us, and shown by no other alias; another's stays.
            if old is not None and old.startswith(DRAFT) and old not in _aliases(client).values():
                client.delete_collection(old)

        self._asked(switch)

    def _drop(self, collection: str) -> None:
        def drop(client: Any) -> None:
            real = _aliases(client).get(collection)
            if real is not None:
                client.update_collection_aliases([_without(collection)])
            client.delete_collection(real or collection)

        self._asked(drop)

    def _asked(self, action: Callable[[Any], _T]) -> _T:
        """Do something with a client of its own."""
        client = self.place.client()
        try:
            with told(self.place.shown, secrets=[self.place.api_key]):
                return action(client)
        finally:
            client.close()


def _strange(collection: str) -> list[str]:
    """Return what lies in a collection's folder beside its database."""
    return sorted(set(os.listdir(collection)) - {STORAGE}) if os.path.isdir(collection) else []


def _names(client: Any) -> set[str]:
    return {found.name for found in client.get_collections().collections}


def _aliases(client: Any) -> dict[str, str]:
    return {alias.alias_name: alias.collection_name for alias in client.get_aliases().aliases}


def _without(alias: str) -> Any:
    from qdrant_client import models

    return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))


def qdrant_target(place: Place) -> FolderTarget | ServerTarget:
    """Return where ``qdrant:FOLDER?collection=langchain`` or ``qdrant:http://…?collection=NAME`` would be written."""
    name = place.collection
    if name in (".", "..") or len(name) > 255 or _INVALID & set(name):
        raise ConfigError(
            f"Qdrant takes no collection {name!r}",
            hint=f"at most 255 characters, none of {' '.join('<>:/|?*')} or quotes",
        )
    if place.text == place.metadata or ID in (place.text, place.metadata):
        raise ConfigError("qdrant: text and metadata would share a key", hint="give them names of their own")
    if place.remote:
        return ServerTarget(name, place)
    return FolderTarget(place.rest, replace(place, collection=name or DEFAULT))


def _fill(client: Any, collection: str, batches: Iterator[Batch], new: NewStore, place: Place, name: str) -> None:
    """Make a collection in LangChain's layout and add all batches; a document without a text gets an empty one."""
    from qdrant_client import models

    assert new.metric is not None
    params = models.VectorParams(size=new.dim, distance=models.Distance(_DISTANCES[new.metric]))
    with told(name, secrets=[place.api_key]):
        client.create_collection(collection, vectors_config={place.vector: params} if place.vector else params)
        _hurry(client, collection)
    for batch in batches:
        odd = np.flatnonzero(~np.isfinite(batch.vectors).all(axis=1))
        if len(odd):
            raise StoreError(
                f"{name}: the vector of {batch.ids[odd[0]]!r} holds NaN or infinity, which Qdrant refuses",
                hint="leave such documents out, or write to a file",
            )
        texts, metadata = batch.texts or [""] * len(batch), batch.metadata or [{}] * len(batch)
        points = []
        for id_, vector, text, one in zip(batch.ids, batch.vectors.tolist(), texts, metadata, strict=True):
            point = point_id(id_)
            payload = {place.text: text or "", place.metadata: kept(one, id_, store=name, lossy=new.lossy)}
            if str(point) != id_:
                payload[ID] = id_
            points.append(
                models.PointStruct(id=point, vector={place.vector: vector} if place.vector else vector, payload=payload)
            )
        with told(name, secrets=[place.api_key]), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a folder with over 20,000 points, as when it is opened
            client.upload_points(collection, points, wait=True)


def _hurry(client: Any, collection: str) -> None:
    """Spare a local client the disk's confirmation of every point; the folder is brought there as a whole."""
    with suppress(Exception):
        client._client.collections[collection].storage.storage.execute("PRAGMA synchronous=OFF")
