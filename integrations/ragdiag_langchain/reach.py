"""What an object holds that may retrieve: what can be given another part, and what is out of reach."""

from __future__ import annotations

import functools
import inspect
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseLanguageModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.vectorstores import VectorStore
from pydantic import BaseModel

FUNCTIONS = ("func", "afunc", "coroutine", "_transform", "_atransform")  # where runnables and tools keep theirs
_DEEPEST = 10  # a retriever in a chain in a list in a chain …
_MOST = 5_000  # objects looked at in one function: one of them may lead to half the application
_OPTIONS = ("config", "callbacks", "metadata", "tags", "args_schema")  # of a runnable, and no part of its work
_CLOSED = (str, bytes, int, float, types.ModuleType, type, BaseLanguageModel, Embeddings)


def held(obj: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that may hold a retriever."""
    if isinstance(obj, VectorStore | BaseLanguageModel):
        return
    if isinstance(obj, list | tuple | dict):
        parts = obj.values() if isinstance(obj, dict) else obj
        yield from (("", part) for part in parts if may_retrieve(part))
    elif isinstance(obj, BaseModel):
        yield from ((name, part) for name, part in vars(obj).items() if may_retrieve(part))


def stores_in(part: Any, depth: int = 0) -> Iterator[VectorStore]:
    """Yield the stores among what a retriever holds."""
    if isinstance(part, VectorStore):
        yield part
    elif isinstance(part, list | tuple | dict) and depth < 4:
        for inner in part.values() if isinstance(part, dict) else part:
            yield from stores_in(inner, depth + 1)


def may_retrieve(part: Any, depth: int = 0) -> bool:
    """Return whether it is a runnable or a store, or a list or mapping with one."""
    if isinstance(part, list | tuple | dict):
        inner = part.values() if isinstance(part, dict) else part
        return depth < 3 and any(may_retrieve(each, depth + 1) for each in inner)
    return isinstance(part, Runnable | VectorStore)


def retrieves(part: Any, *, stores: bool, depth: int = 0) -> bool:
    """Return whether there is a retriever in it, or, with `stores`, a store."""
    if isinstance(part, BaseRetriever) or (stores and isinstance(part, VectorStore)):
        return True
    if depth > _DEEPEST:
        return False
    if any(retrieves(inner, stores=stores, depth=depth + 1) for _, inner in held(part)):
        return True
    return any(
        retrieves(inner, stores=True, depth=depth + 1) for function in functions(part) for inner in enclosed(function)
    )


def functions(obj: Any) -> Iterator[Callable[..., Any]]:
    """Yield the functions that a runnable or a tool was made of."""
    if isinstance(obj, Runnable):
        yield from (vars(obj)[name] for name in FUNCTIONS if callable(vars(obj).get(name)))


def enclosed(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield what a function was closed over, bound to, or names among its globals, as far as it may retrieve."""
    parts: list[Any] = [getattr(function, "__self__", None)]
    if isinstance(function, functools.partial):
        parts += [*function.args, *function.keywords.values()]
        function = function.func
    if inspect.ismethod(function):
        function = function.__func__
    if isinstance(function, types.FunctionType):
        for cell in function.__closure__ or ():
            try:
                parts.append(cell.cell_contents)
            except ValueError:  # not filled yet
                continue
        parts += [function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__]
    yield from (part for part in parts if may_retrieve(part))


def out_of_sight(obj: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a runnable that nothing can be put into: of no pydantic model, or of no known kind."""
    model = isinstance(obj, BaseModel)
    for name, part in {**vars(obj), **(getattr(obj, "__pydantic_private__", None) or {})}.items():
        gone_into = name in FUNCTIONS or (model and name in vars(obj) and may_retrieve(part))
        if not gone_into and name not in _OPTIONS:
            yield name, part


def hidden(root: Any) -> list[Any]:
    """Return the retrievers and stores that a function or an object leads to, as far as 5,000 objects show.

    Examples
    --------
    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from langchain_core.vectorstores import InMemoryVectorStore
    >>> store = InMemoryVectorStore(DeterministicFakeEmbedding(size=2))
    >>> def helper(query): return store.similarity_search(query)
    >>> len(hidden(lambda query: helper(query))), len(hidden(lambda query: query.upper()))
    (1, 0)
    """
    found: list[Any] = []
    seen: dict[int, Any] = {}  # what is seen is kept, so that no other object gets its id
    waiting = deque([(root, 0)])
    while waiting and len(seen) < _MOST:
        part, depth = waiting.popleft()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        if depth and isinstance(part, BaseRetriever | VectorStore):
            found.append(part)
        elif depth <= _DEEPEST:
            waiting.extend((inner, depth + 1) for inner in _inside(part))
    return found


def _inside(part: Any) -> Iterator[Any]:
    """Yield what an object leads to, without running anything of it."""
    if part is None or isinstance(part, _CLOSED):
        return
    if isinstance(part, list | tuple | set | frozenset | dict):
        yield from islice(part.values() if isinstance(part, dict) else part, _MOST)
    elif isinstance(part, functools.partial):
        yield from (part.func, *part.args, *part.keywords.values())
    elif isinstance(part, types.MethodType):
        yield from (part.__self__, part.__func__)
    elif isinstance(part, types.FunctionType):
        yield from _of_function(part)
    else:
        with suppress(Exception):  # a stranger's __dict__ may be anything
            yield from list(vars(part).values())
        with suppress(Exception):
            yield from list((object.__getattribute__(part, "__pydantic_private__") or {}).values())
        for base in type(part).__mro__:
            for slot in list(vars(base).values()):
                if isinstance(slot, types.MemberDescriptorType):
                    with suppress(Exception):  # not filled
                        yield slot.__get__(part)


def _of_function(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not filled yet
            yield cell.cell_contents
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        yield from (function.__globals__[name] for name in code.co_names if name in function.__globals__)
        codes += [const for const in code.co_consts if isinstance(const, types.CodeType)]
