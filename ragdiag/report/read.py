"""The JSON of an audit, read back; the file is not trusted."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ragdiag.errors import AuditFileError
from ragdiag.findings.finding import DocumentNote, Finding, Remedy
from ragdiag.report.fields import Fields, finite
from ragdiag.report.json import SCHEMA
from ragdiag.report.json_sketch import read_sketch
from ragdiag.statistics.sketch import Sketch
from ragdiag.types import Measure, Metric, Severity

MOST_BYTES = 256 * 2**20  # an audit of 100,000 labelled queries has 30 MB
_WRITE = "write it with `ragdiag audit STORE --format json --output FILE`"
_SEVERITIES = {severity.label: severity for severity in Severity}


@dataclass(frozen=True)
class Labelled:
    """Scores of the labelled queries under the store's own similarity.

    Attributes
    ----------
    similarity, metric : str
        The baseline, and the metric that decides.
    min_effect : float
    ids : tuple of str
    groups : tuple of int
        Of each query; queries of one group are resampled whole.
    scores : mapping of str to tuple of float
        By metric, one score for each query.
    """

    similarity: str
    metric: str
    min_effect: float
    ids: tuple[str, ...]
    groups: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]] = field(repr=False)


@dataclass(frozen=True)
class SavedAudit:
    """What the JSON of an audit says, as far as another audit is compared with it.

    Attributes
    ----------
    name, kind : str
        Of the store.
    count, dim : int
    metric : Metric or None
    measures : mapping of str to Measure
    proofs : mapping of str to Measure
        What findings of labelled retrieval rest on, found or not: ``nDCG@10.chosen`` and the like.
    findings : tuple of Finding
    passed : tuple of str
    skipped : mapping of str to str
    k, queries, seed : int
        Neighbours, and queries that were given.
    labelled : Labelled or None
        None without labelled queries, and in files of versions that did not keep the scores of each.
    has_comparison : bool
        Whether there were labelled queries.
    sketch : Sketch or None
        None in files of versions that took none.
    model, version, started : str
        The embedding model as it was named, and the run; "" where the file does not say.
    """

    name: str
    kind: str
    count: int
    dim: int
    metric: Metric | None
    measures: Mapping[str, Measure]
    proofs: Mapping[str, Measure]
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    skipped: Mapping[str, str]
    k: int
    queries: int
    seed: int
    labelled: Labelled | None
    has_comparison: bool
    sketch: Sketch | None = field(repr=False)
    model: str
    version: str
    started: str

    @property
    def looked(self) -> set[str]:
        """Codes of the rules that could look."""
        return {*self.passed, *(finding.code for finding in self.findings)}


def read_audit(path: str | os.PathLike[str]) -> SavedAudit:
    """Read what `ragdiag audit --format json` wrote.

    Parameters
    ----------
    path : path

    Raises
    ------
    AuditFileError
        When there is no such file, it is cut off, is no audit, or follows another version of the schema.
    """
    name = os.fspath(path)
    try:
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            raise AuditFileError(f"{name} has {size:,} bytes: that is no audit", hint=_WRITE)
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)  # a device or a pipe has no size that could be known before
        if len(data) > MOST_BYTES:
            raise AuditFileError(f"{name} does not end after {MOST_BYTES:,} bytes: that is no audit", hint=_WRITE)
        text = data.decode("utf-8-sig")  # with the mark that Windows puts before it
    except UnicodeDecodeError as error:
        raise AuditFileError(f"{name} is no JSON", hint=_WRITE) from error
    except (OSError, ValueError) as error:
        if isinstance(error, AuditFileError):
            raise
        raise AuditFileError(f"cannot read {name}", hint=getattr(error, "strerror", None) or str(error)) from error
    if not text.strip():
        raise AuditFileError(f"{name} is empty", hint=_WRITE)
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        # What follows a whole value, or stands in a wrong place, is another file; a missing end is a cut.
        cut = text.lstrip()[0] == "{" and error.pos >= len(text.rstrip()) - 1
        what = "is cut off" if cut or error.msg.startswith("Unterminated") else "is no JSON"
        raise AuditFileError(f"{name} {what} (line {error.lineno})", hint=_WRITE) from error
    except (ValueError, RecursionError) as error:
        raise AuditFileError(f"{name} is no JSON", hint=_WRITE) from error
    return saved_audit(value, name)


def saved_audit(value: Any, name: str) -> SavedAudit:
    """Return an audit from its parsed JSON; `name` stands in errors.

    Raises
    ------
    AuditFileError
    """
    found = value.get("schema") if isinstance(value, dict) else None
    if found != SCHEMA:
        _refuse_schema(found, name)
    try:
        return _audit(Fields(value, ""))
    except ValueError as error:
        raise AuditFileError(f"{name} is no audit: {error}", hint=_WRITE) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _refuse_schema(found: Any, name: str) -> NoReturn:
    family, _, version = found.partition("/") if isinstance(found, str) else ("", "", "")
    if family == SCHEMA.partition("/")[0] and version.isascii() and version.isdigit() and len(version) < 9:
        newer = int(version) > int(SCHEMA.partition("/")[2])
        can = "the ragdiag that wrote it, or a later one" if newer else "the ragdiag that wrote it"
        raise AuditFileError(f"{name} follows {found}, and this version reads {SCHEMA}", hint=f"{can} reads it")
    if family.startswith("ragdiag.") and len(family) < 40:
        raise AuditFileError(f"{name} is a {family} file and no audit", hint=_WRITE)
    raise AuditFileError(f"{name} is no audit of ragdiag", hint=_WRITE)


def _audit(top: Fields) -> SavedAudit:
    store, sampling, run = top.fields("store"), top.fields("sampling"), top.fields("run")
    comparison = top.fields("comparison") if "comparison" in top else None
    metric = store.optional_name("metric")
    skipped = top.fields("skipped")
    return SavedAudit(
        name=store.name("name"),
        kind=store.name("kind"),
        count=store.whole("count"),
        dim=store.whole("dim"),
        metric=None if metric is None else _metric(metric),
        measures=_measures(top.fields("measures")),
        proofs={} if comparison is None else _proofs(comparison),
        findings=tuple(_finding(Fields(one, "findings")) for one in top.items("findings")),
        passed=top.texts("passed"),
        skipped={code: skipped.text(code) for code in skipped.names()},
        k=sampling.whole("k"),
        queries=sampling.whole("queries"),
        seed=sampling.whole("seed"),
        labelled=None if comparison is None else _labelled(comparison),
        has_comparison=comparison is not None,
        sketch=read_sketch(_object(top, "sketch")) if "sketch" in top else None,
        model=top.optional_name("model") or "",
        version=run.fields("versions").optional_name("ragdiag") or "",
        started=run.optional_name("started") or "",
    )


def _metric(name: str) -> Metric:
    if name not in {metric.value for metric in Metric}:
        raise ValueError("store.metric is no metric")
    return Metric(name)


def _proofs(comparison: Fields) -> dict[str, Measure]:
    metric = comparison.name("metric")
    found = {}
    if "chosen" in comparison:
        found[f"{metric}.chosen"] = _measure(comparison.fields("chosen"))
    if "lexical" in comparison:
        words, n = comparison.fields("lexical"), comparison.whole("queries")
        value, low, high = (words.number(key) for key in ("delta", "low", "high"))
        if value is not None:
            _check_interval(words, value, low, high)
            found[f"{metric}.bm25_delta"] = Measure(value, low, high, 0.0, n)
    return found


def _object(top: Fields, key: str) -> dict[str, Any]:
    Fields(top.raw(key), key)
    found: dict[str, Any] = top.raw(key)
    return found


def _measures(found: Fields) -> dict[str, Measure]:
    return {name: _measure(found.fields(name)) for name in found.names()}


def _measure(found: Fields) -> Measure:
    value, low, high = (found.number(key) for key in ("value", "low", "high"))
    _check_interval(found, value, low, high)
    return Measure(value, low, high, found.number("null"), found.whole("n"), found.optional_text("undefined") or "")


def _check_interval(found: Fields, value: float | None, low: float | None, high: float | None) -> None:
    if low is not None and high is not None and (value is None or not low <= high):
        raise ValueError(f"{found.place('low')} and high are no interval")


def _finding(found: Fields) -> Finding:
    severity = _SEVERITIES.get(found.text("severity"))
    if severity is None:
        raise ValueError(f"{found.place('severity')} is no severity")
    remedy = found.fields("remedy")
    return Finding(
        code=found.name("code"),
        severity=severity,
        title=found.name("title"),
        message=found.text("message"),
        evidence=_measures(found.fields("evidence")),
        cost=found.fields("cost").text("text"),
        remedy=Remedy(remedy.text("text"), remedy.optional_text("similarity"), remedy.text("tested")),
        documents=tuple(
            DocumentNote(note.text("id"), note.optional_text("text"), note.text("note"))
            for note in (Fields(one, "documents") for one in found.items("documents"))
        ),
    )


def _labelled(found: Fields) -> Labelled | None:
    if "per_query" not in found:
        return None
    own = found.fields("per_query")
    ids, groups = own.texts("ids"), own.items("groups")
    if not ids:
        raise ValueError(f"{own.place('ids')} names no query")
    if len(set(ids)) != len(ids):
        raise ValueError(f"{own.place('ids')} holds an id twice")
    if len(groups) != len(ids) or any(type(group) is not int or not 0 <= group < 2**31 for group in groups):
        raise ValueError(f"{own.place('groups')} is no list of {len(ids)} groups")
    scores = own.fields("scores")
    by_metric = {name: _scores(scores, name, len(ids)) for name in scores.names()}
    metric = found.name("metric")
    if metric not in by_metric:
        raise ValueError(f"{own.place('scores')} lacks {metric}")
    return Labelled(found.name("baseline"), metric, found.number("min_effect") or 0.0, ids, tuple(groups), by_metric)


def _scores(found: Fields, name: str, size: int) -> tuple[float, ...]:
    values = tuple(finite(value, found.place(name)) for value in found.items(name))
    if len(values) != size:
        raise ValueError(f"{found.place(name)} does not hold {size} scores")
    if not all(0 <= value <= 1 for value in values):
        raise ValueError(f"{found.place(name)} holds a score that is not between 0 and 1")
    return values
