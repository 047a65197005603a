"""LanceDB as a store."""

from __future__ import annotations

from ragdiag.stores import Opener
from ragdiag_lancedb.opening import accepts, claims_path, open_lancedb, open_object
from ragdiag_lancedb.write import lancedb_target

opener = Opener(
    schemes=("lancedb",),
    suffixes=(),
    description="a LanceDB table, live or in a folder: lancedb:./folder?table=documents",
    open_uri=open_lancedb,
    accepts=accepts,
    open_object=open_object,
    claims_path=claims_path,
    target=lancedb_target,
)
