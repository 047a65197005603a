"""``ragdiag diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ragdiag.cli.options import OUTPUT, WIDTH, codes, formats, share
from ragdiag.cli.output import check_writable, deliver, refuse_inputs
from ragdiag.config import FORMATS

EXIT_REGRESSION = 1


@click.command()
@click.argument("old")
@click.argument("new")
@formats("JSON follows the schema ragdiag.diff/1.", (*FORMATS, "markdown"))
@OUTPUT
@click.option("--ignore", multiple=True, callback=codes, metavar="CODES", help="Not these rules: DRF,HUB001.")
@click.option(
    "--min-effect",
    metavar="X",
    type=click.FloatRange(0, 1),
    callback=share,
    help="Smallest loss of the labelled metric that counts. By default that of the new audit.",
)
@WIDTH
def diff(
    old: str,
    new: str,
    format_: str,
    output: Path | None,
    ignore: tuple[str, ...],
    min_effect: float | None,
    width: int | None,
) -> int:
    """Say whether a store got worse from the audit OLD to the audit NEW.

    Both are what 'ragdiag audit --format json' wrote. A regression is a loss of labelled retrieval that is proven
    over the same queries, a new or worse finding beyond the joint intervals, or vectors that drifted.

    \b
    Examples
      ragdiag diff main.json branch.json
      ragdiag diff main.json branch.json --format markdown >> "$GITHUB_STEP_SUMMARY"

    Exits with 0 without a regression, 1 with one, 2 when a file cannot be used, 3 when the two cannot be compared.
    """  # noqa: D301  click's \b is the character
    if output == Path("-"):
        output = None
    if output is not None:
        check_writable(output)
        refuse_inputs(output, (old, new))
    from ragdiag.cli.codes import check_codes
    from ragdiag.diffing import diff as run_diff
    from ragdiag.findings.rules import RULES
    from ragdiag.report.json_diff import diff_to_json
    from ragdiag.report.terminal_diff import diff_to_text, diff_verdict

    check_codes(ignore, [rule.code for rule in RULES], option="--ignore")
    found = run_diff(old, new, ignore=ignore, min_effect=min_effect)

    def render(**looks: Any) -> str:
        if format_ == "json":
            return diff_to_json(found)
        if format_ == "markdown":
            from ragdiag.report.markdown import diff_to_markdown

            return diff_to_markdown(found)
        return diff_to_text(found, **looks)

    deliver(render, output, width=width, said=diff_verdict(found))
    return EXIT_REGRESSION if found.regression else 0
