"""Embedding models, named as LangChain names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ragdiag.checks import as_vectors
from ragdiag.errors import EmbeddingsError, MissingExtraError
from ragdiag.types import Float32


class Embedder(Protocol):
    """What LangChain calls Embeddings."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts as documents."""
        ...

    def embed_query(self, text: str) -> list[float]:
        """Embed one text as a query."""
        ...


class _SentenceTransformers:
    """A sentence-transformers model behind LangChain's two methods, in batches."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def embed_documents(self, texts: list[str]) -> Any:
        return self._encode(texts, "encode_document")

    def embed_queries(self, texts: list[str]) -> Any:
        return self._encode(texts, "encode_query")

    def embed_query(self, text: str) -> Any:
        return self.embed_queries([text])[0]

    def _encode(self, texts: list[str], method: str) -> Any:
        # Newer models have a prompt of their own for queries and for documents.
        encode = getattr(self._model, method, self._model.encode)
        return encode(texts, batch_size=64, show_progress_bar=False, convert_to_numpy=True)


def load_embedder(spec: str | Embedder) -> Embedder:
    """Return the embedding model that `spec` names, or `spec` itself when it is one.

    Parameters
    ----------
    spec : str or Embeddings
        ``"sentence-transformers:NAME-or-folder"``, or ``"provider:model"`` as LangChain's
        ``init_embeddings`` takes it.

    Raises
    ------
    EmbeddingsError
        When the name has no provider or the model cannot be loaded.
    MissingExtraError
        When the library behind it is not installed.
    """
    if not isinstance(spec, str):
        if hasattr(spec, "embed_documents") and hasattr(spec, "embed_query"):
            return spec
        raise EmbeddingsError(
            f"a {type(spec).__name__} is no embedding model",
            hint="give a LangChain Embeddings or provider:model",
        )
    provider, _, model = spec.partition(":")
    if not provider or not model:
        raise EmbeddingsError(
            f"{spec!r} does not name an embedding model",
            hint="write provider:model, such as sentence-transformers:all-MiniLM-L6-v2",
        )
    if provider == "sentence-transformers":
        return _load_sentence_transformers(model)
    try:
        from langchain.embeddings import init_embeddings
    except ImportError as error:
        raise MissingExtraError(f"{spec!r} needs LangChain", hint="pip install 'ragdiag[langchain]'") from error
    try:
        embedder: Embedder = init_embeddings(model, provider=provider)
    except ImportError as error:
        raise MissingExtraError(f"{provider} embeddings cannot be imported", hint=str(error)) from error
    except Exception as error:
        raise EmbeddingsError(f"{spec!r} could not be loaded", hint=_first_line(error)) from error
    return embedder


def _load_sentence_transformers(model: str) -> Embedder:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError(
            "sentence-transformers is not installed", hint="pip install 'ragdiag[sentence-transformers]'"
        ) from error
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for a second of loading is noise in a log
    try:
        return _SentenceTransformers(SentenceTransformer(model))
    except Exception as error:
        raise EmbeddingsError(f"the model {model!r} could not be loaded", hint=_first_line(error)) from error
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def embed_queries(embedder: Embedder, texts: Sequence[str], *, dim: int) -> Float32:
    """Embed query texts, shape (m, dim); the dimension must be that of the store."""
    try:
        if hasattr(embedder, "embed_queries"):
            rows = embedder.embed_queries(list(texts))
        else:
            rows = [embedder.embed_query(text) for text in texts]
    except Exception as error:
        raise EmbeddingsError("the embedding model failed on the queries", hint=_first_line(error)) from error
    return checked_rows(rows, dim, len(texts))


def embed_documents(embedder: Embedder, texts: Sequence[str], *, dim: int) -> Float32:
    """Embed document texts, shape (s, dim)."""
    try:
        rows = embedder.embed_documents(list(texts))
    except Exception as error:
        raise EmbeddingsError("the embedding model failed on stored texts", hint=_first_line(error)) from error
    return checked_rows(rows, dim, len(texts))


def checked_rows(rows: Any, dim: int, texts: int) -> Float32:
    """Return what a model gave for so many texts as vectors, shape (texts, dim), or say what is wrong with it."""
    try:
        matrix = np.asarray(rows)
    except ValueError as error:
        raise EmbeddingsError(
            "the embedding model returned vectors of different dimensions", hint="look for errors in its log"
        ) from error
    vectors = as_vectors(matrix, what="the embedding model's output", dim=dim)
    if len(vectors) != texts:
        raise EmbeddingsError(
            f"the embedding model returned {len(vectors):,} vectors for {texts:,} texts",
            hint="look for texts that it leaves out",
        )
    if not np.isfinite(vectors).all():
        raise EmbeddingsError("the embedding model returned NaN or infinite values", hint="check its precision")
    return vectors


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
