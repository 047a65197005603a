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


def test_long_work_gives_a_log_a_line_per_stage(capsys: Capture) -> None:
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
    assert err == "reading: 1,000 of 12,000, about 11 s left\nsearching \\x1b[31m: 0 of 4\n"


def test_a_stage_that_lasts_gives_a_log_a_line_every_half_minute(capsys: Capture) -> None:
    clock = Clock()
    with StderrProgress(clock) as progress:
        for second in range(0, 151, 5):
            clock.now = 1000.0 + second
            progress("reading", 500 + 20 * second, 3500)  # what was done at first took nobody knows how long
        for hours in range(4):
            clock.now += 3600
            progress("searching", 25 * hours, 100)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 500 of 3,500",
        "reading: 1,100 of 3,500, about 2 min left",
        "reading: 1,700 of 3,500, about 90 s left",
        "reading: 2,300 of 3,500, about 60 s left",
        "reading: 2,900 of 3,500, about 30 s left",
        "searching: 0 of 100",
        "searching: 25 of 100, about 3 h left",
        "searching: 50 of 100, about 2 h left",
        "searching: 75 of 100, about 60 min left",
    ]


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
    assert "-:--:--" in err  # the time that is left, once it is known
