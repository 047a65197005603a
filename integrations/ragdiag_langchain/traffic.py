"""What is kept of the retrievals of one store or retriever, in memory that does not grow with their number."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np

from ragdiag.types import Float32
from ragdiag_langchain.sketches import Durations, FrequentItems

HIGHER, LOWER = "higher", "lower"
OTHERS = "others"  # sources beyond those told apart
TEXT = 200  # characters kept of a text
QUERY = 500  # and of a query
MOST_SOURCES = 50  # told apart in one record
MOST_UNREACHED = 100  # parts that diagnose could not reach
_MOST_NAMES = 100  # kinds of errors told apart


@dataclass(frozen=True)
class Retrieval:
    """One retrieval.

    Attributes
    ----------
    query : str
        "" where the application searched by a vector. One of more than 500 characters is kept as its first 500 and a
        hash of the whole, so that different ones stay different.
    ids : tuple of str
        Of the documents, the best first; ``"text:…"``, a hash, where a document has no id.
    scores : tuple of float, or None
        As the store gave them; None where it gave none, or none that belong to these documents.
    direction : str
        ``"higher"`` or ``"lower"``, whichever is better; "" where it could not be told.
    vector : ndarray of float32, shape (d,), or None
        Of the query, as the store was searched with it.
    seconds : float
    error : str
        Name of the exception's class; "" when there was none.
    run_id, parent_run_id : str
        LangChain's; "" where there is none.
    known : bool
        False where the application got an iterator, of which documents nobody knows; `ids` is empty then.
    apart : bool
        A search in a thread of its own, while a retriever of this store was asked something else: it may be a part of
        that retrieval, which is recorded too.
    relevance : bool
        Whether the scores are LangChain's relevance, of which higher is better, rather than the store's own.
    """

    query: str
    ids: tuple[str, ...] = ()
    scores: tuple[float, ...] | None = None
    direction: str = ""
    vector: Float32 | None = field(default=None, repr=False)
    seconds: float = 0.0
    error: str = ""
    run_id: str = ""
    parent_run_id: str = ""
    known: bool = True
    apart: bool = False
    relevance: bool = False

    @property
    def ranks(self) -> dict[str, int]:
        """The rank of each document, from 1."""
        return {id_: rank for rank, id_ in reversed(list(enumerate(self.ids, start=1)))}


class Traffic:
    """Running counts over all retrievals, and a uniform sample of them.

    Each retrieval draws a random number, and the `reservoir` smallest are kept: a uniform sample at any time, also
    after a merge. Nothing here is thread-safe; the record that holds it is.

    Parameters
    ----------
    capacity : int
        Documents counted exactly; see `FrequentItems`.
    reservoir : int
        Retrievals kept whole.

    Attributes
    ----------
    asked, empty, unknown, apart : int
        Retrievals; those that succeeded without a document; those that succeeded, but nobody knows with which
        documents; and those that may be parts of others.
    errors : dict of str to int
        Failed retrievals by the class of the exception.
    votes : dict of str to int
        How many retrievals had scores of the store's own of which the higher, or the lower, is better.
    items : FrequentItems
        In how many lists each document is.
    durations : Durations
        Of all retrievals.
    sample : list of (float, int, Retrieval)
        Minus the random number, the number of the retrieval, and the retrieval: a heap.
    texts : dict of str to str
        Starts of the texts of the documents in the sample.
    """

    def __init__(self, capacity: int, reservoir: int) -> None:
        self.reservoir = reservoir
        self.asked = 0
        self.empty = self.unknown = self.apart = 0
        self.errors: dict[str, int] = {}
        self.votes = {HIGHER: 0, LOWER: 0}
        self.items = FrequentItems(capacity)
        self.durations = Durations()
        self.sample: list[tuple[float, int, Retrieval]] = []
        self.texts: dict[str, str] = {}

    def add(self, retrieval: Retrieval, key: float, *, vector: object = None, texts: Sequence[str] = ()) -> None:
        """Take in one retrieval with its random number; the vector and the texts are copied only if it is kept."""
        number = self.asked
        self.asked += 1
        self.apart += retrieval.apart
        self.durations.add(retrieval.seconds)
        if retrieval.error:
            known = retrieval.error in self.errors or len(self.errors) < _MOST_NAMES
            name = retrieval.error if known else "other"
            self.errors[name] = self.errors.get(name, 0) + 1
        elif not retrieval.known:
            self.unknown += 1
        elif not retrieval.ids:
            self.empty += 1
        if retrieval.direction and not retrieval.relevance:
            self.votes[retrieval.direction] += 1
        self.items.add(dict.fromkeys(retrieval.ids))
        full = len(self.sample) >= self.reservoir
        if full and key >= -self.sample[0][0]:
            return
        if len(retrieval.query) > QUERY:
            retrieval = replace(retrieval, query=_cut(retrieval.query))
        if vector is not None:
            retrieval = replace(retrieval, vector=np.array(vector, dtype=np.float32))
        (heapq.heappushpop if full else heapq.heappush)(self.sample, (-key, number, retrieval))
        for id_, text in zip(retrieval.ids, texts, strict=False):
            if id_ not in self.texts:
                self.texts[id_] = text[:TEXT]
        if len(self.texts) > 4 * self.reservoir * max(len(retrieval.ids), 10):
            self._forget()

    def merge(self, other: Traffic) -> None:
        """Take in what another process has seen; its retrievals are numbered after these."""
        moved = [(key, number + self.asked, retrieval) for key, number, retrieval in other.sample]
        self.sample = sorted(self.sample + moved, key=lambda entry: (-entry[0], entry[1]))[: self.reservoir]
        heapq.heapify(self.sample)  # keys differ, or else numbers: retrievals are never compared
        self.asked += other.asked
        self.empty += other.empty
        self.unknown += other.unknown
        self.apart += other.apart
        for mine, theirs in ((self.errors, other.errors), (self.votes, other.votes)):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.items.merge(other.items)
        self.durations.bins += other.durations.bins
        self.texts = {**other.texts, **self.texts}
        self._forget()

    def retrievals(self) -> tuple[Retrieval, ...]:
        """Return the sampled retrievals in the order in which they came."""
        return tuple(retrieval for _, _, retrieval in sorted(self.sample, key=lambda entry: entry[1]))

    def direction(self) -> str:
        """Return which of the store's own scores are better, by the majority; "" where no retrieval could tell."""
        if not any(self.votes.values()):
            return ""
        return HIGHER if self.votes[HIGHER] >= self.votes[LOWER] else LOWER

    def heads(self) -> Mapping[str, str]:
        """Return the starts of the texts of the documents in the sample."""
        self._forget()
        return self.texts

    def _forget(self) -> None:
        kept = {id_ for _, _, retrieval in self.sample for id_ in retrieval.ids}
        self.texts = {id_: text for id_, text in self.texts.items() if id_ in kept}


def _cut(query: str) -> str:
    digest = blake2b(query.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{query[:QUERY]}… ({len(query):,} characters, {digest})"
