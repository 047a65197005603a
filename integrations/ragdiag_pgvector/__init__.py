"""PostgreSQL with pgvector as a store."""

from __future__ import annotations

from ragdiag.stores import Opener
from ragdiag_pgvector.opening import accepts, open_object, open_pgvector
from ragdiag_pgvector.write import pgvector_target

opener = Opener(
    schemes=("pgvector",),
    suffixes=(),
    description="a LangChain collection or a table in PostgreSQL, live or by its address:"
    " pgvector:postgresql://user@host/db?collection=docs&metric=cosine",
    open_uri=open_pgvector,
    accepts=accepts,
    open_object=open_object,
    target=pgvector_target,
)
