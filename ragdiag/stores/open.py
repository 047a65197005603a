"""Open a store by URI, by path, or from a live object."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ragdiag.errors import StoreNotFoundError, UnknownStoreError
from ragdiag.plugins import Openers, load_openers
from ragdiag.stores.base import Opener, VectorStore
from ragdiag.stores.uri import missing_path, split_options, split_scheme

# Engines people will ask for, under the names they may give them. Their adapters would be separate
# packages, so a message must not promise an installation command.
_KNOWN_ELSEWHERE = (
    "pinecone",
    "weaviate",
    "elasticsearch",
    "opensearch",
    "redis",
    "mongodb",
)
_EXPORT = "exporting the vectors to .npy or .parquet works today"


def open_store(target: Any) -> VectorStore:
    """Open a vector store.

    Parameters
    ----------
    target : str, os.PathLike or object
        ``scheme:rest?option=value&…``, a path, a numpy array, a live object that an adapter knows
        (a LangChain store), or a `VectorStore`, which is returned as it is. A path that exists
        wins over a scheme; an `os.PathLike` is never taken apart.

    Returns
    -------
    VectorStore

    Raises
    ------
    UnknownStoreError
        When no adapter opens it; the message lists what can be opened.
    StoreNotFoundError
        When there is nothing at the path.
    StoreError
        When the content cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> open_store(np.eye(4)).info.count
    4
    """
    if isinstance(target, str):
        return _open_text(target)
    if isinstance(target, os.PathLike):
        return _open_path(os.fsdecode(target), {}, load_openers())
    if isinstance(target, VectorStore):
        return target
    return _open_object(target)


@contextmanager
def opened_store(target: Any) -> Iterator[VectorStore]:
    """Open a store for the length of a block; one that is given open stays open.

    Examples
    --------
    >>> import numpy as np
    >>> with opened_store(np.eye(4)) as store:
    ...     store.info.dim
    4
    """
    store = open_store(target)
    try:
        yield store
    finally:
        if store is not target:
            store.close()


def _open_text(text: str) -> VectorStore:
    openers = load_openers()
    if not text:
        raise UnknownStoreError("the store has no name", hint=_can_open(openers))
    if os.path.exists(text):
        return _open_path(text, {}, openers)
    plain, options = split_options(text)
    scheme, rest = split_scheme(plain)
    if scheme and not os.path.exists(plain):
        opener = openers.schemes.get(scheme)
        if opener is None or opener.open_uri is None:
            raise unknown_scheme(scheme, text, openers)
        return opener.open_uri(rest, options)
    return _open_path(plain, options, openers)


def _open_path(path: str, options: dict[str, str], openers: Openers) -> VectorStore:
    opener = None
    if not os.path.isdir(path):
        opener = openers.suffixes.get(os.path.splitext(path)[1].lower())
    if opener is None:
        opener = next((found for _, found in openers.openers if _claims(found, path)), None)
    if opener is not None and opener.open_uri is not None:
        return opener.open_uri(path, options)
    if not os.path.exists(os.path.expanduser(path)):
        raise StoreNotFoundError(
            f"there is no {missing_path(path)!r}", hint="check the path, relative to where you are"
        )
    raise UnknownStoreError(f"{path} is no store that an adapter here recognises", hint=_can_open(openers))


def _open_object(target: Any) -> VectorStore:
    openers = load_openers()
    for _, opener in openers.openers:
        if opener.open_object is not None and _accepts(opener, target):
            return opener.open_object(target)
    kind = f"{type(target).__module__}.{type(target).__qualname__}"
    objects = "; ".join(found.description for _, found in openers.openers if found.open_object is not None)
    hint = f"objects that can be opened: {objects}"
    if any(base.__name__ == "VectorStore" and "langchain" in base.__module__ for base in type(target).__mro__):
        hint = "ragdiag_langchain.embed_again opens some of its documents; " + hint
    raise UnknownStoreError(f"no adapter here opens a {kind}", hint=hint)


def _claims(opener: Opener, path: str) -> bool:
    with suppress(Exception):  # one adapter's mistake must not keep another from opening the path
        return opener.claims_path is not None and bool(opener.claims_path(path))
    return False


def _accepts(opener: Opener, target: Any) -> bool:
    with suppress(Exception):
        return opener.accepts is not None and bool(opener.accepts(target))
    return False


def _can_open(openers: Openers) -> str:
    schemes = ", ".join(f"{scheme}:" for scheme in sorted(openers.schemes))
    return f"can be opened here: {schemes or 'nothing'}; files {', '.join(sorted(openers.suffixes))}"


def unknown_scheme(scheme: str, text: str, openers: Openers) -> UnknownStoreError:
    """Return the error for a scheme that no adapter here opens."""
    known = _can_open(openers)
    broken = [plugin for plugin in openers.broken if plugin.name == scheme]
    if broken:
        plugin = broken[0]
        return UnknownStoreError(
            f"the adapter {scheme!r} of {plugin.distribution} is broken ({plugin.error})", hint=known
        )
    if scheme in _KNOWN_ELSEWHERE:
        return UnknownStoreError(
            f"no adapter for {scheme} is installed here",
            hint=f"it would come as a package that registers in the entry point group"
            f" 'ragdiag.stores'; {_EXPORT}; {known}",
        )
    return UnknownStoreError(f"no adapter opens {missing_path(text)}", hint=known)
