"""Does the store's own search find the nearest documents? Held to exact search, query by query."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ragdiag.engine import Progress
from ragdiag.errors import RagdiagError
from ragdiag.geometry.intervals import Z, share_mean, wilson
from ragdiag.retrieval.ann_judge import Asked, Judge
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.statistics.observed import Observed
from ragdiag.stores import SearchableStore, VectorStore
from ragdiag.stores.base import Hits
from ragdiag.types import Float64, IntArray, Measure

NO_SEARCH = "the store has no search of its own"
TARGET = 0.95  # of recall, where no other is given
DOCUMENT, QUERY, UNREACHABLE = "ann.document.recall", "ann.query.recall", "ann.unreachable"
_TOGETHER = 200  # queries of one request: a flat file is read once for each
_WARM = 8  # searches before the clock runs


@dataclass(frozen=True)
class Setting:
    """One setting of the knob.

    Attributes
    ----------
    effort : int
    recall : Measure
    median_ms, p95_ms : float
        Milliseconds of one search, asked one after the other: half, and 95 %, were no slower.
    """

    effort: int
    recall: Measure
    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class AnnCheck:
    """What the store's own search finds.

    Attributes
    ----------
    measures : mapping of str to Measure
        ``ann.document.recall``, ``ann.query.recall``, ``ann.unreachable``.
    main : str
        Which of the recalls counts: that of the queries where some were given.
    unreached : ndarray of int64
        Positions of sampled documents that their own vectors do not find.
    knob : str
        The engine's name of the setting that trades time for recall, "" without one.
    value : int or None
        What it is set to.
    target : float or None
        Which recall was asked for; None when no settings were tried.
    settings : tuple of Setting
        Those that were tried, ascending; none after one that misses nothing.
    notes : tuple of str
        What a reader has to know.
    """

    measures: Mapping[str, Measure]
    main: str = DOCUMENT
    unreached: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    knob: str = ""
    value: int | None = None
    target: float | None = None
    settings: tuple[Setting, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def recall(self) -> Measure:
        """The recall that counts, at the present setting."""
        return self.measures[self.main]

    @property
    def wanted(self) -> float:
        """The target that was given, or .95."""
        return TARGET if self.target is None else self.target

    @property
    def reached(self) -> int | None:
        """The smallest setting whose whole interval reaches the target."""
        low = ((setting.effort, setting.recall.low) for setting in self.settings)
        return next((effort for effort, least in low if least is not None and least >= self.wanted), None)


def queries_for(target: float | None, least: int) -> int:
    """Return how many queries can prove a recall: twice what is needed when nothing is missed.

    Examples
    --------
    >>> queries_for(None, 200), queries_for(0.95, 200), queries_for(0.99, 200)
    (200, 200, 761)
    """
    return least if target is None else max(least, math.ceil(2 * Z**2 * target / (1 - target)))


def check_index(
    store: VectorStore,
    seen: Observed,
    rng: np.random.Generator,
    *,
    queries: int = 200,
    target: float | None = None,
    progress: Progress | None = None,
) -> AnnCheck:
    """Hold the store's own search to exact search.

    A search that fails leaves measures without a value, and a note.

    Parameters
    ----------
    store : VectorStore
    seen : Observed
        With the exact neighbours of drawn documents and of the queries.
    rng : Generator
        Draws queries where there are more than needed.
    queries : int
        Of either kind to search for, when there are so many; more when a high `target` needs them.
    target : float, optional
        Tries the settings of the store's knob, and says which is the smallest that reaches this recall.
    progress : callable, optional
    """
    most = queries_for(target, queries)
    try:
        if not isinstance(store, SearchableStore):
            return _unlooked(NO_SEARCH, target)
        if seen.info.metric is None:
            return _unlooked("the store does not say how it ranks", target)
        documents = _judge(store, seen, _documents(seen, most))
        given = _given(seen, most, rng)
        asked = _judge(store, seen, given) if given is not None else None
        total = len(documents.asked) + (0 if asked is None else len(asked.asked))
        report = _Told(progress, "asking the index", total)
        found = _search(store, documents, report)
        measures = {
            DOCUMENT: share_mean(documents.recall(found), null=1.0),
            QUERY: Measure.missing("no queries were given", null=1.0),
        }
        counts, missed = documents.unreachable(found)
        if counts.any():
            measures[UNREACHABLE] = wilson(int(missed.sum()), int(counts.sum()), null=0.0)
        else:
            why = "no sampled document is among the nearest to its own vector"
            measures[UNREACHABLE] = Measure.missing(why, null=0.0)
        if asked is not None:
            measures[QUERY] = share_mean(asked.recall(_search(store, asked, report)), null=1.0)
        tuning = store.tuning
    except RagdiagError as error:
        return _unlooked(f"its own search failed: {error.message}", target, told=True)
    own = documents.asked.own
    assert own is not None
    judge, main = (documents, DOCUMENT) if asked is None else (asked, QUERY)
    settings, notes = _sweep(store, judge, target, progress) if target is not None else ((), ())
    ghosts = documents.ghosts | (frozenset() if asked is None else asked.ghosts)
    if ghosts:
        number = (
            "1 id that its search gives is" if len(ghosts) == 1 else f"{len(ghosts):,} ids that its search gives are"
        )
        notes = (f"{number} of no document that the store holds; every such hit counts as a miss", *notes)
    return AnnCheck(measures, main, own[missed], tuning.knob, tuning.value, target, settings, notes)


def _unlooked(why: str, target: float | None, *, told: bool = False) -> AnnCheck:
    recall, none = Measure.missing(why, null=1.0), Measure.missing(why, null=0.0)
    note = (f"the index was not checked: {why}",) if told or target is not None else ()
    return AnnCheck({DOCUMENT: recall, QUERY: recall, UNREACHABLE: none}, target=target, notes=note)


def _documents(seen: Observed, most: int) -> Asked:
    """Return the first documents drawn as queries; they are in random order."""
    docs = seen.documents
    near = docs.neighbors
    return Asked(
        docs.queries.vectors[:most],
        Neighbors(near.similarity, near.positions[:most], near.scores[:most]),
        docs.queries.positions[:most],
    )


def _given(seen: Observed, most: int, rng: np.random.Generator) -> Asked | None:
    """Return queries drawn from those given; zero vectors have no nearest document that all engines agree on."""
    if seen.queries is None:
        return None
    near = seen.queries.neighbors
    rows = np.flatnonzero(seen.queries.vectors.any(axis=1))
    rows = np.sort(rng.permutation(rows)[:most])
    return Asked(
        seen.queries.vectors[rows], Neighbors(near.similarity, near.positions[rows], near.scores[rows]).top(seen.k)
    )


def _judge(store: VectorStore, seen: Observed, asked: Asked) -> Judge:
    return Judge(asked, seen.documents.census.ids, seen.info.metric, seen.k, store.fetch)


class _Told:
    """Progress over several searches."""

    def __init__(self, progress: Progress | None, stage: str, total: int) -> None:
        self._progress, self._stage, self._total, self._done = progress, stage, total, 0

    def add(self, number: int) -> None:
        self._done += number
        if self._progress is not None:
            self._progress(self._stage, self._done, self._total)


def _search(store: SearchableStore, judge: Judge, told: _Told) -> list[Hits]:
    hits: list[Hits] = []
    for start in range(0, len(judge.asked), _TOGETHER):
        part = judge.asked.vectors[start : start + _TOGETHER]
        hits += store.search(part, judge.depth)
        told.add(len(part))
    return hits


def _sweep(
    store: SearchableStore, judge: Judge, target: float, progress: Progress | None
) -> tuple[tuple[Setting, ...], tuple[str, ...]]:
    """Try the settings in turn, a query at a time."""
    notes: list[str] = []
    if (most := share_mean(np.ones(len(judge.asked))).low) is None or most < target:
        notes.append(f"{len(judge.asked)} queries cannot prove a recall of {target:g}; more of them could")
    tried: list[Setting] = []
    try:
        tuning = store.tuning
        efforts = sorted({*tuning.values, *([tuning.value] if tuning.knob and tuning.value else [])})
        if not efforts:
            notes.append("no setting was tried: the store's search has none")
        told = _Told(progress, f"trying {tuning.knob}", len(efforts) * len(judge.asked))
        for effort in efforts:
            hits, seconds = _timed(store, judge, effort, told)
            recall = share_mean(judge.recall(hits), null=1.0)
            median, most_of_them = np.quantile(seconds, [0.5, 0.95])
            tried.append(Setting(effort, recall, 1000 * float(median), 1000 * float(most_of_them)))
            if recall.value == 1:
                break
    except RagdiagError as error:
        notes.append(f"the index could not be tried any further: {error.message}")
    return tuple(tried), tuple(notes)


def _timed(store: SearchableStore, judge: Judge, effort: int, told: _Told) -> tuple[list[Hits], Float64]:
    """Return the hits and the seconds of each query, asked one after the other once the store is warm."""
    vectors, hits = judge.asked.vectors, []
    for row in range(min(_WARM, len(vectors))):
        store.search(vectors[row : row + 1], judge.depth, effort=effort)
    seconds = np.empty(len(vectors))
    for row in range(len(vectors)):
        started = time.perf_counter()
        hits += store.search(vectors[row : row + 1], judge.depth, effort=effort)
        seconds[row] = time.perf_counter() - started
        told.add(1)
    return hits, seconds
