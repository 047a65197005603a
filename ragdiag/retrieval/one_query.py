"""The vector of a single query: given, read, or embedded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ragdiag.errors import JudgementsError, VectorsError
from ragdiag.retrieval.embedders import Embedder, embed_queries, load_embedder
from ragdiag.retrieval.query_vectors import query_vectors_of
from ragdiag.types import Float32, StoreInfo


def query_vector_of(query: str, given: Any, embeddings: str | Embedder | None, info: StoreInfo) -> Float32:
    """Return the vector of one query, shape (1, d).

    Parameters
    ----------
    query : str
    given : array-like, shape (d,) or (1, d), a path, or None
    embeddings : str, Embeddings or None
        Embeds the query; either this or a vector is given.
    info : StoreInfo

    Raises
    ------
    JudgementsError, VectorsError, EmbeddingsError
        When there is none, or it does not fit the store.
    """
    if (given is None) == (embeddings is None):
        if given is None:
            raise JudgementsError(
                "the query needs a vector", hint="add --embeddings provider:model or --query-vector FILE.npy"
            )
        raise JudgementsError("the query has a vector and a model to embed it", hint="give one of them")
    if embeddings is not None:
        vector = embed_queries(load_embedder(embeddings), [query], dim=info.dim)
    else:
        rows = query_vectors_of(None, _one_row(given), None, info)
        assert rows is not None  # they were given
        vector = rows
    if len(vector) != 1:
        raise VectorsError(
            f"{len(vector):,} query vectors were given for one query", hint="save its row alone: vectors[i:i+1]"
        )
    if not vector.any():
        raise VectorsError("the vector of the query is zero", hint="nothing is near it; embed the query again")
    return vector


def _one_row(given: Any) -> Any:
    """Return a vector without rows as one row, also from a file; what else was given stays."""
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        if path.suffix != ".npy" or not path.is_file():
            return given
        try:
            held = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError):  # whoever reads stores says it better
            return given
        return np.array(held)[None] if held.ndim == 1 else given
    array = np.asarray(given)
    return array[None] if array.ndim == 1 else given
