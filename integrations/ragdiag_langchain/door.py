"""A door into any LangChain vector store: some of its documents, embedded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from ragdiag.errors import ConfigError, EmbeddingsError, StoreError
from ragdiag.retrieval.embedders import Embedder, checked_rows, load_embedder
from ragdiag.stores import ArrayStore
from ragdiag_langchain.views import ORIGINAL

SIZE = 1_000  # documents


class EmbeddedAgain(ArrayStore):
    """Documents of a store whose own vectors cannot be read; `partial`, so that nothing is written from it."""

    partial = True


def embed_again(
    store: VectorStore,
    *,
    documents: Sequence[Document] | None = None,
    queries: Sequence[str] | None = None,
    size: int = SIZE,
    embeddings: Embedder | str | None = None,
    rng: np.random.Generator | None = None,
) -> EmbeddedAgain:
    """Open some documents of a LangChain store that has no adapter, by embedding their texts again.

    LangChain's interface neither lists documents nor gives vectors back. So the documents are given, or are those
    that queries find, and what is measured on them is said to be of so many documents, embedded again: neither the
    store's own vectors nor how it ranks. What `queries` find is no uniform sample: it holds more of the hubs, and no
    document that no query finds.

    Parameters
    ----------
    store : VectorStore
    documents : sequence of Document, optional
        More of them than `size` are drawn from uniformly.
    queries : sequence of str, optional
        Used where there are no `documents`; about ``size / len(queries)`` nearest of each.
    size : int
        At most so many documents are embedded, at least 2.
    embeddings : Embeddings or str, optional
        The model that filled the store; ``store.embeddings`` when not given.
    rng : numpy.random.Generator, optional
        Draws the documents.

    Returns
    -------
    EmbeddedAgain
        For `ragdiag.audit`, `compare` and `explain`; `ragdiag.fix` refuses it.

    Raises
    ------
    ConfigError
        When `size` is no whole number, or below 2.
    StoreError
        When neither documents nor queries are given, or there are fewer than two documents with a text.
    EmbeddingsError
        When there is no model, or it returns vectors that cannot be used.

    Examples
    --------
    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from langchain_core.vectorstores import InMemoryVectorStore
    >>> store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    >>> ids = store.add_texts([f"text {i}" for i in range(20)])
    >>> opened = embed_again(store, queries=["text 3", "text 7"], size=10)
    >>> opened.info.name
    'InMemoryVectorStore (9 documents embedded again)'
    """
    if not isinstance(size, int) or isinstance(size, bool) or size < 2:
        raise ConfigError(f"size is {size!r}", hint="give a whole number, at least 2")
    store = getattr(type(store), ORIGINAL, store)  # what is asked here is no traffic of the application
    name = type(store).__name__
    model = store.embeddings if embeddings is None else load_embedder(embeddings)
    if model is None:
        raise EmbeddingsError(f"the {name} does not show its embedding model", hint="give it with embeddings=")
    if documents is not None:
        found, said = list(documents), "that were given"
    elif queries:
        each = -(-size // len(queries))
        found = [document for query in queries for document in store.similarity_search(query, k=each)]
        said = f"that {len(queries):,} queries found, so no uniform sample"
    else:
        raise StoreError(
            f"the {name} cannot list its documents", hint="give some with documents=, or queries= that find some"
        )
    chosen = _chosen(found, size, rng or np.random.default_rng(0))
    if len(chosen) < 2:
        raise StoreError(f"there are {len(chosen)} documents with a text to embed again", hint="give at least two")
    texts = [document.page_content for document in chosen.values()]
    rows = model.embed_documents(texts)
    opened = EmbeddedAgain(
        checked_rows(rows, len(rows[0]) if len(rows) else 1, len(texts)),
        ids=list(chosen),
        texts=texts,
        metadata=[document.metadata for document in chosen.values()],
        name=f"{name} ({len(texts):,} documents embedded again)",
    )
    note = f"{len(texts):,} documents {said}, embedded again with {type(model).__name__}"
    opened._info = replace(opened.info, kind="langchain-embedded-again", loss=note)
    return opened


def _chosen(found: Sequence[Document], size: int, rng: np.random.Generator) -> dict[str, Document]:
    """Return at most `size` of the documents that have a text, each once, by id."""
    each: dict[Any, Document] = {}
    for document in found:
        if document.page_content.strip():
            each.setdefault(document.id or (document.page_content, repr(document.metadata)), document)
    distinct = list(each.values())
    rows = np.sort(rng.permutation(len(distinct))[:size])
    taken = {document.id for document in distinct}
    chosen = {}
    for row, document in ((row, distinct[row]) for row in rows):
        id_ = document.id or f"#{row}"
        while not document.id and id_ in taken:  # another document has just that for its own
            id_ = f"#{id_}"
        chosen[id_] = document
    return chosen
