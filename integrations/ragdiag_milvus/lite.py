"""Milvus Lite: the server in this process that holds a local folder, and lets go of it again."""

from __future__ import annotations

import os
import threading
from typing import Any

from ragdiag.errors import StoreError, StoreNotFoundError
from ragdiag.stores.uri import existing_path
from ragdiag_milvus.client import load_pymilvus, quiet

COLLECTIONS = "collections"  # what every folder of Milvus Lite holds
# All that one with a single database holds.
PARTS = {COLLECTIONS, "LOCK", "databases", ".database-staging", "aliases.json", "database_properties.json"}

_lock = threading.Lock()
_users: dict[str, int] = {}  # of the servers that were started here


def is_local(place: str) -> bool:
    """Whether a place is a path."""
    return "://" not in place


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


def acquire(path: str, name: str) -> str:
    """Return the address of the server that holds a folder: the application's, or one that is started."""
    load_pymilvus()
    from milvus_lite.server_manager import server_manager_instance

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
