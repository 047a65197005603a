"""A LangChain vector store that ranks by a fix."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from ragdiag.artefact import Artefact
from ragdiag.errors import ArtefactError
from ragdiag.types import Metric
from ragdiag_langchain.known import metric_of, stored_vectors
from ragdiag_langchain.remedied_checks import check_content, model_of
from ragdiag_langchain.remedied_embeddings import RemediedEmbeddings, read_artefact, same_maps
from ragdiag_langchain.remedied_space import content_width, cosine_of, document_length
from ragdiag_langchain.twin import twin_of


class RemediedVectorStore(VectorStore):
    """A vector store behind the maps of a fix: documents and queries through their own maps.

    The store behind it holds mapped vectors: it was written by ``ragdiag fix``, or it is empty and is filled through
    this one. It is used where it is: what is added or deleted on either side is seen on both, and it keeps its own
    model, so that nothing else in the application changes. Everything given to this store is as the application
    knows it: texts, and vectors of the model, which are mapped here.

    - `similarity_search_with_score` gives the store's own scores, of the mapped vectors.
    - Relevance scores are ``(1 + s) / 2``, where s is the cosine of the mapped query and document: for a similarity
      that ends in cosine, its score. 1 is best, ½ is nothing in common. For ``InMemoryVectorStore`` and ``FAISS``;
      other stores answer with their own relevance of the mapped vectors.
    - MMR weighs the mapped vectors without the coordinates that only rank: the one that gives all documents one
      length, and those of a similarity such as ``csls``. Where there are any, ``InMemoryVectorStore`` and ``FAISS``
      are asked for the stored vectors; for other stores the `fetch_k` candidates are embedded again.
    - What else the store can do, such as ``save_local``, is on `store`.

    Parameters
    ----------
    store : VectorStore
        With the model that the fix was made for, or a `RemediedEmbeddings` of it by the same artefact, whose model is
        taken, so that nothing is mapped twice.
    artefact : path or Artefact
        What ``ragdiag fix`` left beside the new store.

    Attributes
    ----------
    store : VectorStore
        The one that was given.
    embedding : Embeddings
        The model, whose vectors are mapped.
    artefact : Artefact

    Raises
    ------
    ArtefactError
        When the artefact cannot be read, the model maps by another one, or the store holds the documents as they were
        before the fix, vectors of another dimension or length, or ranks in a way that the fix was not made for. Stores
        that `ragdiag.open_store` cannot read are not checked; nor can other vectors of the right dimension and length
        be told from mapped ones, such as a part of the documents from before the fix, when those have length 1 too.
    StoreError
        When it is no store, does not show its model, or is a `RemediedVectorStore` or what `diagnose` returned.

    Examples
    --------
    >>> import ragdiag, tempfile
    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fixed = ragdiag.fix(X, "abtt(d=1)", to=f"{folder}/fixed.npy")
    ...     store = RemediedVectorStore(InMemoryVectorStore(DeterministicFakeEmbedding(size=4)), fixed.artefact)
    >>> store.add_texts(["a heat pump", "a thermostat"], ids=["a", "b"])
    ['a', 'b']
    >>> [document.id for document in store.similarity_search("a thermostat", k=1)]
    ['b']
    """

    def __init__(self, store: VectorStore, artefact: Artefact | str | os.PathLike[str]) -> None:
        model = model_of(store)
        self.store = store
        self.artefact = read_artefact(artefact)
        self.embedding: Any = model
        if isinstance(model, RemediedEmbeddings) and same_maps(model.artefact, self.artefact):
            self.embedding = model.embeddings
        RemediedEmbeddings(self.embedding, self.artefact)  # refuses a model that maps already
        self._twin = twin_of(store, model)
        check_content(store, self.artefact)

    @property
    def embeddings(self) -> Embeddings:
        """The model as it is, without the maps."""
        model: Embeddings = self.embedding
        return model

    @property
    def _maps(self) -> RemediedEmbeddings:
        return RemediedEmbeddings(self.embedding, self.artefact)

    @property
    def _mapping(self) -> Any:
        """The store given, with the maps as its model."""
        return self._twin(self._maps)

    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """Embed documents, map their vectors, and store them."""
        ids: list[str] = self._mapping.add_documents(documents, **kwargs)
        return ids

    async def aadd_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """Embed documents, map their vectors, and store them."""
        ids: list[str] = await self._mapping.aadd_documents(documents, **kwargs)
        return ids

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Delete as the store does."""
        return self.store.delete(ids, **kwargs)

    async def adelete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Delete as the store does."""
        return await self.store.adelete(ids, **kwargs)

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return documents as the store does."""
        return self.store.get_by_ids(ids)

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return documents as the store does."""
        return await self.store.aget_by_ids(ids)

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k documents nearest to the mapped query."""
        found: list[Document] = self._mapping.similarity_search(query, k, **kwargs)
        return found

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k documents nearest to the mapped query."""
        found: list[Document] = await self._mapping.asimilarity_search(query, k, **kwargs)
        return found

    def similarity_search_with_score(self, *args: Any, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return documents with the scores of the store behind: a cosine, or a distance."""
        found: list[tuple[Document, float]] = self._mapping.similarity_search_with_score(*args, **kwargs)
        return found

    async def asimilarity_search_with_score(self, *args: Any, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return documents with the scores of the store behind: a cosine, or a distance."""
        found: list[tuple[Document, float]] = await self._mapping.asimilarity_search_with_score(*args, **kwargs)
        return found

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k documents nearest to a query vector of the model, which is mapped here."""
        mapped = self._maps.map_query(embedding)
        found: list[Document] = self._mapping.similarity_search_by_vector(mapped, k, **kwargs)
        return found

    async def asimilarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k documents nearest to a query vector of the model, which is mapped here."""
        mapped = self._maps.map_query(embedding)
        found: list[Document] = await self._mapping.asimilarity_search_by_vector(mapped, k, **kwargs)
        return found

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return k of the `fetch_k` nearest documents, near to the query and far from each other."""
        return self._diverse(self._maps.embed_query(query), k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return k of the `fetch_k` nearest documents, near to the query and far from each other."""
        vector = await self._maps.aembed_query(query)
        return await run_in_executor(None, self._diverse, vector, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Do the same for a query vector of the model, which is mapped here."""
        return self._diverse(self._maps.map_query(embedding), k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Do the same for a query vector of the model, which is mapped here."""
        vector = self._maps.map_query(embedding)
        return await run_in_executor(None, self._diverse, vector, k, fetch_k, lambda_mult, **kwargs)

    def _diverse(self, vector: list[float], k: int, fetch_k: int, lambda_mult: float, **kwargs: Any) -> list[Document]:
        kept = content_width(self.artefact)
        if kept == len(vector):
            found: list[Document] = self._mapping.max_marginal_relevance_search_by_vector(
                vector, k, fetch_k=fetch_k, lambda_mult=lambda_mult, **kwargs
            )
            return found
        if kwargs.get("filter") is not None and metric_of(self.store) is not None:
            kwargs["fetch_k"] = 2 * fetch_k  # FAISS looks at so many before it filters, and 20 otherwise
        candidates = self._mapping.similarity_search_by_vector(vector, fetch_k, **kwargs)
        texts = [document.page_content for document in candidates]
        stored = stored_vectors(self.store, candidates) or self._maps.embed_documents(texts)
        content = [list(row[:kept]) for row in stored]
        chosen = maximal_marginal_relevance(np.array(vector[:kept]), content, lambda_mult, k)
        return [candidates[at] for at in chosen]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        if metric_of(self.store) is None:
            found: list[tuple[Document, float]] = self._mapping.similarity_search_with_relevance_scores(
                query, k, **kwargs
            )
            return found
        return self._relevant(self._maps.embed_query(query), k, **kwargs)

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        if metric_of(self.store) is None:
            found: list[tuple[Document, float]] = await self._mapping.asimilarity_search_with_relevance_scores(
                query, k, **kwargs
            )
            return found
        vector = await self._maps.aembed_query(query)
        return await run_in_executor(None, self._relevant, vector, k, **kwargs)

    def _relevant(self, vector: list[float], k: int, **kwargs: Any) -> list[tuple[Document, float]]:
        found = self._mapping.similarity_search_with_score_by_vector(vector, k, **kwargs)
        metric, query = metric_of(self.store), float(np.linalg.norm(vector))
        length = document_length(self.artefact)
        if getattr(self.store, "_normalize_L2", False):
            query, length = 1.0, 1.0
        if metric is not Metric.COSINE and length is None:
            raise ArtefactError(
                f"the scores of {self.artefact.similarity.name} in this store have no known bound, and so no place"
                " between 0 and 1",
                hint="use similarity_search_with_score",
            )
        # A document that is longer than the common length, or rounding, can lead a little beyond.
        cosines = [cosine_of(score, metric, query, length) for _, score in found]
        return [(document, (1 + min(max(s, -1.0), 1.0)) / 2) for (document, _), s in zip(found, cosines, strict=True)]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        artefact: Artefact | str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> RemediedVectorStore:
        """Embed texts and keep their mapped vectors in an ``InMemoryVectorStore``; `artefact` has to be given."""
        if artefact is None:
            raise ArtefactError("there is no artefact to map by", hint="give artefact=, the folder of ragdiag fix")
        store = cls(InMemoryVectorStore(embedding), artefact)
        store.add_texts(texts, metadatas, ids=ids, **kwargs)
        return store
