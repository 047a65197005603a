from __future__ import annotations

from dataclasses import replace

import pytest

from ragdiag.changes.findings import finding_changes
from ragdiag.report.changes import Change, FindingChange
from ragdiag.report.read import SavedAudit
from ragdiag.types import Measure, Severity
from tests.changes.saved import audited, finding

W, E, I = Severity.WARNING, Severity.ERROR, Severity.INFO  # noqa: E741


def hubs(value: float, severity: Severity = W, half: float = 0.03) -> tuple[SavedAudit, Measure]:
    measure = Measure(value, value - half, value + half, 0.05, 200)
    return audited(finding("HUB001", severity, hub__largest=measure)), measure


def clean(value: float, half: float = 0.03) -> SavedAudit:
    return audited(measures={"hub.largest": Measure(value, value - half, value + half, 0.05, 200)})


def one(old: SavedAudit, new: SavedAudit) -> FindingChange:
    (change,) = finding_changes(old, new)
    return change


def test_a_new_finding_far_beyond_the_joint_interval_is_a_regression() -> None:
    change = one(clean(0.08), hubs(0.3)[0])
    assert (change.change, change.regression, change.why) == (Change.NEW, True, "moved beyond the joint interval")
    assert change.movement is not None
    assert change.movement.delta == pytest.approx(0.22)
    assert change.p is not None
    assert change.p < 1e-6


def test_a_flip_at_the_threshold_is_none() -> None:
    change = one(clean(0.095), hubs(0.135)[0])
    assert (change.change, change.regression, change.why) == (Change.NEW, False, "within what chance moves")


def test_p_is_corrected_for_all_rules_that_looked() -> None:
    # Half-widths of .03 are .0424 together: z = 1.96 · .0623/.0424 = 2.88, p = .004.
    old, new = clean(0.1), hubs(0.1 + 0.0623)[0]
    three = one(old, new)
    assert three.p == pytest.approx(3 * 0.004, rel=0.02)
    assert not three.regression
    alone = one(replace(old, passed=("HUB001",)), replace(new, passed=()))
    assert alone.p == pytest.approx(0.004, rel=0.02)
    assert alone.regression


def test_a_milder_or_informative_finding_fails_nothing() -> None:
    assert not one(clean(0.08), hubs(0.3, I)[0]).regression
    milder = one(hubs(0.5)[0], hubs(0.1, I)[0])
    assert (milder.change, milder.regression, milder.before) == (Change.MILDER, False, W)


def test_a_finding_of_the_same_severity_that_doubled_is_worse() -> None:
    change = one(hubs(0.2)[0], hubs(0.4)[0])
    assert (change.change, change.regression) == (Change.WORSE, True)
    assert one(hubs(0.4)[0], hubs(0.2)[0]).change is Change.SAME
    assert one(hubs(0.2)[0], hubs(0.22)[0]).change is Change.SAME


def test_a_severity_that_rose_within_noise_is_worse_and_no_regression() -> None:
    change = one(hubs(0.2)[0], hubs(0.21, E)[0])
    assert (change.change, change.before, change.regression) == (Change.WORSE, W, False)


def test_what_must_not_be_there_at_all_needs_no_test() -> None:
    new = audited(finding("IDX001", E, vectors__unusable=Measure.counted(0.001, n=1000, null=0.0)))
    change = one(audited(), new)
    assert (change.change, change.regression, change.p) == (Change.NEW, True, 0.0)


def test_a_counted_share_at_its_threshold_may_come_by_another_draw() -> None:
    def copies(share: float) -> SavedAudit:
        return audited(finding("IDX005", W, copies=Measure.counted(share, n=1000, null=0.0)))

    few = audited(measures={"copies": Measure.counted(0.004, n=1000, null=0.0)})
    assert not one(few, copies(0.006)).regression
    assert one(few, copies(0.05)).regression


def test_an_audit_that_found_nothing_read_the_null_as_uncertainly() -> None:
    def gain(value: float) -> SavedAudit:
        return audited(finding("HUB001", E, gain=Measure(value, value - 0.02, value + 0.02, 0.0, 150)))

    assert not one(audited(), gain(0.03)).regression
    assert one(audited(), gain(0.08)).regression


def test_a_rule_that_could_not_look_before_is_no_regression() -> None:
    old = audited(passed=("IDX001",), skipped={"HUB001": "no queries were given"})
    change = one(old, hubs(0.9)[0])
    assert (change.change, change.regression) == (Change.FIRST_LOOK, False)
    assert change.why == "could not look before: no queries were given"
    unknown = one(audited(passed=("IDX001",)), hubs(0.9)[0])
    assert unknown.why == "could not look before: the earlier version had no such rule"


def test_a_finding_is_gone_only_where_the_rule_looked_again() -> None:
    assert one(hubs(0.3)[0], clean(0.05)).change is Change.GONE
    assert finding_changes(hubs(0.3)[0], audited(passed=("IDX001",), skipped={"HUB001": "no queries"})) == ()


def test_findings_of_drift_belong_to_another_pair() -> None:
    drifted = audited(finding("DRF001", W, drift__mmd=Measure(0.1, 0.05, 0.15, 0.0, 100)))
    assert finding_changes(drifted, drifted) == ()
