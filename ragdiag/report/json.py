"""A report for machines: schema ``ragdiag.audit/1``, the same bytes for the same store, seed and version."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from ragdiag.findings.finding import Finding
from ragdiag.report.model import Report
from ragdiag.retrieval.ann import AnnCheck
from ragdiag.retrieval.comparison import Comparison, PairedScore, SimilarityScores
from ragdiag.retrieval.losses import CauseLoss, Listed, Losses
from ragdiag.types import Measure, StoreInfo

SCHEMA = "ragdiag.audit/1"


def to_json(report: Report) -> str:
    """Return a report as JSON.

    Only ASCII is written, so that no terminal obeys what a chunk says; floats carry ten significant
    digits; what is not finite is null with a reason.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str
        Indented, without a newline at the end. Valid under `schema`.
    """
    return json.dumps(to_dict(report), indent=2, allow_nan=False)


def to_dict(report: Report) -> dict[str, Any]:
    """Return a report as the plain dicts, lists, strings and numbers that its JSON holds.

    Parameters
    ----------
    report : Report

    Returns
    -------
    dict
        With its keys in a fixed order; `run` alone differs between two runs of one audit.
    """
    sampling, run = report.sampling, report.run
    return {
        "schema": SCHEMA,
        "store": _store(report.store),
        "measures": _measures(report.measures.items()),
        "findings": [_finding(finding) for finding in report.findings],
        "comparison": None if report.comparison is None else comparison_json(report.comparison),
        "sampling": {
            "documents": int(sampling.documents),
            "document_queries": int(sampling.document_queries),
            "moment_documents": int(sampling.moment_documents),
            "queries": int(sampling.queries),
            "k": int(sampling.k),
            "seed": int(sampling.seed),
        },
        "ann": None if report.ann is None else _ann(report.ann),
        "passed": list(report.passed),
        "skipped": {code: _text(reason) for code, reason in report.skipped.items()},
        "notes": [_text(note) for note in report.notes],
        "run": {
            "started": run.started,
            "seconds": _number(run.seconds),
            "host": _text(run.host),
            "versions": dict(run.versions),
            **_latencies(report.ann),
        },
    }


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what `to_json` writes.

    Examples
    --------
    >>> schema()["properties"]["schema"]
    {'const': 'ragdiag.audit/1'}
    """
    text = files("ragdiag.report").joinpath("audit.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _ann(check: AnnCheck) -> dict[str, Any]:
    return {
        "knob": _text(check.knob),
        "value": None if check.value is None else int(check.value),
        "decides": check.main,
        "target": _number(check.target),
        "reached": None if check.reached is None else int(check.reached),
        "settings": [{"effort": int(s.effort), "recall": _measure(s.recall)} for s in check.settings],
    }


def _latencies(check: AnnCheck | None) -> dict[str, Any]:
    if check is None or not check.settings:
        return {}
    shown = [
        {"effort": int(s.effort), "median_ms": _number(s.median_ms), "p95_ms": _number(s.p95_ms)}
        for s in check.settings
    ]
    return {"latencies": shown}


def _store(info: StoreInfo) -> dict[str, Any]:
    return {
        "name": _text(info.name),
        "kind": info.kind,
        "count": int(info.count),
        "dim": int(info.dim),
        "metric": None if info.metric is None else info.metric.value,
        "index": _text(info.index),
        "loss": _text(info.loss),
        "counts": {_text(name): int(number) for name, number in info.counts.items()},
        "mismatches": {_text(name): int(number) for name, number in info.mismatches.items()},
        "has_texts": bool(info.has_texts),
        "has_metadata": bool(info.has_metadata),
        "index_metric": None if info.index_metric is None else info.index_metric.value,
    }


def _measures(items: Iterable[tuple[str, Measure]]) -> dict[str, Any]:
    return {name: _measure(measure) for name, measure in items}


def _measure(measure: Measure) -> dict[str, Any]:
    value = _number(measure.value)
    shown: dict[str, Any] = {
        "value": value,
        "low": None if value is None else _number(measure.low),
        "high": None if value is None else _number(measure.high),
        "null": _number(measure.null),
        "n": int(measure.n),
    }
    if value is None:
        shown["undefined"] = _text(measure.undefined) or "the value is not a finite number"
    return shown


def _finding(finding: Finding) -> dict[str, Any]:
    remedy = finding.remedy
    return {
        "code": finding.code,
        "severity": finding.severity.label,
        "title": finding.title,
        "message": _text(finding.message),
        "evidence": _measures(finding.evidence.items()),
        "cost": {"text": _text(finding.cost)},
        "remedy": {
            "text": _text(remedy.text),
            "similarity": remedy.similarity,
            "tested": _text(remedy.tested),
        },
        "documents": [
            {
                "id": _text(document.id),
                "text": None if document.text is None else _text(document.text),
                "note": _text(document.note),
            }
            for document in finding.documents
        ],
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as it stands in the JSON under ``comparison``."""
    return {
        "baseline": comparison.baseline,
        "metric": comparison.metric,
        "queries": int(comparison.queries),
        "clusters": int(comparison.clusters),
        "folds": int(comparison.folds),
        "resamples": int(comparison.resamples),
        "seed": int(comparison.seed),
        "paired": True,
        "correction": "holm",
        "min_effect": _number(comparison.min_effect),
        "note": _text(comparison.note),
        "runs": [_run(run, comparison.metric) for run in comparison.runs],
        "winner": comparison.winner,
        "chosen": None if comparison.chosen is None else _measure(comparison.chosen),
        "lexical": None if comparison.lexical is None else _run(comparison.lexical, comparison.metric),
        "smaller": [_run(run, comparison.metric) for run in comparison.smaller],
        "refused": {_text(name): _text(reason) for name, reason in comparison.refused.items()},
        "losses": None if comparison.losses is None else _losses(comparison.losses),
    }


def _losses(losses: Losses) -> dict[str, Any]:
    return {
        "metric": losses.metric,
        "k": int(losses.k),
        "queries": int(losses.queries),
        "pairs": int(losses.pairs),
        "missing": int(losses.missing),
        "attainable": _number(losses.attainable),
        "score": _number(losses.score),
        "total": _number(losses.total),
        "low_ranked": _number(losses.low_ranked),
        "causes": [_cause(losses, cause) for cause in losses.causes],
        "hubs": [_listed(losses, hub) for hub in losses.hubs],
    }


def _cause(losses: Losses, cause: CauseLoss) -> dict[str, Any]:
    return {
        "cause": cause.cause.value,
        "tested": cause.cause not in losses.untested,
        "pairs": int(cause.pairs),
        "loss": _number(cause.loss),
        "expected": _number(cause.expected),
        "via": {_text(name): int(pairs) for name, pairs in cause.via.items()},
        "offenders": [
            {
                "query": _text(offender.query),
                "asked": _text(offender.text),
                "document": _document(losses, offender.document),
                "rank": None if offender.rank is None else int(offender.rank),
                "loss": _number(offender.loss),
                "via": _text(offender.via),
                "instead": [_listed(losses, listed) for listed in offender.instead],
            }
            for offender in losses.offenders[cause.cause]
        ],
    }


def _listed(losses: Losses, listed: Listed) -> dict[str, Any]:
    return {**_document(losses, listed.document), "lists": int(listed.lists)}


def _document(losses: Losses, document: str) -> dict[str, Any]:
    text = losses.texts.get(document)
    return {"id": _text(document), "text": None if text is None else _text(text)}


def _run(run: SimilarityScores, metric: str) -> dict[str, Any]:
    metrics = {name: _paired(paired) for name, paired in run.scores.items()}
    shown: dict[str, Any] = {"similarity": run.similarity, **metrics[metric], "metrics": metrics}
    if run.overlap is not None:
        shown["overlap"] = _measure(run.overlap)
    if run.bytes_per_vector is not None:
        shown["bytes_per_vector"] = _number(run.bytes_per_vector)
    return shown


def _paired(paired: PairedScore) -> dict[str, Any]:
    return {
        "mean": _number(paired.mean.value),
        "mean_low": _number(paired.mean.low),
        "mean_high": _number(paired.mean.high),
        "mean_null": _number(paired.mean.null),
        "delta": _number(paired.delta.value),
        "low": _number(paired.delta.low),
        "high": _number(paired.delta.high),
        "p": _number(paired.p),
    }


def _number(value: float | None) -> float | None:
    """Return a plain float of ten significant digits, None for what JSON cannot say."""
    if value is None or not math.isfinite(value):
        return None
    # Adding zero turns -0.0 into 0.0.
    return float(f"{float(value):.10g}") + 0.0


def _text(text: str) -> str:
    # A lone surrogate is no Unicode, and strict readers refuse the whole file for it.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
