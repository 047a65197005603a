"""Search by a faiss index itself: a live one here, a file's in a process that may die of it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ragdiag.errors import StoreError
from ragdiag.stores.base import Tuning
from ragdiag.stores.child import Child
from ragdiag.stores.faiss_rows import IndexRows, load_faiss
from ragdiag.types import Float32, IntArray, Metric

Found = tuple[Float32, IntArray]  # what faiss returns: distances and labels, shape (m, k)

_REQUEST = struct.Struct("<qqqq")  # queries, dimension, k, and the setting of the knob or 0; then the floats
_MOST_EFFORT = 512  # of efSearch
_BLOCK = 8192  # rows of a flat file searched at once


class IndexSearch(Protocol):
    """A way to search one index."""

    @property
    def tuning(self) -> Tuning:
        """What the search can be told."""
        ...

    def find(self, queries: Float32, k: int, effort: int | None) -> Found:
        """Return the distances and the labels that faiss gives."""
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...


def index_tuning(index: Any) -> Tuning:
    """Return the knob of an index, also of one inside wrappers, and what it is set to."""
    faiss = load_faiss()
    index = _core(index, faiss)
    if isinstance(index, faiss.IndexIVF):
        lists = int(index.nlist)
        values = (*(1 << bit for bit in range(lists.bit_length()) if 1 << bit < lists), lists)
        return Tuning(knob="nprobe", value=int(index.nprobe), values=values)
    if isinstance(index, faiss.IndexHNSW):
        values = tuple(1 << bit for bit in range(3, _MOST_EFFORT.bit_length()))
        return Tuning(knob="efSearch", value=int(index.hnsw.efSearch), values=values)
    return Tuning(exact=isinstance(index, faiss.IndexFlat))


def search_index(index: Any, queries: Float32, k: int, effort: int | None) -> Found:
    """Search an index with one setting of its knob; nothing of the index is changed."""
    faiss = load_faiss()
    params = None if effort is None else _parameters(index, effort, faiss)
    try:
        distances, labels = index.search(queries, k, params=params)
    except (RuntimeError, MemoryError) as error:
        cause = " ".join(str(error).split()).rpartition(": ")[2][:120] or type(error).__name__
        raise StoreError(f"faiss could not search this index ({cause})", hint="build it again") from None
    return distances, labels


def _core(index: Any, faiss: Any) -> Any:
    """Return the index inside wrappers that has the knob."""
    index = faiss.downcast_index(index)
    if isinstance(index, (faiss.IndexIDMap, faiss.IndexPreTransform)):
        return _core(index.index, faiss)
    if isinstance(index, faiss.IndexRefine):
        # The refinement is exact, what it is given need not be.
        return _core(index.base_index, faiss)
    return index


def _parameters(index: Any, effort: int, faiss: Any) -> Any:
    """Return parameters that differ from the index's own in nothing but the knob."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexIDMap):
        return _parameters(index.index, effort, faiss)
    if isinstance(index, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(index_params=_parameters(index.index, effort, faiss))
    if isinstance(index, faiss.IndexRefine):
        inner = _parameters(index.base_index, effort, faiss)
        return faiss.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=inner)
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(nprobe=effort, max_codes=index.max_codes)
    if isinstance(index, faiss.IndexHNSW):
        own = index.hnsw
        return faiss.SearchParametersHNSW(
            efSearch=effort, check_relative_distance=own.check_relative_distance, bounded_queue=own.search_bounded_queue
        )
    raise StoreError(f"a {type(index).__name__} has no setting of its search", hint="leave effort out")


@dataclass(frozen=True)
class LiveSearch:
    """An index of this program, which is trusted."""

    index: Any

    @property
    def tuning(self) -> Tuning:
        """What the search can be told."""
        return index_tuning(self.index)

    def find(self, queries: Float32, k: int, effort: int | None) -> Found:
        """Search it."""
        return search_index(self.index, queries, k, effort)

    def close(self) -> None:
        """Do nothing: the index is not ours."""


@dataclass(frozen=True)
class FlatSearch:
    """The matrix of a flat index file, searched a block at a time as faiss searches a flat index."""

    rows: IndexRows

    @property
    def tuning(self) -> Tuning:
        """What the search can be told."""
        return Tuning(exact=True)

    def find(self, queries: Float32, k: int, effort: int | None) -> Found:
        """Search all rows."""
        if effort is not None:
            raise StoreError(f"a {self.rows.kind} has no setting of its search", hint="leave effort out")
        faiss = load_faiss()
        dot = self.rows.metric is Metric.DOT
        metric = faiss.METRIC_INNER_PRODUCT if dot else faiss.METRIC_L2
        distances = np.empty((len(queries), 0), dtype=np.float32)
        labels = np.empty((len(queries), 0), dtype=np.int64)
        for start in range(0, self.rows.count, _BLOCK):
            block = self.rows.read(np.arange(start, min(start + _BLOCK, self.rows.count)))
            near, at = faiss.knn(queries, block, min(k, len(block)), metric=metric)
            distances = np.concatenate([distances, near], axis=1)
            labels = np.concatenate([labels, np.where(at < 0, -1, at + start)], axis=1)
            best = np.argsort(-distances if dot else distances, axis=1, kind="stable")[:, :k]
            distances = np.take_along_axis(distances, best, axis=1)
            labels = np.take_along_axis(labels, best, axis=1)
        return distances, labels

    def close(self) -> None:
        """Do nothing: the file is mapped anew for every read."""


class FileSearch:
    """An index file, searched in a child process: nobody vouches for its graph and its lists.

    Parameters
    ----------
    path : str
        Of the file, as it was opened.
    tuning : Tuning
        See `index_tuning`.
    """

    def __init__(self, path: str, tuning: Tuning) -> None:
        self.tuning = tuning
        dead = "could not be searched: its index ended the process that tried"
        self._child = Child(__name__, "serve", path, dead=dead, memory_factor=4)
        self._path = path

    def find(self, queries: Float32, k: int, effort: int | None) -> Found:
        """Search it there."""
        m, dim = queries.shape
        told = self._child.ask(_REQUEST.pack(m, dim, k, effort or 0) + np.ascontiguousarray(queries).tobytes())
        if len(told) != 12 * m * k:
            raise StoreError(f"{self._path} changed while it was searched", hint="open it again")
        distances = np.frombuffer(told, dtype=np.float32, count=m * k)
        labels = np.frombuffer(told, dtype=np.int64, offset=4 * m * k)
        return distances.reshape(m, k), labels.reshape(m, k)

    def close(self) -> None:
        """End the child."""
        self._child.close()


def serve(path: str) -> Callable[[bytes], bytes]:
    """Return the handler of searches in an index file; runs in a child process."""
    from ragdiag.stores.faiss_file import load_index

    _, index = load_index(path)

    def answer(request: bytes) -> bytes:
        m, dim, k, effort = _REQUEST.unpack_from(request)
        if dim != index.d:
            return b""
        queries = np.frombuffer(request, dtype=np.float32, offset=_REQUEST.size).reshape(m, dim)
        distances, labels = search_index(index, queries, k, effort or None)
        return np.asarray(distances, dtype=np.float32).tobytes() + np.asarray(labels, dtype=np.int64).tobytes()

    return answer
