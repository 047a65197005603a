"""The vectors of the queries: given, read, or embedded."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ragdiag.checks import as_vectors
from ragdiag.errors import JudgementsError, VectorsError
from ragdiag.retrieval.embedders import Embedder, embed_queries
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import opened_store
from ragdiag.types import Float32, StoreInfo


def query_vectors_of(
    labels: Judgements | None, given: Any, embedder: Embedder | None, info: StoreInfo
) -> Float32 | None:
    """Return one vector per query, or None where there are no queries.

    Parameters
    ----------
    labels : Judgements or None
    given : array-like, shape (m, d), a path, or None
        Vectors in the order of the queries.
    embedder : Embedder or None
        Embeds the texts of the queries where no vectors are given.
    info : StoreInfo

    Returns
    -------
    ndarray of float32, shape (m, d), or None

    Raises
    ------
    JudgementsError, VectorsError
        When queries have no vectors, or vectors do not fit them.
    """
    if given is None:
        if labels is None:
            return None
        if embedder is None:
            raise JudgementsError(
                "queries need vectors", hint="add --query-vectors FILE.npy or --embeddings provider:model"
            )
        return embed_queries(embedder, labels.texts, dim=info.dim)
    if isinstance(given, str | os.PathLike):
        with opened_store(given) as store:
            batches = [batch.vectors for batch in store.scan()]
        what = str(given)
        given = np.concatenate(batches) if batches else np.empty((0, info.dim))
    else:
        what = "the query vectors"
    vectors = as_vectors(given, what=what, dim=info.dim)
    if len(vectors) == 0:
        raise VectorsError(f"{what} holds no query", hint="give one row per query")
    if not np.isfinite(vectors).all():
        raise VectorsError(f"{what} holds NaN or infinite values", hint="embed those queries again")
    if labels is not None and len(vectors) != len(labels.query_ids):
        raise VectorsError(
            f"{what} has {len(vectors):,} rows for {len(labels.query_ids):,} queries of {labels.name}",
            hint="give one row per query, in their order",
        )
    return vectors
