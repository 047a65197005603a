"""What is opened under which URI, live objects, LangChain's own class, and what is wrong with a file."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from ragdiag_duckdb.store import hnsw

from ragdiag.cli import main
from ragdiag.errors import ConfigError, MissingExtraError, StoreError, StoreNotFoundError
from ragdiag.stores import SearchableStore, check_target, open_store, write_store
from ragdiag.testing.engine_contract import true_scores
from ragdiag.types import Batch, Metric

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

# How LangChain hands its rows to pandas.
PANDAS = pytest.mark.filterwarnings("ignore:Passing a list to DataFrame.from_dict")
DIM = 4
VECTORS = np.arange(20, dtype=np.float32).reshape(5, DIM)


def execute(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    batch = Batch(list("abcde"), VECTORS, ["one", None, "three", "four", "five"], [{"n": at} for at in range(5)])
    write_store(f"duckdb:{tmp_path}/w.duckdb", [batch], dim=DIM, metric="cosine")
    return tmp_path / "w.duckdb"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.db"
    execute(
        path,
        'CREATE TABLE "my ""docs" (nr BIGINT, body TEXT, day DATE, metadata TEXT, emb DOUBLE[], other FLOAT[2])',
        """INSERT INTO "my ""docs" SELECT i * 10, 'text ' || i, DATE '2024-01-01', '{"n": ' || i || '}',
           [4.0 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3], [1, 2] FROM range(5) t(i)""",
        "CREATE TABLE nothing (x INTEGER)",
    )
    return path


def test_a_table_of_ones_own(plain: Path) -> None:
    store = open_store(f'duckdb:{plain}?table=MY "docs&vector=emb&id=nr&text=body&metric=dot')
    assert (store.info.kind, store.info.metric, store.info.count, store.info.dim) == ("duckdb", Metric.DOT, 5, DIM)
    assert store.info.name == f"duckdb:{plain}?table=my+%22docs"
    batch = store.fetch(["20", "0"])
    assert batch.texts == ["text 2", "text 0"]
    assert [(one["n"], str(one["day"])) for one in batch.metadata or []] == [(2, "2024-01-01"), (0, "2024-01-01")]
    np.testing.assert_array_equal(batch.vectors, VECTORS[[2, 0]])
    assert isinstance(store, SearchableStore)
    (hits,) = store.search(VECTORS[1:2], 2)
    assert hits.ids == ("40", "30")
    assert hits.scores.tolist() == [390.0, 302.0]
    with pytest.raises(StoreError, match="no setting"):
        store.search(VECTORS[:1], 2, effort=3)
    rows = open_store(f"duckdb:{plain}?vector=other")
    assert [id_ for one in rows.scan() for id_ in one.ids] == list("01234")
    assert rows.fetch(["4"]).vectors.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ("", StoreError, "several columns of vectors: emb, other: [?]vector=emb"),
        ("?table=nope", StoreNotFoundError, "no table 'nope': tables with vectors: 'my \"docs'"),
        ("?table=nothing", StoreError, "no column of FLOAT"),
        ("?vector=nope", StoreError, "no column 'nope': the columns are nr, body"),
        ("?vector=emb&id=nope", StoreError, "no column 'nope'"),
        ("?vector=nr", StoreError, "column 'nr' is BIGINT, not FLOAT"),
        ("?vector=emb&metric=l3", ConfigError, "no metric 'l3'"),
        ("?tabel=x", ConfigError, "no option 'tabel'"),
        ("?vector=emb&id=body&text=body", None, ""),
    ],
)
def test_what_cannot_be_opened(plain: Path, options: str, error: type[Exception] | None, said: str) -> None:
    if error is None:
        assert open_store(f"duckdb:{plain}{options}").info.count == 5
        return
    with pytest.raises(error, match=said):
        open_store(f"duckdb:{plain}{options}")


def test_a_path_that_does_not_exist_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", f"duckdb:{tmp_path}/no.duckdb"]) == 2
    assert "there is no" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(5000), b"12345678DUCK" + bytes(5000)])
def test_what_is_no_database(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.duckdb").write_bytes(content)
    assert main(["audit", f"duckdb:{tmp_path}/x.duckdb"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "x.duckdb" in err
    assert [path.name for path in tmp_path.iterdir()] == ["x.duckdb"]


def test_several_tables_are_listed(written: Path) -> None:
    execute(written, "CREATE TABLE other (e FLOAT[3])", "CREATE VIEW seen AS SELECT * FROM embeddings")
    with pytest.raises(StoreError, match="2 tables with vectors: 'embeddings', 'other': choose one"):
        open_store(f"duckdb:{written}")
    with pytest.raises(StoreNotFoundError, match="no table 'seen'"):
        open_store(f"duckdb:{written}?table=seen")
    with pytest.raises(StoreError, match="holds no documents"):
        open_store(f"duckdb:{written}?table=other")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("INSERT INTO embeddings VALUES ('x', '', [1], '{}')", r"of one dimension \(5 of 4, 1 of 1\)"),
        ("INSERT INTO embeddings VALUES ('x', '', NULL, '{}')", r"\(5 of 4, 1 missing\)"),
        ("INSERT INTO embeddings VALUES ('x', '', [1, 2, NULL, 4], '{}')", "the vector of row 5 has a null in it"),
        ("UPDATE embeddings SET metadata = '[1]' WHERE id = 'b'", "metadata of 'b' is no JSON object"),
    ],
)
def test_rows_that_cannot_be_used(written: Path, statement: str, said: str) -> None:
    execute(written, statement)
    with pytest.raises(StoreError, match=said):
        list(open_store(f"duckdb:{written}").scan())


@pytest.mark.parametrize(("id_", "said"), [("'a'", "3 rows repeat an id .* such as 'a'"), ("NULL", "a row has no id")])
def test_ids_that_cannot_be_used(tmp_path: Path, id_: str, said: str) -> None:
    execute(tmp_path / "i.db", f"CREATE TABLE t AS SELECT {id_} AS id, [1.0, 2]::FLOAT[] AS v FROM range(4)")
    with pytest.raises(StoreError, match=said):
        open_store(f"duckdb:{tmp_path}/i.db")


def test_a_file_that_somebody_writes_to(written: Path) -> None:
    with duckdb.connect(str(written)) as mine:
        with pytest.raises(StoreError, match="open elsewhere"):
            open_store(f"duckdb:{written}")
        assert open_store(mine).info.count == 5
    script = f"import duckdb, sys; c = duckdb.connect({str(written)!r}); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreError, match=r"lock .*: is it open elsewhere"):
            open_store(f"duckdb:{written}")
    finally:
        other.communicate()
    assert open_store(f"duckdb:{written}").info.count == 5


def test_a_file_reaches_nothing_else(written: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    store: Any = open_store(f"duckdb:{written}")
    with pytest.raises(duckdb.Error, match="disabled"):
        store._cursor.execute(f"SELECT * FROM read_csv('{tmp_path}/secret.csv')")
    with pytest.raises(duckdb.Error, match="read-only"):
        store._cursor.execute("DELETE FROM embeddings")


def test_a_store_that_was_closed(written: Path) -> None:
    store = open_store(f"duckdb:{written}")
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.count()
    with pytest.raises(StoreError, match="closed"):
        list(store.scan())


@pytest.fixture
def langchain() -> Iterator[Any]:
    embeddings = pytest.importorskip("langchain_core.embeddings").DeterministicFakeEmbedding(size=DIM)
    stores = pytest.importorskip("langchain_community.vectorstores.duckdb")
    connections: list[Any] = []

    def make(path: Path, **options: str) -> Any:
        connections.append(duckdb.connect(str(path)))
        return stores.DuckDB(connection=connections[-1], embedding=embeddings, **options)

    yield make
    for connection in connections:
        connection.close()


@PANDAS
def test_a_store_that_langchain_made(langchain: Any, tmp_path: Path) -> None:
    names = {"vector_key": "vec", "id_key": "nr", "text_key": "body", "table_name": "docs"}
    theirs = langchain(tmp_path / "lc.duckdb", **names)
    texts, metadata = ["one", "two", "three"], [{"n": 1}, {"n": 2}, {}]
    theirs.add_texts(texts, metadata, ids=["x", "y", "z"])
    vectors = np.array(theirs._embedding.embed_documents(texts), dtype=np.float32)
    store = open_store(theirs)
    assert (store.info.metric, store.info.index, store.info.count) == (Metric.COSINE, "", 3)
    assert store.info.name == f"duckdb:{tmp_path}/lc.duckdb?table=docs"
    (batch,) = store.scan()
    assert (batch.ids, batch.texts, batch.metadata) == (["x", "y", "z"], texts, metadata)
    np.testing.assert_array_equal(batch.vectors, vectors)
    store.close()
    assert theirs.similarity_search("one", k=1)[0].page_content == "one"  # its connection is open
    theirs._connection.close()
    file = open_store(f"duckdb:{tmp_path}/lc.duckdb?id=nr&text=body")
    assert file.fetch(["y"]).texts == ["two"]


@PANDAS
def test_langchain_opens_what_was_written(langchain: Any, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, DIM)).astype(np.float32)
    batch = Batch([f"id {at}" for at in range(50)], vectors, [f"text {at}" for at in range(50)], None)
    write_store(f"duckdb:{tmp_path}/w.duckdb", [batch], dim=DIM, metric="cosine")
    theirs = langchain(tmp_path / "w.duckdb")
    query = np.array([theirs._embedding.embed_query("a question")], dtype=np.float32)
    truth = np.argsort(-true_scores(query, vectors, Metric.COSINE)[0])[:7]
    found = theirs.similarity_search("a question", k=7)
    assert [document.page_content for document in found] == [f"text {at}" for at in truth]
    store = open_store(theirs)
    assert isinstance(store, SearchableStore)
    assert store.search(query, 7)[0].ids == tuple(f"id {at}" for at in truth)
    theirs.add_texts(["new"], ids=["n"])
    assert store.fetch(["n"]).texts == ["new"]


def test_an_index_of_the_extension_vss() -> None:
    made = 'CREATE INDEX i ON "docs" USING HNSW ("my vec") WITH (ef_search = 3, metric = \'ip\')'
    assert hnsw(made, "my vec") == ("HNSW", Metric.DOT)
    assert hnsw("CREATE INDEX i ON docs USING hnsw (v)", "v") == ("HNSW", Metric.L2)
    assert hnsw("CREATE INDEX i ON docs USING hnsw (v)", "w") is None
    assert hnsw("CREATE INDEX i ON docs (v)", "v") is None


@pytest.mark.parametrize("missing", ["duckdb", "pyarrow"])
def test_without_the_extra(written: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    real = builtins.__import__

    def importing(name: str, *given: Any, **named: Any) -> Any:
        if name == missing:
            raise ImportError(name)
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(MissingExtraError, match=r'pip install "ragdiag\[duckdb\]"'):
        open_store(f"duckdb:{written}")


def test_only_a_file_of_its_own_is_replaced(written: Path, tmp_path: Path) -> None:
    uri, batch = f"duckdb:{written}", Batch(["x"], VECTORS[:1])
    assert check_target(uri, metric="l2", overwrite=True).name == open_store(uri).info.name
    assert write_store(uri, [batch], dim=DIM, metric="cosine", overwrite=True).count == 1
    execute(written, "CREATE TABLE accounts (x INTEGER)")
    with pytest.raises(ConfigError, match="holds a table 'accounts' which is no part of the store"):
        write_store(uri, [batch], dim=DIM, metric="l2", overwrite=True)
    (tmp_path / "y.db.wal").touch()
    with pytest.raises(ConfigError, match="close the database first"):
        write_store(f"duckdb:{tmp_path}/y.db", [batch], dim=DIM, metric="l2")
    (tmp_path / "text.db").write_text("nothing of ours" * 100)
    with pytest.raises(StoreError, match="no DuckDB database"):
        write_store(f"duckdb:{tmp_path}/text.db", [batch], dim=DIM, metric="l2", overwrite=True)
    assert (tmp_path / "text.db").read_text().startswith("nothing")
    with pytest.raises(StoreError, match="two columns of one name"):
        write_store(f"duckdb:{tmp_path}/n.db?id=Text", [batch], dim=DIM, metric="l2")


@pytest.mark.parametrize("table", ['a"b;drop table x--', "文 档", "select"])
def test_tables_of_any_name(tmp_path: Path, table: str) -> None:
    uri = f"duckdb:{tmp_path}/n.db?{urlencode({'table': table})}"
    assert write_store(uri, [Batch(["a", "b"], VECTORS[:2])], dim=DIM, metric="cosine").count == 2
    store = open_store(uri)
    assert isinstance(store, SearchableStore)
    assert store.search(VECTORS[1:2], 1)[0].ids == ("b",)
    assert check_target(uri, metric="l2", overwrite=True).name == store.info.name == uri


def test_an_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    uri = f"duckdb:{tmp_path}/a.duckdb"
    write_store(uri, [Batch([str(at) for at in range(3000)], vectors)], dim=8, metric="cosine")
    assert main(["audit", uri, "--format", "json"]) in (0, 1)
    report = json.loads(capsys.readouterr().out)
    assert (report["store"]["count"], report["store"]["metric"]) == (3000, "cosine")
