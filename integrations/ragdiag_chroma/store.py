"""A collection of Chroma as a store, read and searched by Chroma's own client."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
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
from ragdiag_chroma.place import CLIENT, LANGCHAIN, Place, close

SPACES = {"cosine": Metric.COSINE, "ip": Metric.DOT, "l2": Metric.L2}
_PAGE = 4096  # documents, or queries, asked for at once
_HINT = "is the database still there?"


class ChromaStore(ScannedStore):
    """The documents of one collection.

    A scan takes the list of ids first, and then the documents by their ids: whatever is written
    meanwhile, none comes twice and none that stays is missed.

    Parameters
    ----------
    collection : chromadb.Collection
        It is only read.
    name : str
        How the store is called in reports.
    client : chromadb.ClientAPI, optional
        To be closed with the store.
    secrets : sequence of str
        What must not be shown.

    Raises
    ------
    StoreError
        When it is empty.
    """

    def __init__(self, collection: Any, *, name: str, client: Any = None, secrets: Sequence[str] = ()) -> None:
        self._collection = collection
        self._name = name
        self._secrets = tuple(secrets)
        # Chroma keeps the engine of a folder open until its last client is closed, so that a store
        # that is forgotten must let go of it, too.
        self._release = weakref.finalize(self, close, client)
        with self._told():
            first = collection.get(limit=1, include=["embeddings"])["embeddings"]
            index, settings = _index(collection)
            count = collection.count()
        if not len(first):
            self.close()
            raise StoreError(f"{name} is empty", hint="add documents to it first")
        metric = SPACES[settings.get("space") or "l2"]
        self._info = StoreInfo(
            name=name,
            kind="chroma",
            count=count,
            dim=len(first[0]),
            metric=metric,
            index=index,
            has_texts=True,
            has_metadata=True,
        )

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the documents of one contiguous shard, in the order in which Chroma lists them."""
        step = checked_batch_size(batch_size)
        shard_bounds(0, shard)
        return self._scan(step, shard)

    def _scan(self, step: int, shard: Shard) -> Iterator[Batch]:
        ids = self._ids()
        start, stop = shard_bounds(len(ids), shard)
        for row in range(start, stop, step):
            batch = self._pages(ids[row : min(row + step, stop)])
            if len(batch):  # all of them may have been deleted
                yield batch

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order; an unknown id is a `StoreError`."""
        for id_ in ids:
            if not isinstance(id_, str) or clean_text(id_) != id_:  # Chroma's client would not even ask
                raise unknown_id(self._name, id_)
        found = self._pages(list(dict.fromkeys(ids)))
        return in_order(found, ids, self._name)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return documents drawn uniformly without replacement from the list of ids, in scan order."""
        ids = self._ids()
        return self._pages([ids[row] for row in sampled_rows(len(ids), size, rng).tolist()])

    def count(self) -> int:
        """Return how many documents there are now."""
        with self._told():
            return int(self._collection.count())

    def close(self) -> None:
        """Close the client, unless the collection was given."""
        self._release()

    @property
    def tuning(self) -> Tuning:
        """Nothing: ``ef_search`` belongs to the collection and would change for everybody; no search is exact."""
        return Tuning()

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        """Return the `k` best documents of each query, as Chroma finds them."""
        if exact or effort is not None:
            what = "exact search" if exact else "setting that a query can change"
            raise StoreError(f"{self._name}: Chroma has no {what}", hint="search the vectors read back")
        hits: list[Hits] = []
        for start in range(0, len(queries), _PAGE):
            with self._told():
                part = np.ascontiguousarray(queries[start : start + _PAGE], dtype=np.float32)
                found = self._collection.query(query_embeddings=part, n_results=k, include=["distances"])
            pairs = zip(found["ids"], found["distances"], strict=True)
            hits += [Hits(tuple(ids), self._scores(distances)) for ids, distances in pairs]
        return hits

    def _scores(self, distances: Sequence[float]) -> Float64:
        """Return what Chroma's distances are of: squared Euclidean, or one minus the cosine or the dot product."""
        values = np.asarray(distances, dtype=np.float64)
        return -np.sqrt(np.maximum(values, 0.0)) if self._info.metric is Metric.L2 else 1.0 - values

    def _ids(self) -> list[str]:
        with self._told():
            return list(self._collection.get(include=[])["ids"])

    def _pages(self, ids: list[str]) -> Batch:
        pages = [self._page(ids[row : row + _PAGE]) for row in range(0, len(ids), _PAGE)]
        return joined(pages, self._info)

    def _page(self, ids: list[str]) -> Batch:
        """Return the documents with these ids that are still there; Chroma gives them in an order of its own."""
        with self._told():
            found = self._collection.get(ids=ids, include=["embeddings", "documents", "metadatas"])
        row = {id_: at for at, id_ in enumerate(found["ids"])}
        there = [id_ for id_ in ids if id_ in row]
        if not there:
            return joined([], self._info)
        rows = [row[id_] for id_ in there]
        vectors = as_vectors(found["embeddings"], what=self._name, dim=self._info.dim)
        texts, metadata = found["documents"], found["metadatas"]
        return Batch(
            there, vectors[rows], [clean_text(texts[at]) for at in rows], [dict(metadata[at] or {}) for at in rows]
        )

    def _told(self) -> Any:
        return told(self._name, hint=_HINT, secrets=self._secrets)


def open_place(place: Place) -> ChromaStore:
    """Open a collection by its URI."""
    client = place.client()
    try:
        with told(place.shown, hint=_HINT, secrets=place.secrets):
            collection = _picked(client, place.collection, place.shown)
        return ChromaStore(collection, name=place.name(collection.name), client=client, secrets=place.secrets)
    except BaseException:
        close(client)
        raise


def open_live(obj: Any) -> ChromaStore:
    """Open LangChain's ``Chroma``, or a collection or client of ``chromadb``, which stays open."""
    if is_a(obj, *LANGCHAIN):
        obj = obj._collection  # LangChain gives no other way to it
    elif is_a(obj, *CLIENT):
        with told("the Chroma client"):
            obj = _picked(obj, "", "the Chroma client", "give client.get_collection(NAME)")
    return ChromaStore(obj, name=f"chroma:?collection={obj.name}")


def _picked(client: Any, collection: str, where: str, hint: str = "name one with ?collection=NAME") -> Any:
    name = chosen(collection, {found.name for found in client.list_collections()}, where, hint)
    return client.get_collection(name, embedding_function=None)  # which would download a model by default


def _index(collection: Any) -> tuple[str, dict[str, Any]]:
    """Return the kind of index in Chroma's words, and its settings."""
    settings = collection.configuration_json
    kind = next((kind for kind in ("hnsw", "spann") if settings.get(kind)), "hnsw")
    found = dict(settings.get(kind) or {})
    shown = [f"{name}={found[name]}" for name in ("ef_search", "max_neighbors", "search_nprobe") if name in found]
    return f"{kind} ({', '.join(shown)})" if shown else kind, found
