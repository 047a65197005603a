"""Several passes over one store have to see the same documents in the same order."""

from __future__ import annotations

import hashlib

from ragdiag.engine.base import Block
from ragdiag.errors import StoreError


class SamePasses:
    """A step for every pass over a store, which notices that somebody wrote to it in between.

    Results of different passes are joined by position, so that one document more would move all numbers.

    Parameters
    ----------
    name : str
        Of the store.

    Examples
    --------
    >>> from ragdiag.engine import LocalEngine
    >>> from ragdiag.stores import ArrayStore
    >>> import numpy as np
    >>> same = SamePasses("store")
    >>> for rows in (3, 4):
    ...     read = LocalEngine().run(ArrayStore(np.eye(rows)), [same])
    ...     same.check()
    Traceback (most recent call last):
    ragdiag.errors.StoreError: store was written to while it was read (3 documents, then 4): ...
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._first: tuple[int, bytes] | None = None
        self._begin()

    def _begin(self) -> None:
        self._rows = 0
        self._hash = hashlib.blake2b(digest_size=16)

    def step(self, block: Block) -> None:
        """Take in one block."""
        self._rows += len(block.batch)
        # A zero byte after every id, so that blocks of any size add up to the same.
        self._hash.update("\0".join([*block.batch.ids, ""]).encode("utf-8", "surrogatepass"))

    def check(self) -> None:
        """End a pass; a `StoreError` when it was not like the first one."""
        seen = self._rows, self._hash.digest()
        self._first = self._first or seen
        if seen != self._first:
            rows = f"{self._first[0]:,} documents, then {seen[0]:,}" if seen[0] != self._first[0] else "other documents"
            raise StoreError(
                f"{self._name} was written to while it was read ({rows})",
                hint="try again when nobody writes, or on a copy",
            )
        self._begin()
