"""The contract of a vector store, small, read-only, sharded; and of the place where a new one is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ragdiag.types import Batch, Metric, Shard, StoreInfo

WHOLE = Shard(0, 1)
IDS, TEXTS, METADATA = "ids", "texts", "metadata"
EVERYTHING = frozenset({IDS, TEXTS, METADATA})


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
class NewStore:
    """What is known of a store that is to be written, before its batches come.

    Attributes
    ----------
    dim : int
        Dimension of every vector.
    metric : Metric or None
        By which it is to rank; None only where the kind of store does not know how it ranks.
    count : int or None
        How many documents will come, where that is known.
    overwrite : bool
        Whether what is there already may be replaced.
    lossy : bool
        Whether values that this kind of store cannot hold may be changed or left out.
    """

    dim: int
    metric: Metric | None
    count: int | None = None
    overwrite: bool = False
    lossy: bool = False


class Target(Protocol):
    """A place where a new store can be written; making one neither reads nor writes anything.

    `write` is given checked batches: float32 of the right dimension, unique ids that are UTF-8, no
    texts and no metadata unless they are kept. They may raise at any point, and then, as after a
    crash, there must be what there was before. Stores that are a file or a folder get this from
    `PathTarget`.
    """

    @property
    def name(self) -> str:
        """How the place is called in messages; never holds credentials."""
        ...

    @property
    def path(self) -> str | None:
        """The file or folder that will be written; None when it is not on a disk of this machine."""
        ...

    @property
    def keeps(self) -> frozenset[str]:
        """Which of ``"ids"``, ``"texts"``, ``"metadata"`` can be stored; ids that are not kept are row numbers."""
        ...

    @property
    def metrics(self) -> frozenset[Metric | None]:
        """By what the store can rank; with None in it, it need not be told."""
        ...

    def exists(self) -> bool:
        """Whether there is something that only ``overwrite`` may replace."""
        ...

    def write(self, batches: Iterator[Batch], new: NewStore) -> None:
        """Write the store, in bounded memory where the format allows; the same batches give the same bytes."""
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
    target : callable or None
        ``target(rest, options)`` for a URI under which a new store is to be written, and can be
        opened afterwards; None for kinds that are only read. See `ragdiag.stores.write_store`.
    """

    schemes: tuple[str, ...]
    suffixes: tuple[str, ...]
    description: str
    open_uri: Callable[[str, dict[str, str]], VectorStore] | None = None
    accepts: Callable[[Any], bool] | None = None
    open_object: Callable[[Any], VectorStore] | None = None
    claims_path: Callable[[str], bool] | None = None
    target: Callable[[str, dict[str, str]], Target] | None = None
