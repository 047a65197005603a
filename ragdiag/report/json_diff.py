"""A comparison of two audits for machines: schema ``ragdiag.diff/1``."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from ragdiag.geometry.joint import Movement
from ragdiag.report.changes import Diff, FindingChange, LabelledChange
from ragdiag.report.json import as_measure, as_number, as_text
from ragdiag.report.read import SavedAudit

DIFF_SCHEMA = "ragdiag.diff/1"


def diff_to_json(diff: Diff) -> str:
    """Return a comparison of two audits as JSON, in ASCII; the same two files give the same bytes."""
    return json.dumps(diff_to_dict(diff), indent=2, allow_nan=False)


def diff_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what `diff_to_json` writes.

    Examples
    --------
    >>> diff_schema()["properties"]["schema"]
    {'const': 'ragdiag.diff/1'}
    """
    text = files("ragdiag.report").joinpath("diff.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def diff_to_dict(diff: Diff) -> dict[str, Any]:
    """Return a comparison of two audits as plain dicts, lists, strings and numbers, in a fixed order."""
    return {
        "schema": DIFF_SCHEMA,
        "regression": diff.regression,
        "regressions": [as_text(sentence) for sentence in diff.regressions],
        "old": _audit(diff.old),
        "new": _audit(diff.new),
        "findings": [_finding(change) for change in diff.findings],
        "labelled": [_labelled(change) for change in diff.labelled],
        "min_effect": as_number(diff.min_effect),
        "drift": {
            "p": as_number(diff.drift_p),
            "measures": {name: as_measure(measure) for name, measure in diff.drift.items()},
        },
        "measures": {name: _movement(moved) for name, moved in diff.moved.items()},
        "compared": diff.compared,
        "notes": [as_text(note) for note in diff.notes],
    }


def _audit(audit: SavedAudit) -> dict[str, Any]:
    return {
        "store": as_text(audit.name),
        "kind": as_text(audit.kind),
        "count": audit.count,
        "dim": audit.dim,
        "metric": None if audit.metric is None else audit.metric.value,
        "started": as_text(audit.started),
        "version": as_text(audit.version),
    }


def _finding(change: FindingChange) -> dict[str, Any]:
    finding = change.finding
    return {
        "code": as_text(finding.code),
        "change": change.change.value,
        "severity": finding.severity.label,
        "before": None if change.before is None else change.before.label,
        "title": as_text(finding.title),
        "message": as_text(finding.message),
        "measure": as_text(change.measure),
        "movement": None if change.movement is None else _movement(change.movement),
        "p": as_number(change.p),
        "regression": change.regression,
        "why": as_text(change.why),
    }


def _movement(moved: Movement) -> dict[str, Any]:
    return {
        "old": as_measure(moved.old),
        "new": as_measure(moved.new),
        "delta": as_number(moved.delta),
        "low": as_number(moved.low),
        "high": as_number(moved.high),
        "p": as_number(moved.p),
    }


def _labelled(change: LabelledChange) -> dict[str, Any]:
    return {
        "metric": as_text(change.metric),
        "old": as_number(change.old),
        "new": as_number(change.new),
        "delta": as_measure(change.delta),
        "p": as_number(change.p),
        "decides": change.decides,
        "regression": change.regression,
    }
