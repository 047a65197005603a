"""A report as JUnit's XML: one test case for each rule, so that any CI shows it."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

from ragdiag.findings.finding import Finding
from ragdiag.report.changes import Diff
from ragdiag.report.escape import clean
from ragdiag.report.model import Report
from ragdiag.report.terminal_diff import diff_verdict
from ragdiag.report.terminal_findings import evidence


def to_junit(
    report: Report,
    *,
    fails: Callable[[Finding], bool],
    titles: dict[str, str],
    diff: Diff | None = None,
    gate: bool = True,
) -> str:
    """Return a report as JUnit's XML.

    Parameters
    ----------
    report : Report
    fails : callable
        Whether a finding fails its test case; one that does not is told in ``system-out``.
    titles : dict of str to str
        Of the rules, by code.
    diff : Diff, optional
        The comparison with an earlier audit: a test case ``baseline`` of its own.
    gate : bool
        Whether a regression fails that test case; else it is told there.

    Returns
    -------
    str
        Without a newline at the end. Control characters, which XML cannot hold, are spelled out.
    """
    by_code: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_code.setdefault(finding.code, []).append(finding)
    suite = ET.Element(
        "testsuite", name="ragdiag", timestamp=clean(report.run.started), time=f"{report.run.seconds:.3f}"
    )
    for code in sorted({*by_code, *report.passed, *report.skipped}):
        case = _case(suite, f"ragdiag.{code.rstrip('0123456789')}", f"{code} {titles.get(code, '')}".rstrip())
        for finding in by_code.get(code, []):
            _told(case, finding, fails=fails(finding))
        if code not in by_code and code in report.skipped:
            ET.SubElement(case, "skipped", message=clean(report.skipped[code]))
    if diff is not None:
        case = _case(suite, "ragdiag", "baseline")
        if diff.regression:
            told = "\n".join(clean(sentence) for sentence in diff.regressions)
            if gate:
                ET.SubElement(case, "failure", type="regression", message=diff_verdict(diff)).text = told
            else:
                ET.SubElement(case, "system-out").text = told
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    suite.set("errors", "0")
    ET.indent(suite)
    # ASCII alone, as in the JSON; the rest stands as character references.
    body: bytes = ET.tostring(suite, encoding="us-ascii", xml_declaration=False)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + body.decode("ascii")


def _case(suite: ET.Element, family: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=clean(family), name=clean(name), time="0")


def _told(case: ET.Element, finding: Finding, *, fails: bool) -> None:
    message = clean(finding.message)
    lines = [f"{finding.severity.label}: {message}"]
    lines += [f"{clean(name)}: {clean(evidence(measure))}" for name, measure in finding.evidence.items()]
    lines += [clean(line) for line in (finding.cost, finding.remedy.text) if line]
    lines += [f"document {clean(note.id)}: {clean(note.note)}" for note in finding.documents]
    # A test case has one result; what else the rule found is told beside it.
    if fails and case.find("failure") is None:
        ET.SubElement(case, "failure", type=finding.severity.label, message=message).text = "\n".join(lines)
        return
    said = case.find("system-out")
    if said is None:
        said = ET.SubElement(case, "system-out")
    said.text = "\n".join(filter(None, (said.text, *lines)))
