"""Where inner products of documents and queries are computed, and those that reach a limit are found."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np
import threadpoolctl

from ragdiag.types import Float32, Float64, IntArray

T = TypeVar("T")
_FEWEST = 256  # rows that are worth a thread of their own
GROUP = 16  # documents of which the largest bound alone is compared first: a quarter of the time of comparing all


@dataclass(frozen=True)
class Held:
    """Vectors where they are multiplied.

    Attributes
    ----------
    values : array of the `Products`
        The vectors and their rests.
    rests : ndarray of float64, shape (n,)
        As given, or more where the vectors were rounded: a bound U exceeds x·q by at most 2.01 r_x r_q, if the rests
        given cover what float32 loses, and by `Products.rounding` of itself.
    """

    values: Any
    rests: Float64

    def __getitem__(self, rows: slice) -> Held:
        return Held(self.values[rows], self.rests[rows])


class Products(Protocol):
    """Upper bounds of the inner products of one block of documents with one tile of queries.

    A vector comes with its *rest*, a length r ≥ 0: what is bounded is ``x·q + r_x r_q``, in whatever precision.
    """

    threads: int
    """That `each` makes use of."""
    rounding: float
    candidate: float
    """What scoring one pair in float64 costs, in products of two vectors here."""

    def hold(self, X: Float32, rest: Float64) -> Held:
        """Take vectors, shape (n, p), and their rests, shape (n,), to where they are multiplied."""
        ...

    def upper(self, documents: Held, queries: Held) -> Any:
        """Return bounds U, shape (b, t), of all documents with all queries.

        U ≥ x·q + r_x r_q − γ‖(x, r_x)‖‖(q, r_q)‖, γ = (p + 4)u/(1 − (p + 4)u), u = 2⁻²⁴: what float32 loses of a
        sum of p + 1 products is for the rests to cover.
        """
        ...

    def leaders(self, upper: Any, k: int) -> IntArray:
        """Return k different rows of U for each column, shape (k, t), with large entries."""
        ...

    def reached(self, upper: Any, limit: Float32) -> tuple[IntArray, IntArray]:
        """Return rows and columns of the entries of U that are at least the limit of their column."""
        ...

    def reached_rows(self, upper: Any, limit: Float32) -> tuple[IntArray, IntArray]:
        """Return rows and columns of the entries of U that are at least the limit of their row."""
        ...

    def at(self, upper: Any, row: IntArray, column: IntArray) -> Float32:
        """Return entries of U, or a little more."""
        ...

    def each(self, work: Callable[[T], None], tiles: Sequence[T]) -> None:
        """Do the work for every tile, several side by side."""
        ...


class HostProducts:
    """Products in float32 by numpy's BLAS, one tile per core.

    Parameters
    ----------
    threads : int, optional
        By default one per core this process may use.
    """

    rounding = 2.0**-20
    candidate = 60.0

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or cores()
        self._own = threading.local()
        self._made: tuple[int, ThreadPoolExecutor] | None = None

    def hold(self, X: Float32, rest: Float64) -> Held:
        """Keep the vectors with the rest, rounded up, as one more coordinate."""
        values = np.empty((len(X), X.shape[1] + 1), dtype=np.float32)
        values[:, :-1] = X
        values[:, -1] = rounded_up(rest)
        return Held(values, rest)

    def upper(self, documents: Held, queries: Held) -> Float32:
        """Return one matrix product, in a buffer that the next call of the same thread overwrites."""
        shape = len(documents.rests), len(queries.rests)
        out = self.buffer("upper", shape[0] * shape[1]).reshape(shape)
        return np.matmul(documents.values, queries.values.T, out=out)

    def buffer(self, name: str, size: int) -> Float32:
        """Return float32 memory of this thread, kept between calls: fresh pages cost more than what is done in them."""
        held: Float32 | None = getattr(self._own, name, None)
        if held is None or len(held) < size:
            held = np.empty(size, dtype=np.float32)
            setattr(self._own, name, held)
        return held[:size]

    def leaders(self, upper: Float32, k: int) -> IntArray:
        """Return the best rows of the k best groups of rows: a tenth of the time of the k best."""
        rows, columns = upper.shape
        size = max(1, rows // (GROUP * k))
        groups = rows // size
        grouped = upper[: groups * size].reshape(groups, size, columns)
        best = grouped.max(axis=1)
        chosen = np.argpartition(best, groups - k, axis=0)[groups - k :]
        members = chosen[:, None, :] * size + np.arange(size)[:, None]
        inner = np.take_along_axis(upper, members.reshape(-1, columns), axis=0).reshape(k, size, columns)
        found: IntArray = chosen * size + inner.argmax(axis=1)
        return found

    def reached(self, upper: Float32, limit: Float32) -> tuple[IntArray, IntArray]:
        """Look at the largest of each `GROUP` rows first."""
        rows, columns = upper.shape
        whole = rows // GROUP * GROUP
        best = upper[:whole].reshape(-1, GROUP, columns).max(axis=1)
        group, column = np.divmod(np.flatnonzero(best >= limit), columns)
        row = (group[:, None] * GROUP + np.arange(GROUP)).ravel()
        column = np.repeat(column, GROUP)
        hit = upper[row, column] >= limit[column]
        row, column = row[hit], column[hit]
        if whole < rows:
            last, at = np.divmod(np.flatnonzero(upper[whole:] >= limit), columns)
            row, column = np.concatenate([row, last + whole]), np.concatenate([column, at])
        return row, column

    def reached_rows(self, upper: Float32, limit: Float32) -> tuple[IntArray, IntArray]:
        """Look at the largest of each `GROUP` columns, `columns // GROUP` apart, first."""
        rows, columns = upper.shape
        apart = columns // GROUP
        whole = apart * GROUP
        best = upper[:, :whole].reshape(rows, GROUP, apart).max(axis=1) if apart else np.empty((rows, 0), np.float32)
        row, at = np.divmod(np.flatnonzero(best >= limit[:, None]), max(apart, 1))
        column = (at[:, None] + np.arange(GROUP) * apart).ravel()
        row = np.repeat(row, GROUP)
        hit = upper[row, column] >= limit[row]
        row, column = row[hit], column[hit]
        if whole < columns:
            last, at = np.divmod(np.flatnonzero(upper[:, whole:] >= limit[:, None]), columns - whole)
            row, column = np.concatenate([row, last]), np.concatenate([column, at + whole])
        return row, column

    def at(self, upper: Float32, row: IntArray, column: IntArray) -> Float32:
        """Return entries of U."""
        entries: Float32 = upper[row, column]
        return entries

    @property
    def _pool(self) -> ThreadPoolExecutor:
        """Threads that are kept, and with them their buffers; a forked process has none of its parent's."""
        if self._made is None or self._made[0] != os.getpid():
            self._made = os.getpid(), ThreadPoolExecutor(self.threads, "ragdiag")
        return self._made[1]

    def each(self, work: Callable[[T], None], tiles: Sequence[T]) -> None:
        """Do tiles side by side; BLAS has one core for each, so that what is not BLAS runs on all of them too.

        Called by the work itself, it does what it is given one after the other.
        """
        with _BLAS.one_thread():
            if min(self.threads, len(tiles)) <= 1 or getattr(self._own, "works", False):
                for tile in tiles:
                    work(tile)
                return

            def noted(tile: T) -> None:
                self._own.works = True
                work(tile)

            waiting = [self._pool.submit(noted, tile) for tile in tiles]
            try:
                for one in waiting:
                    one.result()
            finally:
                for one in waiting:
                    one.cancel()
                wait(waiting)


class _Blas:
    """One thread for BLAS, for as long as anybody in this process wants it so."""

    def __init__(self) -> None:
        self._lock, self._wanted = threading.Lock(), 0
        self._limit: Any = None

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """Keep BLAS to one thread: its own wait for more work busily, and keep cores from others."""
        with self._lock:
            self._wanted += 1
            if self._wanted == 1:
                self._limit = self._libraries.limit(limits=1, user_api="blas")
        try:
            yield
        finally:
            with self._lock:
                self._wanted -= 1
                if self._wanted == 0:
                    self._limit.restore_original_limits()

    @cached_property
    def _libraries(self) -> threadpoolctl.ThreadpoolController:
        return threadpoolctl.ThreadpoolController()


_BLAS = _Blas()


def parts(n: int, threads: int, most: int | None = None) -> list[slice]:
    """Cut n rows into slices of nearly one size, so many that no thread waits for the last.

    Their number is a multiple of `threads`, unless that made slices too short for a fast product.

    Parameters
    ----------
    n, threads : int
    most : int, optional
        Rows in a slice.

    Examples
    --------
    >>> parts(1000, 2)
    [slice(0, 500, None), slice(500, 1000, None)]
    >>> len(parts(9000, 2, most=2000))
    6
    """
    count = -(-n // most) if most else 1
    even = min(-(-count // threads) * threads, n // _FEWEST)
    ends = np.linspace(0, n, max(count, even) + 1).round().astype(int).tolist()
    return [slice(first, stop) for first, stop in pairwise(ends) if stop > first]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


HOST = HostProducts()
"""All cores; for whoever was given no others."""


def rounded_up(values: Float64) -> Float32:
    """Return the values in float32, none of them smaller."""
    with np.errstate(under="ignore"):
        near = values.astype(np.float32)
    return np.where(near < values, np.nextafter(near, np.float32(np.inf)), near)
