"""What a fix did, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragdiag.numbers import counted
from ragdiag.report.page import Page
from ragdiag.report.terminal_comparison import comparison_verdict
from ragdiag.stores.uri import without_credentials

if TYPE_CHECKING:  # a result does not know how it looks, and the flow is below the reports
    from ragdiag.fixing import Fixed


def fix_to_text(fixed: Fixed, *, to: str, width: int = 80, color: bool = False, encoding: str = "utf-8") -> str:
    """Return what was written, and what was promised beside what was delivered."""
    page = Page(width, encoding=encoding)
    new = fixed.target
    if new is None:
        page.line((f"{fixed.source.name} stays as it is", "bold"))
        page.field("Remedy", fixed.similarity, "; it changes queries alone")
    else:
        page.line((f"{without_credentials(to)} written", "bold"))
        page.gap()
        metric = "" if new.metric is None else f", ranks by {new.metric.value}"
        page.field("Store", f"{new.kind}: {counted(new.count, 'vector')} × {new.dim}{metric}")
        if new.metric is None:
            page.field(
                "Rank by",
                (fixed.metric.value, "bold"),
                f", which the file cannot say: open it with ?metric={fixed.metric.value}",
            )
        page.field("Remedy", fixed.similarity)
    page.field("Queries", "map them with ", (fixed.artefact, "bold"))
    if fixed.comparison is not None:
        page.gap()
        for sentence in comparison_verdict(fixed.comparison):
            page.line(sentence)
    page.heading("Promised and delivered")
    page.row([(("promised", "dim"), -10), (("delivered", "dim"), -10), ("", 1)])
    for name, value in fixed.promised.items():
        page.row([(f"{value:.6f}", -10), (f"{fixed.delivered[name]:.6f}", -10), (name, len(name))])
    page.gap()
    asked = "on all labelled queries, some of which it was fitted on" if fixed.comparison else "on stored documents"
    page.line((f"What was promised is kept ({asked}), documents that score alike apart.", "bold green"))
    if fixed.codes:
        page.line("Its codes are stored as float32: this shows what they rank, and saves no memory.")
    return page.render(color=color)
