"""What changed between two audits, for people: whether it got worse, by what, and what else moved."""

from __future__ import annotations

from ragdiag.numbers import counted, interval, number, percent, probability, score, spoken
from ragdiag.report.changes import Change, Diff, FindingChange
from ragdiag.report.page import Page
from ragdiag.report.read import SavedAudit
from ragdiag.report.terminal_findings import STYLES

MOST_MOVED = 12
_HANG = 14


def diff_to_text(diff: Diff, *, width: int = 80, color: bool = False, encoding: str = "utf-8") -> str:
    """Return a comparison of two audits as text for a terminal or a log.

    Parameters
    ----------
    diff : Diff
    width : int
        Columns; no line is wider (at least 40).
    color : bool
        Whether to add ANSI colours, for a terminal.
    encoding : str
        Of the stream that will show the text; what it cannot express is spelled in ASCII.

    Returns
    -------
    str
        Without a newline at the end.
    """
    page = Page(width, encoding=encoding)
    page.line(("ragdiag diff", "bold"))
    page.gap()
    page.field("Before", _audit(diff.old))
    page.field("Now", _audit(diff.new))
    page.gap()
    diff_section(page, diff)
    return page.render(color=color)


def diff_verdict(diff: Diff) -> str:
    """Return what the comparison says, in a sentence or two."""
    if diff.regressions:
        return f"{counted(len(diff.regressions), 'regression')}."
    return "No regression: nothing got worse by more than chance moves."


def diff_section(page: Page, diff: Diff) -> None:
    """Add all that is known of a comparison of two audits."""
    page.line((diff_verdict(diff), "bold red" if diff.regressions else "bold green"))
    for sentence in diff.regressions:
        page.line("- ", sentence, indent=2, hang=4)
    for note in diff.notes:
        page.field("Note", note)
    _findings(page, diff)
    _labelled(page, diff)
    _drift(page, diff)
    _measures(page, diff)


def _audit(audit: SavedAudit) -> str:
    when = f", {audit.started.replace('T', ' ')[:16]}" if audit.started else ""
    return f"{audit.name}: {counted(audit.count, 'vector')} × {audit.dim}{when}"


def _findings(page: Page, diff: Diff) -> None:
    page.heading("Findings")
    same = [change for change in diff.findings if change.change is Change.SAME]
    for change in diff.findings:
        if change.change is not Change.SAME:
            _finding(page, change)
    if same:
        page.field("same", ", ".join(change.finding.code for change in same), hang=_HANG)
    if not diff.findings:
        page.line("none, before or now", indent=2)


def _finding(page: Page, change: FindingChange) -> None:
    finding = change.finding
    style = STYLES[finding.severity] if change.regression else "dim"
    severity = finding.severity.label
    if change.before is not None and change.before is not finding.severity:
        severity = f"{change.before.label} before, now {severity}"
    if change.change is Change.GONE:
        severity = f"was {severity}"
    head = (f"{finding.code} {finding.title}", "bold")
    page.field(change.change.value, head, f" ({severity})", hang=_HANG, style=style)
    if change.change is Change.GONE:
        return
    if change.regression:
        page.line(finding.message, indent=_HANG)
    moved = change.movement
    if moved is not None:
        was, now = spoken(moved.old.value), spoken(moved.new.value)
        page.line(f"{change.measure} {was} → {now}", indent=_HANG)
    if change.why:
        p = f" (p = {probability(change.p)})" if change.p is not None else ""
        page.line((f"{'Counts' if change.regression else 'Does not count'}: {change.why}{p}", "dim"), indent=_HANG)


def _labelled(page: Page, diff: Diff) -> None:
    if not diff.labelled:
        return
    page.heading("Labelled retrieval, paired by query")
    for change in diff.labelled:
        mark = ("lost", "bold red") if change.regression else ("", "")
        text = f"{change.old:.3f} → {change.new:.3f}, {score(change.delta, sign=True)}, p = {probability(change.p)} "
        page.field(change.metric, text, mark, hang=_HANG)
    decides = next(change.metric for change in diff.labelled if change.decides)
    said = (
        f"{counted(diff.labelled[0].delta.n, 'query', 'queries')}; {decides} decides, from {number(diff.min_effect)} on"
    )
    page.line((said, "dim"), indent=2)


def _drift(page: Page, diff: Diff) -> None:
    if not diff.drift:
        return
    page.heading("The vectors themselves")
    for name, words in DRIFT_NAMES.items():
        page.field(words, drift_value(diff, name), hang=30)


def drift_value(diff: Diff, name: str) -> str:
    """Return a measure of drift with its interval, shares as percentages, as people read it."""
    measure = diff.drift[name]
    if measure.value is None:
        return f"undefined: {measure.undefined}"
    if name in _SHARES:
        span = "" if measure.low == measure.high else f" [{percent(measure.low)}, {percent(measure.high)}]"
        return f"{percent(measure.value)}{span}"
    p = f", p = {probability(diff.drift_p)}" if name == "drift.mmd" and diff.drift_p is not None else ""
    return f"{number(measure.value)} {interval(measure)}{p}"


DRIFT_NAMES = {
    "drift.ids_vanished": "documents gone",
    "drift.ids_new": "documents new",
    "drift.vectors_changed": "vectors changed",
    "drift.replaced": "same document, other vector",
    "drift.mmd": "distance of laws (MMD)",
    "drift.mean_shift": "shift of the mean",
    "drift.spectrum": "ln ratio of dimensions used",
}
_SHARES = ("drift.ids_vanished", "drift.ids_new", "drift.vectors_changed", "drift.replaced")


def _measures(page: Page, diff: Diff) -> None:
    if not diff.compared:
        return
    page.heading("Measures that moved")
    if not diff.moved:
        page.line(f"none of {diff.compared}, beyond their joint intervals", indent=2)
        return
    loudest = sorted(diff.moved.items(), key=lambda item: item[1].p)
    for name, moved in loudest[:MOST_MOVED]:
        was, now = number(moved.old.value or 0.0), number(moved.new.value or 0.0)
        span = f"[{number(moved.low)}, {number(moved.high)}]"
        page.line((name, "bold"), f" {was} → {now}, by {number(moved.delta)} {span}", indent=2, hang=4)
    more = f"; {len(diff.moved) - MOST_MOVED} more in the JSON" if len(diff.moved) > MOST_MOVED else ""
    page.line((f"{len(diff.moved)} of {diff.compared}, beyond their joint intervals{more}", "dim"), indent=2)
