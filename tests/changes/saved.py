"""Saved audits made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ragdiag.findings.finding import Finding, Remedy
from ragdiag.report.read import Labelled, SavedAudit
from ragdiag.types import Measure, Metric, Severity

AUDIT = SavedAudit(
    name="store",
    kind="npy",
    count=1000,
    dim=64,
    metric=Metric.COSINE,
    measures={},
    proofs={},
    findings=(),
    passed=("HUB001", "IDX001", "IDX005"),
    skipped={},
    k=10,
    queries=0,
    seed=0,
    labelled=None,
    has_comparison=False,
    sketch=None,
    model="",
    version="0.1.0",
    started="",
)


def finding(code: str, severity: Severity, **evidence: Measure) -> Finding:
    named = {name.replace("__", "."): measure for name, measure in evidence.items()}
    return Finding(code, severity, f"title of {code}", "message", named, "", Remedy(""))


def audited(*findings: Finding, measures: Mapping[str, Measure] | None = None, **changes: Any) -> SavedAudit:
    found = {one.code for one in findings}
    values = {name: measure for one in findings for name, measure in one.evidence.items()} | dict(measures or {})
    passed = tuple(code for code in AUDIT.passed if code not in found)
    return replace(AUDIT, findings=findings, measures=values, **{"passed": passed, **changes})


def labelled(scores: Mapping[str, float], /, **changes: Any) -> Labelled:
    values = tuple(scores.values())
    made = Labelled("cosine", "nDCG@10", 0.01, tuple(scores), tuple(range(len(scores))), {"nDCG@10": values})
    return replace(made, **changes)
