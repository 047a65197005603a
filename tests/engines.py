"""Where each kind of store can be written, for tests that hold all of them to the same numbers."""

from __future__ import annotations

from pathlib import Path

from tests.postgres import Postgres

# By scheme; {} is an empty folder, or the address of an empty database.
PLACES = {
    "npz": "{}/docs.npz",
    "parquet": "{}/docs.parquet",
    "faiss": "faiss:{}/index",
    "chroma": "chroma:{}/chroma?collection=docs",
    "qdrant": "qdrant:{}/qdrant?collection=docs",
    "pgvector": "{}&collection=docs",
    "lancedb": "lancedb:{}/lance?table=docs",
    "milvus": "milvus:{}/milvus.db?collection=docs",
    "sqlite-vec": "sqlite-vec:{}/docs.db?table=docs",
    "duckdb": "duckdb:{}/docs.duckdb?table=docs",
}


def place(kind: str, folder: Path, postgres: Postgres, *, metric: str) -> str:
    """Return the URI of a new store in this folder, or on the server; with the metric where it must be said."""
    if kind == "pgvector":
        database = postgres.database()
        postgres.sql(database, "CREATE EXTENSION vector")
        return PLACES[kind].format(postgres.uri(database, metric=metric))
    uri = PLACES[kind].format(folder)
    if kind in {"npz", "parquet", "duckdb"}:
        scheme = "" if ":" in uri.split("/")[0] else f"{kind}:"
        return f"{scheme}{uri}{'&' if '?' in uri else '?'}metric={metric}"
    return uri


def ordered_id(row: int) -> str:
    """Return a UUID; they ascend as the rows do, so that every engine keeps one order."""
    return f"00000000-0000-4000-8000-{row:012x}"
