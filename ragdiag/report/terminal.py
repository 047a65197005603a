"""A report for people: the verdict first, then what is wrong, worst first, then all the numbers."""

from __future__ import annotations

from collections.abc import Iterator

from ragdiag.findings.drift import NO_BASELINE
from ragdiag.geometry.portrait import NO_JUDGEMENTS, NO_QUERIES
from ragdiag.numbers import count, counted
from ragdiag.report.model import Report, Sampling
from ragdiag.report.page import Page
from ragdiag.report.terminal_ann import ann_section
from ragdiag.report.terminal_comparison import comparison_section
from ragdiag.report.terminal_findings import finding_block, finding_line
from ragdiag.report.terminal_measures import measures_table
from ragdiag.report.terminal_pictures import pictures_section
from ragdiag.retrieval.ann import NO_SEARCH
from ragdiag.types import Severity, StoreInfo

_MOST_STEPS = 3
_MOST_REASONS = 3


def to_text(
    report: Report, *, width: int = 80, color: bool = False, concise: bool = False, encoding: str = "utf-8"
) -> str:
    """Return a report as text for a terminal or a log.

    Texts from the store are shown with everything escaped that a terminal would obey.

    Parameters
    ----------
    report : Report
    width : int
        Columns; no line is wider (at least 40).
    color : bool
        Whether to add ANSI colours, for a terminal.
    concise : bool
        One line for each finding, and no tables.
    encoding : str
        Of the stream that will show the text; what it cannot express is spelled in ASCII.

    Returns
    -------
    str
        Without a newline at the end.
    """
    page = Page(width, encoding=encoding)
    _header(page, report)
    if concise:
        for finding in report.findings:
            finding_line(page, finding)
        return page.render(color=color)
    if report.findings:
        page.heading("Findings")
        for finding in report.findings:
            finding_block(page, finding)
    if report.pictures is not None:
        pictures_section(page, report.pictures)
    if report.comparison is not None:
        comparison_section(page, report.comparison, told=report.notes)
    if report.ann is not None and report.ann.settings:
        ann_section(page, report.ann)
    if report.measures:
        measures_table(page, report.measures)
    _not_looked(page, report)
    _next(page, report)
    _footer(page, report)
    return page.render(color=color)


def verdict(report: Report) -> str:
    """Return what the audit says, in a sentence; where it found nothing wrong, also what it could not look at.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str
        Such as ``"2 errors, 3 warnings, 1 info."``.
    """
    tally = [(severity, _tally(report, severity)) for severity in sorted(Severity, reverse=True)]
    words = [words for _, words in tally if words]
    worst = report.worst()
    if worst is None:
        if not report.passed:
            return "No rule could look at this store."
        alone = " Leave it alone." if report.comparison is not None else ""
        return f"Nothing wrong was found.{alone}{_untested(report)}"
    if worst is Severity.INFO:
        return f"Nothing wrong was found; {words[0]} to know.{_untested(report)}"
    return ", ".join(words) + "."


def _untested(report: Report) -> str:
    """Return what a clean verdict does not cover."""
    parts = []
    # Nothing there to test, and nothing of this store alone.
    reasons = [reason for reason in report.skipped.values() if reason not in (NO_SEARCH, NO_BASELINE)]
    if report.comparison is None:
        parts.append("whether retrieval suffers (no labelled queries)")
        reasons = [reason for reason in reasons if reason not in (NO_QUERIES, NO_JUDGEMENTS)]
    if reasons:
        few = list(dict.fromkeys(reasons))
        named = "; ".join(few[:_MOST_REASONS]) + ("; …" if len(few) > _MOST_REASONS else "")
        rules = counted(len(reasons), "other rule" if report.comparison is None else "rule")
        parts.append(f"what {rules} could not look at ({named})")
    return f" Not tested: {', and '.join(parts)}." if parts else ""


def _tally(report: Report, severity: Severity) -> str:
    number = sum(finding.severity is severity for finding in report.findings)
    if not number:
        return ""
    # "info" has no plural that anyone writes.
    return counted(number, severity.label, "info" if severity is Severity.INFO else "")


def _header(page: Page, report: Report) -> None:
    info = report.store
    page.line((info.name, "bold"))
    page.gap()
    page.field("Store", _store(info))
    if info.loss:
        page.field("Lossy", info.loss)
    nearest = f"for the {report.sampling.k} nearest of each query"
    page.field("Searched", f"all {counted(report.sampling.documents, 'document')} {nearest}")
    page.field("Queries", _queries(report.sampling))
    page.field("Sampled", _sampled(report.sampling))
    page.field("Rules", _rules(report))
    for note in report.notes:
        page.field("Note", note)
    page.gap()
    styles = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}
    worst = report.worst()
    page.line((verdict(report), "bold green" if worst is None else styles.get(worst, "bold green")))
    page.gap()


def _store(info: StoreInfo) -> str:
    kind = f"{info.kind} ({info.index})" if info.index and info.index != info.kind else info.kind
    ranks = f"ranks by {info.metric.value}" if info.metric is not None else "does not say how it ranks"
    texts = "" if info.has_texts else ", keeps no texts"
    return f"{kind}: {counted(info.count, 'vector')} × {info.dim}, {ranks}{texts}"


def _queries(sampling: Sampling) -> str:
    given = f"{counted(sampling.queries, 'query', 'queries')} given" if sampling.queries else "no queries given"
    if not sampling.document_queries:
        return given
    whole = sampling.document_queries >= sampling.documents
    drawn = "each of the documents" if whole else f"{count(sampling.document_queries)} of the documents"
    return f"{drawn}; {given}"


def _sampled(sampling: Sampling) -> str:
    whole = sampling.moment_documents >= sampling.documents
    drawn = "all documents" if whole else counted(sampling.moment_documents, "document")
    return f"{drawn} for statistics of rows and pairs; seed {sampling.seed}"


def _rules(report: Report) -> str:
    fired = len({finding.code for finding in report.findings})
    could_not = f", {count(len(report.skipped))} could not" if report.skipped else ""
    return f"{count(fired + len(report.passed))} looked{could_not}"


def _not_looked(page: Page, report: Report) -> None:
    if not report.skipped:
        return
    page.heading("Rules that could not look")
    reasons: dict[str, list[str]] = {}
    for code, reason in report.skipped.items():
        reasons.setdefault(reason, []).append(code)
    for reason, codes in reasons.items():
        page.line(f"{reason}: ", (", ".join(codes), "bold"), indent=2, hang=4)


def _next(page: Page, report: Report) -> None:
    page.heading("What to do next")
    remedies: dict[str, str] = {}
    for finding in report.findings:
        if finding.severity > Severity.INFO and finding.remedy.text:
            remedies.setdefault(finding.code, finding.remedy.text)
    for step, (code, remedy) in enumerate(list(remedies.items())[:_MOST_STEPS], start=1):
        page.field(f"{step}.", (code, "bold"), f": {_first_sentence(remedy)}", hang=5)
    if len(remedies) > _MOST_STEPS:
        page.line(f"… and {len(remedies) - _MOST_STEPS} more: ", ", ".join(list(remedies)[_MOST_STEPS:]), indent=2)
    if remedies:
        page.line(
            ("ragdiag rule " + next(iter(remedies)), "bold"),
            " says what it means and when it is wrong.",
            indent=2,
        )
    elif report.findings:
        page.line(("ragdiag rule " + report.findings[0].code, "bold"), " says whether it matters to you.", indent=2)
    comparison = report.comparison
    if comparison is None:
        cost = "what this costs in retrieval" if remedies else "how well the store retrieves"
        page.line(("--queries DIR", "bold"), f" (labelled queries, BEIR layout) shows {cost}.", indent=2)
    elif comparison.winner is not None and not any(_recommends(report, comparison.winner)):
        page.line("Rank by ", (comparison.winner, "bold"), ", which is proven better.", indent=2)
    elif not report.findings:
        page.line("Nothing.", indent=2)


def _recommends(report: Report, similarity: str) -> Iterator[bool]:
    return (finding.remedy.similarity == similarity for finding in report.findings)


def _first_sentence(text: str) -> str:
    head, stop, _ = text.partition(". ")
    return head + "." if stop else text


def _footer(page: Page, report: Report) -> None:
    version = report.run.versions.get("ragdiag", "")
    page.gap()
    page.line((f"ragdiag {version}, {report.run.seconds:.1f} s", "dim"))
