from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag import Report, audit, compare
from ragdiag.errors import MissingExtraError
from ragdiag.numbers import interval, number
from ragdiag.report import html
from ragdiag.report.html import headline, script_json, to_html
from ragdiag.report.strips import strip
from ragdiag.report.without_texts import without_texts
from ragdiag.types import Measure
from tests.audit.handbook import HANDBOOK, QUERY_VECTORS, build
from tests.report import hostile
from tests.report.page_parser import Page, assert_self_contained
from tests.report.sample import CLEAN, FULL


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Report:
    store = f"faiss:{build(tmp_path_factory.mktemp('handbook') / 'store')}"
    found = audit(store, judgements=HANDBOOK, query_vectors=str(QUERY_VECTORS))
    comparison = compare(
        store, HANDBOOK, query_vectors=str(QUERY_VECTORS), similarities=["cosine", "centred"], frontier=True
    )
    return replace(found, comparison=comparison)


@pytest.fixture(scope="module")
def page(handbook: Report) -> Page:
    return Page(handbook.to_html())


@pytest.fixture(scope="module")
def hostile_report() -> Report:
    return audit(hostile.store(), query_vectors=hostile.queries())


def test_it_stands_alone(page: Page) -> None:
    assert_self_contained(page)


@pytest.mark.parametrize("report", [FULL, CLEAN], ids=["full", "clean"])
def test_a_report_without_pictures_is_a_page_too(report: Report) -> None:
    found = Page(to_html(report))
    assert_self_contained(found)
    assert headline(report)[0] in found.text


def test_sections_stand_in_their_order(page: Page) -> None:
    assert [a["id"] for a in page.find("section")] == ["findings", "portrait", "comparison", "method", "checks"]
    assert [tag for tag, _ in page.elements if tag in ("header", "nav", "main", "footer")] == [
        "header",
        "nav",
        "main",
        "footer",
    ]
    linked = [str(a["href"])[1:] for a in page.find("a")]
    ids = Counter(a["id"] for _, a in page.elements if a.get("id"))
    assert set(linked) <= set(ids)
    assert set(ids.values()) == {1}
    labelled = [a["aria-labelledby"] for _, a in page.elements if a.get("aria-labelledby")]
    assert set(labelled) <= set(ids)


def test_the_verdict_comes_first(page: Page, handbook: Report) -> None:
    assert headline(handbook) == ("1 error, 6 warnings, 1 info; first of all: another similarity ranks better.", "")
    assert page.text.index(headline(handbook)[0]) < page.text.index("Findings")


def test_every_finding_tells_all_it_knows(page: Page, handbook: Report) -> None:
    articles = page.find("article")
    assert len(articles) == len(handbook.findings)
    assert [str(a["class"]).split()[1] for a in articles] == [f.severity.label for f in handbook.findings]
    for finding in handbook.findings:
        for words in (finding.title, finding.message, finding.cost, finding.remedy.text, finding.remedy.tested):
            assert " ".join(words.replace("`", "").split()) in page.text
        for name, measure in finding.evidence.items():
            assert name in page.text
            assert measure.value is None or number(measure.value) in page.text
        assert f"Rule {finding.code}:" in page.text


def test_every_figure_has_data_and_words(page: Page) -> None:
    charts = [a for a in page.find("div") if a.get("class") == "chart"]
    named = [a["data-figure"] for a in charts]
    assert named == [
        *("cosines", "spectrum", "listed-query", "listed-document", "norms", "gap"),
        *("map", "differences", "queries", "losses", "size"),
    ]
    assert set(named) == set(page.figures)
    for chart in charts:
        assert chart["role"] == "img"
        assert len(chart["aria-label"] or "") > 60
    for drawing in page.find("svg"):
        assert drawing["role"] == "img"
        assert drawing["aria-label"]


def test_tables_have_headers(page: Page) -> None:
    headers = page.find("th")
    assert len(headers) > 100
    assert all(a.get("scope") in ("row", "col") for a in headers)


def test_hubs_stand_with_what_they_capture(page: Page, handbook: Report) -> None:
    assert handbook.pictures is not None
    hub = handbook.pictures.occurrences[0].hubs[0]
    assert f"{hub.lists} of 220" in page.text
    assert hub.captured[0].text is not None
    assert hub.captured[0].text[:100] in page.text


def test_the_page_is_small_and_the_same_every_time(handbook: Report) -> None:
    first, again = to_html(handbook), to_html(handbook)
    assert len(first.encode()) < 5_400_000
    assert first == again


def test_the_map_holds_each_text_once(page: Page, handbook: Report) -> None:
    assert handbook.pictures is not None
    assert handbook.pictures.map is not None
    drawn = page.figures["map"]
    assert len(drawn["texts"]) == len(set(drawn["texts"])) == len(handbook.pictures.map.chunks)
    documents = next(trace for trace in drawn["data"] if trace["meta"] == "documents")
    assert len(documents["text"]) == len(documents["x"]) == 427
    assert set(drawn["tsne"]) == {trace["meta"] for trace in drawn["data"]}
    assert all(0 <= number_ < len(drawn["texts"]) for trace in drawn["tsne"].values() for number_ in trace["text"])


def test_without_texts_none_is_there(handbook: Report) -> None:
    text = to_html(handbook, texts=False)
    found = Page(text)
    assert_self_contained(found)
    assert "texts left out" in found.text
    for line in (HANDBOOK / "corpus.jsonl").read_text("utf-8").splitlines()[:427]:
        words = json.loads(line)["text"].strip()[:30]
        assert len(words) < 10 or words not in text
    for line in (HANDBOOK / "queries.jsonl").read_text("utf-8").splitlines():
        assert json.loads(line)["text"][:40] not in text
    assert "hb-0223" in found.text


def test_two_hundred_hostile_texts_are_only_words(hostile_report: Report) -> None:
    text = hostile_report.to_html()
    found = Page(text)
    assert_self_contained(found)
    harmless = {tag for tag, _ in Page(to_html(FULL)).elements}
    assert {tag for tag, _ in found.elements} <= harmless | {
        "fieldset",
        "legend",
        "label",
        "input",
        "meter",
        "small",
        "figure",
    } | {"figcaption", "ol"}
    assert len(found.scripts) == 3
    assert len(text.encode()) < 6_000_000
    assert "hacked" in found.text  # as words
    text.encode("utf-8")
    for char in ("\u202e", "\u2028", "\x1b", "\x00", "\ufffe"):
        assert char not in text.replace(html._plotly(), "")
    own = {"b", "/b", "br", "extra", "/extra"}
    for trace_text in found.figures["map"]["texts"]:
        tags = __import__("re").findall(r"<(/?\w*)", trace_text)
        assert set(tags) <= own


def test_hostile_texts_without_texts(hostile_report: Report) -> None:
    clean = replace(hostile_report, store=replace(hostile_report.store, name="x"))
    bare = without_texts(clean)
    assert bare.pictures is not None
    assert {chunk.text for chunk in bare.pictures.map.chunks} == {None} if bare.pictures.map else False
    assert all(document.text is None for finding in bare.findings for document in finding.documents)
    assert [group.key for group in bare.pictures.groups] == ["text length"]


def test_data_cannot_end_its_element() -> None:
    value = {"a": "</script><!--&\u2028\u2029\ud800'\"", "b": [1.5, None]}
    text = script_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {**value, "a": value["a"].replace("\ud800", "\ufffd")}  # type: ignore[attr-defined]


def test_hover_texts_are_cut_before_a_page_is_too_large(monkeypatch: pytest.MonkeyPatch, handbook: Report) -> None:
    whole = len(to_html(handbook).encode())
    monkeypatch.setattr(html, "_MOST_BYTES", whole - 50_000)
    short = to_html(handbook)
    assert len(short.encode()) <= whole - 50_000
    assert_self_contained(Page(short))


def test_a_strip_says_what_it_shows() -> None:
    measure = Measure(0.5, 0.25, 0.75, 0.0, 10)
    drawn = strip(measure)
    assert f'aria-label="0.500, 95 % interval {interval(measure)}; null 0"' in drawn
    # From the null at 10 to the upper end at 210: the value stands two thirds of the way.
    assert 'cx="143.3"' in drawn
    assert 'class="null" x1="10.0"' in drawn
    assert strip(Measure.missing("why")) == ""


@pytest.mark.parametrize("library", ["jinja2", "plotly.graph_objects"])
def test_without_its_libraries_the_extra_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ragdiag\[html\]'"):
        html.check_installed()


def test_numbers_of_an_array_without_texts() -> None:
    X: Any = np.random.default_rng(0).standard_normal((120, 6)).astype(np.float32)
    found = Page(audit(X).to_html())
    assert_self_contained(found)
    assert "Portrait of the store" in found.text
    assert "Labelled retrieval" not in found.text


def test_the_templates_are_package_data() -> None:
    folder = Path(html.__file__).parent / "templates"
    assert sorted(path.name for path in folder.iterdir()) == ["page.css", "page.html", "page.js", "parts.html"]
