"""Write a collection of Milvus, as LangChain's class opens it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ragdiag.errors import ConfigError, StoreError
from ragdiag.stores import CollectionTarget, PathTarget, check_options
from ragdiag.stores.base import NewStore
from ragdiag.stores.json_text import from_json, to_json
from ragdiag.types import Batch, Metric
from ragdiag_milvus.client import METRICS, OPTIONS, PK, TEXT, VECTOR, asked, load_pymilvus, secrets_of, shown
from ragdiag_milvus.lite import COLLECTIONS, PARTS, check_place, is_local, is_locked, strangers
from ragdiag_milvus.opening import connected

_LONGEST = 65_535  # bytes of a text or an id
_ROWS = 500  # sent at once
_LANGCHAIN = "LangChainCollection"
_TYPES = {metric: name for name, metric in METRICS.items()}


@dataclass(frozen=True)
class LiteTarget(PathTarget):
    """A new folder of Milvus Lite with one collection."""

    collection: str = _LANGCHAIN
    folder: ClassVar[bool] = True
    metrics: ClassVar[frozenset[Metric | None]] = frozenset(Metric)

    @property
    def name(self) -> str:
        """As the store opened there is called."""
        return shown(self.rest, self.collection)

    def _refuse(self, *, overwrite: bool) -> None:
        """Refuse to replace what is in use, or holds more than the collection."""
        if overwrite and (strange := strangers(self.path, self.collection)):
            raise ConfigError(f"cannot replace {self.rest}, it holds {strange[0]} too", hint="name another path")
        if is_locked(self.path):
            raise StoreError(f"{self.rest} is in use", hint="close it first")

    def _belongs(self, name: str) -> bool:
        return name in PARTS

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        os.mkdir(os.path.join(draft, COLLECTIONS))
        client = connected(draft)
        try:
            fill(client, self.collection, batches, new, self.name, ())
        finally:
            client.ragdiag_release()


@dataclass(frozen=True)
class ServerTarget(CollectionTarget):
    """A new collection on a server, filled under another name and renamed.

    One that is there is dropped just before: for a moment there is none of that name.
    """

    place: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    database: str = ""
    metrics: ClassVar[frozenset[Metric | None]] = frozenset(Metric)

    @property
    def name(self) -> str:
        """As the store opened there is called."""
        return shown(self.place, self.collection, self.database)

    def _collections(self) -> set[str]:
        return set(self._do(lambda client: self._asked(client.list_collections)))

    def _fill(self, collection: str, batches: Iterator[Batch], new: NewStore) -> None:
        self._do(lambda client: fill(client, collection, batches, new, self.name, self._secrets))

    def _rename(self, draft: str) -> None:
        def rename(client: Any) -> None:
            if self._asked(client.has_collection, self.collection):
                self._asked(client.drop_collection, self.collection)
            self._asked(client.rename_collection, draft, self.collection)
            self._asked(client.load_collection, self.collection)  # Milvus Lite forgets that it was

        self._do(rename)

    def _drop(self, collection: str) -> None:
        self._do(lambda client: self._asked(client.drop_collection, collection))

    def _asked(self, call: Any, *arguments: str) -> Any:
        with asked(self.name, secrets=self._secrets):
            return call(*arguments)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return secrets_of(self.place, self.token)

    def _do(self, what: Any) -> Any:
        client = connected(self.place, self.token, self.database)
        try:
            return what(client)
        finally:
            client.ragdiag_release()


def fill(
    client: Any, collection: str, batches: Iterator[Batch], new: NewStore, name: str, secrets: tuple[str, ...]
) -> None:
    """Make a collection and insert all batches; what the batches raise is passed on."""
    kinds = load_pymilvus().DataType
    with asked(name, secrets=secrets):
        schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
        schema.add_field(TEXT, kinds.VARCHAR, max_length=_LONGEST)
        schema.add_field(PK, kinds.VARCHAR, max_length=_LONGEST, is_primary=True)
        schema.add_field(VECTOR, kinds.FLOAT_VECTOR, dim=new.dim)
        index = client.prepare_index_params()
        index.add_index(VECTOR, index_type="AUTOINDEX", metric_type=_TYPES[new.metric or Metric.L2])
        client.create_collection(collection, schema=schema, index_params=index, consistency_level="Strong")
    for batch in batches:
        rows = _rows(batch, name, lossy=new.lossy)
        for start in range(0, len(rows), _ROWS):
            with asked(name, secrets=secrets):
                client.insert(collection, rows[start : start + _ROWS])
    with asked(name, secrets=secrets):
        client.flush(collection)
        client.load_collection(collection)


def _rows(batch: Batch, name: str, *, lossy: bool) -> list[dict[str, Any]]:
    if not np.isfinite(batch.vectors).all():
        raise StoreError(f"{name}: Milvus takes no NaN or infinity", hint="leave out the broken vectors")
    nothing: list[Any] = [None] * len(batch)
    rows = []
    for id_, vector, text, metadata in zip(
        batch.ids, batch.vectors, batch.texts or nothing, batch.metadata or nothing, strict=True
    ):
        text = text or ""
        if len(text.encode()) > _LONGEST and lossy:
            text = text.encode()[:_LONGEST].decode(errors="ignore")
        if max(len(text.encode()), len(id_.encode())) > _LONGEST:
            raise StoreError(
                f"{name}: {id_[:80]!r} has more than {_LONGEST} bytes of text", hint="split it, or allow it (--lossy)"
            )
        rows.append({**_metadata(id_, metadata or {}, name, lossy=lossy), TEXT: text, PK: id_, VECTOR: vector})
    return rows


def _metadata(id_: str, metadata: Mapping[str, Any], name: str, *, lossy: bool) -> dict[str, Any]:
    taken = {TEXT, PK, VECTOR} & metadata.keys()
    if taken and not lossy:
        raise StoreError(
            f"{name}: the metadata of {id_!r} holds a field called {min(taken)!r}",
            hint="change it, or allow the loss (--lossy)",
        )
    kept = {key: value for key, value in metadata.items() if key not in taken}
    return from_json(to_json(kept, id_=id_, name=name, lossy=lossy), id_=id_, name=name)


def milvus_target(rest: str, options: dict[str, str]) -> LiteTarget | ServerTarget:
    """Return where ``milvus:FILE.db?collection=NAME``, or ``milvus:http://host?collection=NAME``, would be written."""
    check_options(options, OPTIONS, scheme="milvus")
    for name in ("vector", "text"):
        if options.get(name, name) != name:
            raise ConfigError(
                f"a new collection has LangChain's fields, not {options[name]!r}", hint=f"leave out {name}"
            )
    check_place(rest, options)
    if is_local(rest):
        if rest and not rest.endswith(".db"):
            raise ConfigError(f"cannot write {rest}", hint="a folder of Milvus Lite is called NAME.db")
        return LiteTarget(rest, options.get("collection", _LANGCHAIN))
    return ServerTarget(
        options.get("collection", ""),
        place=rest,
        token=options.get("token", ""),
        database=options.get("database", ""),
    )
