"""Views of a store and of a retriever: the same kind of object over the same state, whose searches are recorded."""

from __future__ import annotations

import inspect
import re
from asyncio import Future
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import MethodType
from typing import Any, TypeVar

from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from pydantic import BaseModel

from ragdiag.errors import RecordError
from ragdiag_langchain.known import behind, is_in_memory, is_remedied
from ragdiag_langchain.recorded_embeddings import RecordedEmbeddings, recorded_embeddings
from ragdiag_langchain.records import RetrievalRecord
from ragdiag_langchain.slots import shared_slots
from ragdiag_langchain.traffic import HIGHER, LOWER
from ragdiag_langchain.unpicklable import not_pickled, unpicklable
from ragdiag_langchain.watching import Watch, watch

# On the class of a view; the last are the retrievals under way of retrievers that hold the store.
RECORD, SOURCE, ORIGINAL, ASKED_BY = "_ragdiag_record", "_ragdiag_source", "_ragdiag_original", "_ragdiag_asked_by"
_SEARCH = re.compile(r"_?a?(similarity_search|max_marginal_relevance_search)\w*|a?search")
# Names under which stores keep a bare function instead of Embeddings; FAISS still does.
_FUNCTIONS = ("embedding_function",)

Retriever = TypeVar("Retriever", bound=BaseRetriever)
Store = TypeVar("Store", bound=VectorStore)
Model = TypeVar("Model", bound=BaseModel)


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
    direction = _direction(behind(store))
    body: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, RECORD: record}
    asked_by: list[Watch] = []
    # The original is held by its class, and closes what it has opened itself.
    body |= {SOURCE: source, ORIGINAL: store, ASKED_BY: asked_by, "__del__": lambda self: None}
    body |= unpicklable(cls)
    body |= _recorded_searches(cls, record, source, direction, asked_by)
    for name, method in vars(store).items() if hasattr(store, "__dict__") else ():
        if _SEARCH.fullmatch(name) and callable(method):
            body[name] = _recorded_of_one(
                name,
                body.get(name),
                lambda name, method: _recorded_search(name, method, record, source, direction, asked_by),
            )
    if is_remedied(store):  # its scores, and the vectors that it searches by, are those of the store behind
        body["_mapping"] = _recorded_mapping(
            cls, lambda inner: _recorded_searches(inner, record, source, direction, ())
        )
    else:
        for name, value in vars(store).items() if hasattr(store, "__dict__") else ():
            if isinstance(value, Embeddings) or (name in _FUNCTIONS and callable(value)):
                body[name] = recorded_embeddings(name)

    def as_retriever(self: Any, **kwargs: Any) -> Any:
        return retriever_view(cls.as_retriever(self, **kwargs), record, source=source, stores=[self])

    body["as_retriever"] = as_retriever
    body = shared_slots(store) | body
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
    if is_in_memory(store):
        return HIGHER
    with suppress(Exception):  # a property of a stranger's store may do anything
        kind = store.index.metric_type  # faiss: 0 is the inner product, 1 is L2
        return {0: HIGHER, 1: LOWER}.get(kind, "") if isinstance(kind, int) else ""
    return ""


def _recorded_searches(
    cls: Any, record: RetrievalRecord, source: str, direction: str, asked_by: Sequence[Watch]
) -> dict[str, Any]:
    """Return the search methods of a class, recorded."""
    return {
        name: _recorded_search(name, getattr(cls, name), record, source, direction, asked_by)
        for name in dir(cls)
        if _SEARCH.fullmatch(name) and inspect.isfunction(inspect.getattr_static(cls, name))
    }


def _recorded_of_one(name: str, of_class: Any, recorded: Callable[[str, Any], Any]) -> property:
    """Return a search that the store itself has in place of its class's, recorded."""

    def get(self: Any) -> Any:
        method = self.__dict__.get(name)
        if method is None and of_class is None:
            raise AttributeError(name)
        if method is None:  # taken away since
            return of_class.__get__(self)
        return MethodType(recorded(name, lambda _, *args, **kwargs: method(*args, **kwargs)), self)

    def put(self: Any, value: Any) -> None:
        self.__dict__[name] = value

    def away(self: Any) -> None:
        del self.__dict__[name]

    return property(get, put, away)


def _recorded_mapping(cls: Any, searches: Callable[[Any], dict[str, Any]]) -> property:
    """Return a `RemediedVectorStore`'s way to the store behind, of which every search is a part of its own."""
    made: dict[Any, Any] = {}  # one class, whichever thread is the first to make it

    def get(self: Any) -> Any:
        twin = cls._mapping.fget(self)
        kind = type(twin)
        if kind not in made:
            meta: Any = type(kind)
            made[kind] = meta(kind.__name__, (kind,), {"__module__": kind.__module__, **searches(kind)})
        twin.__class__ = made[kind]
        twin._ragdiag_model = RecordedEmbeddings(twin._ragdiag_model)
        return twin

    return property(get)


def _recorded_search(
    name: str,
    method: Callable[..., Any],
    record: RetrievalRecord,
    source: str,
    direction: str,
    asked_by: Sequence[Watch],
) -> Callable[..., Any]:
    """Return a search method that records itself, or what it finds within a retrieval that is under way."""
    by_vector = name.endswith("by_vector")

    def watched(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Watch:
        query = args[0] if args else kwargs.get("embedding" if by_vector else "query", "")
        if by_vector and is_remedied(self):  # the store behind is searched by what this is mapped to
            query = ""
        return Watch(record, source, query, direction, asked_by=asked_by)

    def search(self: Any, *args: Any, **kwargs: Any) -> Any:
        with watched(self, args, kwargs) as own:
            found = method(self, *args, **kwargs)
            # A decorator hides that a method is async; a task runs on its own, and is the application's as it is.
            if inspect.isawaitable(found) and not isinstance(found, Future):
                return own.goes_on(name, found)
            own.searched(name, found)
            own.returned(found)
        return found

    async def asearch(self: Any, *args: Any, **kwargs: Any) -> Any:
        with watched(self, args, kwargs) as own:
            found = await method(self, *args, **kwargs)
            own.searched(name, found)
            own.returned(found)
        return found

    chosen: Any = asearch if inspect.iscoroutinefunction(method) else search
    chosen.__name__, chosen.__doc__ = name, method.__doc__
    chosen.__signature__ = inspect.signature(method)
    found: Callable[..., Any] = chosen
    return found


def retriever_view(
    retriever: Retriever, record: RetrievalRecord, *, source: str, stores: Sequence[VectorStore] = ()
) -> Retriever:
    """Return a copy of a retriever, of the same class, whose retrievals are recorded.

    Parameters
    ----------
    retriever : BaseRetriever
        Stays as it is.
    record : RetrievalRecord
    source : str
        The name under which it is recorded.
    stores : sequence of VectorStore
        The views that it asks.
    """
    cls: Any = type(retriever)
    direction = next((_direction(store) for store in stores), "")
    asking = [getattr(type(store), ASKED_BY) for store in stores]

    def invoke(self: Any, input: str, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002  LangChain's name
        with Watch(record, source, input, direction, asking=asking) as own:
            found = cls.invoke(self, input, config, **kwargs)
            own.returned(found)
        return found

    async def ainvoke(self: Any, input: str, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        with Watch(record, source, input, direction, asking=asking) as own:
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
    body |= {"_get_relevant_documents": get, "_aget_relevant_documents": aget, "__reduce_ex__": not_pickled}
    recorded = type(cls)(cls.__name__, (cls,), body)
    recorded._expects_other_args = cls._expects_other_args
    setattr(recorded, RECORD, record)
    view = alike(retriever)
    view.__class__ = recorded
    return view


def alike(obj: Model, **changed: Any) -> Model:
    """Return a copy with some fields changed, over the same private attributes: a counter among them counts on."""
    copy = obj.model_copy(update=changed)
    object.__setattr__(copy, "__pydantic_private__", obj.__pydantic_private__)
    return copy
