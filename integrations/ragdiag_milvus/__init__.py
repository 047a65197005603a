"""Milvus as a store."""

from __future__ import annotations

from ragdiag.stores import Opener
from ragdiag_milvus.lite import claims_path
from ragdiag_milvus.opening import accepts, open_milvus, open_object
from ragdiag_milvus.write import milvus_target

opener = Opener(
    schemes=("milvus",),
    suffixes=(),
    description="a collection of Milvus, live, on a server or of Milvus Lite: milvus:./FILE.db?collection=NAME",
    open_uri=open_milvus,
    accepts=accepts,
    open_object=open_object,
    claims_path=claims_path,
    target=milvus_target,
)
