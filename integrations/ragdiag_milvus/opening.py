"""Open a collection of Milvus: by URI, or as an application holds it."""

from __future__ import annotations

from typing import Any

from ragdiag.errors import StoreError, StoreNotFoundError
from ragdiag.stores import check_options, without_credentials
from ragdiag_milvus.client import OPTIONS, asked, load_pymilvus, secrets_of, shown
from ragdiag_milvus.lite import acquire, check_place, checked_folder, is_local, release
from ragdiag_milvus.store import MilvusStore

_LISTED = 10
_PATIENCE = 10.0  # seconds for a server to answer at first


def open_milvus(rest: str, options: dict[str, str]) -> MilvusStore:
    """Open ``milvus:FILE.db?collection=NAME&vector=…&text=…``, or ``milvus:http://host:19530?…&token=…&database=…``."""
    check_options(options, OPTIONS, scheme="milvus")
    check_place(rest, options)
    place, token, database = rest, options.get("token", ""), options.get("database", "")
    secrets = secrets_of(rest, token)
    name = f"milvus:{without_credentials(rest)}"
    client = connected(place, token, database)
    try:
        collection = chosen(client, options.get("collection"), name, secrets)
        return MilvusStore(
            client,
            collection,
            name=shown(rest, collection, database),
            vector=options.get("vector"),
            text=options.get("text"),
            secrets=secrets,
            release=client.ragdiag_release,
            may_load=is_local(rest),
        )
    except BaseException:
        client.ragdiag_release()
        raise


def connected(place: str, token: str = "", database: str = "") -> Any:
    """Return a client; its attribute ``ragdiag_release`` closes it, and the server that was started for it."""
    pymilvus = load_pymilvus()
    name = f"milvus:{without_credentials(place)}"
    local = is_local(place)
    path = checked_folder(place) if local else ""
    address = acquire(path, name) if local else place
    try:
        with asked(name, hint="is the server there?", secrets=secrets_of(place, token)):
            client = pymilvus.MilvusClient(
                uri=address, token=token, db_name=database, timeout=_PATIENCE, dedicated=True
            )
    except BaseException:
        if local:
            release(path, address)
        raise

    def done() -> None:
        client.close()
        if local:
            release(path, address)

    client.ragdiag_release = done
    return client


def chosen(client: Any, wanted: str | None, name: str, secrets: tuple[str, ...]) -> str:
    """Return the collection that was asked for, or the only one."""
    with asked(name, secrets=secrets):
        found: list[str] = sorted(client.list_collections())
    listed = ", ".join(found[:_LISTED]) + (f" and {len(found) - _LISTED} more" if len(found) > _LISTED else "")
    if not found:
        raise StoreNotFoundError(f"{name} holds no collections", hint="is it the right database?")
    if wanted is not None:
        if wanted not in found:
            raise StoreNotFoundError(f"{name} has no collection {wanted!r}", hint=f"there are {listed}")
        return wanted
    if len(found) > 1:
        raise StoreError(f"{name} has {len(found)} collections: {listed}", hint="choose one: ?collection=NAME")
    return found[0]


def accepts(target: Any) -> bool:
    """Whether an object is Milvus's client, or LangChain's store on one; nothing is imported."""
    kind = type(target)
    return (kind.__module__.split(".")[0], kind.__name__) in {
        ("pymilvus", "MilvusClient"),
        ("langchain_milvus", "Milvus"),
        ("langchain_milvus", "Zilliz"),
    }


def open_object(target: Any) -> MilvusStore:
    """Open a live ``MilvusClient`` with one collection, or a ``langchain_milvus.Milvus``."""
    if type(target).__name__ == "MilvusClient":
        collection = chosen(target, None, "the MilvusClient", ())
        return MilvusStore(target, collection, name=shown("live", collection))
    name = shown(str(target._connection_args.get("uri", "live")), target.collection_name)
    with asked(name):
        if not target.client.has_collection(target.collection_name):
            raise StoreError(f"{name} is not there yet", hint="add documents to it first")
    vector = target._vector_field if isinstance(target._vector_field, str) else None
    return MilvusStore(
        target.client,
        target.collection_name,
        name=name,
        vector=vector,
        text=target._text_field,
        metadata=target._metadata_field,
        search_params=target.search_params if isinstance(target.search_params, dict) else None,
        secrets=secrets_of(str(target._connection_args.get("uri", "")), str(target._connection_args.get("token", ""))),
    )
