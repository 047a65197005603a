"""Where a Chroma database is, as its URI says it, and the client that reaches it."""

from __future__ import annotations

import base64
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

from ragdiag.errors import ConfigError, MissingExtraError, StoreError, StoreNotFoundError
from ragdiag.stores import check_options, told
from ragdiag.stores.uri import existing_path, refuse_bare_server

FILE = "chroma.sqlite3"  # what a folder of Chroma holds
TENANT, DATABASE = "default_tenant", "default_database"  # chromadb's own defaults
_DEFAULTS = (TENANT, DATABASE)

# Class and module of the live objects that can be opened.
LANGCHAIN = ("Chroma", ("langchain_chroma", "langchain_community.vectorstores.chroma"))
COLLECTION = ("Collection", ("chromadb.",))
CLIENT = ("Client", ("chromadb.",))
MARKS = (LANGCHAIN, COLLECTION, CLIENT)


@dataclass(frozen=True)
class Place:
    """A folder or a server, and perhaps a collection there.

    Attributes
    ----------
    rest : str
        A path, or ``http://host:port``, ``https://…``; the latter may hold ``user:password@``.
    collection : str
        "" when none was named.
    tenant, database : str
        Inside which Chroma keeps collections.
    token : str
        Sent as ``Authorization: Bearer`` and as ``X-Chroma-Token``.

    Examples
    --------
    >>> Place.of("http://me:pw@host:8000", {"collection": "docs", "token": "s"}).name("docs")
    'chroma:http://host:8000?collection=docs'
    """

    rest: str = field(repr=False)  # it may hold a password
    collection: str = ""
    tenant: str = TENANT
    database: str = DATABASE
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, rest: str, options: dict[str, str]) -> Place:
        """Return the place of a URI; `ConfigError` for options that are not known or make no sense there."""
        check_options(options, ("collection", "tenant", "database", "token"), scheme="chroma")
        refuse_bare_server(rest, "chroma")
        place = cls(rest, **options)
        if place.token and not place.remote:
            raise ConfigError("chroma: a folder asks for no token", hint="leave ?token= out, or name a server")
        if place.remote:
            place._split()
        return place

    @property
    def remote(self) -> bool:
        """Whether it is a server."""
        return self.rest.lower().startswith(("http://", "https://"))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        password = self._split().password if self.remote else None
        return tuple(filter(None, (self.token, password, unquote(password or ""))))

    def name(self, collection: str) -> str:
        """Return the URI of a collection here, without credentials."""
        options = {"tenant": self.tenant, "database": self.database}
        options = {name: value for name, value in options.items() if value not in _DEFAULTS}
        return f"{self.shown}?{urlencode({**options, 'collection': collection})}"

    def client(self, *, new: bool = False) -> Any:
        """Return a ``chromadb`` client of its own; a database is made only when `new`."""
        path = self.rest if self.remote or new else _database(self.rest)
        with told(self.shown, hint="is it there, and are tenant, database and token right?", secrets=self.secrets):
            chromadb = _chromadb()
            inside = {"tenant": self.tenant, "database": self.database}
            if not self.remote:
                # Chroma shares one engine per path in a process, and insists on equal settings: its defaults.
                return chromadb.PersistentClient(path=path, **inside)
            return chromadb.HttpClient(host=self._url(), headers=self._headers(), **inside)

    @property
    def shown(self) -> str:
        """The database, without credentials."""
        return f"chroma:{self._url() if self.remote else self.rest}"

    def _split(self) -> SplitResult:
        try:
            parts = urlsplit(self.rest)
            if parts.hostname and parts.port != 0:
                return parts
        except ValueError:
            pass
        raise ConfigError(
            "chroma: the server's address cannot be read", hint="write chroma:http://HOST:PORT?…"
        ) from None

    def _url(self) -> str:
        parts = self._split()
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        port = parts.port or (443 if parts.scheme == "https" else 8000)
        return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"

    def _headers(self) -> dict[str, str]:
        parts = self._split()
        if self.token:
            return {"Authorization": f"Bearer {self.token}", "X-Chroma-Token": self.token}
        if parts.username is None:
            return {}
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def close(client: Any) -> None:
    """Close a client of ours, and its connections, which its own ``close`` leaves open; old ones have none."""
    servers = (getattr(one, "_server", None) for one in (client, getattr(client, "_admin_client", None)))
    for one in (*(getattr(server, "_session", None) for server in servers), client):
        with suppress(Exception):
            getattr(one, "close", lambda: None)()


def _chromadb() -> Any:
    try:
        import chromadb
    except ImportError:
        raise MissingExtraError("reading Chroma needs chromadb", hint='pip install "ragdiag[chroma]"') from None
    return chromadb


def _database(rest: str) -> str:
    """Return the path of a folder that holds a database: Chroma itself would make one."""
    path = existing_path(rest, folder=True)
    file = os.path.join(path, FILE)
    if not os.path.isfile(file):
        raise StoreNotFoundError(f"{rest!r} holds no {FILE}", hint="give the folder that Chroma persists to")
    try:
        with closing(sqlite3.connect(f"file:{quoted(file)}?mode=ro", uri=True)) as database:
            database.execute("SELECT id, name FROM collections LIMIT 1").fetchall()
    except sqlite3.Error as error:
        raise StoreError(
            f"{file} is no database of Chroma ({error})", hint="is it whole, and is it Chroma's?"
        ) from None
    return path


def quoted(path: str) -> str:
    """Return a path as SQLite's URIs have it."""
    from urllib.request import pathname2url

    return pathname2url(os.path.abspath(path))
