from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest

import ragdiag.plugins
from ragdiag.cli import main
from ragdiag.plugins import BrokenPlugin, Openers, missing_extras
from ragdiag.stores.base import Opener
from ragdiag.stores.parquet_write import parquet_target

Capture = pytest.CaptureFixture[str]

FOUND = Openers(
    openers=(
        ("array", Opener((), (), "a NumPy array, from Python", accepts=lambda obj: False)),
        ("npy", Opener(("npy",), (".npy",), "an array of vectors: ./vectors.npy", target=parquet_target)),
        ("odd", Opener(("odd",), (), "\x1b[31m[bold]third party[/bold]")),
    ),
    broken=(BrokenPlugin("bad", "ragdiag-bad", "ImportError: no \x1b[31mluck"),),
)


def test_what_can_be_opened(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ragdiag.plugins, "load_openers", lambda: FOUND)
    monkeypatch.setattr(ragdiag.plugins, "missing_extras", lambda: {"odd": 'pip install "odd[odd]"', "else": "?"})
    assert main(["stores"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Can be opened here " + "─" * 61,
        "  array  live objects, from Python; read",
        "         a NumPy array, from Python",
        "  npy    npy: .npy; read and written",
        "         an array of vectors: ./vectors.npy",
        "  odd    odd:; read",
        "         \\x1b[31m[bold]third party[/bold]",
        '         not installed: pip install "odd[odd]"',
        "",
        "Cannot be loaded " + "─" * 63,
        "  bad (from ragdiag-bad): ImportError: no \\x1b[31mluck",
    ]


def test_without_broken_adapters_none_are_mentioned(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ragdiag.plugins, "load_openers", lambda: Openers(FOUND.openers))
    main(["stores"])
    assert "Cannot" not in capsys.readouterr().out


class Distribution:
    name = "theirs"
    requires: ClassVar[list[str]] = ["numpy", "no-such-library>=2; extra == 'far'", 'numpy; extra == "near"']


def test_what_is_not_installed_is_said_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name, f"{name}:opener", ragdiag.plugins.GROUP) for name in ("far", "near", "bare", "lost")]
    for point in points[:3]:
        object.__setattr__(point, "dist", Distribution())
    monkeypatch.setattr(ragdiag.plugins, "entry_points", lambda group: points)
    assert missing_extras() == {"far": 'pip install "theirs[far]"'}


def test_no_line_is_wider_than_80_columns(capsys: Capture) -> None:
    assert main(["stores"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "parquet: .parquet; read and written" in out
