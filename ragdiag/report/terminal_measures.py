"""The table of all measures."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len

from ragdiag.numbers import count, interval, number
from ragdiag.report.page import Page
from ragdiag.types import Measure


def measures_table(page: Page, measures: Mapping[str, Measure]) -> None:
    """Add all measures, a block for each family."""
    page.heading("Measures")
    page.line(
        (
            "null: what it reads when there is nothing to find; exact: counted, not estimated",
            "dim",
        )
    )
    families: dict[str, dict[str, str]] = {}
    for key in measures:
        family, _, name = key.partition(".")
        families.setdefault(family, {})[key] = name or family
    cells = {key: _measure_cells(measure) for key, measure in measures.items() if measure.value is not None}
    header = ("value", "95 % interval", "null", "n")
    columns = [max(len(row[i]) for row in (header, *cells.values())) for i in range(len(header))]
    # The gaps of two before each column, and the indent of four.
    room = page.width - 4 - sum(columns) - 2 * len(columns)
    longest = max(cell_len(name) for names in families.values() for name in names.values())
    name_width = max(min(longest, room), 10)
    widths = (name_width, -columns[0], columns[1], -columns[2], -columns[3])
    page.row([((text, "dim"), width) for text, width in zip(("", *header), widths, strict=True)], indent=4)
    for family, names in families.items():
        page.line((family, "bold"), indent=2)
        for key, name in names.items():
            if key in cells:
                page.row(list(zip((name, *cells[key]), widths, strict=True)), indent=4)
            else:
                _undefined_row(page, name, measures[key], name_width)


def _undefined_row(page: Page, name: str, measure: Measure, width: int) -> None:
    start = 4 + width + 2
    if cell_len(name) > width:
        page.line(name, indent=4)
        name = ""
    page.field(name, f"undefined: {measure.undefined}", indent=4, hang=start)


def _measure_cells(measure: Measure) -> tuple[str, str, str, str]:
    value = "" if measure.value is None else number(measure.value)
    null = "" if measure.null is None else number(measure.null)
    return value, interval(measure), null, count(measure.n)
