"""Which findings are new, gone or worse, and which of that is more than noise around a threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ragdiag.findings.finding import Finding
from ragdiag.geometry.joint import Movement, movement
from ragdiag.report.changes import Change, FindingChange
from ragdiag.report.read import SavedAudit
from ragdiag.retrieval.significance import holm
from ragdiag.types import Measure, Severity

LEVEL = 0.01  # of all rules together; drift and labelled scores have another hundredth
_NO_MEASURE = "store.count"  # stands beside facts that no number measures

_ORDER = (Change.NEW, Change.WORSE, Change.FIRST_LOOK, Change.GONE, Change.MILDER, Change.SAME)


@dataclass(frozen=True)
class _Pair:
    """A finding in both audits, or in one of them."""

    old: Finding | None
    new: Finding | None
    looked: bool  # whether the old audit looked

    @property
    def shown(self) -> Finding:
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def change(self) -> Change:
        if self.new is None:
            return Change.GONE
        if self.old is None:
            return Change.NEW if self.looked else Change.FIRST_LOOK
        if self.new.severity == self.old.severity:
            return Change.SAME
        return Change.WORSE if self.new.severity > self.old.severity else Change.MILDER


def finding_changes(old: SavedAudit, new: SavedAudit) -> tuple[FindingChange, ...]:
    """Compare the findings of two audits, rule by rule.

    A new or worse finding of warning or error counts as a regression when one of the measures it rests on moved
    beyond the joint interval: p, times the number of those measures, Holm-corrected over all rules that looked in
    both audits, below .01. So does one of the same severity whose main measure moved away from its null, and by a
    tenth. What is counted and must not be there at all (vectors that are not finite) needs no test.

    The rules of drift are left out: they belong to the pair of audits, not to either.
    """
    pairs = list(_pairs(old, new))
    tests = [_test(pair, old, new) for pair in pairs]
    tested = [p for _, p in tests if p is not None]
    # Rules that found nothing in either audit were looked at too, and could have been false alarms.
    quiet = max(len(old.looked & new.looked) - len(tested), 0)
    corrected = iter(holm(tested + [1.0] * quiet))
    changes = []
    for pair, (moved, p) in zip(pairs, tests, strict=True):
        changes.append(_judged(pair, moved, next(corrected) if p is not None else None, old, new))
    return tuple(sorted(changes, key=_rank))


def _pairs(old: SavedAudit, new: SavedAudit) -> Iterator[_Pair]:
    before, after = _by_code(old), _by_code(new)
    for code, found in after.items():
        yield _Pair(before.get(code), found, code in old.looked)
    # A rule that could not look again has not found that all is well.
    for code, found in before.items():
        if code not in after and code in new.passed:
            yield _Pair(found, None, True)


def _by_code(audit: SavedAudit) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for finding in audit.findings:
        # Of several findings of a rule the first is the worst.
        if not finding.code.startswith("DRF"):
            found.setdefault(finding.code, finding)
    return found


def _test(pair: _Pair, old: SavedAudit, new: SavedAudit) -> tuple[Movement | None, float | None]:
    """Return the movement that speaks loudest, and p; None where nothing can be tested."""
    if pair.change in (Change.FIRST_LOOK, Change.MILDER, Change.GONE):
        return _main(pair, old, new), None
    if pair.change is Change.SAME:
        moved = _main(pair, old, new)
        return moved, moved.p if moved is not None and moved.away and moved.notable else None
    names = [name for name in pair.shown.evidence if name != _NO_MEASURE]
    if not names:
        return None, 0.0
    main = pair.shown.evidence[names[0]]
    if pair.old is None and pair.shown.severity is Severity.ERROR and main.low == main.value == main.high:
        return _main(pair, old, new), 0.0
    found = [moved for name in names if (moved := _movement(name, pair, old, new)) is not None]
    if not found:
        return None, None
    loudest = min(found, key=lambda moved: moved.p)
    return loudest, min(1.0, loudest.p * len(found))


def _main(pair: _Pair, old: SavedAudit, new: SavedAudit) -> Movement | None:
    return _movement(next(iter(pair.shown.evidence), ""), pair, old, new)


def _movement(name: str, pair: _Pair, old: SavedAudit, new: SavedAudit) -> Movement | None:
    after = _value(name, pair.new, new)
    before = _value(name, pair.old, old)
    if before is None and after is not None:
        before = _unseen(after, old)
    if before is None or after is None:
        return None
    return movement(before, after)


def _value(name: str, finding: Finding | None, audit: SavedAudit) -> Measure | None:
    places: tuple[Mapping[str, Measure], ...] = (finding.evidence if finding else {}, audit.measures, audit.proofs)
    return next((place[name] for place in places if name in place), None)


def _unseen(after: Measure, old: SavedAudit) -> Measure | None:
    """Return what an audit that found nothing can have read: the null, as uncertain as the measure is now."""
    null = after.null
    if null is None or after.value is None or after.low is None or after.high is None:
        return None
    if after.low == after.high:
        return Measure.counted(null, n=old.count, null=null)
    return Measure(null, null - (after.value - after.low), null + (after.high - after.value), null, after.n)


def _judged(pair: _Pair, moved: Movement | None, p: float | None, old: SavedAudit, new: SavedAudit) -> FindingChange:
    proven = p is not None and p < LEVEL
    change = pair.change
    if change is Change.SAME and proven:
        change = Change.WORSE
    regression = change in (Change.NEW, Change.WORSE) and proven and pair.shown.severity >= Severity.WARNING
    return FindingChange(
        change=change,
        finding=pair.shown,
        before=pair.old.severity if pair.old is not None else None,
        measure=next(iter(pair.shown.evidence), ""),
        movement=moved,
        p=p,
        regression=regression,
        why=_why(pair, change, p, regression, old),
    )


def _why(pair: _Pair, change: Change, p: float | None, regression: bool, old: SavedAudit) -> str:
    if change is Change.FIRST_LOOK:
        return f"could not look before: {old.skipped.get(pair.shown.code, 'the earlier version had no such rule')}"
    if change not in (Change.NEW, Change.WORSE):
        return ""
    if regression:
        return "moved beyond the joint interval"
    if pair.shown.severity < Severity.WARNING:
        return "for information only"
    return "no value to compare with" if p is None else "within what chance moves"


def _rank(change: FindingChange) -> tuple[bool, int, int, int, str]:
    severity = -change.finding.severity
    gravest = severity if change.regression else 0
    return not change.regression, gravest, _ORDER.index(change.change), severity, change.finding.code


def with_drift(found: tuple[FindingChange, ...], drift: Iterator[Finding]) -> tuple[FindingChange, ...]:
    """Return the changes with the findings of drift among them; each is a regression."""
    added = [
        FindingChange(Change.NEW, finding, None, next(iter(finding.evidence)), None, None, True, "proven and material")
        for finding in drift
    ]
    return tuple(sorted((*found, *added), key=_rank))
