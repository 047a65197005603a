"""SQLite files with sqlite-vec, held to the contract of a store and to that of writing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from ragdiag_sqlite_vec.connection import quoted

from ragdiag.stores import SearchableStore, VectorStore, open_store
from ragdiag.testing.engine_contract import EngineContract, true_scores
from ragdiag.testing.store_contract import DIM, MANY, StoreContract
from ragdiag.testing.write_contract import WriteContract
from ragdiag.types import Float32, Metric
from tests.sqlite_vec_engine import connected

NAME = 'a"b;drop table x-- é'
UNDEFINED = "sqlite-vec has no cosine with a zero vector: where it is found it comes first"


class TestLangChainTable(EngineContract):
    """The table that `SQLiteVec` makes: documents are numbered, here from 0."""

    metric = Metric.L2
    keeps_ids = False
    declared = ""

    def make(
        self, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> VectorStore:
        self.create("docs")
        self.insert("docs", ids, vectors, texts, metadata)
        return self.reopen(None)

    def reopen(self, store: VectorStore | None) -> VectorStore:
        return open_store(f"sqlite-vec:{self.folder}/a b%20ü.db?table=docs")

    def bytes_on_disk(self) -> Mapping[str, bytes]:
        return StoreContract.bytes_on_disk(self)

    def create(self, table: str) -> None:
        self.execute(
            f"CREATE TABLE {table} (rowid INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT, metadata BLOB,"
            " text_embedding BLOB)"
        )
        self.execute(
            f"CREATE VIRTUAL TABLE {table}_vec USING vec0(rowid INTEGER PRIMARY KEY,"
            f" text_embedding float[{DIM}] {self.declared})"
        )
        self.execute(
            f"CREATE TRIGGER {table}_embed_text AFTER INSERT ON {table} BEGIN"
            f" INSERT INTO {table}_vec(rowid, text_embedding) VALUES (new.rowid, new.text_embedding); END"
        )

    def insert(
        self, table: str, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Any]
    ) -> None:
        rows = zip(map(int, ids), texts, map(json.dumps, metadata), map(np.ndarray.tobytes, vectors), strict=True)
        self.execute(f"INSERT INTO {table}(rowid, text, metadata, text_embedding) VALUES (?, ?, ?, ?)", rows)

    def execute(self, sql: str, rows: Any = None) -> None:
        with closing(connected(self.folder / "a b%20ü.db")) as connection, connection:
            connection.execute(sql) if rows is None else connection.executemany(sql, rows)

    def add(self, ids: Sequence[str], vectors: Float32) -> None:
        self.insert("docs", ids, vectors, ["new"] * len(ids), [{}] * len(ids))

    def delete(self, ids: Sequence[str]) -> None:
        for table in ("docs", "docs_vec"):
            self.execute(f"DELETE FROM {table} WHERE rowid = ?", [(int(id_),) for id_ in ids])

    def make_another(self) -> None:
        self.create("others")
        self.insert("others", ["0", "900"], np.ones((2, DIM), dtype=np.float32), ["a", "b"], [{}, {}])


class Undefined(EngineContract):
    """What differs by cosine, where one of the contract's vectors is zero."""

    @pytest.mark.xfail(reason=UNDEFINED, raises=AssertionError)
    def test_a_search_for_more_than_there_is(self) -> None:
        super().test_a_search_for_more_than_there_is()

    @pytest.mark.parametrize("k", [MANY, MANY + 10, 5000])
    def test_where_the_zero_vector_is_found_it_comes_first(self, k: int) -> None:
        ids, vectors, store = self._filled()
        assert isinstance(store, SearchableStore)
        query = np.random.default_rng(8).normal(size=(1, DIM)).astype(np.float32)
        (hits,) = store.search(query, k)
        assert (len(hits.ids), hits.ids[0]) == (MANY, ids[5])
        assert np.isnan(hits.scores[0])
        truth = np.delete(true_scores(query, vectors, Metric.COSINE)[0], 5)
        np.testing.assert_allclose(hits.scores[1:], np.sort(truth)[::-1], atol=2e-5)


class TestLangChainTableByCosine(TestLangChainTable, Undefined):
    metric = Metric.COSINE
    declared = "distance_metric=cosine"


class TestVec0(Undefined):
    """A table of vec0 alone, with keys of text and metadata of three kinds."""

    metric = Metric.COSINE
    table = quoted(NAME)

    def make(
        self, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> VectorStore:
        self.create(self.table)
        self.insert(self.table, ids, vectors, texts, metadata)
        return self.reopen(None)

    def reopen(self, store: VectorStore | None) -> VectorStore:
        return open_store(f"sqlite-vec:{self.folder}/v.db?{urlencode({'table': NAME})}")

    def create(self, table: str) -> None:
        self.execute(
            f"CREATE VIRTUAL TABLE {table} USING vec0(key text primary key, e float[{DIM}] distance_metric=cosine,"
            " page integer, +content text, +source text, codes bit[8])"
        )

    def insert(
        self, table: str, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Any]
    ) -> None:
        rows = [
            (id_, vector.tobytes(), text, entry["page"], entry["source"], b"\x01")
            for id_, vector, text, entry in zip(ids, vectors, texts, metadata, strict=True)
        ]
        sql = f"INSERT INTO {table}(key, e, content, page, source, codes) VALUES (?, ?, ?, ?, ?, vec_bit(?))"
        self.execute(sql, rows)

    def execute(self, sql: str, rows: Any = None) -> None:
        with closing(connected(self.folder / "v.db")) as connection, connection:
            connection.execute(sql) if rows is None else connection.executemany(sql, rows)

    def add(self, ids: Sequence[str], vectors: Float32) -> None:
        self.insert(self.table, ids, vectors, ["new"] * len(ids), [{"page": 0, "source": ""}] * len(ids))

    def delete(self, ids: Sequence[str]) -> None:
        self.execute(f"DELETE FROM {self.table} WHERE key = ?", [(id_,) for id_ in ids])

    def make_another(self) -> None:
        self.create("others")
        vectors = np.ones((2, DIM), dtype=np.float32)
        self.insert("others", ["doc-0", "x"], vectors, ["a", "b"], [{"page": 0, "source": ""}] * 2)


class TestWritten(WriteContract):
    metric = Metric.L2

    def uri(self, name: str) -> str:
        return f"sqlite-vec:{self.folder}/{name}.db?table=my+docs"


class TestWrittenByCosine(WriteContract):
    metric = Metric.COSINE

    def uri(self, name: str) -> str:
        return f"sqlite-vec:{self.folder}/{name}.db"
