"""``ragdiag rule``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ragdiag.cli.output import emit, stdout_color, stdout_encoding, stdout_width

if TYPE_CHECKING:
    from ragdiag.findings.rule import Rule


@click.command()
@click.argument("code", required=False)
@click.option("--format", "format_", type=click.Choice(("terminal", "json")), default="terminal", show_default=True)
def rule(code: str | None, format_: str) -> None:
    """Explain the rule CODE, or list all rules, or those of a family.

    \b
    Examples
      ragdiag rule
      ragdiag rule HUB
      ragdiag rule HUB001
    """  # noqa: D301  click's \b is the character
    from ragdiag.findings.rules import RULES

    rules = _chosen(code, RULES)
    single = code is not None and rules[0].code == code.upper()
    if format_ == "json":
        import json

        shown = [_as_dict(rule) for rule in rules]
        emit(json.dumps(shown[0] if single else shown, indent=2))
    elif single:
        emit(_page(rules[0]))
    else:
        emit(_table(rules))


def _chosen(code: str | None, rules: Sequence[Rule]) -> Sequence[Rule]:
    if code is None:
        return rules
    exact = [rule for rule in rules if rule.code == code.upper()]
    found = exact or [rule for rule in rules if code and rule.code.startswith(code.upper())]
    if not found:
        from ragdiag.cli.codes import nearest
        from ragdiag.errors import ConfigError

        raise ConfigError(f"there is no rule {code!r}", hint=nearest(code, [rule.code for rule in rules]))
    return found


def _as_dict(rule: Rule) -> dict[str, str]:
    return {"code": rule.code, "severity": rule.severity.label, "title": rule.title, "page": rule.page}


def _page(rule: Rule) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.markdown import Markdown

    from ragdiag.findings.rule import linked

    stream = StringIO()
    color = stdout_color()
    console = Console(
        file=stream, width=stdout_width(), force_terminal=color, color_system="standard" if color else None
    )
    console.print(f"{rule.code} {rule.title} ({rule.severity.label} at most)", style="bold", markup=False)
    console.print()
    console.print(Markdown(linked(rule.page)))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _table(rules: Sequence[Rule]) -> str:
    from ragdiag.report.page import Page
    from ragdiag.report.terminal_findings import STYLES

    page = Page(stdout_width(), encoding=stdout_encoding())
    for each in rules:
        style = STYLES[each.severity]
        page.field(each.severity.label, (each.code, "bold"), f" {each.title}", indent=0, hang=9, style=style)
    page.gap()
    page.line(("'ragdiag rule CODE' explains one.", "dim"))
    return page.render(color=stdout_color())
