"""A report as Markdown, for job summaries and pull-request comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ragdiag.findings.finding import Finding
from ragdiag.numbers import count, interval, number, probability, score
from ragdiag.report.changes import Change, Diff, FindingChange
from ragdiag.report.escape import clean, markdown, markdown_code, shorten
from ragdiag.report.model import Report
from ragdiag.report.terminal import verdict
from ragdiag.report.terminal_diff import DRIFT_NAMES, diff_verdict, drift_value
from ragdiag.report.terminal_findings import evidence
from ragdiag.retrieval.comparison import Comparison
from ragdiag.types import Measure, Severity

_SIGNS = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.INFO: "ℹ️"}
_TEXT = 160  # columns of a chunk
_DOCUMENTS = 5


def to_markdown(report: Report) -> str:
    """Return a report as GitHub's Markdown: verdict, findings, labelled retrieval, measures folded away.

    Texts and ids of the store stand as code in which nothing is obeyed.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str
        Without a newline at the end.
    """
    return "\n\n".join(_report(report))


def diff_to_markdown(diff: Diff) -> str:
    """Return a comparison of two audits as GitHub's Markdown: whether it got worse, by what, and what else moved."""
    return "\n\n".join(_diff(diff))


def _report(report: Report) -> Iterator[str]:
    info = report.store
    yield f"## ragdiag: {markdown_code(info.name)}"
    ranks = f"ranks by {info.metric.value}" if info.metric is not None else "does not say how it ranks"
    yield f"**{markdown(verdict(report))}** {count(info.count)} vectors × {info.dim}, {ranks}."
    for finding in report.findings:
        yield _finding(finding)
    if report.comparison is not None and report.comparison.runs:
        yield from _comparison(report.comparison)
    if report.notes:
        yield "\n".join(f"- {markdown(note)}" for note in report.notes)
    if report.measures:
        rows = ((name, *_cells(measure)) for name, measure in report.measures.items())
        yield _folded("All measures", _table(("measure", "value", "95 % interval", "null", "n"), rows))


def _finding(finding: Finding) -> str:
    lines = [
        f"### {_SIGNS[finding.severity]} {finding.code} {markdown(finding.title)} ({finding.severity.label})",
        markdown(finding.message),
    ]
    if finding.cost:
        lines.append(f"**Cost** {markdown(finding.cost)}")
    if finding.remedy.text:
        tested = f" Tested: {markdown(finding.remedy.tested)}." if finding.remedy.tested else ""
        lines.append(f"**Remedy** {markdown(finding.remedy.text)}{tested}")
    rows = [(name, *_cells(measure)) for name, measure in finding.evidence.items()]
    lines.append(_table(("evidence", "value", "95 % interval", "null", "n"), rows))
    documents = [
        f"- {markdown_code(shorten(clean(note.id), 60))} {markdown(note.note)}"
        + (f" {markdown_code(shorten(clean(note.text), _TEXT))}" if note.text else "")
        for note in finding.documents[:_DOCUMENTS]
    ]
    if documents:
        lines.append(_folded("Documents", "\n".join(documents)))
    return "\n\n".join(lines)


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield "### Labelled retrieval"
    rows = [
        (
            run.similarity,
            score(run.scores[comparison.metric].mean),
            score(run.scores[comparison.metric].delta, sign=True) if position else "baseline",
            "" if (p := run.scores[comparison.metric].p) is None else probability(p),
        )
        for position, run in enumerate(comparison.runs)
    ]
    yield _table(("similarity", comparison.metric, "difference", "p"), rows)


def _diff(diff: Diff) -> Iterator[str]:
    yield f"## ragdiag diff: {'❌' if diff.regressions else '✅'} {markdown(diff_verdict(diff))}"
    yield f"{markdown_code(diff.old.name)} ({markdown(diff.old.started)}) → {markdown_code(diff.new.name)} (" + (
        f"{markdown(diff.new.started)})"
    )
    if diff.regressions:
        yield "\n".join(f"- {markdown(sentence)}" for sentence in diff.regressions)
    if diff.notes:
        yield "\n".join(f"- Note: {markdown(note)}" for note in diff.notes)
    changed = [change for change in diff.findings if change.change is not Change.SAME]
    if changed:
        yield _table(("", "rule", "severity", "measure", "what"), map(_change, changed))
    if diff.labelled:
        labelled = (
            (row.metric, f"{row.old:.3f}", f"{row.new:.3f}", score(row.delta, sign=True), probability(row.p))
            for row in diff.labelled
        )
        yield _table(("labelled, paired", "before", "now", "difference", "p"), labelled)
    if diff.drift:
        drifted = ((words, drift_value(diff, name)) for name, words in DRIFT_NAMES.items())
        yield _folded("The vectors themselves", _table(("", ""), drifted))
    if diff.moved:
        moved = (
            (name, number(m.old.value or 0.0), number(m.new.value or 0.0), f"[{number(m.low)}, {number(m.high)}]")
            for name, m in diff.moved.items()
        )
        head = ("measure", "before", "now", "joint interval")
        yield _folded(f"{len(diff.moved)} of {diff.compared} measures moved", _table(head, moved))


def _change(change: FindingChange) -> tuple[str, ...]:
    finding = change.finding
    now = "–" if change.change is Change.GONE else finding.severity.label
    before = change.before.label if change.before is not None else "–"
    moved = change.movement
    measured = f"{change.measure} {number(moved.old.value or 0.0)} → {number(moved.new.value or 0.0)}" if moved else ""
    state = f"{'❌ ' if change.regression else ''}{change.change.value}"
    return state, f"{finding.code} {finding.title}", f"{before} → {now}", measured, change.why


def _cells(measure: Measure) -> tuple[str, str, str, str]:
    null = "" if measure.null is None else number(measure.null)
    return evidence(measure), interval(measure), null, count(measure.n)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(markdown(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{markdown(title)}</summary>\n\n{body}\n\n</details>"
