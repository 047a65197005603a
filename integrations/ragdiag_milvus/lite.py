"""Milvus Lite: the server in this process that holds a local folder, and lets go of it again."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from typing import Any

from ragdiag.errors import ConfigError, MissingExtraError, StoreError, StoreNotFoundError
from ragdiag.stores.uri import existing_path
from ragdiag_milvus.client import load_pymilvus, quiet

COLLECTIONS = "collections"  # what every folder of Milvus Lite holds
_EMPTY = ("databases", ".database-staging")  # where there is no database but the first
_SETTINGS = ("aliases.json", "database_properties.json")
PARTS = {COLLECTIONS, "LOCK", *_EMPTY, *_SETTINGS}
_MARKS = {"manifest.json", "schema.json"}  # of a collection
_COLLECTION = _MARKS | {"manifest.json.prev", "partitions", "wal"}

_lock = threading.Lock()
_users: dict[str, int] = {}  # of the servers that were started here


def is_local(place: str) -> bool:
    """Whether a place is a path."""
    return "://" not in place


def check_place(place: str, options: Mapping[str, str]) -> None:
    """Refuse what only a server has where the place is a folder."""
    if is_local(place) and options.keys() & {"token", "database"}:
        raise ConfigError("a folder of Milvus Lite has no token and no database", hint="leave them out")


def claims_path(path: str) -> bool:
    """Whether a bare path is a folder of Milvus Lite; nothing is imported.

    Examples
    --------
    >>> claims_path("no such.db")
    False
    """
    return all(os.path.lexists(os.path.join(path, part)) for part in (COLLECTIONS, "LOCK", "databases"))


def checked_folder(place: str) -> str:
    """Return the path of a folder of Milvus Lite; nothing is made or changed."""
    path = existing_path(place, folder=None)
    if not os.path.isdir(path):
        raise StoreError(
            f"{place} is a file, and Milvus Lite keeps folders since version 3",
            hint="export what an older Milvus Lite wrote with its own version",
        )
    if not os.path.isdir(os.path.join(path, COLLECTIONS)):
        raise StoreNotFoundError(
            f"{place} is no folder of Milvus Lite", hint="give the path that MilvusClient is given"
        )
    return path


def strangers(path: str, collection: str) -> list[str]:
    """Return what a folder holds that is not known to be this collection, in words; nothing where it is not there.

    Raises
    ------
    StoreError
        When a part of it cannot be read: it may be anything.
    """
    if not os.path.isdir(path):
        return []
    found = []
    try:
        for folder in _EMPTY:
            if os.path.lexists(at := os.path.join(path, folder)):
                found += [f"{name!r} in {folder}" for name in sorted(os.listdir(at))]
        for file in _SETTINGS:
            if os.path.lexists(at := os.path.join(path, file)):
                with open(at, encoding="utf-8") as read:
                    found += [file] if json.load(read) != {} else []
        inside = os.path.join(path, COLLECTIONS)
        if not os.path.lexists(inside):
            return found + [repr(name) for name in sorted(os.listdir(path))]
        for name in sorted(os.listdir(inside)):
            if name != collection:
                found.append(f"the collection {name!r}")
                continue
            parts = set(os.listdir(os.path.join(inside, name)))
            found += [f"{part!r} in the collection" for part in sorted(parts - _COLLECTION)]
            found += ["a collection that is damaged"] if not parts >= _MARKS else []
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(
            f"cannot replace {path}, what it holds cannot be read ({error})", hint="look into it"
        ) from None
    return found


def acquire(path: str, name: str) -> str:
    """Return the address of the server that holds a folder: the application's, or one that is started."""
    load_pymilvus()
    try:
        from milvus_lite.server_manager import server_manager_instance
    except ImportError:
        raise MissingExtraError(
            "a folder of Milvus Lite needs milvus-lite", hint="pip install 'ragdiag[milvus]'"
        ) from None

    where = os.path.abspath(path)
    with _lock, quiet():
        held = where in server_manager_instance._servers
        address = server_manager_instance.start_and_get_uri(where)
        if address is None:
            if is_locked(where):
                raise StoreError(f"{name} is in use by another process", hint="close it there, or read a copy")
            raise StoreError(f"{name} cannot be opened by Milvus Lite", hint="it may be damaged, or written elsewhere")
        if where in _users or not held:
            _users[where] = _users.get(where, 0) + 1
    return str(address)


def release(path: str, address: str) -> None:
    """Stop the server that `acquire` started, when nobody here uses it any more."""
    from milvus_lite.server_manager import server_manager_instance

    where = os.path.abspath(path)
    with _lock, quiet():
        if where not in _users:  # the application's own
            return
        _users[where] -= 1
        if _users[where] == 0:
            del _users[where]
            if not _has_clients(address):
                server_manager_instance.release_server(where)


def _has_clients(address: str) -> bool:
    """Whether clients of the application came to use the server meanwhile."""
    from pymilvus.client.connection_manager import ConnectionManager

    known: dict[str, Any] = getattr(ConnectionManager.get_instance(), "_registry", {})
    where = address.partition("://")[2]
    return any(key.startswith(f"{where}|") and len(managed.clients) > 0 for key, managed in known.items())


def is_locked(path: str) -> bool:
    """Whether a folder of Milvus Lite is open, here or in another process."""
    try:
        import fcntl
    except ImportError:  # no such locks here
        return False
    try:
        with open(os.path.join(path, "LOCK"), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
