"""What the settings of an index give, as a terminal shows it."""

from __future__ import annotations

from ragdiag.numbers import interval, number
from ragdiag.report.page import Page
from ragdiag.retrieval.ann import AnnCheck


def ann_section(page: Page, check: AnnCheck) -> None:
    """Add recall and latency of each setting that was tried, and which is the smallest that does."""
    page.heading("Index")
    header = (check.knob, "recall", "95 % interval", "median ms", "95 % ms")
    rows = [
        (
            str(setting.effort) + (" (now)" if setting.effort == check.value else ""),
            number(setting.recall.value or 0.0),
            interval(setting.recall),
            number(setting.median_ms),
            number(setting.p95_ms),
        )
        for setting in check.settings
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    signs = (1, -1, 1, -1, -1)
    page.row([((text, "dim"), sign * w) for text, w, sign in zip(header, widths, signs, strict=True)], indent=2)
    for row in rows:
        page.row([(text, sign * w) for text, w, sign in zip(row, widths, signs, strict=True)], indent=2)
    page.line(("Times are of one search after the other, with the way there and back.", "dim"), indent=2)
    page.line(_said(check), indent=2)


def _said(check: AnnCheck) -> str:
    n = check.settings[0].recall.n
    asked = f"Over {n:,} {'queries' if check.main == 'ann.query.recall' else 'documents as queries'}"
    if check.reached is None:
        return f"{asked}, no {check.knob} that was tried is sure to reach {check.wanted:g}."
    present = check.value is not None and check.reached <= check.value
    already = " The present one does." if present else ""
    return f"{asked}, {check.knob} {check.reached} is the smallest that is sure to reach {check.wanted:g}.{already}"
