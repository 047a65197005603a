"""Reading that overlaps with what is done with what was read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(batches: Iterator[T]) -> Iterator[T]:
    """Yield the same, with the next one made by a thread of its own while the caller is busy with the last.

    It pays where making a batch is work, as decoding Parquet is, and not where it is a copy. The iterator is
    consumed by that one thread from beginning to end, so that a connection it opens never changes threads; one that
    was opened elsewhere may not like it. What it raises is raised here, after all that came before. The thread ends
    with the last batch, and when the caller stops early, is interrupted or lets go of this generator: at most
    the batch in the making is waited for.

    Examples
    --------
    >>> list(ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    end = object()

    def following() -> object:
        return next(batches, end)

    with ThreadPoolExecutor(1, thread_name_prefix="ragdiag-ahead") as thread:
        coming = thread.submit(following)
        while (batch := coming.result()) is not end:
            coming = thread.submit(following)
            yield batch  # type: ignore[misc]  # it is no `end`
