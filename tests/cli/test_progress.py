from __future__ import annotations

import sys

import pytest

from ragdiag.cli.progress import StderrProgress

Capture = pytest.CaptureFixture[str]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_short_work_says_nothing(capsys: Capture) -> None:
    clock = Clock()
    with StderrProgress(clock) as progress:
        clock.now = 0.9
        progress("searching", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_long_work_gives_a_log_one_line_per_stage(capsys: Capture) -> None:
    clock = Clock()
    with StderrProgress(clock) as progress:
        progress("reading", 0, 10)
        for second in (1, 2, 3):
            clock.now = second
            progress("reading", 1000 * second, 12_000)
        progress("searching \x1b[31m", 0, 4)
        progress("over already", 4, 4)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "reading: 1,000 of 12,000\nsearching \\x1b[31m: 0 of 4\n"


def test_a_terminal_gets_a_bar_that_leaves_nothing_on_stdout(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    clock = Clock()
    with StderrProgress(clock) as progress:
        clock.now = 2
        progress("reading [bold]", 3, 12)
        progress("searching", 1, 4)
    out, err = capsys.readouterr()
    assert out == ""
    assert "searching" in err
    assert "1/4" in err
