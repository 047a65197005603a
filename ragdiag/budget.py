"""The best audit within a time: documents are searched for in rounds, each with new ones, until the time is used."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine import Block, Engine, Progress, SamePasses
from ragdiag.errors import ConfigError
from ragdiag.numbers import count, number
from ragdiag.plan import Plan
from ragdiag.similarities import Cosine, for_metric
from ragdiag.statistics.best import seed_from
from ragdiag.statistics.neighbors import Neighbors, NeighborSearch
from ragdiag.statistics.observed import Documents
from ragdiag.statistics.sample import Sample, SampleStep
from ragdiag.stores import VectorStore
from ragdiag.types import IntArray

AFTER = 0.15  # of the time, kept for what follows the searches: measures, rules, the store's own search
BELIEVED = 0.1  # of the time has to be spent reading before the rate is held to say how long it takes
FIRST = 200  # documents of the first round, whose speed nobody knows
HELD = 2000  # vectors kept in the first pass for the rounds after
GROWTH, MOST = 4, 8  # a round is so many times the one before, or the last one if at most so many times would fit
ROOM = 1 << 28  # bytes of vectors kept for the next round
WORTH = 0.1  # of what was reached: a smaller round is not worth reading the store again


class Budget:
    """The time an audit may take, from now on.

    Parameters
    ----------
    seconds : float
    clock : callable
        Seconds, only ever growing.

    Examples
    --------
    >>> budget = Budget(60.0, clock=lambda: 5.0)
    >>> budget.left(), budget.note
    (51.0, '')
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds, self.clock = seconds, clock
        self.started = clock()
        self.note = ""

    def left(self) -> float:
        """Return the seconds left for searches."""
        return (1 - AFTER) * self.seconds - (self.clock() - self.started)


class InTime:
    """A step of the first pass, which stops it as soon as it is seen not to end in time.

    Parameters
    ----------
    budget : Budget
    name : str
        Of the store.
    n : int
        Documents it holds.
    """

    def __init__(self, budget: Budget, name: str, n: int) -> None:
        self._budget, self._name, self._n = budget, name, n
        self._began, self._rows = budget.clock(), 0

    def step(self, block: Block) -> None:
        """Take in one block."""
        self._rows += len(block.batch)
        spent, allowed = self._budget.clock() - self._began, self._budget.seconds
        reading = spent * self._n / max(self._rows, 1)
        if spent >= BELIEVED * allowed and self._began - self._budget.started + reading > allowed:
            raise ConfigError(
                f"{allowed:g} s are not enough for {self._name}: reading it once takes about {number(reading)} s",
                hint="it is read twice at least; give --max-seconds more than double that",
            )


class Rounds:
    """Rounds of searches over one store; the lists joined are those of one search for all the documents.

    A round is given as many documents as the speed of those before says will fit, what reading costs included, and
    none is begun that is not expected to end in time. While the store is read, the vectors of the next are picked.

    Parameters
    ----------
    budget : Budget
    plan : Plan
    drawn : ndarray of int64
        Positions of the documents that may be searched for, in the order in which they are.
    held : Sample
        The first `HELD` of them, those that can be searched for.
    live : ndarray of bool, shape (n,)
        Which vectors are usable and not zero.
    """

    def __init__(self, budget: Budget, plan: Plan, drawn: IntArray, held: Sample, live: NDArray[np.bool_]) -> None:
        self._budget, self._plan, self._held = budget, plan, held
        self._most = len(drawn)
        drawn = drawn[drawn < len(live)]
        self._rank = np.flatnonzero(live[drawn])
        self._order = drawn[self._rank]
        self.first, self._held = held[:FIRST], held[FIRST:]
        self._began = budget.clock()
        # Documents and seconds; what came before the rounds took as long as reading does, or longer.
        self._done = [(0, self._began - budget.started)]

    def grow(
        self,
        documents: Documents,
        store: VectorStore,
        engine: Engine,
        same: SamePasses,
        progress: Progress | None,
    ) -> Documents:
        """Return the documents, whose `queries` are `first`, with all that could be searched for in time."""
        seed, dim = self._plan.seed % 2**64, store.info.dim
        similarities = [for_metric(store.info.metric), Cosine()]
        parts, reached = [documents.queries], len(documents.queries)
        found = {run.similarity: [run] for run in (documents.neighbors, documents.cosines)}
        self._done.append((reached, self._budget.clock() - self._began))
        # With fewer than that in `first` the statistics of the first documents would be of too few.
        while reached >= FIRST and (size := min(self._size(reached), len(self._held))) > 0:
            began = self._budget.clock()
            queries, self._held = self._held[:size], self._held[size:]
            searches = {
                s.name: NeighborSearch(
                    s, queries.vectors, self._plan.k, exclude=queries.positions, seed=seed_from(seed, reached)
                )
                for s in similarities
            }
            reached += size
            known = reached + len(self._held)
            ahead = SampleStep(self._order[known : max(known, reached + min(MOST * size, ROOM // (4 * dim)))], dim)
            stage = f"searching for {count(size)} more documents"
            engine.run(store, [*searches.values(), ahead, same], stage=stage, progress=progress)
            same.check()
            parts.append(queries)
            for name, search in searches.items():
                found[name].append(search.result())
            self._held = Sample.joined([self._held, ahead.result()])
            self._done.append((size, self._budget.clock() - began))
        if reached < len(self._order):
            self._tell(reached)
        neighbors, cosines = (_runs_joined(found[run.similarity]) for run in (documents.neighbors, documents.cosines))
        return replace(documents, queries=Sample.joined(parts), neighbors=neighbors, cosines=cosines)

    def _size(self, reached: int) -> int:
        """Return how many documents fit into the time that is left; 0 when no round does that is worth reading for."""
        left, (last, took) = self._budget.left(), self._done[-1]
        if left >= took:
            times = left / took if took > 0 else MOST
            return int(last * (times if times <= MOST else GROWTH))
        # Fewer than in the last round: what did not grow from the one before it to this will not shrink either.
        before, took_before = self._done[-2]
        fixed = max(0.0, (took_before * last - took * before) / (last - before)) if last > before else took
        if not fixed < min(left, took):
            return 0
        size = int(last * (left - fixed) / (took - fixed))
        return size if size >= WORTH * reached else 0

    def _tell(self, reached: int) -> None:
        drawn = int(self._rank[reached - 1]) + 1
        self._budget.note = (
            f"time decided ({self._budget.seconds:g} s): {count(reached)} of at most {count(self._most)} documents were"
            f" drawn as queries, as with --sample-queries {drawn}"
        )


def _runs_joined(runs: Sequence[Neighbors]) -> Neighbors:
    return Neighbors(
        runs[0].similarity,
        np.concatenate([run.positions for run in runs]),
        np.concatenate([run.scores for run in runs]),
    )
