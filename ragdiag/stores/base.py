"""The contract of a vector store, small, read-only, sharded; and of the place where a new one is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ragdiag.types import Batch, Float32, Float64, Metric, Shard, StoreInfo

WHOLE = Shard(0, 1)
IDS, TEXTS, METADATA = "ids", "texts", "metadata"
EVERYTHING = frozenset({IDS, TEXTS, METADATA})


@runtime_checkable
class VectorStore(Protocol):
    """A store whose vectors can be read back.

    `scan` yields every document exactly once, in an order that stays the same while nobody writes,
    in batches of at most `batch_size`; the scans of ``Shard(0, s)`` … ``Shard(s-1, s)`` partition
    the store. `fetch` returns the documents in the order of the ids asked for and raises
    `StoreError` for an id that is not there. None of the methods changes the store.

    While somebody else writes, a scan yields no document twice, and each that was there all the time;
    of those that come or go it may yield any. A store whose engine cannot promise that raises
    `StoreError` when it notices.
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

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Return `size` different documents drawn uniformly, all of them where there are fewer, in scan order."""
        ...

    def count(self) -> int:
        """Return how many documents there are now; ``info.count`` is how many there were when it was opened."""
        ...

    def close(self) -> None:
        """Release files, locks and connections that opening it took; a live object's own stay open."""
        ...


@dataclass(frozen=True)
class Hits:
    """What a store found for one query.

    Attributes
    ----------
    ids : tuple of str
        Best first.
    scores : ndarray of float64
        Cosine, dot product, or minus the Euclidean distance: larger is better, by ``info.metric``. NaN where the
        engine computes none, as some do for the cosine of a zero vector, wherever it ranks such a hit: often first.
    """

    ids: tuple[str, ...]
    scores: Float64


@dataclass(frozen=True)
class Tuning:
    """How a store's own search can be told to look harder.

    Attributes
    ----------
    exact : bool
        Whether `SearchableStore.search` can be asked for an exact search.
    knob : str
        The engine's name of the setting that trades time for recall (``"efSearch"``), "" when it has none.
    value : int or None
        What a search uses that says nothing; None when the engine does not tell.
    values : tuple of int
        Ascending settings worth a try.
    """

    exact: bool = False
    knob: str = ""
    value: int | None = None
    values: tuple[int, ...] = ()


@runtime_checkable
class SearchableStore(VectorStore, Protocol):
    """A store that can be asked to rank as it does for its application."""

    @property
    def tuning(self) -> Tuning:
        """What its search can be told."""
        ...

    def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
        """Return the `k` best documents of each query, shape (m, d), by the engine itself.

        `effort` is a setting of ``tuning.knob``. `exact` bypasses the index, and raises `StoreError`
        where ``tuning.exact`` is false. Fewer than `k` hits are returned where the engine finds no more.
        """
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


@dataclass(frozen=True)
class Draft:
    """A new store that has not got its name yet.

    Attributes
    ----------
    uri : str
        Under which it is written and opened meanwhile.
    put : callable
        Gives what was written its place; `TargetExistsError` when that was taken meanwhile.
    """

    uri: str
    put: Callable[[], None]


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

    def draft(self, uri: str, *, overwrite: bool) -> AbstractContextManager[Draft]:
        """Give a hidden place of the same kind, for a store that is read once before it is shown under `uri`.

        When the block ends without `Draft.put`, nothing is left of it.
        """
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
