"""A report for machines: schema ``ragdiag.audit/1``, the same bytes for the same store, seed and version."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from ragdiag.findings.finding import Finding
from ragdiag.report.json_sketch import sketch_json
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
        **({"model": as_text(report.model)} if report.model else {}),
        **({"sketch": sketch_json(report.sketch)} if report.sketch is not None else {}),
        "passed": list(report.passed),
        "skipped": {code: as_text(reason) for code, reason in report.skipped.items()},
        "notes": [as_text(note) for note in report.notes],
        "run": {
            "started": run.started,
            "seconds": as_number(run.seconds),
            "host": as_text(run.host),
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
        "knob": as_text(check.knob),
        "value": None if check.value is None else int(check.value),
        "decides": check.main,
        "target": as_number(check.target),
        "reached": None if check.reached is None else int(check.reached),
        "settings": [{"effort": int(s.effort), "recall": as_measure(s.recall)} for s in check.settings],
    }


def _latencies(check: AnnCheck | None) -> dict[str, Any]:
    if check is None or not check.settings:
        return {}
    shown = [
        {"effort": int(s.effort), "median_ms": as_number(s.median_ms), "p95_ms": as_number(s.p95_ms)}
        for s in check.settings
    ]
    return {"latencies": shown}


def _store(info: StoreInfo) -> dict[str, Any]:
    return {
        "name": as_text(info.name),
        "kind": info.kind,
        "count": int(info.count),
        "dim": int(info.dim),
        "metric": None if info.metric is None else info.metric.value,
        "index": as_text(info.index),
        "loss": as_text(info.loss),
        "counts": {as_text(name): int(number) for name, number in info.counts.items()},
        "mismatches": {as_text(name): int(number) for name, number in info.mismatches.items()},
        "has_texts": bool(info.has_texts),
        "has_metadata": bool(info.has_metadata),
        "index_metric": None if info.index_metric is None else info.index_metric.value,
    }


def _measures(items: Iterable[tuple[str, Measure]]) -> dict[str, Any]:
    return {name: as_measure(measure) for name, measure in items}


def as_measure(measure: Measure) -> dict[str, Any]:
    """Return a measure as it stands in the JSON."""
    value = as_number(measure.value)
    shown: dict[str, Any] = {
        "value": value,
        "low": None if value is None else as_number(measure.low),
        "high": None if value is None else as_number(measure.high),
        "null": as_number(measure.null),
        "n": int(measure.n),
    }
    if value is None:
        shown["undefined"] = as_text(measure.undefined) or "the value is not a finite number"
    return shown


def _finding(finding: Finding) -> dict[str, Any]:
    remedy = finding.remedy
    return {
        "code": finding.code,
        "severity": finding.severity.label,
        "title": finding.title,
        "message": as_text(finding.message),
        "evidence": _measures(finding.evidence.items()),
        "cost": {"text": as_text(finding.cost)},
        "remedy": {
            "text": as_text(remedy.text),
            "similarity": remedy.similarity,
            "tested": as_text(remedy.tested),
        },
        "documents": [
            {
                "id": as_text(document.id),
                "text": None if document.text is None else as_text(document.text),
                "note": as_text(document.note),
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
        "min_effect": as_number(comparison.min_effect),
        "note": as_text(comparison.note),
        "runs": [_run(run, comparison.metric) for run in comparison.runs],
        "winner": comparison.winner,
        "chosen": None if comparison.chosen is None else as_measure(comparison.chosen),
        "lexical": None if comparison.lexical is None else _run(comparison.lexical, comparison.metric),
        "smaller": [_run(run, comparison.metric) for run in comparison.smaller],
        "refused": {as_text(name): as_text(reason) for name, reason in comparison.refused.items()},
        "losses": None if comparison.losses is None else _losses(comparison.losses),
        **({"per_query": _per_query(comparison)} if comparison.query_ids else {}),
    }


def _per_query(comparison: Comparison) -> dict[str, Any]:
    scores = comparison.per_query_scores.get(comparison.baseline, {})
    return {
        "ids": [as_text(id_) for id_ in comparison.query_ids],
        "groups": [int(group) for group in comparison.groups],
        "scores": {name: [as_number(value) for value in values] for name, values in scores.items()},
    }


def _losses(losses: Losses) -> dict[str, Any]:
    return {
        "metric": losses.metric,
        "k": int(losses.k),
        "queries": int(losses.queries),
        "pairs": int(losses.pairs),
        "missing": int(losses.missing),
        "attainable": as_number(losses.attainable),
        "score": as_number(losses.score),
        "total": as_number(losses.total),
        "low_ranked": as_number(losses.low_ranked),
        "causes": [_cause(losses, cause) for cause in losses.causes],
        "hubs": [_listed(losses, hub) for hub in losses.hubs],
    }


def _cause(losses: Losses, cause: CauseLoss) -> dict[str, Any]:
    return {
        "cause": cause.cause.value,
        "tested": cause.cause not in losses.untested,
        "pairs": int(cause.pairs),
        "loss": as_number(cause.loss),
        "expected": as_number(cause.expected),
        "via": {as_text(name): int(pairs) for name, pairs in cause.via.items()},
        "offenders": [
            {
                "query": as_text(offender.query),
                "asked": as_text(offender.text),
                "document": _document(losses, offender.document),
                "rank": None if offender.rank is None else int(offender.rank),
                "loss": as_number(offender.loss),
                "via": as_text(offender.via),
                "instead": [_listed(losses, listed) for listed in offender.instead],
            }
            for offender in losses.offenders[cause.cause]
        ],
    }


def _listed(losses: Losses, listed: Listed) -> dict[str, Any]:
    return {**_document(losses, listed.document), "lists": int(listed.lists)}


def _document(losses: Losses, document: str) -> dict[str, Any]:
    text = losses.texts.get(document)
    return {"id": as_text(document), "text": None if text is None else as_text(text)}


def _run(run: SimilarityScores, metric: str) -> dict[str, Any]:
    metrics = {name: _paired(paired) for name, paired in run.scores.items()}
    shown: dict[str, Any] = {"similarity": run.similarity, **metrics[metric], "metrics": metrics}
    if run.overlap is not None:
        shown["overlap"] = as_measure(run.overlap)
    if run.bytes_per_vector is not None:
        shown["bytes_per_vector"] = as_number(run.bytes_per_vector)
    return shown


def _paired(paired: PairedScore) -> dict[str, Any]:
    return {
        "mean": as_number(paired.mean.value),
        "mean_low": as_number(paired.mean.low),
        "mean_high": as_number(paired.mean.high),
        "mean_null": as_number(paired.mean.null),
        "delta": as_number(paired.delta.value),
        "low": as_number(paired.delta.low),
        "high": as_number(paired.delta.high),
        "p": as_number(paired.p),
    }


def as_number(value: float | None) -> float | None:
    """Return a plain float of ten significant digits, None for what JSON cannot say."""
    if value is None or not math.isfinite(value):
        return None
    # Adding zero turns -0.0 into 0.0.
    return float(f"{float(value):.10g}") + 0.0


def as_text(text: str) -> str:
    """Return a text without lone surrogates: they are no Unicode, and strict readers refuse the whole file for it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
