from __future__ import annotations

import json
import re
import sys

import pytest

from ragdiag.cli import main
from tests.cli.conftest import HUB_PAGE, FakeAudit

Capture = pytest.CaptureFixture[str]


def test_all_rules(fake: FakeAudit, capsys: Capture) -> None:
    assert main(["rule"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "error    IDX001 vectors that are not finite",
        "error    IDX002 zero vectors",
        "warning  HUB001 a few chunks are in most answers",
        "info     NRM001 norms differ",
        "",
        "'ragdiag rule CODE' explains one.",
    ]


def test_a_family(fake: FakeAudit, capsys: Capture) -> None:
    assert main(["rule", "idx"]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "error    IDX001 vectors that are not finite",
        "error    IDX002 zero vectors",
        "",
    ]


@pytest.mark.parametrize("code", ["HUB001", "hub001"])
def test_a_page_is_plain_text_in_a_log(fake: FakeAudit, capsys: Capture, code: str) -> None:
    assert main(["rule", code]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "HUB001 a few chunks are in most answers (warning at most)",
        "",
        "The same chunks, whatever is asked. Fires at λ ≥ 0.",
    ]
    assert max(map(len, lines)) <= 80


def test_a_page_is_drawn_on_a_terminal(fake: FakeAudit, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    main(["rule", "HUB001"])
    out = capsys.readouterr().out
    assert out.startswith("\x1b[1mHUB001 a few chunks are in most answers")


def test_sources_are_links_on_a_terminal_and_words_in_a_log(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["rule", "ANI001"])
    log = capsys.readouterr().out
    assert "arXiv:1909.00512." in log
    assert "https:" not in log
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    main(["rule", "ANI001"])
    out = capsys.readouterr().out
    assert re.search(r"\x1b]8;id=\d+;https://arxiv\.org/abs/1909\.00512\x1b\\", out)
    monkeypatch.setenv("NO_COLOR", "1")
    main(["rule", "ANI001"])
    assert capsys.readouterr().out == log


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("HUB01", "did you mean HUB001?"),
        ("HBU", "did you mean HUB?"),
        ("qqq", "'ragdiag rule' lists them all"),
    ],
)
def test_an_unknown_rule(fake: FakeAudit, capsys: Capture, code: str, hint: str) -> None:
    assert main(["rule", code]) == 2
    assert capsys.readouterr() == ("", f"error: there is no rule '{code}': {hint}\n")


def test_json(fake: FakeAudit, capsys: Capture) -> None:
    main(["rule", "HUB001", "--format", "json"])
    assert json.loads(capsys.readouterr().out) == {
        "code": "HUB001",
        "severity": "warning",
        "title": "a few chunks are in most answers",
        "page": HUB_PAGE,
    }
    main(["rule", "--format", "json"])
    listed = json.loads(capsys.readouterr().out)
    assert [rule["code"] for rule in listed] == ["IDX001", "IDX002", "HUB001", "NRM001"]
