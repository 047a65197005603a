"""What retrieval loses on labelled queries, cause by cause."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Cause(enum.Enum):
    """Why a relevant document is not in the top k; the first that holds is taken.

    See `ragdiag.retrieval.attribution.attribute` for when each holds.
    """

    ABSENT = "not in the store"
    FULL = "no place left"
    APPROXIMATE = "missed by the store's own search"
    HUBS = "outranked by hubs"
    DUPLICATES = "crowded out by near-duplicates"
    SIMILARITY = "found under another similarity"
    LEXICAL = "found by BM25 only"
    HARD = "hard"


@dataclass(frozen=True)
class CauseLoss:
    """What one cause costs.

    Attributes
    ----------
    cause : Cause
    pairs : int
        Relevant documents, query by query, that are missing for this cause.
    loss : float
        Mean over all queries, in units of the metric; 0 … 1.
    expected : float or None
        For hubs: the pairs that would be put down to them if as many documents were called hubs at
        random. None for the other causes, which have no such null.
    via : mapping of str to int
        For another similarity: pairs by the name of the first that finds them.
    """

    cause: Cause
    pairs: int
    loss: float
    expected: float | None
    via: Mapping[str, int]


@dataclass(frozen=True)
class Listed:
    """A document that holds a place, by its id, and in how many lists it stands without being relevant."""

    document: str
    lists: int


@dataclass(frozen=True)
class Offender:
    """One relevant document that is missing.

    Attributes
    ----------
    query, text : str
        Its id, and what it asks ("" where there is no text).
    document : str
        Id of the relevant document.
    rank : int or None
        Its place under exact search, from 1; None when it is not in the list at all.
    loss : float
        Its part of the loss of this query, in units of the metric.
    via : str
        The similarity that finds it; "" for other causes than that.
    instead : tuple of Listed
        What holds its place: the hubs or the repeats above it; for other causes the first hits that
        are not relevant.
    """

    query: str
    text: str
    document: str
    rank: int | None
    loss: float
    via: str
    instead: tuple[Listed, ...]


@dataclass(frozen=True)
class Losses:
    """The loss decomposition of one run: ``low_ranked + Σ loss of causes = total``, exactly.

    Attributes
    ----------
    metric : str
    k : int
        Its cutoff.
    queries : int
    pairs : int
        Relevant documents, query by query.
    missing : int
        Those that are not in the top k.
    attainable, score, total : float
        Means over the queries: of what the best possible list scores, of what was scored, and their
        difference.
    low_ranked : float
        The part of `total` that is due to documents in the top k, but not on top.
    causes : tuple of CauseLoss
        All of them, in the order of `Cause`.
    untested : tuple of Cause
        Those that nobody could look for, since a run, texts or vectors were not given; their pairs are
        among the later causes.
    hubs : tuple of Listed
        The documents that are hubs, most often listed first.
    offenders : mapping of Cause to tuple of Offender
        The costliest pairs.
    texts : mapping of str to str
        The start of the stored text, untrusted, of documents that are named here, by id; empty for a store without
        texts.
    """

    metric: str
    k: int
    queries: int
    pairs: int
    missing: int
    attainable: float
    score: float
    total: float
    low_ranked: float
    causes: tuple[CauseLoss, ...]
    untested: tuple[Cause, ...]
    hubs: tuple[Listed, ...]
    offenders: Mapping[Cause, tuple[Offender, ...]]
    texts: Mapping[str, str] = field(default_factory=dict)

    def share(self, loss: float) -> float:
        """Return a part of the loss as a share of all of it, 0 … 1; 0 where nothing is lost.

        Examples
        --------
        >>> Losses("R@10", 10, 1, 2, 1, 1.0, 0.5, 0.5, 0.0, (), (), (), {}).share(0.25)
        0.5
        """
        return loss / self.total if self.total > 0 else 0.0
