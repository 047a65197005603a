from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from ragdiag.findings.finding import DocumentNote
from ragdiag.report.junit import to_junit
from ragdiag.report.model import Report
from ragdiag.types import Severity
from tests.report.sample import CLEAN, FULL, HUBS

TITLES = {"IDX001": "vectors that are not finite", "HUB001": "a few chunks are in most answers"}


def suite(report: Report, least: Severity = Severity.WARNING) -> ET.Element:
    text = to_junit(report, fails=lambda finding: finding.severity >= least, titles=TITLES)
    assert text.isascii()
    return ET.fromstring(text)


def test_one_case_for_each_rule() -> None:
    found = suite(FULL)
    counts = {key: found.get(key) for key in ("tests", "failures", "skipped", "errors", "time")}
    assert counts == {"tests": "9", "failures": "2", "skipped": "3", "errors": "0", "time": "12.345"}
    results = {case.get("name", "")[:6]: [child.tag for child in case] for case in found}
    assert results == {
        "ANI001": [],
        "DUP001": ["failure"],
        "EMB001": ["skipped"],
        "GAP001": ["skipped"],
        "GAP002": ["skipped"],
        "HUB001": ["failure"],
        "IDX001": [],
        "IDX002": [],
        "NRM002": ["system-out"],
    }
    names = [case.get("name") for case in found]
    assert "IDX001 vectors that are not finite" in names
    assert found[0].get("classname") == "ragdiag.ANI"


def test_a_failure_says_what_was_seen_and_what_to_do() -> None:
    case = next(case for case in suite(FULL) if (case.get("name") or "").startswith("HUB001"))
    failure = case[0]
    assert (failure.get("type"), failure.get("message")) == ("warning", HUBS.message)
    lines = (failure.text or "").splitlines()
    assert lines[:3] == [f"warning: {HUBS.message}", "hubness.query.skewness: 4.31", "hubness.query.top_share: 0.410"]
    assert HUBS.remedy.text in lines


def test_two_findings_of_a_rule_are_one_case_with_one_result() -> None:
    found = suite(replace(FULL, findings=(HUBS, HUBS)))
    case = next(case for case in found if (case.get("name") or "").startswith("HUB001"))
    assert [child.tag for child in case] == ["failure", "system-out"]
    assert found.get("failures") == "1"


def test_what_xml_cannot_hold_is_spelled_out() -> None:
    note = DocumentNote("a\x00\x08]]></failure><x/>", "text", "\ud800 \ufffe \x1b[31m & \u202e")
    found = suite(replace(FULL, findings=(replace(HUBS, documents=(note,)),)))
    (failure,) = found.iter("failure")
    assert (failure.text or "").splitlines()[-1] == (
        "document a\\x00\\x08]]></failure><x/>: \\ud800 \\ufffe \\x1b[31m & \\u202e"
    )


def test_a_clean_store_has_no_failure() -> None:
    found = suite(CLEAN)
    assert (found.get("tests"), found.get("failures")) == ("2", "0")
