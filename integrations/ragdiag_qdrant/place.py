"""Where a Qdrant database is, as its URI says it, and the client that reaches it."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from ragdiag.errors import ConfigError, MissingExtraError, StoreError, StoreNotFoundError
from ragdiag.stores import check_options, told
from ragdiag.stores.uri import existing_path, refuse_bare_server
from ragdiag_qdrant.vetting import refuse_foreign_pickles

FILE, COLLECTIONS, LOCK = "meta.json", "collection", ".lock"  # what a local folder holds
STORAGE = "storage.sqlite"  # and each collection in it
TEXT, METADATA = "page_content", "metadata"  # where LangChain keeps them in the payload
_TIMEOUT = 60  # seconds for one request; the client's own 5 are too few for a page of long vectors

# Class and module of the live objects that can be opened.
LANGCHAIN = (
    ("QdrantVectorStore", ("langchain_qdrant.",)),
    ("Qdrant", ("langchain_qdrant.", "langchain_community.vectorstores.qdrant")),
)
CLIENT = ("QdrantClient", ("qdrant_client.",))
MARKS = (*LANGCHAIN, CLIENT)


@dataclass(frozen=True)
class Place:
    """A folder or a server, and perhaps a collection there and how it is read.

    Attributes
    ----------
    rest : str
        A path, or ``http://host:port``, ``https://…``.
    collection : str
        "" when none was named.
    vector : str or None
        Which of a collection's named vectors; "" for the one without a name, None when nothing was said.
    text, metadata : str
        Keys of the payload.
    api_key : str

    Examples
    --------
    >>> Place.of("http://host:6333", {"collection": "docs", "api_key": "s"}).name("docs")
    'qdrant:http://host:6333?collection=docs'
    """

    rest: str
    collection: str = ""
    vector: str | None = None
    text: str = TEXT
    metadata: str = METADATA
    api_key: str = field(default="", repr=False)

    @classmethod
    def of(cls, rest: str, options: dict[str, str]) -> Place:
        """Return the place of a URI; `ConfigError` for options that are not known or make no sense there."""
        check_options(options, ("collection", "vector", "text", "metadata", "api_key"), scheme="qdrant")
        refuse_bare_server(rest, "qdrant")
        place = cls(rest, **options)
        if place.api_key and not place.remote:
            raise ConfigError("qdrant: a folder asks for no api_key", hint="leave it out, or name a server")
        if place.remote:
            place._split()
        return place

    @property
    def remote(self) -> bool:
        """Whether it is a server."""
        return self.rest.lower().startswith(("http://", "https://"))

    @property
    def shown(self) -> str:
        """The database, without credentials."""
        return f"qdrant:{self.rest.rstrip('/') if self.remote else self.rest}"

    @property
    def hint(self) -> str:
        """What to look at when it cannot be opened."""
        return "is it there, and is the api_key right?" if self.remote else "is the folder whole?"

    def name(self, collection: str, vector: str | None = None) -> str:
        """Return the URI of a collection here, without credentials."""
        options = {"collection": collection, **({"vector": vector} if vector else {})}
        return f"{self.shown}?{urlencode(options)}"

    def client(self, *, new: bool = False) -> Any:
        """Return a client of its own; a database is made only when `new`."""
        path = ""
        if not self.remote:
            path = self.rest if new else _database(self.rest)
        with told(self.shown, hint=self.hint, secrets=[self.api_key]):
            if self.remote:
                return new_client(
                    url=self.rest, api_key=self.api_key or None, timeout=_TIMEOUT, check_compatibility=False
                )
            _portalocker()
            return new_client(path=path)

    def _split(self) -> SplitResult:
        try:
            parts = urlsplit(self.rest)
            if parts.hostname and parts.port != 0 and parts.username is None:
                return parts
        except ValueError:
            pass
        raise ConfigError(
            "qdrant: the server's address cannot be read", hint="write qdrant:http://HOST:6333?…&api_key=KEY"
        ) from None


def new_client(**options: Any) -> Any:
    """Make a client; the one place that does."""
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise _missing("qdrant-client") from None
    with warnings.catch_warnings():
        # Of folders with over 20,000 points, and of keys without TLS: the user has chosen both.
        warnings.simplefilter("ignore", UserWarning)
        return QdrantClient(**options)


def _portalocker() -> Any:
    """Return the package by which Qdrant locks its folders; its client would find out too late."""
    try:
        import portalocker
    except ImportError:
        raise _missing("portalocker") from None
    return portalocker


def _missing(library: str) -> MissingExtraError:
    return MissingExtraError(f"reading Qdrant needs {library}", hint='pip install "ragdiag[qdrant]"')


def is_local(client: Any) -> bool:
    """Whether a client is the engine itself, in this process, which always searches exactly."""
    return client.init_options.get("location") == ":memory:" or client.init_options.get("path") is not None


def collections(client: Any) -> set[str]:
    """Return the names of the collections, those that have aliases by these."""
    aliases = {alias.alias_name: alias.collection_name for alias in client.get_aliases().aliases}
    return {found.name for found in client.get_collections().collections} - set(aliases.values()) | set(aliases)


def is_database(path: str) -> bool:
    """Whether a folder looks like one of Qdrant's local mode."""
    return os.path.isfile(os.path.join(path, FILE)) and os.path.isdir(os.path.join(path, COLLECTIONS))


def described(path: str) -> dict[str, Any]:
    """Return what a local folder says of itself; its collections are names that lie inside it."""
    try:
        # Qdrant writes ASCII. It reads in the encoding of the locale, by which other letters could be other names.
        with open(os.path.join(path, FILE), encoding="ascii") as file:
            found = json.load(file)
        names = list(found["collections"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} is no folder of Qdrant ({type(error).__name__} in {FILE})", hint="is it whole?"
        ) from None
    for name in names:
        if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise StoreError(
                f"{path} names a collection {name!r} outside itself; it was not opened", hint="who wrote it?"
            )
    return dict(found)


def refuse_locked(path: str) -> None:
    """Raise a `StoreError` when another client has the folder open: Qdrant admits one."""
    portalocker = _portalocker()
    lock = os.path.join(path, LOCK)
    if os.path.islink(lock):  # Qdrant would write to wherever it leads
        raise StoreError(f"{lock} is a link; the folder was not opened", hint="who wrote it?")
    if not os.path.isfile(lock):
        return
    try:
        with open(lock, "r+") as file:
            portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
            portalocker.unlock(file)
    except portalocker.exceptions.LockException:
        raise StoreError(
            f"{path} is open in another client of Qdrant, and a local folder admits one",
            hint="close that one, or give it to ragdiag as a live object",
        ) from None
    except OSError as error:
        raise StoreError(f"{path} cannot be locked ({error.strerror})", hint="Qdrant writes to its lock file") from None


def _database(rest: str) -> str:
    """Return the path of a local folder that can be opened: Qdrant itself would make one."""
    path = existing_path(rest, folder=True)
    if not os.path.isfile(os.path.join(path, FILE)):
        raise StoreNotFoundError(
            f"{rest!r} holds no {FILE}", hint="give the folder that QdrantClient(path=…) was given"
        )
    names = described(path)["collections"]
    refuse_locked(path)
    refuse_foreign_pickles([os.path.join(path, COLLECTIONS, name, STORAGE) for name in names])
    return path
