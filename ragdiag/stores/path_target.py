"""A new store that is one file or one folder: what writing those has in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from ragdiag.errors import ConfigError
from ragdiag.stores.base import EVERYTHING, Draft, NewStore
from ragdiag.stores.replace import check_replaceable, is_taken, put, replacing, staging
from ragdiag.stores.uri import moved, without_credentials
from ragdiag.types import Batch, Metric

ANY_METRIC: frozenset[Metric | None] = frozenset({None, *Metric})


@dataclass(frozen=True)
class PathTarget:
    """A `Target` on disk, written beside its place and put there whole; subclasses say how it is filled.

    Attributes
    ----------
    rest : str
        The path, as it stands in the URI.
    folder : bool
        Whether the store is a folder.
    keeps : frozenset of str
    metrics : frozenset of Metric or None
    """

    rest: str
    folder: ClassVar[bool] = False
    keeps: ClassVar[frozenset[str]] = EVERYTHING
    metrics: ClassVar[frozenset[Metric | None]] = ANY_METRIC

    def __post_init__(self) -> None:
        if not self.rest:
            raise ConfigError("the new store has no path", hint="give one after the scheme")

    @property
    def name(self) -> str:
        """The path as it was given."""
        return without_credentials(self.rest)

    @property
    def path(self) -> str:
        """The path with ``~`` expanded."""
        return os.path.expanduser(self.rest)

    def exists(self) -> bool:
        """Whether there is a file, or a folder that is not empty."""
        return is_taken(self.path, folder=self.folder)

    def write(self, batches: Iterator[Batch], new: NewStore) -> None:
        """Write the store beside its place and put it there when it is whole."""
        self._refuse(overwrite=new.overwrite)
        with replacing(self.path, folder=self.folder, overwrite=new.overwrite, belongs=self._belongs) as draft:
            self._fill(draft, batches, new)
            self._refuse(overwrite=new.overwrite)

    @contextmanager
    def draft(self, uri: str, *, overwrite: bool) -> Iterator[Draft]:
        """Give a place in a hidden folder beside it."""
        self._refuse(overwrite=overwrite)
        with staging(self.path) as work:
            check_replaceable(self.path, folder=self.folder, overwrite=overwrite, belongs=self._belongs)
            draft = os.path.join(work, os.path.basename(os.path.realpath(self.path)))

            def place() -> None:
                self._refuse(overwrite=overwrite)
                put(draft, self.path, folder=os.path.isdir(draft), overwrite=overwrite)

            yield Draft(moved(uri, draft), place)

    def _refuse(self, *, overwrite: bool) -> None:
        """Raise when what is there must not be replaced; asked before the work, and again when the store is whole."""

    def _belongs(self, name: str) -> bool:
        """Whether a name in the folder that is replaced belongs to the store."""
        return False

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        """Write all batches to the file, or into the folder, `draft`."""
        raise NotImplementedError
