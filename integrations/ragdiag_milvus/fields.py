"""Which fields of a collection hold what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ragdiag.errors import StoreError
from ragdiag_milvus.client import TEXT

_TEXTS = (TEXT, "page_content", "content")


@dataclass(frozen=True)
class Fields:
    """Which fields of a collection are what."""

    key: str
    numbers: bool
    vector: str
    dim: int
    text: str | None
    others: tuple[str, ...]
    json: str | None
    dynamic: bool
    vectors: frozenset[str]


def fields_of(schema: Any, name: str, vector: str | None, text: str | None, metadata: str | None) -> Fields:
    """Return what the fields of a collection are, as `MilvusClient.describe_collection` tells them."""
    kinds = {field["name"]: getattr(field["type"], "name", str(field["type"])) for field in schema["fields"]}
    listed = f"the fields are {', '.join(kinds)}"
    for asked_for in (vector, text):
        if asked_for is not None and asked_for not in kinds:
            raise StoreError(f"{name} has no field {asked_for!r}", hint=listed)
    vectors = [field for field, kind in kinds.items() if kind.endswith("VECTOR")]
    usable = [field for field in vectors if kinds[field] == "FLOAT_VECTOR"]
    if vector is None:
        if not usable:
            held = f": its vectors are {kinds[vectors[0]]}" if vectors else ""
            raise StoreError(f"{name} has no field of float vectors{held}", hint=listed)
        if len(usable) > 1:
            raise StoreError(f"{name} has {len(usable)} fields of vectors: {', '.join(usable)}", hint="?vector=NAME")
        vector = usable[0]
    elif vector not in usable:
        raise StoreError(f"{name}: field {vector!r} is {kinds[vector]}, not FLOAT_VECTOR", hint=listed)
    key = next(field for field in schema["fields"] if field.get("is_primary"))
    text = text or next((field for field in _TEXTS if kinds.get(field) == "VARCHAR" and field != key["name"]), None)
    if metadata is None and kinds.get("metadata") == "JSON":
        metadata = "metadata"
    return Fields(
        key=key["name"],
        numbers=kinds[key["name"]] != "VARCHAR",
        vector=vector,
        dim=int(next(field for field in schema["fields"] if field["name"] == vector)["params"]["dim"]),
        text=text,
        others=tuple(field for field in kinds if field not in {key["name"], text, metadata, *vectors}),
        json=metadata,
        dynamic=bool(schema.get("enable_dynamic_field")),
        vectors=frozenset(vectors),
    )
