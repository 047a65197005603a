"""Findings as a terminal shows them: what, what it costs, on what evidence, what to do, which documents."""

from __future__ import annotations

from ragdiag.findings.finding import DocumentNote, Finding
from ragdiag.numbers import count, interval, number
from ragdiag.report.page import Page
from ragdiag.types import Measure, Severity

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}

MOST_DOCUMENTS = 5
_TITLE_COLUMN = len("warning  ")


def finding_line(page: Page, finding: Finding) -> None:
    """Add the one line that names a finding: severity, code and title."""
    severity = finding.severity
    title = (f"{finding.code} {finding.title}", "bold")
    page.field(severity.label, title, indent=0, hang=_TITLE_COLUMN, style=STYLES[severity])


def finding_block(page: Page, finding: Finding) -> None:
    """Add all that is known of a finding."""
    page.gap()
    finding_line(page, finding)
    page.line(finding.message, indent=2)
    if finding.cost:
        page.field("Cost", finding.cost)
    label = "Evidence"
    for name, measure in finding.evidence.items():
        page.field(label, f"{name} ", (evidence(measure), "bold"), *_beside(measure), hang=12)
        label = ""
    _remedy(page, finding)
    _documents(page, finding.documents)


def evidence(measure: Measure) -> str:
    """Return a measure's value, or why it has none.

    Examples
    --------
    >>> evidence(Measure.missing("no queries were given"))
    'undefined: no queries were given'
    """
    return number(measure.value) if measure.value is not None else f"undefined: {measure.undefined}"


def _beside(measure: Measure) -> tuple[str, ...]:
    if measure.value is None:
        return ()
    span = interval(measure)
    span = f" ({span})" if span == "exact" else f" {span}" if span else ""
    null = f", null {number(measure.null)}" if measure.null is not None else ""
    return (f"{span}{null}, n={count(measure.n)}",)


def _remedy(page: Page, finding: Finding) -> None:
    remedy = finding.remedy
    if not remedy.text:
        return
    page.field("Remedy", remedy.text)
    if remedy.similarity is not None:
        page.field("", f"Similarity: {remedy.similarity}")
    if remedy.tested:
        page.field("", f"Tested: {remedy.tested}")
    elif remedy.similarity is not None:
        page.field("", "Not tested on this store.")


def _documents(page: Page, documents: tuple[DocumentNote, ...]) -> None:
    label = "Documents"
    for document in documents[:MOST_DOCUMENTS]:
        note = f": {document.note}" if document.note else ""
        page.field(label, (document.id, "bold"), note)
        label = ""
        if document.text is not None:
            page.quote(document.text, indent=14)
    more = len(documents) - MOST_DOCUMENTS
    if more > 0:
        page.field("", f"… and {more} more")
