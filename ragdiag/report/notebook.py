"""What a notebook shows of a report, a finding, a comparison: small HTML without scripts or styles of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ragdiag.display import in_notebook
from ragdiag.findings.finding import Finding
from ragdiag.numbers import counted, interval, number, probability, score
from ragdiag.report.escape import clean
from ragdiag.report.model import Report
from ragdiag.report.terminal import verdict
from ragdiag.report.terminal_comparison import comparison_verdict
from ragdiag.report.terminal_findings import evidence
from ragdiag.retrieval.comparison import WORDS, Comparison
from ragdiag.types import Severity

_TEXT = 200
_DOCUMENTS = 5
_COLORS = {Severity.ERROR: "#c9362b", Severity.WARNING: "#a86700", Severity.INFO: "#2f77c0"}


def _safe(text: str, most: int = _TEXT) -> str:
    cut = clean(text[: 4 * most])
    return f"<bdi>{escape(cut if len(cut) <= most else cut[: most - 1] + '…')}</bdi>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are safe already; the first cell of a row names it."""
    head = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in header)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left;vertical-align:top">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _badge(severity: Severity) -> str:
    return f'<b style="color:{_COLORS[severity]}">{severity.label}</b>'


@in_notebook.register
def show_report(report: Report) -> str:
    """Return the verdict and one row for each finding."""
    info = report.store
    rows = [
        (_badge(one.severity), f"<b>{escape(one.code)}</b>", f"<b>{_safe(one.title)}</b><br>{_safe(one.message, 600)}")
        for one in report.findings
    ]
    return (
        f"<div><p>{_safe(info.name)}: {counted(info.count, 'vector')} × {info.dim}</p>"
        f"<p><b>{_safe(verdict(report), 600)}</b></p>{_table(('', 'rule', 'finding'), rows) if rows else ''}</div>"
    )


@in_notebook.register
def show_finding(finding: Finding) -> str:
    """Return a finding with its evidence, its remedy and the first documents."""
    measures = [
        (
            f"<code>{escape(name)}</code>",
            escape(evidence(m)),
            escape(interval(m) if m.value is not None else ""),
            escape(number(m.null)) if m.null is not None else "",
            str(m.n),
        )
        for name, m in finding.evidence.items()
    ]
    parts = [
        f"<p>{_badge(finding.severity)} <b>{escape(finding.code)} {_safe(finding.title)}</b></p>",
        f"<p>{_safe(finding.message, 600)}</p>",
        f"<p>Cost: {_safe(finding.cost, 600)}</p>" if finding.cost else "",
        _table(("measure", "value", "95 % interval", "null", "n"), measures) if measures else "",
        f"<p>Remedy: {_safe(finding.remedy.text, 600)}</p>" if finding.remedy.text else "",
        f"<p>Tested: {_safe(finding.remedy.tested, 600)}</p>" if finding.remedy.tested else "",
    ]
    documents = [(_safe(d.id, 60), _safe(d.note, 120), _safe(d.text or "")) for d in finding.documents[:_DOCUMENTS]]
    parts.append(_table(("document", "why", "text"), documents) if documents else "")
    return f"<div>{''.join(parts)}</div>"


@in_notebook.register
def show_comparison(comparison: Comparison) -> str:
    """Return the verdict and one row for each similarity, under the metric that decides."""
    metric = comparison.metric
    runs = [*comparison.runs, *([comparison.lexical] if comparison.lexical is not None else [])]
    rows = []
    for run in runs:
        paired = run.scores[metric]
        name = WORDS if run is comparison.lexical else run.similarity
        shown = f"<b>{_safe(name)}</b>" if name == comparison.winner else _safe(name)
        delta = "baseline" if run is comparison.runs[0] else score(paired.delta, sign=True)
        p = "" if paired.p is None else probability(paired.p)
        rows.append((shown, score(paired.mean), delta, p))
    said = "".join(f"<p><b>{_safe(sentence, 600)}</b></p>" for sentence in comparison_verdict(comparison))
    return f"<div>{said}{_table(('similarity', escape(metric), 'difference', 'p'), rows)}</div>"
