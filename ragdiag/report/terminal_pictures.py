"""The store's portrait as a terminal can show it: cosines, and how often documents are found, in lines of blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ragdiag.numbers import count, counted, spoken
from ragdiag.pictures.draw import Pictures
from ragdiag.pictures.histogram import Cosines
from ragdiag.pictures.listed import Occurrence
from ragdiag.report.page import Page
from ragdiag.report.sparks import axis, fitted, has_blocks, spark
from ragdiag.types import Float64, IntArray

_LABELS = 15  # columns before the blocks
_WIDEST = 60


def pictures_section(page: Page, pictures: Pictures) -> None:
    """Add the histograms; nothing where there are none."""
    if pictures.cosines is None and not pictures.occurrences:
        return
    page.heading("Portrait")
    page.line(("each line up to its own peak; blank: none", "dim"))
    if pictures.cosines is not None:
        _cosines(page, pictures.cosines)
    for found in pictures.occurrences:
        _occurrence(page, found)


def _cosines(page: Page, cosines: Cosines) -> None:
    page.gap()
    page.line(("Cosines of documents", "bold"), f": random pairs, mean {spoken(cosines.mean)}", indent=2)
    edges = cosines.pairs.edges
    rows = {"pairs": cosines.pairs.counts, "nearest": cosines.nearest.counts, "by chance": cosines.pairs.expected}
    _rows(page, rows, [f"{round(edge, 2) + 0.0:.2f}" for edge in edges.tolist()])


def _occurrence(page: Page, found: Occurrence) -> None:
    one, many = ("query", "queries") if found.side == "query" else ("document", "documents")
    page.gap()
    lists = f": the top {found.k} of {counted(found.m, one, many)}"
    page.line(("In how many lists a document stands", "bold"), lists, indent=2)
    edges = found.counts.edges
    rows = {"documents": found.counts.counts, "by chance": found.counts.expected}
    _rows(page, rows, [count(int(edge)) for edge in edges.tolist()])
    most = f"; most {count(found.hubs[0].lists)}" if found.hubs else ""
    chance = spoken(round(found.expected_orphans, 1))
    steps = np.diff(edges)
    wider = np.flatnonzero(steps > steps[0])
    tail = f"; wider bins from {count(int(edges[wider[0]]))}" if len(wider) else ""
    orphans = f"in none {counted(found.orphans, 'document')}, by chance {chance}"
    page.line(f"mean {spoken(found.mean)}{most}; {orphans}{tail}", indent=4)


def _rows(page: Page, rows: dict[str, IntArray | Float64 | None], labels: Sequence[str]) -> None:
    """Add a line for each histogram over the same bins, and their axis; `labels` are of the bins' lower edges."""
    width = min(page.width - _LABELS, _WIDEST)
    blocks = has_blocks(page.encoding)
    drawn = {name: spark(counts, width, blocks=blocks) for name, counts in rows.items() if counts is not None}
    for name, line in drawn.items():
        page.drawn(name, line, indent=4, hang=_LABELS, style="dim" if name == "by chance" else "cyan")
    shown = max(map(len, drawn.values()))
    ticks = axis([labels[at] for at in fitted(len(labels) - 1, width)[:shown].tolist()], width, blocks=blocks)
    page.drawn("", ticks, hang=_LABELS, style="dim")
