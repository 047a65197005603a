"""A new store that is a collection of a running engine: what writing those has in common."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar

from ragdiag.errors import ConfigError, TargetExistsError
from ragdiag.stores.base import EVERYTHING, Draft, NewStore
from ragdiag.stores.path_target import ANY_METRIC
from ragdiag.stores.uri import with_option
from ragdiag.types import Batch, Metric

DRAFT = "ragdiag_draft_"  # what a killed run leaves begins so


@dataclass(frozen=True)
class CollectionTarget:
    """A `Target` inside an engine, filled under another name and then renamed; subclasses say how.

    An engine that cannot rename in one step says in its documentation what there is in between.

    Attributes
    ----------
    collection : str
        Of the new store.
    option : str
        The option of the URI that names it.
    keeps : frozenset of str
    metrics : frozenset of Metric or None
    """

    collection: str
    option: ClassVar[str] = "collection"
    keeps: ClassVar[frozenset[str]] = EVERYTHING
    metrics: ClassVar[frozenset[Metric | None]] = ANY_METRIC

    def __post_init__(self) -> None:
        if not self.collection:
            raise ConfigError(f"the new {self.option} has no name", hint=f"add ?{self.option}=NAME")

    @property
    def name(self) -> str:
        """The place and the collection, as `StoreInfo.name` of the store opened there; without credentials."""
        raise NotImplementedError

    @property
    def path(self) -> None:
        """None: it is inside an engine."""
        return

    def exists(self) -> bool:
        """Whether there is a collection of this name."""
        return self.collection in self._collections()

    def write(self, batches: Iterator[Batch], new: NewStore) -> None:
        """Fill a collection under another name and give it this one when it is whole."""
        draft = _hidden()
        try:
            self._fill(draft, batches, new)
            self._place(draft, overwrite=new.overwrite)
        except BaseException:
            with suppress(Exception):  # what went wrong first is what is told
                self._drop(draft)
            raise

    @contextmanager
    def draft(self, uri: str, *, overwrite: bool) -> Iterator[Draft]:
        """Give another name in the same engine."""
        draft = _hidden()
        placed = False

        def place() -> None:
            nonlocal placed
            self._place(draft, overwrite=overwrite)
            placed = True

        try:
            yield Draft(with_option(uri, self.option, draft), place)
        finally:
            if not placed:
                with suppress(Exception):
                    self._drop(draft)

    def _place(self, draft: str, *, overwrite: bool) -> None:
        if not overwrite and self.exists():
            raise TargetExistsError(f"{self.name} exists", hint="name another target, or replace it with --overwrite")
        self._rename(draft)

    def _collections(self) -> set[str]:
        """Return the names that are taken."""
        raise NotImplementedError

    def _fill(self, collection: str, batches: Iterator[Batch], new: NewStore) -> None:
        """Make this collection and write all batches to it."""
        raise NotImplementedError

    def _rename(self, draft: str) -> None:
        """Give the collection `draft` the name `collection`, in the place of the one that has it."""
        raise NotImplementedError

    def _drop(self, collection: str) -> None:
        """Remove a collection; nothing happens when there is none."""
        raise NotImplementedError


def _hidden() -> str:
    return DRAFT + secrets.token_hex(4)
