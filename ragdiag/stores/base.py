"""The contract of a vector store: small, read-only, sharded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ragdiag.types import Batch, Shard, StoreInfo

WHOLE = Shard(0, 1)


@runtime_checkable
class VectorStore(Protocol):
    """A store whose vectors can be read back.

    `scan` yields every document exactly once, in an order that stays the same while nobody writes,
    in batches of at most `batch_size`; the scans of ``Shard(0, s)`` … ``Shard(s-1, s)`` partition
    the store. `fetch` returns the documents in the order of the ids asked for and raises
    `StoreError` for an id that is not there. Neither changes the store.
    """

    @property
    def info(self) -> StoreInfo:
        """What is known of the store without reading its vectors."""
        ...

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Yield all documents of one shard."""
        ...

    def fetch(self, ids: Sequence[str]) -> Batch:
        """Return the documents with these ids, in this order."""
        ...


@dataclass(frozen=True)
class Opener:
    """How one kind of store is recognised and opened: what an entry point of ``ragdiag.stores`` names.

    Attributes
    ----------
    schemes : tuple of str
        URI schemes, without the colon; empty for stores that are live objects only.
    suffixes : tuple of str
        File suffixes (``".npy"``) by which a bare path is recognised.
    description : str
        One line for ``ragdiag stores``, with an example URI.
    open_uri : callable or None
        ``open_uri(rest, options)``: the text after the scheme, and the options after ``?``.
    accepts : callable or None
        Whether a live object is of this kind; must not import anything, a look at
        ``type(obj).__module__`` is enough.
    open_object : callable or None
        ``open_object(obj)`` for an object that was accepted.
    claims_path : callable or None
        Whether a bare path without a known suffix (a folder) is of this kind.
    """

    schemes: tuple[str, ...]
    suffixes: tuple[str, ...]
    description: str
    open_uri: Callable[[str, dict[str, str]], VectorStore] | None = None
    accepts: Callable[[Any], bool] | None = None
    open_object: Callable[[Any], VectorStore] | None = None
    claims_path: Callable[[str], bool] | None = None
