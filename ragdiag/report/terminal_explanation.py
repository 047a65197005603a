"""An explanation for people: what stands out first, then the hits, then where the question lies."""

from __future__ import annotations

from rich.cells import cell_len

from ragdiag.numbers import count, counted, number
from ragdiag.report.explanation import Explanation, Hit
from ragdiag.report.page import Page
from ragdiag.report.reasons import reasons

SCORES = {"cosine": "cosine", "dot": "product", "l2": "L2²"}
MEANINGS = {
    "cosine": "more is nearer",
    "dot": "inner product, more is nearer",
    "l2": "squared L2 distance, less is nearer",
}
_WIDEST = 8  # of a column; a longer name gets a letter and a line of its own
_WORDS = 4
_VISIBLE = 0.005  # a difference of lengths that two decimals show


def to_text(explanation: Explanation, *, width: int = 80, color: bool = False, encoding: str = "utf-8") -> str:
    """Return an explanation as text for a terminal or a log.

    Texts from the store are shown with everything escaped that a terminal would obey.

    Parameters
    ----------
    explanation : Explanation
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
    info = explanation.store
    page.line((f'"{explanation.query}"', "bold"))
    page.gap()
    page.field("Store", f"{info.name}: {counted(info.count, 'vector')} × {info.dim}")
    page.field("Ranked", f"by {explanation.similarity} ({MEANINGS[explanation.similarity]}), all documents, exactly")
    for note in explanation.notes:
        page.field("Note", note)
    page.heading("What stands out")
    for reason in reasons(explanation):
        page.field("-", reason, indent=2, hang=4, style="")
    _table(page, explanation)
    _question(page, explanation)
    _next(page, explanation)
    return page.render(color=color)


def _table(page: Page, explanation: Explanation) -> None:
    page.heading(f"The {counted(len(explanation.hits), 'hit')}")
    names = {
        name: name if cell_len(name) <= _WIDEST else f"({chr(ord('a') + i % 26)})"
        for i, name in enumerate(explanation.others)
    }
    score = SCORES[explanation.similarity]
    lengths = any(abs(hit.relative_length - 1) >= _VISIBLE for hit in explanation.hits)
    header = ("", score, "ahead", *names.values(), "lists", *(["length"] if lengths else []))
    rows = [_cells(hit, explanation)[: len(header)] for hit in explanation.hits]
    widths = [max(cell_len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    sizes = [-width for width in widths]
    page.row([((text, "dim"), size) for text, size in zip(header, sizes, strict=True)])
    for hit, cells in zip(explanation.hits, rows, strict=True):
        page.row(
            [((text, "bold" if not i else ""), size) for i, (text, size) in enumerate(zip(cells, sizes, strict=True))]
        )
        _about(page, hit, 4 + widths[0])
    page.gap()
    even = explanation.hits[0].listed.null or 0.0
    ranks = f"{', '.join(names.values())}: its rank under each; " if names else ""
    page.line(
        (
            f"ahead: of the next document; {ranks}lists: of how many of {counted(explanation.sampled, 'document')}"
            f" it is among the {explanation.k} nearest, an even share is {number(even * explanation.sampled)}"
            f"{'; length: to the median' if lengths else ''}.",
            "dim",
        ),
        indent=2,
    )
    for name, short in names.items():
        if short != name:
            page.field(short, (name, "dim"), indent=2, hang=6)


def _cells(hit: Hit, explanation: Explanation) -> tuple[str, ...]:
    ranks = (hit.ranks[name] for name in explanation.others)
    digits = 4 if max(abs(other.score) for other in explanation.hits) < 10 else 2
    below = f">{count(explanation.depth)}"
    return (
        f"{hit.rank}.",
        f"{hit.score:,.{digits}f}",
        "" if hit.margin is None else f"{hit.margin:,.{digits}f}",
        *(below if rank is None else count(rank) for rank in ranks),
        count(round((hit.listed.value or 0.0) * hit.listed.n)),
        f"{hit.relative_length:.2f}×",
    )


def _about(page: Page, hit: Hit, indent: int) -> None:
    marks = []
    if hit.hub:
        marks.append("hub")
    if hit.repeats is not None:
        marks.append(f"repeats hit {hit.repeats}")
    if hit.words:
        marks.append("has " + ", ".join(hit.words[:_WORDS]))
    told = "; ".join(marks)
    page.line((hit.id, "bold"), f"  {told}" if told else "", indent=indent, hang=indent + 2)
    if hit.text is not None:
        page.quote(hit.text, indent=indent)


def _question(page: Page, explanation: Explanation) -> None:
    facts = explanation.facts
    page.heading("The question among the documents")
    kth, mean = facts.kth_cosine, facts.mean_cosine
    farther = 100 * (facts.farther_than.value or 0.0)
    page.line(
        f"Its {explanation.k} nearest documents have cosine {number(kth.value or 0.0)} or more; a document's own"
        f" neighbours, {number(kth.null or 0.0)} (median). {farther:.0f} % of the documents have theirs nearer"
        " (questions often lie farther out than documents).",
        indent=2,
    )
    low, high = (number(x) for x in facts.mean_cosine_range)
    inside = facts.mean_cosine_range[0] <= (mean.value or 0.0) <= facts.mean_cosine_range[1]
    page.line(
        f"Its cosine to the mean document is {number(mean.value or 0.0)}; documents have {number(mean.null or 0.0)},"
        f" nine in ten between {low} and {high}{'' if inside else ', so that it lies elsewhere than they do'}.",
        indent=2,
    )
    page.line(f"The length of its vector is {number(facts.length)}.", indent=2)


def _next(page: Page, explanation: Explanation) -> None:
    page.gap()
    page.line("One question proves nothing: ", ("ragdiag audit", "bold"), " looks at the whole store.")
