"""One store seen with another embedding model, while the store itself keeps its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ragdiag.errors import StoreError
from ragdiag_langchain.slots import shared_slots


def twin_of(store: VectorStore, model: Embeddings) -> Callable[[Embeddings], Any]:
    """Return what makes a twin of `store`: the same state, but with the model that it is given.

    A twin shares the attributes of the store, so that whatever either of them adds, deletes or connects to is seen
    by both. A copy would fall behind: FAISS, for one, replaces its map of ids when documents are deleted.

    Parameters
    ----------
    store : VectorStore
        It is not changed.
    model : Embeddings
        The one in `store`; found among its attributes, whatever their names.

    Raises
    ------
    StoreError
        When no attribute of the store is `model`.

    Examples
    --------
    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from langchain_core.vectorstores import InMemoryVectorStore
    >>> small, large = DeterministicFakeEmbedding(size=2), DeterministicFakeEmbedding(size=3)
    >>> store = InMemoryVectorStore(small)
    >>> twin_of(store, small)(large).add_texts(["a"], ids=["a"])
    ['a']
    >>> len(store.store["a"]["vector"]), store.embeddings is small
    (3, True)
    """
    held = [name for name, value in getattr(store, "__dict__", {}).items() if value is model]
    if not held:
        raise StoreError(
            f"the {type(store).__name__} keeps its embedding model where it cannot be replaced",
            hint="give RemediedEmbeddings(model, artefact) to it as its model, which maps as well",
        )
    base = type(store)
    body: dict[str, Any] = shared_slots(store) | {"__slots__": ("_ragdiag_model",), "__module__": base.__module__}
    # A property of the class comes before the attribute of the instance.
    body |= {name: property(lambda self: self._ragdiag_model) for name in held}
    body["__del__"] = lambda self: None  # the store closes its own connection, not its twin
    kind: Any = type(base)
    derived = kind(base.__name__, (base,), body)

    def make(other: Embeddings) -> Any:
        twin: Any = object.__new__(derived)
        twin.__dict__ = store.__dict__
        twin._ragdiag_model = other
        return twin

    return make
