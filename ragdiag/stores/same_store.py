"""Whether a new store would lie where another is read, however the two are called."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

from ragdiag.errors import ConfigError, RagdiagError
from ragdiag.stores.base import Target
from ragdiag.stores.open import opened_store
from ragdiag.stores.paths import overlap, paths_in
from ragdiag.stores.uri import split_options, split_scheme

_HERE = ("", "localhost", "::1", "0.0.0.0", "127.0.0.1")
_UNKNOWN = ("", "live")  # places of live objects that do not tell where they are
_PORTS = {"pgvector": "5432", "qdrant": "6333", "milvus": "19530"}  # that their clients take when none is given
_PARTS = ("database", "tenant")  # of an engine; left out, they are called default, or default_database
_NAMES = ("collection", "table")


def refuse_source(target: Target, source: object, *, same: bool | None = None) -> None:
    """Raise a `ConfigError` when writing the target would change what is read, or may do so.

    Parameters
    ----------
    target : Target
    source : str, os.PathLike, VectorStore, live object or None
        A URI is opened only where its text alone cannot tell.
    same : bool, optional
        True when that is known.
    """
    if source is None:
        return
    same = same or _is_source(target, source)
    if same:
        raise ConfigError(f"cannot write {target.name}, it belongs to the store that is read", hint="write elsewhere")
    if same is None and target.exists():
        raise ConfigError(
            f"cannot write {target.name}, it may be the store that is read",
            hint="name that one by its whole URI, with its collection or schema.table, or write under another name",
        )


def same_store(one: str, other: str) -> bool | None:
    """Return whether two names of stores mean the same collection; None when they do not tell.

    Examples
    --------
    >>> same_store("chroma:http://localhost:8000?collection=a", "chroma:http://127.0.0.1:8000?collection=a")
    True
    >>> same_store("qdrant:http://h?collection=a", "qdrant:http://H:6333?collection=b")
    False
    >>> same_store("chroma:./db?collection=a", "chroma:?collection=a") is None
    True
    """
    if one == other and not any(_Name.of(name).place in _UNKNOWN for name in (one, other)):
        return True
    a, b = _Name.of(one), _Name.of(other)
    tests: list[Callable[[_Name, _Name], bool | None]] = [_same_scheme, _same_collection, _same_part, _same_place]
    unsure = False
    for test in tests:  # the last may ask for the address of a host
        found = test(a, b)
        if found is False:
            return False
        unsure = unsure or found is None
    return None if unsure else True


@dataclass(frozen=True)
class _Name:
    """The name of a store, taken apart."""

    scheme: str
    place: str
    options: dict[str, str]

    @classmethod
    def of(cls, name: str) -> _Name:
        try:
            rest, options = split_options(name)
        except RagdiagError:  # nothing that an adapter would open
            rest, options = name.partition("?")[0], {}
        return cls(*split_scheme(rest), options)

    @property
    def is_url(self) -> bool:
        return "://" in self.place

    @property
    def path(self) -> str:
        """What stands after the host, which some engines call the database."""
        return unquote(self.place.partition("://")[2].rpartition("@")[2].partition("/")[2].strip("/"))

    def hosts(self) -> Iterator[tuple[str, str]]:
        """Yield hosts and ports, in the way of libpq several."""
        netloc = self.place.partition("://")[2].partition("/")[0].rpartition("@")[2]
        for one in (netloc or self.options.get("host", "")).split(","):
            host, port = one, ""
            if one.rpartition(":")[2].isdigit() and not one.endswith("]") and not one.startswith("/"):
                host, _, port = one.rpartition(":")
            port = port or self.options.get("port", "") or _PORTS.get(self.scheme, "")
            yield "" if host.startswith("/") else host.strip("[]").rstrip(".").casefold(), port


def _is_source(target: Target, source: object) -> bool | None:
    if isinstance(source, str | os.PathLike):
        text = os.fsdecode(source)
        if target.path is not None:
            return _lies_at(target.path, text, source)
        named, ours = _Name.of(text), _Name.of(target.name)
        if isinstance(source, os.PathLike) or _same_scheme(named, ours) is False:
            return False
        if _same_collection(named, ours) is False:
            return False
        with suppress(RagdiagError), opened_store(source) as store:  # it may be locked by who reads it
            return same_store(target.name, store.info.name)
        return same_store(target.name, text)
    try:
        with opened_store(source) as store:
            name = store.info.name
    except RagdiagError:  # nothing that can be read
        return False
    if target.path is None:
        return same_store(target.name, name)
    if _lies_at(target.path, name, name, getattr(source, "filename", None)):
        return True
    named, ours = _Name.of(name), _Name.of(target.name)
    return None if _same_scheme(named, ours) and ours.scheme and named.place in _UNKNOWN else False


def _lies_at(path: str, *given: object) -> bool:
    return any(overlap(os.path.expanduser(path), read) for source in given for read in paths_in(source))


def _same_scheme(one: _Name, other: _Name) -> bool:
    return one.scheme == other.scheme


def _same_collection(one: _Name, other: _Name) -> bool | None:
    if not all(any(name in named.options for name in _NAMES) for named in (one, other)):
        return None
    for name in _NAMES:
        a, b = one.options.get(name), other.options.get(name)
        if a != b:  # a table without its schema is in the first of the search path
            short = name == "table" and a and b and (a.endswith(f".{b}") or b.endswith(f".{a}"))
            return None if short else False
    return True


def _same_part(one: _Name, other: _Name) -> bool:
    pairs = [(one.options.get(part, ""), other.options.get(part, "")) for part in _PARTS]
    return all(
        a == b or all(name in ("", "default") or name.startswith("default_") for name in (a, b)) for a, b in pairs
    )


def _same_place(one: _Name, other: _Name) -> bool | None:
    if one.place in _UNKNOWN or other.place in _UNKNOWN:
        return None
    if not (one.is_url and other.is_url):
        return not one.is_url and not other.is_url and overlap(*(os.path.expanduser(n.place) for n in (one, other)))
    if one.path != other.path and one.path and other.path:
        return False
    pairs = [(a, b) for a in one.hosts() for b in other.hosts()]
    near = [(a, b) for (a, p), (b, q) in pairs if p == q or not p or not q]
    if not any(_same_host(a, b) for a, b in near):
        return False
    return True if one.path == other.path and any(p == q for (_, p), (_, q) in pairs) else None


def _same_host(one: str, other: str) -> bool:
    if one == other or (one in _HERE and other in _HERE):
        return True
    return bool(_addresses(one) & _addresses(other))


def _addresses(host: str) -> set[str]:
    with suppress(OSError, UnicodeError):
        return {str(found[4][0]) for found in socket.getaddrinfo(host or "localhost", None)}
    return set()
