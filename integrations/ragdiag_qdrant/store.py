"""A collection of Qdrant as a store, read and searched by Qdrant's own client."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ragdiag.checks import as_vectors
from ragdiag.errors import StoreError
from ragdiag.stores import (
    Hits,
    ScannedStore,
    Tuning,
    checked_batch_size,
    chosen,
    every,
    in_order,
    is_a,
    joined,
    sampled_rows,
    shard_bounds,
    told,
    unknown_id,
)
from ragdiag.stores.base import WHOLE
from ragdiag.stores.rows import clean_text
from ragdiag.types import Batch, Float32, Float64, Metric, Shard, StoreInfo
from ragdiag.vectors import unit
from ragdiag_qdrant.dense import Dense, dense
from ragdiag_qdrant.place import CLIENT, LANGCHAIN, METADATA, TEXT, Place, collections, is_local
from ragdiag_qdrant.point_ids import ID, document_id, point_id

_PAGE = 1024  # points whose vectors are asked for at once
_LISTED = 10_000  # points whose ids are
_QUERIES = 64
_EF = (16, 32, 64, 128, 256, 512)
_HINT = "is the database still there?"


@dataclass(frozen=True)
class Keys:
    """Where in a payload the text and the metadata are."""

    text: str = TEXT
    metadata: str = METADATA


class QdrantStore(ScannedStore):
    """The points of one collection that have a certain dense vector, in the order of their ids.

    Parameters
    ----------
    client : qdrant_client.QdrantClient
        It is only read.
    collection : str
    vector : Dense
        Which vector, and how it ranks.
    name : str
        How the store is called in reports.
    keys : Keys
    owned : bool
        Whether the client is closed with the store.
    secrets : sequence of str
        What must not be shown.

    Raises
    ------
    StoreError
        When it is empty.
    """

    def __init__(
        self,
        client: Any,
        collection: str,
        vector: Dense,
        *,
        name: str,
        keys: Keys = Keys(),
        owned: bool = False,
        secrets: Sequence[str] = (),
    ) -> None:
        self._client = client
        self._collection = collection
        self._vector = vector
        self._name = name
        self._keys = keys
        # Also for a store that is forgotten: Qdrant's client cannot close itself while Python shuts down.
        self._release = weakref.finalize(self, client.close) if owned else None
        self._secrets = tuple(secrets)
        self._local = is_local(client)
        count = self.count()
        if not count:
            raise StoreError(f"{name} is empty", hint="add documents to it first")
        self._info = StoreInfo(
            name=name,
            kind="qdrant",
            count=count,
            dim=vector.dim,
            metric=vector.metric,
            index="" if self._local else vector.index,
            loss=vector.loss,
            has_texts=True,
            has_metadata=True,
        )

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the documents of one shard by Qdrant's scroll, which goes on after an id, whatever is written."""
        step = checked_batch_size(batch_size)
        shard_bounds(0, shard)
        return self._scan(step) if shard.count == 1 else every(self._scan(step), shard)

    def _scan(self, step: int) -> Iterator[Batch]:
        for records in self._scroll(step, with_payload=True, with_vectors=self._wanted()):
            batch = self._batch(records)
            if len(batch):
                yield batch

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order; an unknown id is a `StoreError`."""
        for id_ in ids:
            if not isinstance(id_, str) or clean_text(id_) != id_:
                raise unknown_id(self._name, id_)
        found = self._retrieve([point_id(id_) for id_ in dict.fromkeys(ids)])
        return in_order(found, ids, self._name)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return documents drawn uniformly without replacement from the list of ids, in scan order."""
        pages = self._scroll(_LISTED, with_payload=False, with_vectors=False)
        points = [record.id for records in pages for record in records]
        return self._retrieve([points[row] for row in sampled_rows(len(points), size, rng).tolist()])

    def count(self) -> int:
        """Return how many documents there are now."""
        with self._told():
            found = self._client.count(self._collection, count_filter=self._vector.filter(), exact=True)
            return int(found.count)

    def close(self) -> None:
        """Close the client, unless it was given."""
        if self._release is not None:
            self._release()

    @property
    def tuning(self) -> Tuning:
        """``hnsw_ef``; nothing for a local client, whose search is exact."""
        if self._local:
            return Tuning(exact=True)
        return Tuning(exact=True, knob="hnsw_ef", value=self._vector.ef, values=_EF)

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        """Return the `k` best documents of each query, as Qdrant finds them."""
        from qdrant_client import models

        if effort is not None and self._local:
            raise StoreError(f"{self._name}: a local Qdrant has no index to tune", hint="its search is exact")
        params = None if self._local else models.SearchParams(hnsw_ef=effort, exact=exact)
        hits: list[Hits] = []
        for start in range(0, len(queries), _QUERIES):
            asked = [
                models.QueryRequest(
                    query=query, using=self._vector.name or None, limit=k, params=params, with_payload=[ID]
                )
                for query in np.asarray(queries[start : start + _QUERIES], dtype=np.float32).tolist()
            ]
            with self._told():
                answers = self._client.query_batch_points(self._collection, requests=asked)
            hits += [self._hits(answer.points) for answer in answers]
        return hits

    def _hits(self, points: Sequence[Any]) -> Hits:
        scores: Float64 = np.array([point.score for point in points], dtype=np.float64)
        ids = tuple(document_id(point.id, point.payload or {}) for point in points)
        return Hits(ids, -scores if self._info.metric is Metric.L2 else scores)

    def _wanted(self) -> bool | list[str]:
        return [self._vector.name] if self._vector.name else True

    def _scroll(self, step: int, **what: Any) -> Iterator[list[Any]]:
        offset = None
        while True:
            with self._told():
                records, offset = self._client.scroll(
                    self._collection, scroll_filter=self._vector.filter(), limit=step, offset=offset, **what
                )
            yield records
            if offset is None:
                return

    def _retrieve(self, points: Sequence[int | str]) -> Batch:
        """Return these points in this order, without those that are gone."""
        pages = []
        for start in range(0, len(points), _PAGE):
            part = points[start : start + _PAGE]
            with self._told():
                found = self._client.retrieve(
                    self._collection, ids=part, with_payload=True, with_vectors=self._wanted()
                )
            at = {record.id: record for record in found}
            pages.append(self._batch([at[point] for point in part if point in at]))
        return joined(pages, self._info)

    def _batch(self, records: Sequence[Any]) -> Batch:
        pairs = [(record, self._vector.of(record)) for record in records]
        pairs = [(record, vector) for record, vector in pairs if vector is not None]
        if not pairs:
            return joined([], self._info)
        vectors = as_vectors([vector for _, vector in pairs], what=self._name, dim=self._info.dim)
        payloads = [record.payload or {} for record, _ in pairs]
        return Batch(
            [document_id(record.id, payload) for (record, _), payload in zip(pairs, payloads, strict=True)],
            unit(vectors) if self._info.metric is Metric.COSINE else vectors,
            [self._text(payload) for payload in payloads],
            [self._metadata(payload) for payload in payloads],
        )

    def _text(self, payload: dict[str, Any]) -> str | None:
        text = payload.get(self._keys.text)
        return clean_text(text) if isinstance(text, str) else None

    def _metadata(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return LangChain's metadata, or, where there is none, the rest of the payload."""
        inner = payload.get(self._keys.metadata)
        if isinstance(inner, dict):
            return dict(inner)
        own = (self._keys.text, ID, *([self._keys.metadata] if inner is None else []))
        return {key: value for key, value in payload.items() if key not in own}

    def _told(self) -> Any:
        return told(self._name, hint=_HINT, secrets=self._secrets)


def open_place(place: Place) -> QdrantStore:
    """Open a collection by its URI."""
    client = place.client()
    try:
        with told(place.shown, hint=place.hint, secrets=[place.api_key]):
            collection = _picked(client, place.collection, place.shown)
            vector = dense(client, collection, place.vector, place.name(collection))
        return QdrantStore(
            client,
            collection,
            vector,
            name=place.name(collection, vector.name),
            keys=Keys(place.text, place.metadata),
            owned=True,
            secrets=[place.api_key],
        )
    except BaseException:
        client.close()
        raise


def open_live(obj: Any) -> QdrantStore:
    """Open LangChain's ``QdrantVectorStore``, or a client with one collection, which stays open."""
    if is_a(obj, *CLIENT):
        with told("the Qdrant client"):
            instead = "give a QdrantVectorStore(…, collection_name=NAME)"  # a client has no place for a name
            return _live(obj, chosen("", collections(obj), "the Qdrant client", instead), None, Keys())
    assert any(is_a(obj, *mark) for mark in LANGCHAIN)
    if getattr(getattr(obj, "retrieval_mode", None), "value", "") == "sparse":
        raise StoreError(f"the {type(obj).__name__} searches sparse vectors only", hint="a dense vector is needed")
    return _live(
        obj.client, obj.collection_name, obj.vector_name or "", Keys(obj.content_payload_key, obj.metadata_payload_key)
    )


def _live(client: Any, collection: str, vector: str | None, keys: Keys) -> QdrantStore:
    place, instead = Place(""), "give a QdrantVectorStore(…, vector_name=NAME)"
    with told(place.name(collection)):
        found = dense(client, collection, vector, place.name(collection), instead)
    return QdrantStore(client, collection, found, name=place.name(collection, found.name), keys=keys)


def _picked(client: Any, collection: str, where: str) -> str:
    names = collections(client)
    if collection and collection not in names:  # it may have an alias besides
        names |= {found.name for found in client.get_collections().collections}
    return chosen(collection, names, where)
