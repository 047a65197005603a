"""A collection of Milvus, read by its primary keys."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores import (
    Hits,
    ScannedStore,
    Tuning,
    checked_batch_size,
    joined,
    sampled_rows,
    shard_bounds,
    unknown_id,
)
from ragdiag.stores.base import WHOLE
from ragdiag.stores.rows import clean_text
from ragdiag.types import Batch, Float32, Metric, Shard, StoreInfo
from ragdiag_milvus.client import METRICS, asked, literal
from ragdiag_milvus.fields import fields_of

_KEYS, _DOCUMENTS = 16384, 1000  # asked for at once; the first is Milvus's own limit
_QUERIES = 100
# By the index, whose names begin so: its knob, and settings worth a try.
_KNOBS = {
    "HNSW": ("ef", (16, 32, 64, 128, 256, 512)),
    "IVF": ("nprobe", (1, 2, 4, 8, 16, 32, 64, 128)),
}


class MilvusStore(ScannedStore):
    """A collection of Milvus.

    Parameters
    ----------
    client : pymilvus.MilvusClient
    collection : str
    name : str
        How it is called in reports; without credentials.
    vector, text : str, optional
        Fields; the only one of float vectors, and ``text``, ``page_content`` or ``content``, when not given.
    metadata : str, optional
        A field of JSON whose fields are the metadata; when not given it is all other fields.
    search_params : mapping, optional
        With which the application asks.
    secrets : tuple of str
        What errors must not show.
    release : callable, optional
        Called by `close`.
    may_load : bool
        Whether a collection that is not loaded is loaded, as a server in this process may.

    Raises
    ------
    StoreError
        When it cannot be read.
    """

    def __init__(
        self,
        client: Any,
        collection: str,
        *,
        name: str,
        vector: str | None = None,
        text: str | None = None,
        metadata: str | None = None,
        search_params: Mapping[str, Any] | None = None,
        secrets: tuple[str, ...] = (),
        release: Callable[[], None] = lambda: None,
        may_load: bool = False,
    ) -> None:
        self._client, self._collection, self._name = client, collection, name
        self._secrets = secrets
        self._params = dict(search_params or {})
        with self._asked():
            self._fields = fields_of(client.describe_collection(collection), name, vector, text, metadata)
            self._kind, metric, self._lists = self._index()
            self._load(may_load)
            count = self.count()
        # A store that is dropped without being closed must not keep the folder locked.
        self._released = weakref.finalize(self, release)
        self._info = StoreInfo(
            name=name,
            kind="milvus",
            count=count,
            dim=self._fields.dim,
            metric=metric,
            index=self._kind,
            index_metric=metric if self._kind else None,
            has_texts=self._fields.text is not None,
            has_metadata=bool(self._fields.others) or self._fields.json is not None or self._fields.dynamic,
        )

    @property
    def tuning(self) -> Tuning:
        """Exact by itself with a ``FLAT`` index, else the setting of the index."""
        for begin, (knob, values) in _KNOBS.items():
            if self._kind.startswith(begin):
                usable = tuple(value for value in values if knob != "nprobe" or not self._lists or value <= self._lists)
                return Tuning(knob=knob, value=dict(self._params.get("params") or {}).get(knob), values=usable)
        return Tuning(exact=self._kind == "FLAT")

    def count(self) -> int:
        """Return how many entities there are now."""
        with self._asked():
            found = self._client.query(self._collection, output_fields=["count(*)"], consistency_level="Strong")
            return int(found[0]["count(*)"])

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield the documents in the order of their keys; each page begins after the last key of the one before."""
        size = min(checked_batch_size(batch_size), _KEYS)
        shard_bounds(0, shard)  # a shard that there is not is told at once
        if shard.count == 1:
            return (self._batch(rows) for rows in self._pages(self._wanted(), size))
        return self._part(size, shard)

    def _part(self, size: int, shard: Shard) -> Iterator[Batch]:
        """Yield one shard: the keys are listed, and the documents of a range of them read."""
        keys = self._keys()
        start, stop = shard_bounds(len(keys), shard)
        size = min(size, _DOCUMENTS)
        for at in range(start, stop, size):
            part = keys[at : min(at + size, stop)]
            found = self._found(part)
            if found:
                yield self._batch([found[key] for key in part if key in found])

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order."""
        keys = [self._key(id_) for id_ in ids]
        return self._at(keys, ids)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return documents drawn uniformly without replacement, in the order of their keys, which are listed first."""
        keys = self._keys()
        chosen = [keys[row] for row in sampled_rows(len(keys), size, rng).tolist()]
        return self._at(chosen, [str(key) for key in chosen])

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        """Return what Milvus finds, as the application asks; `effort` is ``ef`` (`k` at least) or ``nprobe``."""
        tuning = self.tuning
        if exact and not tuning.exact:
            raise StoreError(f"{self._name} has no exact search under {self._kind or 'no index'}", hint="use FLAT")
        params = dict(self._params)
        if effort is not None and tuning.knob:
            value = max(effort, k) if tuning.knob == "ef" else effort
            params["params"] = {**dict(params.get("params") or {}), tuning.knob: value}
        found: list[Hits] = []
        with self._asked():
            for start in range(0, len(queries), _QUERIES):
                part = queries[start : start + _QUERIES].tolist()
                answers = self._client.search(
                    self._collection, part, limit=k, anns_field=self._fields.vector, search_params=params
                )
                found += [self._hits(answer) for answer in answers]
        return found

    def close(self) -> None:
        """Close the connection that opening it made; a live object's stays open."""
        self._released()

    def _asked(self) -> Any:
        return asked(self._name, secrets=self._secrets)

    def _index(self) -> tuple[str, Metric | None, int]:
        """Return the kind of index of the vectors, by what it ranks, and its number of lists."""
        for index in self._client.list_indexes(self._collection, field_name=self._fields.vector):
            facts = self._client.describe_index(self._collection, index)
            if facts and facts.get("field_name", self._fields.vector) == self._fields.vector:
                metric = METRICS.get(str(facts.get("metric_type", "")).upper())
                return str(facts.get("index_type", "")), metric, int(facts.get("nlist") or 0)
        return "", None, 0

    def _load(self, may_load: bool) -> None:
        state = self._client.get_load_state(self._collection)["state"]
        if getattr(state, "name", str(state)) == "Loaded":
            return
        if not may_load:
            raise StoreError(f"{self._name} is not loaded", hint="load it: MilvusClient(…).load_collection(NAME)")
        if not self._kind:
            raise StoreError(f"{self._name} has no index", hint="Milvus reads a collection that has one")
        self._client.load_collection(self._collection)

    def _wanted(self) -> list[str]:
        if self._fields.dynamic:
            return ["*"]
        names = (self._fields.key, self._fields.vector, self._fields.text, self._fields.json, *self._fields.others)
        return [name for name in names if name is not None]

    def _pages(self, wanted: list[str], size: int) -> Iterator[list[Any]]:
        """Yield rows in the order of their keys, `size` at a time.

        `MilvusClient.query_iterator` does the same, but does not escape the keys that it goes on from.
        """
        after = ""
        while True:
            with self._asked():
                rows = list(
                    self._client.query(
                        self._collection,
                        filter=after,
                        output_fields=wanted,
                        limit=size,
                        iterator="True",  # in the order of the keys
                        reduce_stop_for_best="True",
                        consistency_level="Strong",
                    )
                )
            if rows:
                yield rows
            if len(rows) < size:
                return
            after = f"{self._fields.key} > {literal(rows[-1][self._fields.key])}"

    def _key(self, id_: str) -> str | int:
        if not self._fields.numbers:
            if isinstance(id_, str) and clean_text(id_) == id_:
                return id_
        elif isinstance(id_, str) and len(id_) <= 20 and id_.removeprefix("-").isdecimal():
            number = int(id_)
            if str(number) == id_ and -(2**63) <= number < 2**63:
                return number
        raise unknown_id(self._name, id_)

    def _at(self, keys: Sequence[str | int], ids: Sequence[str]) -> Batch:
        parts = []
        for start in range(0, len(keys), _DOCUMENTS):
            part = keys[start : start + _DOCUMENTS]
            found = self._found(part)
            for key, id_ in zip(part, ids[start : start + _DOCUMENTS], strict=True):
                if key not in found:
                    raise unknown_id(self._name, id_)
            parts.append(self._batch([found[key] for key in part]))
        return joined(parts, self._info)

    def _keys(self) -> list[Any]:
        return [row[self._fields.key] for rows in self._pages([self._fields.key], _KEYS) for row in rows]

    def _found(self, keys: Sequence[str | int]) -> dict[Any, Any]:
        """Return the rows that there are of these keys."""
        listed = ", ".join(literal(key) for key in dict.fromkeys(keys))
        with self._asked():
            rows = self._client.query(
                self._collection,
                filter=f"{self._fields.key} in [{listed}]",
                output_fields=self._wanted(),
                consistency_level="Strong",
            )
            return {row[self._fields.key]: row for row in rows}

    def _batch(self, rows: Sequence[Mapping[str, Any]]) -> Batch:
        fields = self._fields
        vectors = np.array([row[fields.vector] for row in rows], dtype=np.float32).reshape(len(rows), fields.dim)
        texts = None
        if fields.text is not None:
            values = [row.get(fields.text) for row in rows]
            texts = [clean_text(None if value is None else str(value)) for value in values]
        metadata = [self._metadata(row) for row in rows] if self._info.has_metadata else None
        return Batch([str(row[fields.key]) for row in rows], vectors, texts, metadata)

    def _metadata(self, row: Mapping[str, Any]) -> dict[str, Any]:
        fields = self._fields
        known = {fields.key, fields.text, fields.json, *fields.vectors}
        metadata = {name: value for name, value in row.items() if name not in known}
        if fields.json is not None:
            value = row.get(fields.json)
            metadata.update(value if isinstance(value, dict) else {fields.json: value})
        return metadata

    def _hits(self, answer: Any) -> Hits:
        scores = np.array([hit["distance"] for hit in answer], dtype=np.float64)
        if self._info.metric is Metric.L2:
            scores = -np.sqrt(scores)  # Milvus tells the square
        return Hits(tuple(str(hit[self._fields.key]) for hit in answer), scores)
