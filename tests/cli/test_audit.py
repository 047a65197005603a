from __future__ import annotations

import errno
import json
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ragdiag.cli import main
from ragdiag.errors import StoreNotFoundError
from ragdiag.report.json import schema, to_json
from ragdiag.report.model import Report
from ragdiag.report.terminal import to_text
from tests.cli.conftest import FakeAudit
from tests.report.sample import CLEAN, FULL, HUBS, NORMS

Capture = pytest.CaptureFixture[str]

WARNED = replace(FULL, findings=(HUBS,))
TOLD = replace(FULL, findings=(NORMS,))


def raiser(error: BaseException) -> Any:
    def act() -> None:
        raise error

    return act


def test_the_report_goes_to_stdout_and_nothing_else(fake: FakeAudit, capsys: Capture) -> None:
    main(["audit", "./x.npy"])
    out, err = capsys.readouterr()
    assert out == to_text(FULL) + "\n"
    assert err == ""


def test_json_goes_to_stdout_alone(fake: FakeAudit, capsys: Capture) -> None:
    def act() -> None:
        print("a library says hello")
        warnings.warn("a library worries\nabout \x1b[31mthings", UserWarning, stacklevel=1)

    fake.act = act
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        main(["audit", "./x.npy", "--format", "json"])
    out, err = capsys.readouterr()
    assert out == to_json(FULL) + "\n"
    jsonschema.Draft202012Validator(schema()).validate(json.loads(out))
    assert err.splitlines() == [
        "a library says hello",
        "warning: a library worries about \\x1b[31mthings",
    ]


@pytest.mark.parametrize(
    ("report", "fail_on", "code"),
    [
        (FULL, None, 1),
        (FULL, "error", 1),
        (FULL, "never", 0),
        (WARNED, None, 0),
        (WARNED, "warning", 1),
        (WARNED, "info", 1),
        (TOLD, "warning", 0),
        (TOLD, "info", 1),
        (CLEAN, "info", 0),
    ],
)
def test_the_exit_code_follows_fail_on(fake: FakeAudit, report: Report, fail_on: str | None, code: int) -> None:
    fake.report = report
    assert main(["audit", "x", *(["--fail-on", fail_on] if fail_on else [])]) == code


def test_defaults_are_those_of_the_plan(fake: FakeAudit) -> None:
    main(["audit", "./x.npy"])
    call = fake.calls[0]
    assert call["store"] == "./x.npy"
    assert (call["judgements"], call["query_vectors"], call["embeddings"]) == (None, None, None)
    plan = call["plan"]
    assert (plan.most_queries(10**6), plan.sample_documents, plan.k, plan.seed) == (2000, 10_000, 10, 0)
    assert (plan.select, plan.ignore, plan.min_effect) == ((), (), 0.01)


def test_options_reach_the_audit(fake: FakeAudit) -> None:
    options = [
        "--queries",
        "d",
        "--query-vectors",
        "q.npy",
        "--embeddings",
        "openai:m",
        "--seed",
        "7",
        "-k",
        "3",
    ]
    more = ["--sample-queries", "9", "--max-seconds", "30", "--sample-documents", "8", "--min-effect", "0.05"]
    main(["audit", "x", *options, *more, "--select", "hub, IDX001", "--select", "NRM", "--ignore", "IDX"])
    call = fake.calls[0]
    assert (call["judgements"], call["query_vectors"], call["embeddings"]) == ("d", "q.npy", "openai:m")
    plan = call["plan"]
    assert (plan.sample_queries, plan.sample_documents, plan.k, plan.seed) == (9, 8, 3, 7)
    assert (plan.select, plan.ignore, plan.min_effect) == (("HUB", "IDX001", "NRM"), ("IDX",), 0.05)
    assert plan.max_seconds == 30


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["--seed", "x"],
            "invalid value for '--seed': 'x' is not a valid whole number (see 'ragdiag audit --help')",
        ),
        (["-k", "0"], "invalid value for '-k': 0 is not in the range x>=1 (see 'ragdiag audit --help')"),
        (
            ["--sample-queries", "-5"],
            "invalid value for '--sample-queries': -5 is not in the range x>=1 (see 'ragdiag audit --help')",
        ),
        (
            ["--min-effect", "nan"],
            "invalid value for '--min-effect': nan is not a number from 0 to 1 (see 'ragdiag audit --help')",
        ),
        (["--select", "HUB01"], "--select: no rule's code begins with 'HUB01': did you mean HUB001?"),
        (
            ["--ignore", "IDX,ZZZ"],
            "--ignore: no rule's code begins with 'ZZZ': 'ragdiag rule' lists them all",
        ),
    ],
)
def test_a_wrong_option_is_one_line(fake: FakeAudit, capsys: Capture, args: list[str], line: str) -> None:
    assert main(["audit", "x", *args]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {line}\n")
    assert fake.calls == []


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StoreNotFoundError("there is no './x'", hint="check the path"), "there is no './x': check the path"),
        (StoreNotFoundError("no \x1b[31m\nx"), "no \\x1b[31m x"),
        (PermissionError(errno.EACCES, "Permission denied", "./x.npy"), "./x.npy: Permission denied"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "a connection was closed: Broken pipe"),
    ],
)
def test_bad_input_is_one_line(fake: FakeAudit, capsys: Capture, error: Exception, line: str) -> None:
    fake.act = raiser(error)
    assert main(["audit", "x", "--output", "out.json"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {line}\n")
    assert os.listdir() == []


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), EOFError("a bug"), OSError("a bug")])
def test_a_bug_stays_a_bug(fake: FakeAudit, error: Exception) -> None:
    fake.act = raiser(error)
    with pytest.raises(type(error), match="a bug"):
        main(["audit", "x"])


def test_ctrl_c_says_that_nothing_was_written(fake: FakeAudit, capsys: Capture) -> None:
    fake.act = raiser(KeyboardInterrupt())
    assert main(["audit", "x", "--output", "out.json"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip() == "ragdiag: interrupted, nothing was written"
    assert os.listdir() == []


def test_output_is_written_whole(fake: FakeAudit, capsys: Capture) -> None:
    assert main(["audit", "x", "--format", "json", "--output", "out.json"]) == 1
    assert Path("out.json").read_text(encoding="utf-8") == to_json(FULL) + "\n"
    assert os.listdir() == ["out.json"]
    assert capsys.readouterr() == ("", "ragdiag: out.json written. 1 error, 1 warning, 1 info.\n")


def test_a_report_in_a_file_has_neither_colors_nor_the_terminals_width(fake: FakeAudit) -> None:
    main(["audit", "x", "--output", "out.txt"])
    assert Path("out.txt").read_text(encoding="utf-8") == to_text(FULL) + "\n"


def test_output_is_refused_before_the_work(fake: FakeAudit, capsys: Capture) -> None:
    Path("folder").mkdir()
    assert main(["audit", "x", "--output", "folder"]) == 2
    assert main(["audit", "x", "--output", "nowhere/out.json"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: cannot write folder: it is a folder; give the path of a file",
        f"error: cannot write nowhere/out.json: there is no folder {Path('nowhere').resolve()}",
    ]
    assert fake.calls == []


def test_a_failed_write_leaves_what_was_there(
    fake: FakeAudit, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("out.txt").write_text("before", encoding="utf-8")
    monkeypatch.setattr(os, "replace", raiser_of(OSError(errno.ENOSPC, "No space left on device")))
    assert main(["audit", "x", "--output", "out.txt"]) == 2
    assert capsys.readouterr().err == "error: cannot write out.txt: No space left on device\n"
    assert Path("out.txt").read_text(encoding="utf-8") == "before"
    assert os.listdir() == ["out.txt"]


def raiser_of(error: Exception) -> Any:
    def act(*_: object) -> None:
        raise error

    return act


def test_a_link_stays_a_link(fake: FakeAudit) -> None:
    Path("link.txt").symlink_to("real.txt")
    Path("real.txt").write_text("before", encoding="utf-8")
    main(["audit", "x", "--output", "link.txt"])
    assert Path("link.txt").is_symlink()
    assert Path("real.txt").read_text(encoding="utf-8") == to_text(FULL) + "\n"


def test_width_is_obeyed(fake: FakeAudit, capsys: Capture) -> None:
    main(["audit", "x", "--width", "120"])
    assert capsys.readouterr().out == to_text(FULL, width=120) + "\n"


@pytest.mark.parametrize("no_color", [False, True])
def test_colors_are_for_terminals_that_want_them(
    fake: FakeAudit, capsys: Capture, monkeypatch: pytest.MonkeyPatch, no_color: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "90")
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    main(["audit", "x"])
    assert capsys.readouterr().out == to_text(FULL, width=90, color=not no_color) + "\n"


def test_pyproject_gives_defaults_and_options_win(fake: FakeAudit, capsys: Capture) -> None:
    Path("pyproject.toml").write_text(
        '[tool.ragdiag]\nseed = 5\nk = 4\nselect = ["HUB", "NRM"]\nformat = "json"\nfail-on = "never"\n',
        encoding="utf-8",
    )
    assert main(["audit", "x", "-k", "6", "--ignore", "IDX"]) == 0
    plan = fake.calls[0]["plan"]
    assert (plan.seed, plan.k, plan.select, plan.ignore) == (5, 6, ("HUB", "NRM"), ("IDX",))
    assert capsys.readouterr().out == to_json(FULL) + "\n"
    main(["audit", "x", "--select", "IDX"])
    assert fake.calls[1]["plan"].select == ("IDX",)


def test_a_broken_pyproject_stops_an_audit_but_not_its_help(fake: FakeAudit, capsys: Capture) -> None:
    Path("pyproject.toml").write_text("[tool.ragdiag]\nsed = 5\n", encoding="utf-8")
    assert main(["audit", "x"]) == 2
    path = Path("pyproject.toml").resolve()
    assert capsys.readouterr().err == f"error: {path}: [tool.ragdiag] has no key 'sed': did you mean 'seed'?\n"
    assert main(["audit", "--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: ragdiag audit [OPTIONS] STORE\n")
