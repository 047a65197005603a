"""The two tables of a report: labelled retrieval, and the measures."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rich.cells import cell_len

from ragdiag.report.numbers import count, counted, interval, number, probability, score
from ragdiag.report.page import Page, Part
from ragdiag.retrieval.comparison import Comparison, PairedScore
from ragdiag.types import Measure

_SCORE, _DELTA, _P = 20, 23, 7


def comparison_table(page: Page, comparison: Comparison, *, told: Collection[str] = ()) -> None:
    """Add each similarity's scores beside the baseline's, and the sentence that sums them up.

    A note that was `told` already is not repeated.
    """
    page.heading("Labelled retrieval")
    queries = counted(comparison.queries, "labelled query", "labelled queries")
    resamples = f"{count(comparison.resamples)} resamples"
    alone = len(comparison.runs) == 1
    if alone:
        page.line(f"{queries}; intervals from {resamples}.")
    else:
        page.line(
            f"{queries}; differences are to {comparison.baseline}. Intervals and p from {resamples}, p Holm-corrected."
        )
    if comparison.note and comparison.note not in told:
        page.line(f"Note: {comparison.note}")
    page.gap()
    # Indent, three gaps of two columns, and at least room for the word.
    room = page.width - 2 - 3 * 2 - _SCORE - _DELTA - _P
    longest = max((cell_len(run.similarity) for run in comparison.runs), default=0)
    name = max(min(longest, room), 10)
    widths = (name, _SCORE, _DELTA, -_P)
    compared = ("", "") if alone else ("difference [95 %]", "p")
    header = ("similarity", "mean [95 % interval]", *compared)
    page.row([((text, "dim"), width) for text, width in zip(header, widths, strict=True)])
    for metric in _metrics(comparison):
        page.line((metric, "bold"), " (decides)" if metric == comparison.metric else "", indent=2)
        for run in comparison.runs:
            if metric in run.scores:
                first: Part = (run.similarity, "bold") if run.similarity == comparison.winner else run.similarity
                cells = _score_cells(run.scores[metric], baseline=run.similarity == comparison.baseline)
                page.row(list(zip((first, *cells), widths, strict=True)))
        _random_row(page, comparison, metric, name)
    if not alone:
        page.gap()
        page.line((comparison_verdict(comparison), "bold"))


def comparison_verdict(comparison: Comparison) -> str:
    """Return what the comparison proved, in one sentence.

    Examples
    --------
    >>> comparison_verdict(Comparison("cosine", "nDCG@10", (), None, 0.01, 9_999, 150, 140, 5, 0))
    'Nothing is proven better than cosine by 0.01 nDCG@10 or more. Leave the ranking alone.'
    """
    counts = f"{comparison.min_effect:g} {comparison.metric}"
    if comparison.at_chance:
        return f"{comparison.baseline} ranks at chance: compare similarities when that is mended."
    if comparison.winner is None:
        nothing = f"Nothing is proven better than {comparison.baseline} by {counts} or more."
        return f"{nothing} Leave the ranking alone."
    run = next(run for run in comparison.runs if run.similarity == comparison.winner)
    paired = run.scores[comparison.metric]
    p = f", p={probability(paired.p)}" if paired.p is not None else ""
    return (
        f"{comparison.winner} is proven better than {comparison.baseline}: "
        f"{score(paired.delta, sign=True)} {comparison.metric}{p}."
    )


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


def _metrics(comparison: Comparison) -> list[str]:
    named = dict.fromkeys(metric for run in comparison.runs for metric in run.scores)
    # The metric that decides is read first.
    return sorted(named, key=lambda metric: metric != comparison.metric)


def _score_cells(paired: PairedScore, *, baseline: bool) -> tuple[str, str, str]:
    if baseline:
        return score(paired.mean), "baseline", ""
    p = "" if paired.p is None else probability(paired.p)
    return score(paired.mean), score(paired.delta, sign=True), p


def _random_row(page: Page, comparison: Comparison, metric: str, name: int) -> None:
    nulls = {run.scores[metric].mean.null for run in comparison.runs if metric in run.scores} - {None}
    for null in nulls:
        page.row([(("(random)", "dim"), name), ((f"{null:.3f}", "dim"), _SCORE)])
        break
