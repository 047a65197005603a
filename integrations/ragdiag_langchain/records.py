"""The record of a running application's retrievals."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragdiag.errors import ConfigError, RecordError
from ragdiag_langchain.traffic import MOST_SOURCES, MOST_UNREACHED, OTHERS, Retrieval, Traffic

if TYPE_CHECKING:
    from ragdiag.plan import Plan
    from ragdiag.report.model import Report

_log = logging.getLogger("ragdiag_langchain")


class RetrievalRecord:
    """What is known of the retrievals of an application, in bounded memory, however long it runs.

    Filled by `diagnose` and by `RetrievalRecorder`, from any number of threads and tasks. Whatever goes wrong in it
    is logged once, to the logger ``ragdiag_langchain``, and never reaches the application.

    Every retriever or store is a source of its own, up to 50 of them; later ones are counted together, as
    ``"others"``. Of each source, counts run over all retrievals (how many, which
    failed and how, which were empty, how long they took, how often each document was listed), and a uniform
    sample of the retrievals is kept whole, with the words of the query and the start of the texts: handle a saved
    record as you handle the queries of your users. It keeps no store and no retriever alive: when the application has
    let go of one, its report rests on the lists alone, unless the store is given, and the next one of its class takes
    its name.

    Parameters
    ----------
    reservoir : int
        Retrievals kept whole, of each source. 2,000 of dimension 384 with lists of ten take about 10 MB.
    capacity : int
        Documents whose counts are exact, of each source. Beyond twice as many a summary takes over, whose counts may
        be too small by at most 1 in `capacity` of all places; see `ragdiag_langchain.sketches.FrequentItems`.
    rng : numpy.random.Generator, optional
        Draws the sample. Give one seed to have the same sample again; give each process another one.

    Attributes
    ----------
    unreached : tuple of str
        What `diagnose` could not reach inside.

    Examples
    --------
    >>> record = RetrievalRecord(rng=np.random.default_rng(0))
    >>> record.add("FAISS", Retrieval("where is it?", ids=("a", "b"), scores=(0.9, 0.7), direction="higher"))
    >>> record.sources, record.retrievals()[0].ranks
    (('FAISS',), {'b': 2, 'a': 1})
    """

    def __init__(
        self, *, reservoir: int = 2_000, capacity: int = 100_000, rng: np.random.Generator | None = None
    ) -> None:
        for name, value in (("reservoir", reservoir), ("capacity", capacity)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"{name} is {value!r}", hint="give a whole number, at least 1")
        self.unreached: tuple[str, ...] = ()
        self._sizes = (capacity, reservoir)
        self._rng = rng if rng is not None else np.random.default_rng()
        self._lock = threading.Lock()
        self._traffic: dict[str, Traffic] = {}
        # By source, the object and its view; weak, since a record keeps no store alive.
        self._objects: dict[str, tuple[Callable[[], Any], ...]] = {}
        self._failed = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The stores and retrievers that were asked, the busiest first."""
        with self._lock:
            return tuple(sorted(self._traffic, key=lambda name: (-self._traffic[name].asked, name)))

    @property
    def asked(self) -> int:
        """How many retrievals were recorded."""
        with self._lock:
            return sum(traffic.asked for traffic in self._traffic.values())

    def add(self, source: str, retrieval: Retrieval, *, vector: Any = None, texts: Sequence[str] = ()) -> None:
        """Record one retrieval.

        Parameters
        ----------
        source : str
        retrieval : Retrieval
        vector : array-like, shape (d,), optional
            Of the query; read only if this retrieval is kept whole.
        texts : sequence of str
            Of the documents.
        """
        with self._lock:
            traffic = self._of(source)
            traffic.add(retrieval, float(self._rng.random()), vector=vector, texts=texts)

    def retrievals(self, source: str | None = None) -> tuple[Retrieval, ...]:
        """Return the retrievals that were kept whole, a uniform sample of all, in the order in which they came."""
        name = self._named(source)
        with self._lock:
            return self._traffic[name].retrievals()

    def report(self, *, source: str | None = None, store: Any = None, plan: Plan | None = None) -> Report:
        """Say what is wrong, from the live traffic.

        Where the store can be opened it is audited, with the recorded query vectors as the queries; hubs are those
        of the lists that the application really got. Where it cannot, hubs are counted among the documents seen.

        Parameters
        ----------
        source : str, optional
            Of `sources`; the busiest when not given.
        store : str, path or object, optional
            As for `ragdiag.audit`; the one that was recorded when not given.
        plan : Plan, optional
            Its `k` is not used: lists have the length that the application asks for.

        Returns
        -------
        Report
            With ``traffic.*`` among the measures.

        Raises
        ------
        RecordError
            When nothing was recorded, or not under that name.
        """
        from ragdiag_langchain.live_report import live_report

        name = self._named(source)
        with self._lock:
            traffic = Traffic(*self._sizes)
            traffic.merge(self._traffic[name])  # a copy, so that recording goes on meanwhile
            if store is None and name in self._objects:
                store = self._objects[name][0]()
        others = [other for other in self.sources if other != name]
        return live_report(traffic, source=name, others=others, unreached=self.unreached, store=store, plan=plan)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the record to one JSON file, whole or not at all; the same bytes for the same record.

        Raises
        ------
        TargetExistsError
            When there is something, unless `overwrite`.
        """
        from ragdiag.stores.replace import replacing
        from ragdiag_langchain.saved_record import to_bytes

        with self._lock:
            content = to_bytes(self._sizes, self.unreached, self._traffic)
        with replacing(os.fspath(path), folder=False, overwrite=overwrite) as draft:
            Path(draft).write_bytes(content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, rng: np.random.Generator | None = None) -> RetrievalRecord:
        """Return the record that `save` wrote; more can be recorded into it.

        Raises
        ------
        RecordError
            When the file is missing, damaged, or no record. Nothing in it is run.
        """
        from ragdiag_langchain.saved_record import read

        sizes, unreached, traffic = read(Path(path))
        record = cls(capacity=sizes[0], reservoir=sizes[1], rng=rng)
        record._traffic, record.unreached = traffic, unreached
        return record

    @classmethod
    def merged(cls, records: Iterable[RetrievalRecord], *, rng: np.random.Generator | None = None) -> RetrievalRecord:
        """Return one record of what several processes have recorded; sources of one name become one.

        The sample of the whole is as uniform as if one process had seen it all.

        Raises
        ------
        RecordError
            When there is none.
        """
        parts = list(records)
        if not parts:
            raise RecordError("there is no record to merge", hint="give at least one")
        capacity, reservoir = (max(part._sizes[i] for part in parts) for i in (0, 1))
        # A sample of 100 merged with one of 2,000 is uniform only as far as both go.
        full = [r._sizes[1] for r in parts if any(len(t.sample) >= r._sizes[1] for t in r._traffic.values())]
        whole = cls(capacity=capacity, reservoir=min([reservoir, *full]), rng=rng)
        for part in parts:
            with part._lock:
                for name, traffic in part._traffic.items():
                    whole._of(name).merge(traffic)
                for name, objects in part._objects.items():
                    if name in whole._traffic:
                        whole._objects.setdefault(name, objects)
            whole.not_reached(part.unreached)
        return whole

    def source_of(self, obj: Any, name: str) -> str:
        """Return the name under which `obj` is recorded: `name`, with a number where another object has it.

        The name of an object that is no more goes to the next one, as where a retriever is made for each request.
        Beyond `MOST_SOURCES` objects at a time it is ``"others"``.
        """
        with self._lock:
            names = [name, *(f"{name} {number}" for number in range(2, MOST_SOURCES + 1))]
            had = {tried: [held() for held in self._objects.get(tried, ())] for tried in names}
            same = (tried for tried, objects in had.items() if objects and objects[0] is obj)
            free = (tried for tried, objects in had.items() if not any(each is not None for each in objects))
            chosen = next(same, None) or next(free, OTHERS)
            if chosen not in self._objects and len(self._objects) >= MOST_SOURCES:
                chosen = OTHERS
            if chosen != OTHERS:
                self._objects[chosen] = (_weakly(obj),)
            return chosen

    def seen_as(self, source: str, view: Any) -> None:
        """Note the view of what is recorded as `source`, which keeps that name while it is in use."""
        with self._lock:
            if source in self._objects:
                self._objects[source] = (self._objects[source][0], _weakly(view))

    def not_reached(self, parts: Iterable[str]) -> None:
        """Note what `diagnose` could not reach, each once."""
        self.unreached = tuple(dict.fromkeys([*self.unreached, *parts]))[:MOST_UNREACHED]

    def failed(self) -> None:
        """Log the exception that is being handled, once."""
        if not self._failed:
            self._failed = True
            _log.warning("a retrieval could not be recorded; this is said once", exc_info=True)

    def _of(self, source: str) -> Traffic:
        """Return what is known of a source; further ones than can be told apart are one."""
        found = self._traffic.get(source)
        if found is None:
            if len(self._traffic.keys() - {OTHERS}) >= MOST_SOURCES:
                source = OTHERS
            found = self._traffic.setdefault(source, Traffic(*self._sizes))
        return found

    def _named(self, source: str | None) -> str:
        known = self.sources
        if not known:
            raise RecordError("nothing was recorded yet", hint="ask the chain that diagnose returned a few questions")
        if source is None:
            return known[0]
        if source not in known:
            raise RecordError(f"there is no source {source!r:.80}", hint=f"recorded were {', '.join(known)}")
        return source


def _weakly(obj: Any) -> Callable[[], Any]:
    """Return what gives `obj` back while it is in use; at once nothing where its class cannot tell when that ends."""
    try:
        return weakref.ref(obj)
    except TypeError:
        return lambda: None
