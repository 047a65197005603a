"""What a rule may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ragdiag.findings.finding import DocumentNote
from ragdiag.findings.rule import NotApplicable
from ragdiag.geometry.portrait import Portrait
from ragdiag.numbers import score
from ragdiag.retrieval.ann import AnnCheck
from ragdiag.retrieval.comparison import Comparison, PairedScore
from ragdiag.statistics.census import Census
from ragdiag.statistics.observed import Observed, Queries
from ragdiag.types import Batch, IntArray, Measure

SHOWN = 10  # documents listed with a finding
_TEXT = 200  # characters of their text


class Watched(Mapping[str, Measure]):
    """Measures that remember which of those asked for have no value: a rule that asked cannot have passed.

    Attributes
    ----------
    undefined : list of str
        The reasons, in the order in which they were met.
    """

    def __init__(self, measures: Mapping[str, Measure]) -> None:
        self._measures = measures
        self.undefined: list[str] = []

    def __getitem__(self, name: str) -> Measure:
        measure = self._measures[name]
        if measure.value is None:
            self.undefined.append(measure.undefined)
        return measure

    def __iter__(self) -> Iterator[str]:
        return iter(self._measures)

    def __len__(self) -> int:
        return len(self._measures)


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
    ann : AnnCheck or None
        How the store's own search did; None where it was not looked at.
    """

    seen: Observed
    portrait: Portrait
    comparison: Comparison | None
    fetch: Callable[[Sequence[str]], Batch]
    ann: AnnCheck | None = None

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

    def watched(self) -> tuple[Evidence, Watched]:
        """Return the same evidence, and what tells which undefined measures are asked of it."""
        measures = Watched(self.portrait.measures)
        return replace(self, portrait=replace(self.portrait, measures=measures)), measures

    def trial(self, similarity: str) -> PairedScore | None:
        """Return how a similarity did on labelled queries against the store's own; None where that was not tried."""
        comparison = self.comparison
        if comparison is None or similarity == comparison.baseline:
            return None
        return next((run.scores[comparison.metric] for run in comparison.runs if run.similarity == similarity), None)

    def tested(self, similarity: str) -> str:
        """Return in words how a similarity did on the labelled queries, "" where that was not tried."""
        trial, comparison = self.trial(similarity), self.comparison
        if comparison is not None and similarity == comparison.baseline:
            mean = comparison.runs[0].scores[comparison.metric].mean
            return f"the {comparison.queries:,} labelled queries were ranked by it, {comparison.metric} {score(mean)}"
        if trial is None or comparison is None:
            return ""
        if comparison.at_chance:
            return "labelled queries, which cannot decide: retrieval is at chance (RET002)"
        of = "the one proven better is " + comparison.winner if comparison.winner else "no proof that it is better"
        return (
            f"paired over {comparison.queries:,} labelled queries, {score(trial.delta, sign=True)} {comparison.metric}"
            f" to {comparison.baseline}; {'SIM002 has the proof' if comparison.winner == similarity else of}"
        )

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
