"""Where the judged documents stand in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ragdiag.engine.base import Block
from ragdiag.errors import JudgementsError, StoreError
from ragdiag.retrieval.judgements import Judgements
from ragdiag.types import IntArray, StoreInfo


class FindIds:
    """Notes where the judged documents are, while the store is read."""

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted
        self.positions: dict[str, int] = {}

    def step(self, block: Block) -> None:
        """Take in one block."""
        for i, id_ in enumerate(block.batch.ids):
            if id_ in self._wanted:
                self.positions[id_] = block.start + i


class IdsStep:
    """Notes the ids of all documents, in scan order."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def step(self, block: Block) -> None:
        """Take in one block."""
        self.ids += block.batch.ids


def in_order_of(positions: IntArray, ids: Sequence[str], source: Sequence[str]) -> IntArray:
    """Translate rows of a store to those of another, which holds the same documents in an order of its own.

    Parameters
    ----------
    positions : ndarray of int64
        Rows of the one; -1 stays.
    ids, source : sequence of str
        The ids of both, in scan order.

    Examples
    --------
    >>> in_order_of(np.array([[0, 2, -1]]), ["a", "b", "c"], ["c", "b", "a"]).tolist()
    [[2, 0, -1]]
    """
    if ids == source:
        return positions
    row = {id_: at for at, id_ in enumerate(source)}
    moved: IntArray = np.array([*(row.get(id_, -1) for id_ in ids), -1], dtype=np.int64)[positions]
    return moved


def refuse_duplicate_ids(ids: Sequence[str], name: str) -> None:
    """Raise a `StoreError` when an id stands for two vectors."""
    if len(set(ids)) == len(ids):
        return
    known: set[str] = set()
    repeated = [id_ for id_ in ids if id_ in known or known.add(id_)]  # type: ignore[func-returns-value]
    raise StoreError(
        f"{name} has {len(repeated):,} repeated ids, such as {repeated[0]!r}",
        hint="give every vector its own id",
    )


def positions_of(
    judged: Mapping[str, int], labels: Judgements | None, info: StoreInfo
) -> tuple[Mapping[int, int], ...] | None:
    """Translate judged ids to positions; documents that are not in the store get negative ones."""
    if labels is None:
        return None
    asked = labels.document_ids()
    if not asked:
        raise JudgementsError(f"{labels.name} judges no document relevant", hint="give grades of 1 or more")
    if not judged:
        raise JudgementsError(
            f"none of the {len(asked):,} judged ids, such as {min(asked)!r}, is in {info.name}",
            hint="the judgements belong to another store, or to one that was ingested with other ids",
        )
    unknown = {id_: -2 - i for i, id_ in enumerate(unknown_ids(judged, labels))}
    return tuple(
        {judged.get(id_, unknown.get(id_, -1)): grade for id_, grade in graded.items()} for graded in labels.relevant
    )


def unknown_ids(judged: Mapping[str, int], labels: Judgements) -> list[str]:
    """Return the judged ids that are not in the store: the document at position −2 − i of `positions_of` is the i-th.

    Examples
    --------
    >>> labels = Judgements("here", ("q1",), ("how?",), ({"a": 1, "c": 1, "b": 1},))
    >>> unknown_ids({"b": 7}, labels)
    ['a', 'c']
    """
    return sorted(labels.document_ids() - set(judged))
