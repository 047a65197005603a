"""What changed between two audits: the whole flow in one function."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ragdiag.changes.comparable import check_comparable
from ragdiag.changes.findings import LEVEL, finding_changes, with_drift
from ragdiag.changes.labelled import labelled_changes
from ragdiag.errors import ConfigError
from ragdiag.findings.drift import drift_findings
from ragdiag.geometry.drift import Drift, drift
from ragdiag.geometry.joint import Movement, movement
from ragdiag.numbers import counted, probability, score
from ragdiag.report.changes import Change, Diff, FindingChange, LabelledChange
from ragdiag.report.json import to_dict
from ragdiag.report.model import Report
from ragdiag.report.read import SavedAudit, read_audit, saved_audit
from ragdiag.retrieval.comparison import MIN_EFFECT
from ragdiag.retrieval.significance import holm
from ragdiag.types import Measure

_DRIFT_CODES = {"DRF001": "drift.mmd", "DRF002": "drift.replaced"}
_NAMED = 5  # rules, in a note
_GROWN = 1.5  # times as many vectors, from which a reader has to know
_SEED = 0  # of resampling and permutations: the same two files give the same answer


def diff(
    old: str | os.PathLike[str] | SavedAudit | Report,
    new: str | os.PathLike[str] | SavedAudit | Report,
    *,
    ignore: Sequence[str] = (),
    min_effect: float | None = None,
) -> Diff:
    """Say what changed between two audits of a store, and whether it got worse.

    A regression is one of three: a loss of labelled retrieval, proven over paired queries and of at least
    `min_effect`; a new or worse finding of warning or error whose measure moved beyond the joint interval of both
    audits; a drift of the vectors that is proven and material (DRF001, DRF002). On equal stores there is one in at
    most two of a hundred comparisons.

    Parameters
    ----------
    old, new : path, SavedAudit or Report
        What `ragdiag audit --format json` wrote, or the report itself.
    ignore : sequence of str
        Rule codes or their beginnings whose findings play no part.
    min_effect : float, optional
        Smallest loss of the deciding metric that counts; by default that of the new audit.

    Returns
    -------
    Diff

    Raises
    ------
    AuditFileError
        When a file cannot be read.
    IncomparableError
        When the audits say nothing about each other: another dimension, metric, k, model or set of queries.

    Examples
    --------
    >>> from ragdiag import audit
    >>> X = np.random.default_rng(0).standard_normal((300, 32)).astype(np.float32)
    >>> diff(audit(X), audit(X)).regressions
    ()
    """
    if isinstance(ignore, str):
        raise ConfigError(f"ignore is {ignore!r}", hint='give a tuple of rule codes, such as ("HUB", "IDX001")')
    before, after = _saved(old, "the old audit"), _saved(new, "the new audit")
    check_comparable(before, after)
    effect = _effect(before, after, min_effect)
    labelled: tuple[LabelledChange, ...] = ()
    if before.labelled is not None and after.labelled is not None:
        labelled = labelled_changes(before.labelled, after.labelled, min_effect=effect, seed=_SEED)
    moved_vectors = _drift(before, after)
    findings = tuple(
        change
        for change in with_drift(finding_changes(before, after), drift_findings(moved_vectors))
        if not change.finding.code.startswith(tuple(ignore))
    )
    moved, compared = _moved(before, after)
    return Diff(
        old=before,
        new=after,
        regressions=(*_lost(labelled), *_worse(findings)),
        findings=findings,
        labelled=labelled,
        drift=moved_vectors.measures,
        drift_p=moved_vectors.p,
        moved=moved,
        compared=compared,
        notes=tuple(_notes(before, after, labelled, ignore)),
        min_effect=effect,
    )


def with_drift_findings(report: Report, diff: Diff) -> Report:
    """Return the report of the new store with what the rules of drift say of it, now that there is an earlier audit."""
    drifted = [change.finding for change in diff.findings if change.finding.code in _DRIFT_CODES]
    found = {finding.code for finding in drifted}
    told = {code for code, name in _DRIFT_CODES.items() if name in diff.drift and diff.drift[name].value is not None}
    passed = {code for code in told if code in report.skipped} - found
    return replace(
        report,
        findings=tuple(sorted((*report.findings, *drifted), key=lambda finding: -finding.severity)),
        passed=tuple(sorted((*report.passed, *passed))),
        skipped={
            code: diff.drift[_DRIFT_CODES[code]].undefined if code in _DRIFT_CODES and diff.drift else why
            for code, why in report.skipped.items()
            if code not in {*passed, *found}
        },
    )


def _saved(audit: str | os.PathLike[str] | SavedAudit | Report, name: str) -> SavedAudit:
    if isinstance(audit, SavedAudit):
        return audit
    # Through the very JSON, so that a report and its file give one answer.
    return saved_audit(to_dict(audit), name) if isinstance(audit, Report) else read_audit(audit)


def _effect(old: SavedAudit, new: SavedAudit, given: float | None) -> float:
    if given is not None:
        return given
    return next((audit.labelled.min_effect for audit in (new, old) if audit.labelled is not None), MIN_EFFECT)


def _drift(old: SavedAudit, new: SavedAudit) -> Drift:
    if old.sketch is None or new.sketch is None or old.sketch.vectors.shape[1] != new.sketch.vectors.shape[1]:
        return Drift({}, None) if not (old.sketch or new.sketch) else _untold("an audit has no sketch of its vectors")
    found = drift(old.sketch, new.sketch, np.random.default_rng(_SEED))
    return Drift({**found.measures, "drift.spectrum": _spectrum(old.measures, new.measures)}, found.p)


def _untold(why: str) -> Drift:
    names = ("mmd", "mean_shift", "ids_vanished", "ids_new", "vectors_changed", "replaced", "spectrum")
    return Drift({f"drift.{name}": Measure.missing(why, null=0.0) for name in names}, None)


def _spectrum(old: Mapping[str, Measure], new: Mapping[str, Measure]) -> Measure:
    """Return ln(PR_new/PR_old) of the participation ratios: how many more dimensions the spread takes."""
    ratios = [measures.get("spectrum.participation_ratio") for measures in (old, new)]
    logs = [_log(ratio) for ratio in ratios]
    moved = movement(logs[0], logs[1]) if logs[0] is not None and logs[1] is not None else None
    if moved is None:
        return Measure.missing("an audit has no participation ratio", null=0.0)
    return Measure(moved.delta, moved.low, moved.high, 0.0, logs[1].n if logs[1] is not None else 0)


def _log(measure: Measure | None) -> Measure | None:
    if measure is None or measure.value is None or measure.low is None or measure.high is None or measure.low <= 0:
        return None
    value, low, high = (float(np.log(x)) for x in (measure.value, measure.low, measure.high))
    return Measure(value, low, high, 0.0, measure.n)


def _moved(old: SavedAudit, new: SavedAudit) -> tuple[dict[str, Movement], int]:
    asked = same_queries(old, new)
    found = {
        name: moved
        for name, after in new.measures.items()
        if name in old.measures
        and (asked or not _of_queries(name))
        and (moved := movement(old.measures[name], after)) is not None
    }
    corrected = holm([moved.p for moved in found.values()])
    shown = {
        name: moved for (name, moved), p in zip(found.items(), corrected, strict=True) if p < LEVEL and moved.notable
    }
    return shown, len(found)


def same_queries(old: SavedAudit, new: SavedAudit) -> bool:
    """Whether both audits had the same queries, as far as can be known."""
    if old.labelled is not None and new.labelled is not None:
        return set(old.labelled.ids) == set(new.labelled.ids)
    return old.queries == new.queries


def _of_queries(name: str) -> bool:
    return ".query" in name or name.startswith(("gap.", "alignment.", "uniformity.cross", "norms.relevance"))


def _lost(labelled: tuple[LabelledChange, ...]) -> Iterator[str]:
    for change in labelled:
        if change.regression:
            yield (
                f"{change.metric} of {change.delta.n:,} labelled queries fell from {change.old:.3f} to"
                f" {change.new:.3f}, {score(change.delta, sign=True)}, p = {probability(change.p)}"
            )


def _worse(findings: tuple[FindingChange, ...]) -> Iterator[str]:
    for change in findings:
        if change.regression:
            state = "new" if change.change is Change.NEW else "worse"
            yield f"{state} {change.finding.severity.label} {change.finding.code}: {change.finding.title}"


def _notes(
    old: SavedAudit, new: SavedAudit, labelled: tuple[LabelledChange, ...], ignore: Sequence[str]
) -> Iterator[str]:
    blind = sorted(code for code in old.looked - new.looked if not code.startswith((*ignore, "DRF")))
    if blind:
        named = ", ".join(blind[:_NAMED]) + (", …" if len(blind) > _NAMED else "")
        yield f"{counted(len(blind), 'rule')} looked then and not now, and so fail nothing: {named}"
    sizes = sorted((old.count, new.count))
    if sizes[1] > _GROWN * sizes[0]:
        yield (
            f"the store had {counted(old.count, 'vector')} and has {new.count:,}: how often documents are listed, and"
            " how near the nearest is, moves with that alone"
        )
    if old.labelled is not None and new.labelled is not None and not same_queries(old, new):
        common = len(set(old.labelled.ids) & set(new.labelled.ids))
        yield (
            f"{common:,} labelled queries are in both audits ({len(old.labelled.ids):,} then,"
            f" {len(new.labelled.ids):,} now): measures of queries were not compared"
        )
    if labelled and labelled[0].delta.undefined:
        yield f"labelled retrieval was compared and can fail nothing: {labelled[0].delta.undefined}"
    for audit, other, when in ((old, new, "earlier"), (new, old, "new")):
        if audit.labelled is None and (other.labelled is not None or audit.has_comparison):
            why = "does not say how each query scored" if audit.has_comparison else "has no labelled queries"
            yield f"the {when} audit {why}: labelled retrieval was not compared"
        if audit.sketch is None and (audit.measures or other.sketch is not None):
            yield f"the {when} audit has no sketch of its vectors: drift was not looked at"
    if old.version and new.version and old.version != new.version:
        yield f"ragdiag {old.version} wrote the earlier audit, {new.version} the new one: it may measure otherwise"
    if bool(old.model) != bool(new.model):
        yield f"the embedding model was named in one audit only ({old.model or new.model})"
