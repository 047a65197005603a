"""Which cause a relevant document has for not being found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.retrieval.losses import Cause
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.types import IntArray


@dataclass(frozen=True)
class Found:
    """The lists that a loss is looked for in; all of the same m queries.

    Attributes
    ----------
    exact : Neighbors
        By exact search under the store's own similarity; deeper than k, for counterfactuals.
    delivered : Neighbors or None
        By the store's own approximate search; None: it is exact.
    candidates : sequence of Neighbors
        Under other similarities, those first that are preferred: the winner.
    lexical : Neighbors or None
        By BM25.
    duplicates : ndarray of int64, shape (n,), or None
        Equal for near-duplicates; see `near_duplicate_groups`.
    """

    exact: Neighbors
    delivered: Neighbors | None = None
    candidates: Sequence[Neighbors] = ()
    lexical: Neighbors | None = None
    duplicates: IntArray | None = None


def cause_of(
    found: Found,
    query: int,
    position: int,
    own: Mapping[int, int],
    k: int,
    hubs: frozenset[int],
    findable: NDArray[np.bool_],
) -> tuple[Cause, str, tuple[int, ...]]:
    """Return why a relevant document is not in the top k that was delivered; see `attribute`.

    Parameters
    ----------
    found : Found
    query : int
        Row of the lists.
    position : int
        Of the document; negative when it is not in the store.
    own : mapping of int to int
        Position to grade, of all that is relevant to this query.
    k : int
    hubs : set of int
        Their positions.
    findable : ndarray of bool, shape (n,)

    Returns
    -------
    Cause
    str
        The similarity that finds it, "" otherwise.
    tuple of int
        Positions that hold its place, best first.
    """
    ranked = [p for p in found.exact.positions[query].tolist() if p >= 0]
    wrong = tuple(p for p in ranked[:k] if p not in own)
    if position < 0 or not findable[position]:
        return Cause.ABSENT, "", wrong
    delivered = (found.delivered or found.exact).positions[query, :k].tolist()
    if len(delivered) == k and all(p >= 0 and p in own for p in delivered):
        return Cause.FULL, "", ()
    rank = rank_in(found.exact.positions[query], position)
    if rank is not None and rank <= k:
        return Cause.APPROXIMATE, "", tuple(p for p in delivered if p >= 0 and p not in own)
    above = ranked if rank is None else ranked[: rank - 1]
    in_the_way = tuple(p for p in above if p in hubs and p not in own)
    if rank is not None and rank - len(in_the_way) <= k:
        return Cause.HUBS, "", in_the_way
    repeats = _repeats(found.duplicates, above, position, rank, k)
    if repeats is not None:
        return Cause.DUPLICATES, "", repeats
    for run in found.candidates:
        if position in run.positions[query, :k]:
            return Cause.SIMILARITY, run.similarity, wrong
    if found.lexical is not None and position in found.lexical.positions[query, :k]:
        return Cause.LEXICAL, "", wrong
    return Cause.HARD, "", wrong


def _repeats(
    groups: IntArray | None, above: Sequence[int], position: int, rank: int | None, k: int
) -> tuple[int, ...] | None:
    """Return what repeats others in the list `above`, when without it the document or its copy is in the top k."""
    if groups is None:
        return None
    own = int(groups[position])
    seen: set[int] = set()
    repeats: list[int] = []
    for other in above:
        group = int(groups[other])
        if group == own:  # the copy takes the place of the document itself
            return (other, *repeats) if len(seen) < k else None
        if group in seen:
            repeats.append(other)
        seen.add(group)
    return tuple(repeats) if rank is not None and len(seen) < k else None


def rank_in(row: IntArray, position: int) -> int | None:
    """Return the place of a document in a list, from 1; None when it is not in it.

    Examples
    --------
    >>> rank_in(np.array([7, 3, -1]), 3), rank_in(np.array([7, 3, -1]), -1)
    (2, None)
    """
    at = np.flatnonzero((row == position) & (row >= 0))
    return int(at[0]) + 1 if len(at) else None
