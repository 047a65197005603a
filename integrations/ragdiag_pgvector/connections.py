"""The connections of one open store: one per pass, one that is kept for searches, all ended by closing it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from ragdiag_pgvector.address import Address, load_psycopg

_Found = TypeVar("_Found")


class Connections:
    """Connections to a database, for the store that `name` names; from any thread.

    Parameters
    ----------
    address : Address
    name : str
        Without credentials.
    """

    def __init__(self, address: Address, name: str) -> None:
        self._address, self._name = address, name
        self._open: set[Any] = set()
        self._guard, self._turn = threading.Lock(), threading.Lock()
        self._kept: Any = None

    @contextmanager
    def one(self) -> Iterator[Any]:
        """Connect for the length of a block, as `Address.connected`."""
        with self._address.connected(self._name) as connection:
            with self._guard:
                self._open.add(connection)
            try:
                yield connection
            finally:
                self._forget(connection)

    def kept(self, work: Callable[[Any], _Found]) -> _Found:
        """Return what `work` finds in a transaction of the connection that is kept, one caller at a time.

        The first call makes it, and one that finds that the server has ended it since makes another. However
        `work` fails, the connection is closed.
        """
        errors = load_psycopg()
        with self._turn, self._address.telling(self._name):
            while True:
                connection, fresh = self._kept, self._kept is None
                if fresh:
                    connection = self._kept = self._address.connect()
                    with self._guard:
                        self._open.add(connection)
                try:
                    found = work(connection)
                    connection.commit()
                except BaseException as error:
                    ended = isinstance(error, errors.OperationalError) and connection.broken
                    self._forget(connection)
                    connection.close()
                    if fresh or not ended:
                        raise
                else:
                    return found

    def close(self) -> None:
        """End all connections; what runs on one in another thread is cancelled. Later calls make new ones."""
        with self._guard:
            ending, self._kept = list(self._open), None
            self._open.clear()
        for connection in ending:
            if connection.info.transaction_status == load_psycopg().pq.TransactionStatus.ACTIVE:
                with suppress(Exception):  # the server may be gone
                    connection.cancel()
            with connection.lock:  # libpq must not lose what a query of another thread is waiting on
                connection.close()

    def _forget(self, connection: Any) -> None:
        with self._guard:
            self._open.discard(connection)
            if self._kept is connection:
                self._kept = None
