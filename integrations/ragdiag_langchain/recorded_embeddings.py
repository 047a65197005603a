"""Embeddings that tell which vector a query was embedded to."""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings

from ragdiag_langchain.unpicklable import unpicklable
from ragdiag_langchain.watching import watch


class RecordedEmbeddings(Embeddings):
    """Embeddings that tell the retrieval under way which vector its query was embedded to.

    Parameters
    ----------
    embeddings : Embeddings
        Does all the work, once; its other attributes are found here too.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts; a single one in the middle of a retrieval is taken for the query."""
        return _noted_one(texts, self._embeddings.embed_documents(texts))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts; a single one in the middle of a retrieval is taken for the query."""
        return _noted_one(texts, await self._embeddings.aembed_documents(texts))

    def embed_query(self, text: str) -> list[float]:
        """Embed a query."""
        return _noted(self._embeddings.embed_query(text))

    async def aembed_query(self, text: str) -> list[float]:
        """Embed a query."""
        return _noted(await self._embeddings.aembed_query(text))

    def __getattr__(self, name: str) -> Any:
        if name == "_embeddings":  # not there yet, as while it is copied
            raise AttributeError(name)
        return getattr(self._embeddings, name)


def _noted(vector: list[float]) -> list[float]:
    under_way = watch()
    if under_way is not None:
        under_way.embedded(vector)
    return vector


def _noted_one(texts: list[str], vectors: list[list[float]]) -> list[list[float]]:
    if len(texts) == 1:
        _noted(vectors[0])
    return vectors


def recorded_embeddings(name: str) -> property:
    """Return an attribute of the view that wraps what the shared state holds under `name`."""
    last: tuple[Any, Any] = (None, None)  # replaced as a whole, which no thread can see half done

    def get(self: Any) -> Any:
        nonlocal last
        inner, pair = self.__dict__[name], last
        if pair[0] is not inner:  # the first time, or the application has put in another one
            last = pair = (inner, _wrapped_embeddings(inner))
        return pair[1]

    def put(self: Any, value: Any) -> None:
        self.__dict__[name] = value._embeddings if isinstance(value, RecordedEmbeddings) else value

    return property(get, put)


def _wrapped_embeddings(inner: Any) -> Any:
    if isinstance(inner, Embeddings):
        # Traces name the class of a store's embeddings.
        cls = type(inner)
        named = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, **unpicklable(RecordedEmbeddings)}
        return type(cls.__name__, (RecordedEmbeddings,), named)(inner)
    return lambda text: _noted(inner(text))
