"""Whether a folder of Chroma holds one collection and nothing else, so that it may be replaced."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from contextlib import closing

from ragdiag.errors import StoreError
from ragdiag_chroma.place import DATABASE, FILE, TENANT, Place, quoted

OWN = re.compile(re.escape(FILE) + r"(-wal|-shm|-journal)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INDEX = {"data_level0.bin", "header.bin", "length.bin", "link_lists.bin", "index_metadata.pickle"}
_COLLECTIONS = "SELECT d.tenant_id, d.name, c.name FROM collections c LEFT JOIN databases d ON d.id = c.database_id"
_PATIENCE = 1.0  # seconds for whoever is writing to it


def beside(path: str, place: Place) -> list[str]:
    """Return what a folder holds besides the collection of `place`, in words.

    Read from the database itself: Chroma's client lists the collections of one tenant's one database.

    Raises
    ------
    StoreError
        When that cannot be read.
    """
    file = os.path.join(path, FILE)
    try:
        with closing(sqlite3.connect(f"file:{quoted(file)}?mode=ro", uri=True, timeout=_PATIENCE)) as database:
            tenants = {one for (one,) in database.execute("SELECT id FROM tenants")}
            databases = set(database.execute("SELECT tenant_id, name FROM databases"))
            collections = set(database.execute(_COLLECTIONS))
    except sqlite3.Error as error:
        raise StoreError(
            f"cannot replace {place.rest}, {FILE} does not tell what else it holds ({error})",
            hint="is another program writing to it? else name another folder",
        ) from None
    here = (place.tenant, place.database)
    others = sorted(map(_named, collections - {(*here, place.collection)}))
    others += [
        f"the database {name!r} of {tenant!r}" for tenant, name in sorted(databases - {here, (TENANT, DATABASE)})
    ]
    others += [f"the tenant {tenant!r}" for tenant in sorted(tenants - {place.tenant, TENANT})]
    return others + [f"{name!r} which is no part of the collection" for name in _strange(path)]


def _strange(path: str) -> list[str]:
    """Return what lies in the folders of indexes and is none; those of deleted collections stay there for ever."""
    found = []
    for name in sorted(os.listdir(path)):
        folder = os.path.join(path, name)
        if os.path.islink(folder):
            found.append(name)
        elif os.path.isdir(folder):
            found += [os.path.join(name, entry) for entry in sorted(set(os.listdir(folder)) - _INDEX)]
    return found


def is_open(path: str) -> bool:
    """Whether a client of this process has the folder; Chroma's engine keeps to the files that it opened."""
    client = sys.modules.get("chromadb.api.shared_system_client")
    systems = getattr(getattr(client, "SharedSystemClient", None), "_identifier_to_system", {})
    folders = [system.settings.persist_directory for system in systems.values() if system.settings.is_persistent]
    return os.path.realpath(path) in map(os.path.realpath, folders)


def _named(collection: tuple[str | None, str | None, str]) -> str:
    tenant, database, name = collection
    return f"the collection {name!r}" + (
        "" if (tenant, database) == (TENANT, DATABASE) else f" of the database {database!r}"
    )
