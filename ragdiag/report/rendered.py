"""A report in the format that was asked for, with what changed since an earlier audit."""

from __future__ import annotations

import json
from collections.abc import Callable

from ragdiag.findings.finding import Finding
from ragdiag.report.changes import Diff
from ragdiag.report.json import to_dict
from ragdiag.report.model import Report


def rendered(
    report: Report,
    diff: Diff | None,
    format_: str,
    *,
    fails: Callable[[Finding], bool],
    gate: bool = True,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
) -> str:
    """Return a report as ``terminal``, ``json``, ``markdown`` or ``junit``.

    Parameters
    ----------
    report : Report
    diff : Diff or None
        Against an earlier audit; in JSON it stands under ``diff``.
    format_ : str
    fails : callable
        For JUnit: whether a finding fails its test case. With `diff`, its regressions do instead.
    gate : bool
        For JUnit, with `diff`: whether regressions fail anything.
    width, color, encoding
        Of the terminal.
    """
    if format_ == "json":
        from ragdiag.report.json_diff import diff_to_dict

        shown = to_dict(report) | ({} if diff is None else {"diff": diff_to_dict(diff)})
        return json.dumps(shown, indent=2, allow_nan=False)
    if format_ == "markdown":
        from ragdiag.report.markdown import diff_to_markdown, to_markdown

        return "\n\n".join([*([diff_to_markdown(diff)] if diff is not None else []), to_markdown(report)])
    if format_ == "junit":
        from ragdiag.findings.rules import RULES
        from ragdiag.report.junit import to_junit

        worse = {change.finding.code for change in diff.findings if change.regression} if diff is not None else set()
        failing = fails if diff is None else lambda finding: gate and finding.code in worse
        return to_junit(report, fails=failing, titles={rule.code: rule.title for rule in RULES}, diff=diff, gate=gate)
    from ragdiag.report.terminal import to_text

    text = to_text(report, width=width, color=color, encoding=encoding)
    if diff is None:
        return text
    from ragdiag.report.terminal_diff import diff_to_text

    return text + "\n\n" + diff_to_text(diff, width=width, color=color, encoding=encoding)
