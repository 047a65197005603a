"""The different questions of a record, and the list that counts for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_high

from ragdiag.numbers import counted
from ragdiag_langchain.traffic import Retrieval


@dataclass(frozen=True)
class Questions:
    """The different questions among retrievals: one asked a thousand times counts once, or its answer would be a hub.

    Attributes
    ----------
    asked : tuple of Retrieval
        One for each question: the last one that came with documents, since neither a failure nor an empty answer
        says what the question finds; the last one where none did.
    lists : tuple of tuple of str
        The ids of those with documents, each id once, and at most `k` of them. A shorter list counts as it is.
    k : int
        The median length of the lists (the longer one of two in the middle), so that a few long ones do not make
        everything seem listed; 1 without lists.
    cut : int
        Lists that were longer.
    emptied : int
        Questions that found something once, and nothing when they were asked last.
    """

    asked: tuple[Retrieval, ...]
    lists: tuple[tuple[str, ...], ...]
    k: int
    cut: int
    emptied: int

    @classmethod
    def of(cls, kept: Sequence[Retrieval]) -> Questions:
        """Return the questions of retrievals, which are in the order in which they came.

        Examples
        --------
        >>> found = Retrieval("a", ("1", "2")), Retrieval("a", error="TimeoutError"), Retrieval("b", ("1",))
        >>> questions = Questions.of(found)
        >>> questions.lists, questions.k, questions.cut
        ((('1', '2'), ('1',)), 2, 0)
        """
        last: dict[object, Retrieval] = {}
        emptied: set[object] = set()
        for retrieval in kept:
            question = _question(retrieval)
            if question not in last or retrieval.ids or not last[question].ids:
                last[question] = retrieval
                emptied.discard(question)
            elif retrieval.known and not retrieval.error:
                emptied.add(question)
        found = [tuple(dict.fromkeys(retrieval.ids)) for retrieval in last.values() if retrieval.ids]
        k = median_high(map(len, found)) if found else 1
        return cls(
            asked=tuple(last.values()),
            lists=tuple(ids[:k] for ids in found),
            k=k,
            cut=sum(len(ids) > k for ids in found),
            emptied=len(emptied),
        )

    def notes(self) -> list[str]:
        """Return what a report says of which lists count."""
        notes = []
        if self.emptied:
            found = f"{counted(self.emptied, 'question')} found nothing when asked last"
            notes.append(f"{found}: the last list with documents counts")
        if self.cut:
            longer = f"{counted(self.cut, 'list')} longer than {self.k:,}, the median length"
            notes.append(f"{longer}: the first {self.k:,} documents of each count")
        return notes


def _question(retrieval: Retrieval) -> object:
    """Return what two retrievals of one question have in common."""
    if retrieval.query.strip():
        return " ".join(retrieval.query.split()).casefold()
    return retrieval.ids if retrieval.vector is None else retrieval.vector.tobytes()
