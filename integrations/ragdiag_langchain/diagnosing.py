"""Record the retrievals of a LangChain application: `diagnose`."""

from __future__ import annotations

import functools
import inspect
import types
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from langchain_core.language_models import BaseLanguageModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.vectorstores import VectorStore
from pydantic import BaseModel

from ragdiag.errors import RecordError
from ragdiag_langchain.reach import FUNCTIONS, enclosed, functions, held, hidden, out_of_sight, retrieves, stores_in
from ragdiag_langchain.records import RetrievalRecord
from ragdiag_langchain.views import SOURCE, alike, record_of_class, retriever_view, store_view

T = TypeVar("T")

_TOOLS = ("langchain_core.tools.retriever", "langchain_core.tools.convert")  # whose functions can be rebuilt
_HOW = "diagnose the retriever first and build this with what comes back"


def diagnose(obj: T, *, record: RetrievalRecord | None = None) -> T:
    """Return the same kind of object with the same results, whose retrievals are recorded.

    Queries are embedded once, as before; nothing is asked of the store that was not asked before. `obj` is not
    changed: stores are seen through a view of the same class over the same state, retrievers and chains are copied
    without what they hold.

    Parameters
    ----------
    obj : retriever, vector store, chain or retriever tool
        Chains are gone through recursively, as are retrievers made of retrievers: then those are recorded that
        ask a store, once for each query they are given.
    record : RetrievalRecord, optional
        To record into; a new one, which `record_of` finds, when not given.

    Returns
    -------
    same as `obj`

    Raises
    ------
    RecordError
        When there is no retriever in it that can be reached; the message says why, and what to do instead.

    Warns
    -----
    UserWarning
        When a part could not be reached: a function or an object of another kind that holds a retriever, a built
        agent. Its retrievals are not recorded; `RetrievalRecord.unreached` and every report list it. What a function
        makes only when it is called, or reaches by its name, is not found.

    Examples
    --------
    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from langchain_core.vectorstores import InMemoryVectorStore
    >>> store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    >>> ids = store.add_texts(["one", "two"], ids=["1", "2"])
    >>> retriever = diagnose(store.as_retriever(search_kwargs={"k": 1}))
    >>> [document.id for document in retriever.invoke("two")]
    ['2']
    >>> record_of(retriever).retrievals()[0].ids
    ('2',)
    """
    record = record if record is not None else RetrievalRecord()
    walk = _Walk(record)
    found = walk.visit(obj, type(obj).__name__)
    record.not_reached(walk.unreached)
    if not walk.reached:
        why = "; ".join(walk.unreached) or f"there is no retriever in a {type(obj).__name__}"
        raise RecordError(why, hint=_HOW if walk.unreached else "give a retriever, a vector store or a chain with one")
    for what in walk.unreached:
        warnings.warn(f"{what}; its retrievals are not recorded: {_HOW}", UserWarning, stacklevel=2)
    result: T = found
    return result


def record_of(obj: Any) -> RetrievalRecord:
    """Return the record into which an object that `diagnose` returned records.

    Raises
    ------
    RecordError
        When nothing in it is recorded.
    """
    seen: set[int] = set()
    waiting = [obj]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        found = record_of_class(part)
        if found is not None:
            return found
        waiting += [inner for _, inner in held(part)]
        waiting += [inner for function in functions(part) for inner in enclosed(function)]
    raise RecordError(f"nothing in this {type(obj).__name__} is recorded", hint="give what diagnose returned")


class _Walk:
    """Goes through an object, and builds its recorded double from the inside out."""

    def __init__(self, record: RetrievalRecord) -> None:
        self.record = record
        self.reached = 0
        self.unreached: list[str] = []
        self._done: dict[int, tuple[Any, Any]] = {}

    def visit(self, obj: Any, where: str) -> Any:
        """Return the double of `obj`, or `obj` itself where nothing in it retrieves."""
        if id(obj) not in self._done:
            self._done[id(obj)] = (obj, obj)  # against circles
            self._done[id(obj)] = (obj, self._double(obj, where))
        return self._done[id(obj)][1]

    def _double(self, obj: Any, where: str) -> Any:
        known = record_of_class(obj)
        if known is not None:
            if known is not self.record:
                raise RecordError(f"{where} is recorded already", hint="give diagnose that record: record_of(…)")
            self.reached += 1
            return obj
        if isinstance(obj, VectorStore):
            self.reached += 1
            return store_view(obj, self.record)
        if isinstance(obj, list | tuple):
            parts = [self.visit(part, where) for part in obj]
            same = type(obj) not in (list, tuple) or all(a is b for a, b in zip(obj, parts, strict=True))
            return obj if same else type(obj)(parts)
        if isinstance(obj, dict):
            doubles = {key: self.visit(part, f"{where}[{key!r:.40}]") for key, part in obj.items()}
            return obj if all(doubles[key] is part for key, part in obj.items()) else doubles
        if isinstance(obj, BaseLanguageModel) or not isinstance(obj, Runnable | BaseModel):
            return obj
        if isinstance(obj, BaseRetriever):
            return self._retriever(obj, where)
        updates = {name: self.visit(part, f"{where}.{name}") for name, part in held(obj)}
        updates |= self._closures(obj, where)
        if type(obj).__module__.startswith("langgraph"):
            self.unreached.append(f"{where} is a built agent or graph, whose tools cannot be reached")
        else:
            for name, part in out_of_sight(obj):
                self._told(hidden((part,)), f"{where}.{name}")
        changed = {name: part for name, part in updates.items() if part is not getattr(obj, name)}
        return alike(obj, **changed) if changed and isinstance(obj, BaseModel) else obj

    def _retriever(self, obj: BaseRetriever, where: str) -> BaseRetriever:
        """Record a retriever that asks a store; one made of retrievers is built anew of recorded ones."""
        made_of = any(retrieves(part, stores=False) for _, part in held(obj))
        updates = {name: self.visit(part, f"{where}.{name}") for name, part in held(obj)}
        changed = {name: part for name, part in updates.items() if part is not getattr(obj, name)}
        copy = alike(obj, **changed)
        if made_of:
            return copy
        self.reached += 1
        name = type(obj).__name__
        stores = [store for store in stores_in(list(updates.values())) if record_of_class(store) is not None]
        source = getattr(stores[0], SOURCE) if len(stores) == 1 else self.record.source_of(obj, name)
        view = retriever_view(copy, self.record, source=source, stores=stores)
        if len(stores) != 1:
            self.record.seen_as(source, view)
        return view

    def _closures(self, obj: Any, where: str) -> dict[str, Any]:
        """Rebuild the functions of a tool that LangChain makes of a runnable; of any other say what they hold."""
        rebuilt = {}
        for name in FUNCTIONS:
            function = vars(obj).get(name)
            if function is None:
                continue
            of_tool = isinstance(obj, BaseTool) and isinstance(getattr(function, "__self__", None), Runnable)
            if of_tool or getattr(getattr(function, "func", function), "__module__", "") in _TOOLS:
                rebuilt[name] = self._rebuilt(function, where)
            else:
                called = getattr(function, "__name__", "a function")
                self._told(hidden(function), f"{where}.{name} ({called})")
        return rebuilt

    def _told(self, found: list[Any], what: str) -> None:
        """Say that the retrievers found in something cannot be reached, unless all of them are recorded."""
        if found and all(_recorded(part) for part in found):
            self.reached += 1
        elif found:
            self.unreached.append(f"{what} holds a retriever, and cannot be rebuilt")

    def _rebuilt(self, function: Callable[..., Any], where: str) -> Callable[..., Any]:
        """Return a function of one of LangChain's tools with the recorded retriever in place of the other."""
        if isinstance(function, functools.partial):
            args = [self.visit(part, where) for part in function.args]
            kwargs = {key: self.visit(part, where) for key, part in function.keywords.items()}
            return functools.partial(function.func, *args, **kwargs)
        if inspect.ismethod(function):
            method: Callable[..., Any] = getattr(self.visit(function.__self__, where), function.__name__)
            return method
        assert isinstance(function, types.FunctionType)
        cells = [types.CellType(self.visit(cell.cell_contents, where)) for cell in function.__closure__ or ()]
        copy = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, tuple(cells)
        )
        copy.__kwdefaults__ = function.__kwdefaults__
        functools.update_wrapper(copy, function)
        del copy.__wrapped__  # type: ignore[attr-defined]  # it is a copy, and calls nothing
        return copy


def _recorded(part: Any, depth: int = 0) -> bool:
    """Return whether it is a view, or made of such."""
    inside = (_recorded(inner, depth + 1) for _, inner in held(part))
    return record_of_class(part) is not None or (depth < 10 and any(inside))
