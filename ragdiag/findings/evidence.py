"""What a rule may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ragdiag.findings.finding import DocumentNote
from ragdiag.findings.rule import NotApplicable
from ragdiag.geometry.portrait import Portrait
from ragdiag.retrieval.comparison import Comparison
from ragdiag.statistics.census import Census
from ragdiag.statistics.observed import Observed, Queries
from ragdiag.types import Batch, IntArray, Measure

SHOWN = 10  # documents listed with a finding
_TEXT = 200  # characters of their text


@dataclass(frozen=True)
class Evidence:
    """Everything that was read and measured.

    Attributes
    ----------
    seen : Observed
    portrait : Portrait
    comparison : Comparison or None
    fetch : callable
        Looks up documents by id, for their texts.
    """

    seen: Observed
    portrait: Portrait
    comparison: Comparison | None
    fetch: Callable[[Sequence[str]], Batch]

    @property
    def census(self) -> Census:
        """Counts over all documents."""
        return self.seen.documents.census

    @property
    def queries(self) -> Queries:
        """The queries; a rule that needs them does not apply without."""
        if self.seen.queries is None:
            raise NotApplicable("no queries were given")
        return self.seen.queries

    def measure(self, name: str) -> Measure:
        """Return a measure; a rule whose main measure is undefined does not apply."""
        measure = self.portrait.measures[name]
        if measure.value is None:
            raise NotApplicable(measure.undefined)
        return measure

    def pick(self, *names: str) -> dict[str, Measure]:
        """Return measures by name, as the evidence of a finding."""
        measures: Mapping[str, Measure] = self.portrait.measures
        return {name: measures[name] for name in names}

    def notes(self, positions: Sequence[int] | IntArray, notes: Sequence[str]) -> tuple[DocumentNote, ...]:
        """Return the documents at these positions with a note each, at most ten."""
        shown = [int(p) for p in np.asarray(positions)[:SHOWN]]
        if not shown:
            return ()
        ids = [self.census.ids[p] for p in shown]
        texts = self.fetch(ids).texts or [None] * len(ids)
        return tuple(
            DocumentNote(id_, None if text is None else text[:_TEXT], note)
            for id_, text, note in zip(ids, texts, notes, strict=False)
        )
