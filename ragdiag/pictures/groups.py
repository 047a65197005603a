"""Are all languages, sources and lengths found alike? Documents by a key of their metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ragdiag.geometry.intervals import mean_interval
from ragdiag.types import Float64, IntArray, Measure

LANGUAGES = ("language", "lang", "locale")
SOURCES = (
    "source",
    "file",
    "filename",
    "file_name",
    "path",
    "url",
    "collection",
    "category",
    "section",
    "type",
    "title",
)
LENGTH = "text length"
MOST = 12  # groups shown; the others are counted
_MOST_VALUES = 0.5  # of the documents: a key with more values than that is no group
_COVERED = 0.5
_KEYS_NAMED = 12
_NAME = 80


@dataclass(frozen=True)
class Group:
    """The sampled documents that have one value.

    Attributes
    ----------
    name : str
        The value, untrusted.
    documents : int
        Sampled.
    listed : Measure
        Mean N_k over that of all sampled documents, with the t interval over documents; null 1.
    orphans : float
        Share that is in no list.
    length : float or None
        Median length of the texts in characters.
    """

    name: str
    documents: int
    listed: Measure
    orphans: float
    length: float | None


@dataclass(frozen=True)
class Groups:
    """The sampled documents by one key.

    Attributes
    ----------
    key : str
        Of the metadata, untrusted; ``"text length"`` for quarters of the texts by length.
    asked : bool
        Whether somebody asked for it; guessed by its name otherwise.
    groups : tuple of Group
        The largest first, at most twelve.
    left_out : int
        Further groups.
    without : int
        Sampled documents that have no such value.
    """

    key: str
    asked: bool
    groups: tuple[Group, ...]
    left_out: int
    without: int


def groups(
    metadata: Sequence[Mapping[str, Any] | None],
    texts: Sequence[str | None],
    listed: IntArray,
    *,
    key: str = "",
) -> tuple[tuple[Groups, ...], str]:
    """Return the groups by the key asked for, or by keys guessed by their names; and by length.

    Parameters
    ----------
    metadata, texts : sequences, length s
        Of the sampled documents; no metadata where the store has none.
    listed : ndarray of int64, shape (s,)
        N_k.
    key : str
        "" to guess.

    Returns
    -------
    tuple of Groups
    str
        What a reader has to know, such as that no document has the key; or "".
    """
    lengths = np.array([np.nan if text is None else len(text.strip()) for text in texts])
    found: list[Groups] = []
    note = ""
    held = _keys(metadata)
    if key:
        by_key = _by_key(key, metadata, lengths, listed, asked=True) if key in held else None
        if by_key is None:
            others = ", ".join(repr(name) for name in list(held)[:_KEYS_NAMED]) or "none"
            note = f"No sampled document has the metadata key {key!r}; keys that there are: {others}."
        else:
            found.append(by_key)
    else:
        for names in (LANGUAGES, SOURCES):
            lowered = {name.casefold(): name for name in reversed(held)}
            candidates = (lowered[name] for name in names if name in lowered)
            guessed = (_by_key(name, metadata, lengths, listed, asked=False) for name in candidates)
            found.extend([one for one in guessed if one is not None and _tells(one, len(listed))][:1])
    by_length = _by_length(lengths, listed)
    return (*found, *([by_length] if by_length else [])), note


def _keys(metadata: Sequence[Mapping[str, Any] | None]) -> list[str]:
    return list(dict.fromkeys(name for entry in metadata[:1000] for name in entry or () if isinstance(name, str)))


def _tells(found: Groups, n: int) -> bool:
    """Whether a guessed key parts the documents: at least two groups, of several documents each, over half of all."""
    several = len(found.groups) + found.left_out
    return 2 <= several <= max(_MOST_VALUES * n / 2, 2) and found.without <= (1 - _COVERED) * n


def _by_key(
    key: str, metadata: Sequence[Mapping[str, Any] | None], lengths: Float64, listed: IntArray, *, asked: bool
) -> Groups | None:
    values = [None if entry is None else entry.get(key) for entry in metadata]
    names = [str(v)[:_NAME] if isinstance(v, str | int | float | bool) and v != "" else None for v in values]
    members: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        if name is not None:
            members.setdefault(name, []).append(row)
    if not members:
        return None
    largest = sorted(members, key=lambda name: (-len(members[name]), name))
    shown = tuple(_group(name, np.array(members[name]), lengths, listed) for name in largest[:MOST])
    return Groups(key, asked, shown, max(len(largest) - MOST, 0), sum(name is None for name in names))


def _by_length(lengths: Float64, listed: IntArray) -> Groups | None:
    known = np.flatnonzero(np.isfinite(lengths))
    if len(known) < 40:
        return None
    cuts = np.quantile(lengths[known], [0.25, 0.5, 0.75])
    quarter = np.searchsorted(cuts, lengths[known], side="left")
    shown = []
    for part in np.unique(quarter):
        rows = known[quarter == part]
        low, high = int(lengths[rows].min()), int(lengths[rows].max())
        shown.append(_group(f"{low:,} to {high:,} characters", rows, lengths, listed))
    return Groups(LENGTH, False, tuple(shown), 0, len(lengths) - len(known)) if len(shown) > 1 else None


def _group(name: str, rows: IntArray, lengths: Float64, listed: IntArray) -> Group:
    mean = max(float(listed.mean()), 1e-12)
    own = lengths[rows]
    return Group(
        name=name,
        documents=len(rows),
        listed=mean_interval(listed[rows] / mean, null=1.0),
        orphans=float(np.mean(listed[rows] == 0)),
        length=float(np.nanmedian(own)) if np.isfinite(own).any() else None,
    )
