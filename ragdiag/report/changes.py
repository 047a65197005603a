"""The result of comparing two audits; it does not know how it looks."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from ragdiag.findings.finding import Finding
from ragdiag.geometry.joint import Movement
from ragdiag.report.read import SavedAudit
from ragdiag.types import Measure, Severity


class Change(enum.Enum):
    """What became of a finding."""

    NEW = "new"
    WORSE = "worse"
    MILDER = "milder"
    SAME = "same"
    GONE = "gone"
    FIRST_LOOK = "first look"  # the earlier audit could not look, or did not know the rule


@dataclass(frozen=True)
class FindingChange:
    """A finding of either audit.

    Attributes
    ----------
    change : Change
    finding : Finding
        Of the new audit; where it is gone, of the old one.
    before : Severity or None
        In the old audit; None where it was not found there.
    measure : str
        The main measure of the finding.
    movement : Movement or None
        Of that measure; None where one of the audits has no value for it.
    p : float or None
        That it did not move, corrected (Holm) over all rules that looked in both audits; None where not tested.
    regression : bool
        Whether this fails the gate.
    why : str
        Why it does, or why a new or worse finding does not.
    """

    change: Change
    finding: Finding
    before: Severity | None
    measure: str
    movement: Movement | None
    p: float | None
    regression: bool
    why: str


@dataclass(frozen=True)
class LabelledChange:
    """A metric of labelled retrieval, paired by query id.

    Attributes
    ----------
    metric : str
    old, new : float
        Means over the queries that both audits scored.
    delta : Measure
        Mean paired difference, new less old, with its bootstrap interval; n is the number of queries.
    p : float
        Two-sided paired randomisation test.
    decides : bool
        Whether this metric is the one that the gate looks at.
    regression : bool
    """

    metric: str
    old: float
    new: float
    delta: Measure
    p: float
    decides: bool
    regression: bool


@dataclass(frozen=True)
class Diff:
    """What `ragdiag.diff` returns.

    Attributes
    ----------
    old, new : SavedAudit
    regressions : tuple of str
        One sentence for each reason to fail, the gravest first; empty: no regression.
    findings : tuple of FindingChange
        Regressions first, then new, worse, first look, gone, milder, same.
    labelled : tuple of LabelledChange
        The deciding metric first; empty without labelled queries in both.
    drift : mapping of str to Measure
        Of the vectors themselves.
    drift_p : float or None
        Of the permutation test behind ``drift.mmd``.
    moved : mapping of str to Movement
        Measures beyond their joint interval, corrected (Holm) over all, and the smallest change that counts.
    compared : int
        Measures that both audits have.
    notes : tuple of str
        What could not be compared, and why.
    min_effect : float
        Smallest loss of the deciding metric that counts.
    """

    old: SavedAudit
    new: SavedAudit
    regressions: tuple[str, ...]
    findings: tuple[FindingChange, ...]
    labelled: tuple[LabelledChange, ...]
    drift: Mapping[str, Measure]
    drift_p: float | None
    moved: Mapping[str, Movement]
    compared: int
    notes: tuple[str, ...]
    min_effect: float

    @property
    def regression(self) -> bool:
        """Whether the new store is proven worse."""
        return bool(self.regressions)

    def __str__(self) -> str:
        from ragdiag.report.terminal_diff import diff_to_text

        return diff_to_text(self)

    __repr__ = __str__
