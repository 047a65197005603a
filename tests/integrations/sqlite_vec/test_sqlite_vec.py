"""What is opened under which URI, live objects, LangChain's own class, and what is wrong with a file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ragdiag_sqlite_vec.connection import load_extension

from ragdiag.cli import main
from ragdiag.errors import ConfigError, MissingExtraError, RagdiagError, StoreError, StoreNotFoundError
from ragdiag.stores import SearchableStore, check_target, open_store, write_store
from ragdiag.testing.engine_contract import true_scores
from ragdiag.types import Batch, Float32, Metric
from tests.sqlite_vec_engine import LOADS, connected

DIM = 4
VECTORS = np.arange(20, dtype=np.float32).reshape(5, DIM)


def execute(path: Path, *statements: str, rows: Sequence[Any] = (), sql: str = "") -> None:
    with closing(connected(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
        if sql:
            connection.executemany(sql, rows)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    batch = Batch(list("abcde"), VECTORS, ["one", None, "three", "four", "five"], [{"n": at} for at in range(5)])
    write_store(f"sqlite-vec:{tmp_path}/w.db", [batch], dim=DIM, metric="l2")
    return tmp_path / "w.db"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Return a table of somebody's own, with ids that are numbers."""
    path = tmp_path / "plain.db"
    rows = [(f"{at}7", f"text {at}", at / 2, vector.tobytes()) for at, vector in enumerate(VECTORS)]
    made = 'CREATE TABLE "my ""docs" (nr INTEGER, body TEXT, score REAL, emb BLOB, picture BLOB)'
    execute(path, made, rows=rows, sql='INSERT INTO "my ""docs"(nr, body, score, emb) VALUES (?, ?, ?, ?)')
    return path


def test_a_table_of_ones_own(plain: Path) -> None:
    store = open_store(f'sqlite-vec:{plain}?table=MY "docs&vector=emb&id=nr&text=body&metric=cosine')
    assert (store.info.kind, store.info.metric, store.info.index) == ("sqlite-vec", Metric.COSINE, "")
    assert store.info.name == f"sqlite-vec:{plain}?table=my+%22docs"
    batch = store.fetch(["27", "7"])
    assert batch.texts == ["text 2", "text 0"]
    assert batch.metadata == [{"score": 1.0, "picture": None}, {"score": 0.0, "picture": None}]
    np.testing.assert_array_equal(batch.vectors, VECTORS[[2, 0]])
    assert isinstance(store, SearchableStore)
    (hits,) = store.search(VECTORS[1:2], 2)
    assert hits.ids == ("17", "27")
    with pytest.raises(StoreError, match="no document with id '07'"):
        store.fetch(["07"])
    with pytest.raises(StoreError, match="no setting"):
        store.search(VECTORS[:1], 2, effort=3)
    dot = open_store(f'sqlite-vec:{plain}?table=my "docs&vector=emb&metric=dot')
    assert [id_ for one in dot.scan() for id_ in one.ids] == list("12345")
    assert isinstance(dot, SearchableStore)
    with pytest.raises(StoreError, match="ranked by dot"):
        dot.search(VECTORS[:1], 2)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ("", StoreError, "no table of vec0 and none of LangChain's: name another one"),
        ("?table=nope", StoreNotFoundError, "has no table 'nope'"),
        ("?vector=nope", StoreError, "no table of vec0"),
        ("?table=my+%22docs", StoreError, "no known vectors: the columns are nr, body, score, emb, picture"),
        ("?table=my+%22docs&vector=nope", StoreError, "no column 'nope'"),
        ("?vector=emb&id=nope", StoreError, "no column 'nope'"),
        ("?vector=emb&text=nope", StoreError, "no column 'nope'"),
        ("?vector=score", StoreError, r"does not hold float32 vectors of one dimension \(.*real of"),
        ("?vector=picture", StoreError, "5 missing"),
        ("?vector=emb&metric=l3", ConfigError, "no metric 'l3'"),
        ("?tabel=x", ConfigError, "no option 'tabel'"),
    ],
)
def test_what_cannot_be_opened(plain: Path, options: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        open_store(f"sqlite-vec:{plain}{options}")


def test_a_path_that_does_not_exist_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", f"sqlite-vec:{tmp_path}/no.db"]) == 2
    assert "there is no" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to have been one" * 100)
    assert main(["audit", f"sqlite-vec:{tmp_path}/text.db"]) == 2
    err = capsys.readouterr().err
    assert "file is not a database" in err
    assert len(err.splitlines()) == 1
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="no table of vec0"):
        open_store(f"sqlite-vec:{tmp_path}/empty.db")


def test_several_tables_are_listed(written: Path) -> None:
    execute(written, "CREATE VIRTUAL TABLE other USING vec0(e float[3])")
    with pytest.raises(StoreError, match="2 tables with vectors: 'langchain', 'other': choose one"):
        open_store(f"sqlite-vec:{written}")
    with pytest.raises(StoreNotFoundError, match="no table 'x': tables with vectors: 'langchain', 'other'"):
        open_store(f"sqlite-vec:{written}?table=x")
    with pytest.raises(StoreError, match="holds no documents"):
        open_store(f"sqlite-vec:{written}?table=other")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("e int8[4]", "holds int8 vectors in 'e', which are codes"),
        ("e bit[8]", "holds bit vectors"),
        ("e float[4], f float[4]", "several columns of vectors: e, f"),
    ],
)
def test_vectors_of_vec0_that_cannot_be_read(tmp_path: Path, columns: str, said: str) -> None:
    execute(tmp_path / "v.db", f"CREATE VIRTUAL TABLE v USING vec0({columns})")
    with pytest.raises(StoreError, match=said):
        open_store(f"sqlite-vec:{tmp_path}/v.db")


def test_a_vec0_table_with_whole_numbers_for_keys(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    execute(
        path,
        "CREATE VIRTUAL TABLE v USING vec0(doc_id integer primary key, e FLOAT [4] distance_metric = L1, f float[2])",
        rows=[(at * 10, vector.tobytes(), "[1, 2]") for at, vector in enumerate(VECTORS)],
        sql="INSERT INTO v(doc_id, e, f) VALUES (?, ?, ?)",
    )
    store = open_store(f"sqlite-vec:{path}?vector=e")
    assert (store.info.metric, store.info.dim, store.info.has_texts) == (None, DIM, False)
    np.testing.assert_array_equal(store.fetch(["30"]).vectors, VECTORS[3:4])
    assert open_store(f"sqlite-vec:{path}?vector=f").info.metric is Metric.L2
    with pytest.raises(ConfigError, match="ranks by l2, not by cosine"):
        open_store(f"sqlite-vec:{path}?vector=f&metric=cosine")
    with pytest.raises(ConfigError, match="read by its key 'doc_id'"):
        open_store(f"sqlite-vec:{path}?vector=f&id=f")


def test_a_vector_of_another_dimension(written: Path) -> None:
    execute(written, "DROP TRIGGER langchain_embed_text")
    store = open_store(f"sqlite-vec:{written}")
    execute(written, "INSERT INTO langchain(text, metadata, text_embedding) VALUES ('x', '{}', x'00000000')")
    with pytest.raises(StoreError, match="'rowid:6' is 4 bytes"):
        list(store.scan())
    with pytest.raises(StoreError, match="'rowid:6' is 4 bytes where 4 float32 were expected"):
        store.fetch(["rowid:6"])
    with pytest.raises(StoreError, match="5 blob of 16, 1 blob of 4"):
        open_store(f"sqlite-vec:{written}")


def test_documents_that_langchain_adds_and_its_index_lacks(written: Path) -> None:
    vector = VECTORS[:1].tobytes()
    execute(
        written,
        rows=[("x", "null", vector)],
        sql="INSERT INTO langchain(text, metadata, text_embedding) VALUES (?,?,?)",
    )
    store = open_store(f"sqlite-vec:{written}")
    assert [id_ for batch in store.scan(batch_size=4) for id_ in batch.ids] == [*"abcde", "rowid:6"]
    assert store.fetch(["rowid:6"]).metadata == [{}]
    with pytest.raises(StoreError, match="no document with id 'rowid:1'"):
        store.fetch(["rowid:1"])
    assert store.info.counts == {"table": 6, "vec0": 6}
    execute(written, "DELETE FROM langchain_vec WHERE rowid = 6")
    assert open_store(f"sqlite-vec:{written}").info.counts == {"table": 6, "vec0": 5}


def test_metadata_that_is_no_object(written: Path) -> None:
    execute(written, "UPDATE langchain SET metadata = '[1]' WHERE id = 'b'")
    with pytest.raises(StoreError, match="metadata of 'b' is no JSON object"):
        list(open_store(f"sqlite-vec:{written}").scan())


def test_ids_that_repeat(plain: Path) -> None:
    execute(plain, 'UPDATE "my ""docs" SET nr = 7')
    with pytest.raises(StoreError, match="4 rows repeat an id that another row has, such as '7'"):
        open_store(f"sqlite-vec:{plain}?vector=emb&id=nr")


def test_a_locked_database(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"sqlite-vec:{written}")
    connect: Any = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, **named, timeout=0.01))
    other = connected(written)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="database is locked"):
        open_store(f"sqlite-vec:{written}")
    other.rollback()
    other.close()
    assert store.count() == 5
    store.close()
    with pytest.raises(StoreError, match="closed database"):
        store.count()


def test_a_table_that_goes_away_during_a_scan(written: Path) -> None:
    store = open_store(f"sqlite-vec:{written}")
    running = store.scan(batch_size=2)
    next(running)
    execute(written, "DROP TABLE langchain")
    with pytest.raises(StoreError, match="no such table"):
        list(running)


@pytest.fixture
def langchain(tmp_path: Path) -> Any:
    embeddings = pytest.importorskip("langchain_core.embeddings").DeterministicFakeEmbedding(size=DIM)
    stores = pytest.importorskip("langchain_community.vectorstores.sqlitevec")

    def make(path: Path, table: str = "langchain") -> Any:
        return stores.SQLiteVec(table=table, connection=connected(path), embedding=embeddings)

    return make


def test_a_store_that_langchain_made(langchain: Any, tmp_path: Path) -> None:
    theirs = langchain(tmp_path / "lc.db")
    texts, metadata = ["one", "two", "three"], [{"n": 1}, {"n": 2}, {}]
    assert theirs.add_texts(texts, metadata) == [1, 2, 3]
    vectors = np.array(theirs._embedding.embed_documents(texts), dtype=np.float32)
    for store in (open_store(theirs), open_store(f"sqlite-vec:{tmp_path}/lc.db")):
        assert (store.info.metric, store.info.index, store.info.count) == (Metric.L2, "vec0", 3)
        assert store.info.name == f"sqlite-vec:{tmp_path}/lc.db?table=langchain"
        (batch,) = store.scan()
        assert (batch.ids, batch.texts, batch.metadata) == (["1", "2", "3"], texts, metadata)
        np.testing.assert_array_equal(batch.vectors, vectors)
        store.close()
    assert theirs.similarity_search("one", k=1)[0].page_content == "one"  # its connection is open
    theirs._connection.close()


def test_langchain_opens_what_was_written(langchain: Any, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, DIM)).astype(np.float32)
    for metric in (Metric.L2, Metric.COSINE):
        path = tmp_path / f"{metric.value}.db"
        batch = Batch([f"id {at}" for at in range(50)], vectors, [f"text {at}" for at in range(50)], None)
        write_store(f"sqlite-vec:{path}", [batch], dim=DIM, metric=metric)
        theirs = langchain(path)
        truth = np.argsort(-true_scores(vectors[:1], vectors, metric)[0])[:7]
        found = theirs.similarity_search_by_vector(vectors[0].tolist(), k=7)
        assert [document.page_content for document in found] == [f"text {at}" for at in truth]
        assert theirs.add_texts(["new"]) == [51]
        assert open_store(theirs).fetch(["rowid:51", "id 3"]).texts == ["new", "text 3"]
        theirs._connection.close()


def test_a_live_connection(written: Path) -> None:
    with closing(connected(written)) as connection:
        store = open_store(connection)
        assert store.fetch(["c"]).texts == ["three"]
        store.close()
        assert connection.execute("SELECT 1").fetchone()[0] == 1
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute("CREATE TABLE t (id TEXT, embedding BLOB)")
        with pytest.raises(StoreError, match="sqlite-vec::memory: has no table of vec0"):
            open_store(memory)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> type:
    """Return a connection that has not the functions of sqlite-vec."""

    class Connection:
        def cursor(self) -> Any:
            return self

        def execute(self, *given: Any) -> Any:
            raise sqlite3.OperationalError("no such function: vec_version")

        def close(self) -> None:
            pass

    return Connection


def test_without_the_extension(bare: type, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="connection has not loaded sqlite-vec"):
        load_extension(bare(), "s", own=False)
    with pytest.raises(MissingExtraError, match=r'ragdiag\[sqlite-vec\]".*loads no extensions: use a Python'):
        load_extension(bare(), "s")
    monkeypatch.setitem(sys.modules, "sqlite_vec", None)
    with pytest.raises(MissingExtraError, match=r'pip install "ragdiag\[sqlite-vec\]"'):
        load_extension(bare(), "s")


SCRIPT = """
import sqlite3, sys
import numpy as np
from ragdiag.stores import open_store
from ragdiag_sqlite_vec.connection import ask
own = sqlite3.connect(":memory:")
try:
    own.execute("SELECT vec_version()")
except sqlite3.OperationalError:
    pass
else:
    raise SystemExit("vec0 is there by itself")
store = open_store(sys.argv[1])
print(store.search(np.ones((1, 4), dtype=np.float32), 2)[0].ids, store.fetch(["b"]).metadata)
"""


def test_the_extension_is_loaded_by_a_python_that_can(written: Path) -> None:
    pythons = [sys.executable] if LOADS else ["/usr/bin/python3", "/usr/local/bin/python3"]
    check = f"import sqlite3, sys; sys.exit({tuple(sys.version_info[:2])} != sys.version_info[:2]"
    check += " or not hasattr(sqlite3.Connection, 'enable_load_extension'))"
    able = [
        one for one in pythons if shutil.which(one) and not subprocess.run([one, "-c", check], check=False).returncode
    ]
    if not able:
        pytest.skip("no Python of this version here has an sqlite3 that loads extensions")
    ours = [path for path in sys.path if path and (LOADS or not path.startswith(sys.base_prefix))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(ours)}
    done = subprocess.run(
        [able[0], "-c", SCRIPT, f"sqlite-vec:{written}"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "('a', 'b') [{'n': 1}]\n", done.stderr


def test_only_a_file_of_its_own_is_replaced(written: Path, tmp_path: Path) -> None:
    uri, batch = f"sqlite-vec:{written}", Batch(["x"], VECTORS[:1])
    assert check_target(uri, metric="l2", overwrite=True).name == open_store(uri).info.name
    assert write_store(uri, [batch], dim=DIM, metric="cosine", overwrite=True).count == 1
    execute(written, "CREATE TABLE accounts (x)")
    with pytest.raises(ConfigError, match="holds a table 'accounts' which is no part of the store"):
        write_store(uri, [batch], dim=DIM, metric="l2", overwrite=True)
    (tmp_path / "y.db-wal").touch()
    with pytest.raises(ConfigError, match="close the database first"):
        write_store(f"sqlite-vec:{tmp_path}/y.db", [batch], dim=DIM, metric="l2")
    (tmp_path / "text.db").write_text("nothing of ours" * 100)
    with pytest.raises(StoreError, match="not a database"):
        write_store(f"sqlite-vec:{tmp_path}/text.db", [batch], dim=DIM, metric="l2", overwrite=True)
    assert (tmp_path / "text.db").read_text().startswith("nothing")


@pytest.mark.parametrize("table", ['a"b;drop table x--', "文 档", "select"])
def test_tables_of_any_name(tmp_path: Path, table: str) -> None:
    from urllib.parse import urlencode

    uri = f"sqlite-vec:{tmp_path}/n.db?{urlencode({'table': table})}"
    assert write_store(uri, [Batch(["a", "b"], VECTORS[:2])], dim=DIM, metric="l2").count == 2
    store = open_store(uri)
    assert isinstance(store, SearchableStore)
    assert store.search(VECTORS[:1], 1)[0].ids == ("a",)
    assert check_target(uri, metric="l2", overwrite=True).name == store.info.name == uri


def test_values_that_json_cannot_keep(tmp_path: Path) -> None:
    uri, batch = f"sqlite-vec:{tmp_path}/j.db", Batch(["a"], VECTORS[:1], None, [{"at": {1, 2}}])
    with pytest.raises(StoreError, match="--lossy"):
        write_store(uri, [batch], dim=DIM, metric="l2")
    assert not (tmp_path / "j.db").exists()
    write_store(uri, [batch], dim=DIM, metric="l2", lossy=True)
    assert open_store(uri).fetch(["a"]).metadata == [{"at": "{1, 2}"}]


def test_too_many_dimensions_are_refused(tmp_path: Path) -> None:
    wide = np.ones((1, 9000), dtype=np.float32)
    with pytest.raises(RagdiagError, match="8192"):
        write_store(f"sqlite-vec:{tmp_path}/wide.db", [Batch(["a"], wide)], dim=9000, metric="l2")
    assert list(tmp_path.iterdir()) == []


def test_an_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors: Float32 = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    uri = f"sqlite-vec:{tmp_path}/a.db"
    write_store(uri, [Batch([str(at) for at in range(200)], vectors)], dim=8, metric="l2")
    assert main(["audit", uri, "--format", "json"]) in (0, 1)
    report = json.loads(capsys.readouterr().out)
    assert (report["store"]["count"], report["store"]["metric"]) == (200, "l2")
