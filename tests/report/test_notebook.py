from __future__ import annotations

from dataclasses import replace

import pytest

from ragdiag.display import in_notebook
from ragdiag.findings.finding import DocumentNote
from ragdiag.report import notebook
from tests.report.hostile import PLAIN
from tests.report.page_parser import Page
from tests.report.sample import COMPARISON, FULL, HUBS


def test_a_report_shows_its_verdict_and_its_findings() -> None:
    shown = FULL._repr_html_()
    assert shown == notebook.show_report(FULL)
    page = Page(shown)
    assert page.open == []
    assert "1 error, 1 warning, 1 info." in page.text
    assert all(finding.code in page.text for finding in FULL.findings)
    assert len(shown) < 5000


def test_a_finding_shows_its_evidence() -> None:
    page = Page(HUBS._repr_html_() or "")
    assert "hubness.query.skewness 4.31 [3.90, 4.80] 0.316 2000" in page.text
    assert "Tested: on 150 held-out queries" in page.text
    assert page.text.count("faq-00") == 5


def test_a_comparison_shows_its_differences() -> None:
    page = Page(COMPARISON._repr_html_() or "")
    assert "Rank by cosine" in page.text
    assert "l2 0.612 [0.572, 0.652] baseline" in page.text
    assert "+0.043 [+0.023, +0.063] 0.0012" in page.text


@pytest.mark.parametrize("text", PLAIN)
def test_foreign_texts_are_words(text: str) -> None:
    finding = replace(HUBS, documents=(DocumentNote(text, text, text),), message=text)
    for shown in (finding._repr_html_(), replace(FULL, findings=(finding,))._repr_html_()):
        page = Page(shown or "")
        assert page.scripts == []
        assert {tag for tag, _ in page.elements} <= {
            "div",
            "p",
            "b",
            "bdi",
            "br",
            "code",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        }
        assert all(set(attributes) <= {"style", "scope"} for _, attributes in page.elements)
        assert page.open == []


def test_what_nobody_draws_is_shown_as_text() -> None:
    assert in_notebook(object()) is None


def test_measures_are_a_table() -> None:
    frame = FULL.to_pandas()
    assert type(frame).__name__ == "DataFrame"
    assert frame.columns.tolist() == ["measure", "value", "low", "high", "null", "n", "undefined"]
    assert len(frame) == len(FULL.measures)
    assert frame.set_index("measure").loc["hubness.query.skewness", "value"] == 4.3123
