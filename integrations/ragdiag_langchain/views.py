"""Views of a store and of a retriever: the same kind of object over the same state, whose searches are recorded."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore

from ragdiag.errors import RecordError
from ragdiag_langchain.records import RetrievalRecord
from ragdiag_langchain.traffic import HIGHER, LOWER
from ragdiag_langchain.watching import Watch, watch

RECORD, SOURCE = "_ragdiag_record", "_ragdiag_source"  # on the class of a view
_SEARCH = re.compile(r"_?a?(similarity_search|max_marginal_relevance_search)\w*|a?search")
# Names under which stores keep a bare function instead of Embeddings; FAISS still does.
_FUNCTIONS = ("embedding_function",)

Retriever = TypeVar("Retriever", bound=BaseRetriever)
Store = TypeVar("Store", bound=VectorStore)


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


def record_of_class(obj: Any) -> RetrievalRecord | None:
    """Return the record into which a view records, None for anything else."""
    found: RetrievalRecord | None = getattr(type(obj), RECORD, None)
    return found


def store_view(store: Store, record: RetrievalRecord) -> Store:
    """Return a store of the same class over the same state, whose searches are recorded.

    Parameters
    ----------
    store : VectorStore
        Stays as it is. What is added to or deleted from either is so in both.
    record : RetrievalRecord

    Raises
    ------
    RecordError
        When its state cannot be shared.
    """
    cls: Any = type(store)
    source = record.source_of(store, cls.__name__)
    direction = _direction(store)
    body: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, RECORD: record}
    # The original is held by its class, and closes what it has opened itself.
    body |= {SOURCE: source, "_ragdiag_original": store, "__del__": lambda self: None}
    for name in dir(cls):
        if _SEARCH.fullmatch(name) and inspect.isfunction(inspect.getattr_static(cls, name)):
            body[name] = _recorded_search(name, getattr(cls, name), record, source, direction)
    for name, value in vars(store).items() if hasattr(store, "__dict__") else ():
        if isinstance(value, Embeddings) or (name in _FUNCTIONS and callable(value)):
            body[name] = _recorded_embeddings(name)

    def as_retriever(self: Any, **kwargs: Any) -> Any:
        return retriever_view(cls.as_retriever(self, **kwargs), record, source=source)

    body["as_retriever"] = as_retriever
    try:
        view: Store = object.__new__(type(cls)(cls.__name__, (cls,), body))
        view.__dict__ = store.__dict__
    except (TypeError, AttributeError) as error:
        raise RecordError(
            f"a {cls.__name__} cannot be wrapped ({error})", hint="pass a RetrievalRecorder as a callback instead"
        ) from error
    return view


def _direction(store: Any) -> str:
    """Return which scores of a store are better, where its class or its index says so; else their order tells."""
    if any(base.__name__ == "InMemoryVectorStore" for base in type(store).__mro__):
        return HIGHER
    with suppress(Exception):  # a property of a stranger's store may do anything
        kind = store.index.metric_type  # faiss: 0 is the inner product, 1 is L2
        return {0: HIGHER, 1: LOWER}.get(kind, "") if isinstance(kind, int) else ""
    return ""


def _recorded_search(
    name: str, method: Callable[..., Any], record: RetrievalRecord, source: str, direction: str
) -> Callable[..., Any]:
    """Return a search method that records itself, or what it finds within a retrieval that is under way."""
    by_vector = name.endswith("by_vector")

    def asked(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return args[0] if args else kwargs.get("embedding" if by_vector else "query", "")

    def within(under_way: Watch, args: tuple[Any, ...], kwargs: dict[str, Any], found: Any) -> Any:
        if by_vector:
            under_way.embedded(asked(args, kwargs))
        under_way.searched(name, found)
        return found

    def search(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (under_way := watch()) is not None:
            return within(under_way, args, kwargs, method(self, *args, **kwargs))
        with Watch(record, source, asked(args, kwargs), direction) as own:
            found = within(own, args, kwargs, method(self, *args, **kwargs))
            own.returned(found)
        return found

    async def asearch(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (under_way := watch()) is not None:
            return within(under_way, args, kwargs, await method(self, *args, **kwargs))
        with Watch(record, source, asked(args, kwargs), direction) as own:
            found = within(own, args, kwargs, await method(self, *args, **kwargs))
            own.returned(found)
        return found

    chosen: Any = asearch if inspect.iscoroutinefunction(method) else search
    chosen.__name__, chosen.__doc__ = name, method.__doc__
    chosen.__signature__ = inspect.signature(method)
    found: Callable[..., Any] = chosen
    return found


def _recorded_embeddings(name: str) -> property:
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
        return RecordedEmbeddings(inner)
    return lambda text: _noted(inner(text))


def retriever_view(retriever: Retriever, record: RetrievalRecord, *, source: str) -> Retriever:
    """Return a copy of a retriever, of the same class, whose retrievals are recorded.

    Parameters
    ----------
    retriever : BaseRetriever
        Stays as it is.
    record : RetrievalRecord
    source : str
        The name under which it is recorded.
    """
    cls: Any = type(retriever)
    direction = next((_direction(part) for part in vars(retriever).values() if isinstance(part, VectorStore)), "")

    def invoke(self: Any, input: str, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002  LangChain's name
        if watch() is not None:  # part of a retrieval that is recorded as a whole
            return cls.invoke(self, input, config, **kwargs)
        with Watch(record, source, input, direction) as own:
            found = cls.invoke(self, input, config, **kwargs)
            own.returned(found)
        return found

    async def ainvoke(self: Any, input: str, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        if watch() is not None:
            return await cls.ainvoke(self, input, config, **kwargs)
        with Watch(record, source, input, direction) as own:
            found = await cls.ainvoke(self, input, config, **kwargs)
            own.returned(found)
        return found

    def get(self: Any, query: str, *, run_manager: Any = None, **kwargs: Any) -> Any:
        if run_manager is not None and (under_way := watch()) is not None:
            under_way.runs_as(run_manager)
        managed = {"run_manager": run_manager} if cls._new_arg_supported else {}
        return cls._get_relevant_documents(self, query, **managed, **kwargs)

    async def aget(self: Any, query: str, *, run_manager: Any = None, **kwargs: Any) -> Any:
        if run_manager is not None and (under_way := watch()) is not None:
            under_way.runs_as(run_manager)
        managed = {"run_manager": run_manager} if cls._new_arg_supported else {}
        return await cls._aget_relevant_documents(self, query, **managed, **kwargs)

    body = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "invoke": invoke, "ainvoke": ainvoke}
    body |= {"_get_relevant_documents": get, "_aget_relevant_documents": aget}
    recorded = type(cls)(cls.__name__, (cls,), body)
    recorded._expects_other_args = cls._expects_other_args
    setattr(recorded, RECORD, record)
    view = retriever.model_copy()
    view.__class__ = recorded
    return view
