from __future__ import annotations

import json
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from ragdiag import diff
from ragdiag.findings.finding import DocumentNote
from ragdiag.report.changes import Diff
from ragdiag.report.escape import markdown, markdown_code
from ragdiag.report.json_diff import diff_to_json
from ragdiag.report.markdown import diff_to_markdown, to_markdown
from ragdiag.report.terminal_diff import diff_to_text
from ragdiag.types import Measure, Severity
from tests.changes.saved import audited, finding
from tests.report.sample import CLEAN, FULL, HUBS

HOSTILE = [
    "<script>alert(1)</script>",
    "</details><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/p.png)",
    "| a | b |\n| --- | --- |",
    "```\ncode\n```",
    "# heading",
    "- list",
    "1. list",
    "> quote",
    "***",
    "a\n===",
    "~~gone~~ $$x$$",
    "&lt;b&gt; &#60;b&#62;",
    "<https://evil.example>",
    "https://evil.example www.evil.example me@evil.example",
    "@octocat closes #1",
    "\x1b[31mred\x00",
    "\u202egnp.exe",
    "`</code><b>x</b>",
    "<!-- comment",
    "\\<b\\>",
    ":tada: {{ secrets.TOKEN }}",
]
PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": False})


@pytest.mark.parametrize("text", HOSTILE)
def test_our_sentences_obey_nothing(text: str) -> None:
    page = PARSER.render(markdown(text))
    assert page.count("<") == 2  # one paragraph
    assert page.startswith("<p>")


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_texts_are_code_and_obey_nothing(text: str) -> None:
    page = PARSER.render(markdown_code(text))
    assert page.startswith("<p><code>")
    assert page.count("<") == 4
    shown = markdown_code(text)[len("<code>") : -len("</code>")]
    # Only entities are left of what ASCII could mean; no parser takes them for the beginning of anything.
    assert not set(shown) & set("<>[]()`*_~$!{}|@:/.\\\n\x1b\x00\u202e")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("closes #1, owner/repo#22", "closes #\u200b1, owner/repo#\u200b22"),
        ("see gh-4", "see gh-\u200b4"),
        ("me@evil.example or @octocat", "me@\u200bevil.example or @\u200boctocat"),
        ("nDCG@10.chosen", "nDCG@\u200b10.chosen"),  # which GitHub takes for an address
        ("nDCG@10 of C# is high-4", "nDCG@10 of C# is high-4"),
    ],
)
def test_what_github_looks_for_in_the_finished_page_is_broken(text: str, shown: str) -> None:
    assert PARSER.render(markdown(text)) == f"<p>{shown}</p>\n"


def test_nothing_is_no_code() -> None:
    assert markdown_code("") == ""


def test_a_report_reads_from_the_verdict_down() -> None:
    lines = to_markdown(FULL).splitlines()
    assert lines[0] == "## ragdiag: <code>faiss&#58;&#46;&#47;handbook</code>"
    assert lines[2] == "**1 error, 1 warning, 1 info.** 12,000 vectors × 384, ranks by l2."
    assert [line for line in lines if line.startswith("###")] == [
        "### ❌ DUP001 the index and the docstore disagree (error)",
        "### ⚠️ HUB001 a few chunks are in most answers (warning)",
        "### ℹ️ NRM002 vectors do not have unit length (info)",
        "### Labelled retrieval",
    ]
    assert "| hubness.query.skewness | 4.31 | &#91;3.90, 4.80&#93; | 0.316 | 2,000 |" in lines
    assert "| cosine | 0.655 &#91;0.615, 0.695&#93; | &#43;0.043 &#91;+0.023, +0.063&#93; | 0.0012 |" in lines
    page = PARSER.render("\n".join(lines))
    assert page.count("<table>") == page.count("</table>") == 5
    assert page.count("<details>") == page.count("</details>") == 2


def test_a_hostile_store_changes_nothing_of_the_page() -> None:
    def page(texts: list[str]) -> str:
        notes = tuple(DocumentNote(text, text, text) for text in texts[:5])
        finding = replace(HUBS, documents=notes, message=texts[0], cost=texts[1])
        report = replace(FULL, findings=(finding,), store=replace(FULL.store, name=texts[2]), notes=(texts[3],))
        return str(PARSER.render(to_markdown(report)))

    plain = page(["text"] * 5)
    for start in range(len(HOSTILE) - 5):
        hostile = page(HOSTILE[start : start + 5])
        assert hostile.count("<") == plain.count("<")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_file_changes_nothing_of_a_comparison(text: str) -> None:
    def found(words: str) -> Diff:
        old = audited(
            finding("HUB001", Severity.WARNING, hub=SEEN), name=words, started=words, version=words, model=words
        )
        severe = replace(
            finding("IDX001", Severity.ERROR, x=Measure.counted(0.5, n=9, null=0.0)), title=words, message=words
        )
        return diff(old, audited(severe, name=words, passed=("HUB001",), started=words))

    plain, hostile = (str(PARSER.render(diff_to_markdown(found(words)))) for words in ("word", text))
    assert hostile.count("<") == plain.count("<")
    shown = diff_to_text(found(text))
    assert not set(shown) & set("\x1b\x00\u202e")
    assert json.loads(diff_to_json(found(text)))["regression"] is True
    assert diff_to_json(found(text)).isascii()


SEEN = Measure(0.3, 0.2, 0.4, 0.0, 50)


def test_a_clean_store_is_short() -> None:
    assert to_markdown(CLEAN).splitlines() == [
        "## ragdiag: <code>&#46;&#47;vectors&#46;npy</code>",
        "",
        "**Nothing wrong was found. Not tested: whether retrieval suffers (no labelled queries).** 1,000 vectors × 8,"
        " does not say how it ranks.",
    ]


@pytest.mark.parametrize("char", ["a", "\x01", "\u202e", "\U000e0041", "`", "&"])
def test_a_text_of_a_megabyte_is_cut(char: str) -> None:
    def page(text: str) -> str:
        notes = (DocumentNote(id=text, text=text, note="in 9 lists"),)
        return to_markdown(replace(FULL, findings=(replace(HUBS, documents=notes),)))

    assert len(page(char * 1_000_000)) - len(page("a")) < 5_000
