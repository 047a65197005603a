"""Where a PostgreSQL database is, how it is called without credentials, and connections to it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

from ragdiag.errors import ConfigError, MissingExtraError
from ragdiag.stores import told
from ragdiag.stores.uri import check_options

OPTIONS = ("collection", "table", "vector", "id", "text", "metadata", "metric")
_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://")  # LangChain's addresses name a driver
_PORT, _LOOPBACK = "5432", ("127.0.0.1", "::1")
_HIDDEN = ("password", "sslpassword")
_DEFAULTS = {"connect_timeout": "10", "application_name": "ragdiag", "client_encoding": "utf8"}


def load_psycopg() -> Any:
    """Return the client, or name the extra that brings it."""
    try:
        import psycopg
    except ImportError:
        raise MissingExtraError("PostgreSQL needs its client", hint='pip install "ragdiag[pgvector]"') from None
    return psycopg


@dataclass(frozen=True, repr=False)
class Address:
    """A database, and how connections to it are made.

    Attributes
    ----------
    parameters : mapping of str to str
        libpq's, the password among them.
    lend : callable or None
        Gives a connection of an application that is then ours; when None, one is made by `parameters`.
    """

    parameters: Mapping[str, str]
    lend: Callable[[], Any] | None = None

    def shown(self, **options: str) -> str:
        """Return the canonical URI: host, port and database, and these options; no user and no password.

        What is left out is what libpq takes then, from its environment too; equal places have equal names.

        Examples
        --------
        >>> Address({"host": "db", "port": "5433", "dbname": "rag", "user": "me", "password": "s"}).shown(table="a b")
        'pgvector:postgresql://db:5433/rag?table=a%20b'
        """
        given = {**_usual(), **{name: value for name, value in self.parameters.items() if value}}
        host, port = given.get("host") or given.get("hostaddr") or _socket_folder(), given.get("port", "")
        hosts = [_host(one) for one in host.split(",")]
        ports = [_PORT if one == "" else one for one in port.split(",")]
        port = "" if set(ports) == {_PORT} else ",".join(ports)
        if len(hosts) > 1 or "/" in hosts[0]:  # several hosts, or a folder with a socket
            options, hosts = {"host": ",".join(hosts), **options}, [""]
        place = f"[{hosts[0]}]" if ":" in hosts[0] else hosts[0]
        place += f":{port}" if port else ""
        query = "&".join(f"{name}={_escaped(value)}" for name, value in options.items())
        return f"pgvector:postgresql://{place}/{_escaped(given.get('dbname') or given.get('user', ''))}?{query}".rstrip(
            "?"
        )

    @contextmanager
    def connected(self, name: str, *, reading: bool = True) -> Iterator[Any]:
        """Connect for the length of a block, which sees one state of the database; commit it when it ends well.

        What goes wrong is told under `name`, without credentials. However the block ends, by Ctrl-C too,
        the connection is closed.
        """
        psycopg = load_psycopg()
        try:
            connection = self.connect(reading=reading)
            try:
                yield connection
                connection.commit()
            finally:
                connection.close()
        except Exception as error:
            if not reading and not isinstance(error, psycopg.Error):
                raise  # what is written comes from elsewhere
            with self.telling(name):
                raise error

    def connect(self, *, reading: bool = True) -> Any:
        """Return a new connection, whose transactions see one state of the database each."""
        psycopg = load_psycopg()
        connection = self.lend() if self.lend else psycopg.connect(**{**_DEFAULTS, **self.parameters})
        try:
            connection.autocommit = False
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ if reading else None
            connection.read_only = reading
        except BaseException:
            connection.close()
            raise
        return connection

    def reached(self, connection: Any) -> Address:
        """Return the address by the database that an application's connection is to; our own stays as it was asked.

        An engine's URL need not say where its connections go: ``creator``, ``connect_args`` and its events may.
        """
        if self.lend is None:
            return self
        info = connection.info
        took = {option.keyword.decode(): option.val.decode() for option in connection.pgconn.info if option.val}
        host = took.get("host") or took.get("hostaddr") or info.host
        where = {"host": host, "port": took.get("port") or str(info.port), "dbname": info.dbname}
        secrets = {name: took[name] for name in _HIDDEN if name in took}
        return Address({**self.parameters, **where, **secrets}, self.lend)

    def telling(self, name: str) -> AbstractContextManager[None]:
        """Tell what goes wrong in a block under `name`, without credentials."""
        secrets = [value for key, value in self.parameters.items() if key in _HIDDEN]
        return told(name, secrets=[*secrets, *map(quote, secrets)])


def address_of(rest: str, options: Mapping[str, str]) -> Address:
    """Return the database of ``postgresql://user:password@host:port/db`` and libpq's own options.

    Raises
    ------
    ConfigError
        When it is no such address or an option is neither libpq's nor ours; what it holds is not repeated.
    """
    psycopg = load_psycopg()
    known = {default.keyword.decode() for default in psycopg.pq.Conninfo.get_defaults()}
    hint = "write pgvector:postgresql://user:password@host:5432/database, with @ : / ? of a password as %40 %3A %2F %3F"
    scheme = _SCHEME.match(rest)
    place, _, path = rest[scheme.end() if scheme else 0 :].partition("/")
    user, _, hosts = place.rpartition("@")
    ports = [one.rpartition(":")[2] for one in hosts.split(",") if ":" in one.rpartition("]")[2]]
    # A password that was not escaped must not be taken for a database, an option or a port, and shown.
    odd = "@" in user or any(sign in unquote(path) for sign in "@/:") or any("@" in name for name in options)
    if not scheme or odd or not all(map(str.isdigit, ports)):
        raise ConfigError("the address of a pgvector: store cannot be read", hint=hint)
    check_options({name: value for name, value in options.items() if name not in known}, OPTIONS, scheme="pgvector")
    try:
        parameters = psycopg.conninfo.conninfo_to_dict(f"postgresql://{rest[scheme.end() :]}")
    except (psycopg.Error, UnicodeDecodeError):
        raise ConfigError("the address of a pgvector: store cannot be read", hint=hint) from None
    parameters.update({name: value for name, value in options.items() if name in known})
    return Address({name: str(value) for name, value in parameters.items()})


def address_of_engine(engine: Any) -> Address:
    """Return the database of a SQLAlchemy engine, synchronous or not.

    Connections of an engine that uses psycopg are taken from its pool for good, so that whatever it does to
    make them is done. Of other drivers only the address is used, and what libpq knows of its options.
    """
    psycopg = load_psycopg()
    known = {default.keyword.decode() for default in psycopg.pq.Conninfo.get_defaults()}
    url = engine.url
    parameters = {
        name: ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in {**url.query, **url.translate_connect_args(username="user", database="dbname")}.items()
        if name in known
    }

    def lend() -> Any:
        pooled = engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        return connection

    own = not hasattr(engine, "sync_engine") and engine.dialect.driver == "psycopg"
    return Address(parameters, lend if own else None)


def _usual() -> dict[str, str]:
    """Return what libpq takes for parameters that are not given."""
    defaults = load_psycopg().pq.Conninfo.get_defaults()
    return {default.keyword.decode(): default.val.decode() for default in defaults if default.val}


@cache
def _socket_folder() -> str:
    """Return where libpq looks for a server when no host is named; only a connection tells."""
    started = load_psycopg().pq.PGconn.connect_start(b"")  # tried without waiting, and nothing is sent
    try:
        return (started.host or b"").decode()
    finally:
        started.finish()


def _host(name: str) -> str:
    if name.startswith("/"):
        return os.path.realpath(name)
    return "localhost" if name in _LOOPBACK else name.lower()


def _escaped(text: str) -> str:
    return re.sub(r"[\s%&#+=?@]", lambda found: quote(found[0]), text)
