"""Read JSON lines."""

from __future__ import annotations

import json
import os
from itertools import islice

import numpy as np

from ragdiag.errors import StoreError, StoreNotFoundError
from ragdiag.stores import ScannedStore, as_metric, check_options, checked_batch_size, every, joined, taken, unknown_id
from ragdiag.stores.base import WHOLE
from ragdiag.types import Batch, StoreInfo


class JsonlStore(ScannedStore):
    def __init__(self, path, *, metric=None):
        self._path = path
        ids = [line["id"] for line in self._lines()]
        first = next(self._lines(), None)
        if first is None:
            raise StoreError(f"{path} holds no documents", hint="write a JSON object per line")
        if len(set(ids)) < len(ids):
            raise StoreError(f"{path} has an id twice", hint="ids must be unique")
        self._info = StoreInfo(
            name=f"jsonl:{path}",
            kind="jsonl",
            count=len(ids),
            dim=len(first["vector"]),
            metric=as_metric(metric),
            has_texts=True,
            has_metadata=True,
        )

    @property
    def info(self):
        return self._info

    def scan(self, *, batch_size=4096, shard=WHOLE):
        return every(self._batches(checked_batch_size(batch_size)), shard)

    def fetch(self, ids):
        wanted, parts = set(ids), []
        for batch in self._batches(4096):
            rows = [row for row, id_ in enumerate(batch.ids) if id_ in wanted]
            parts.append(taken(batch, np.array(rows, dtype=np.int64)))
        found = joined(parts, self.info)
        row = {id_: at for at, id_ in enumerate(found.ids)}
        for id_ in ids:
            if id_ not in row:
                raise unknown_id(self.info.name, id_)
        return taken(found, np.array([row[id_] for id_ in ids], dtype=np.int64))

    def _batches(self, size):
        lines = self._lines()
        while part := list(islice(lines, size)):
            if any(len(line["vector"]) != self.info.dim for line in part):
                raise StoreError(f"{self._path} has vectors of two dimensions", hint="embed all with one model")
            yield Batch(
                [line["id"] for line in part],
                np.array([line["vector"] for line in part], dtype=np.float32),
                [line.get("text") for line in part],
                [line.get("metadata") or {} for line in part],
            )

    def _lines(self):
        try:
            with open(self._path, encoding="utf-8") as file:
                for number, text in enumerate(file, start=1):
                    line = json.loads(text)
                    if not isinstance(line, dict) or not isinstance(line.get("id"), str) or not line.get("vector"):
                        raise StoreError(f"{self._path}: line {number} is no document", hint="it needs id and vector")
                    yield line
        except (OSError, ValueError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{self._path}: {error}", hint="write a JSON object per line") from None


def open_jsonl(rest, options):
    check_options(options, ("metric",), scheme="jsonl")
    if not os.path.isfile(rest):
        raise StoreNotFoundError(f"there is no file {rest!r}", hint="check the path")
    return JsonlStore(rest, metric=options.get("metric"))
