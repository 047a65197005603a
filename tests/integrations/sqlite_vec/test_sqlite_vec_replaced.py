"""A database that holds anything but the store is never replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ragdiag.errors import ConfigError
from ragdiag.stores import check_target, open_store, write_store
from ragdiag.types import Batch
from tests.sqlite_vec_engine import connected

DIM = 4
VECTORS = np.arange(20, dtype=np.float32).reshape(5, DIM)


def execute(path: Path, *statements: str) -> None:
    with closing(connected(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_store(f"sqlite-vec:{tmp_path}/w.db", [Batch(list("abcde"), VECTORS)], dim=DIM, metric="l2")
    return tmp_path / "w.db"


def test_a_store_that_langchain_made_is_replaced(tmp_path: Path) -> None:
    embeddings = pytest.importorskip("langchain_core.embeddings").DeterministicFakeEmbedding(size=DIM)
    stores = pytest.importorskip("langchain_community.vectorstores.sqlitevec")
    with closing(connected(tmp_path / "w.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        stores.SQLiteVec(table="langchain", connection=connection, embedding=embeddings).add_texts(["one", "two"])
    uri = f"sqlite-vec:{tmp_path}/w.db"
    assert write_store(uri, [Batch(["x"], VECTORS[:1])], dim=DIM, metric="cosine", overwrite=True).count == 1


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE langchain_vec_notes (x)",
        "CREATE TABLE langchain_vec_vector_chunks01 (x)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE INDEX i ON langchain (text)",
        "CREATE TRIGGER t AFTER DELETE ON langchain BEGIN SELECT 1;END",
        "ALTER TABLE langchain ADD COLUMN reviewed INTEGER",
        "DROP TABLE langchain; CREATE TABLE langchain (id, name, price, embedding)",
        "DROP TABLE langchain_vec; CREATE VIRTUAL TABLE langchain_vec USING vec0(text_embedding float[4], mine text)",
    ],
)
def test_what_is_not_the_stores_is_never_replaced(written: Path, statement: str) -> None:
    execute(written, *statement.split("; "))
    before = written.read_bytes()
    with pytest.raises(ConfigError, match="cannot replace"):
        write_store(f"sqlite-vec:{written}", [Batch(["x"], VECTORS[:1])], dim=DIM, metric="l2", overwrite=True)
    assert written.read_bytes() == before
    assert [one.name for one in written.parent.iterdir()] == [written.name]


def test_what_is_made_while_the_new_one_is_written_stays(written: Path) -> None:
    def batches() -> Iterator[Batch]:
        execute(written, "CREATE TABLE meanwhile (x INTEGER)")
        yield Batch(["x"], VECTORS[:1])

    uri = f"sqlite-vec:{written}"
    with pytest.raises(ConfigError, match="'meanwhile'"):
        write_store(uri, batches(), dim=DIM, metric="l2", overwrite=True)
    execute(written, "DROP TABLE meanwhile")
    with check_target(uri, metric="l2", overwrite=True).draft(uri, overwrite=True) as draft:
        write_store(draft.uri, [Batch(["x"], VECTORS[:1])], dim=DIM, metric="l2")
        log = Path(f"{written}-wal")
        log.touch()
        with pytest.raises(ConfigError, match="close the database first"):
            draft.put()
        log.unlink()
        execute(written, "CREATE TABLE meanwhile (x INTEGER)")
        with pytest.raises(ConfigError, match="'meanwhile'"):
            draft.put()
    execute(written, "DROP TABLE meanwhile")
    assert open_store(uri).info.count == 5


def test_no_password_in_what_is_said_of_a_missing_folder() -> None:
    for place in ("http://me:s3cret@h/x.db", "s3://k:s3cret@b/x.db", "me:s3cret@h/x.db"):
        with pytest.raises(ConfigError, match="there is no folder") as caught:
            write_store(f"sqlite-vec:{place}", [Batch(["x"], VECTORS[:1])], dim=DIM, metric="l2")
        assert "s3cret" not in f"{caught.value} {caught.value.hint}"
