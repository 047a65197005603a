from __future__ import annotations

import pytest

import ragdiag.plugins
from ragdiag.cli import main
from ragdiag.plugins import BrokenPlugin, Openers
from ragdiag.stores.base import Opener

Capture = pytest.CaptureFixture[str]

FOUND = Openers(
    openers=(
        ("array", Opener((), (), "a NumPy array, from Python", accepts=lambda obj: False)),
        ("npy", Opener(("npy",), (".npy",), "an array of vectors: ./vectors.npy")),
        ("odd", Opener(("odd",), (), "\x1b[31m[bold]third party[/bold]")),
    ),
    broken=(BrokenPlugin("bad", "ragdiag-bad", "ImportError: no \x1b[31mluck"),),
)


def test_what_can_be_opened(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ragdiag.plugins, "load_openers", lambda: FOUND)
    assert main(["stores"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Can be opened here " + "─" * 61,
        "  array  live objects, from Python",
        "         a NumPy array, from Python",
        "  npy    npy: .npy",
        "         an array of vectors: ./vectors.npy",
        "  odd    odd:",
        "         \\x1b[31m[bold]third party[/bold]",
        "",
        "Cannot be loaded " + "─" * 63,
        "  bad (from ragdiag-bad): ImportError: no \\x1b[31mluck",
    ]


def test_without_broken_adapters_none_are_mentioned(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ragdiag.plugins, "load_openers", lambda: Openers(FOUND.openers))
    main(["stores"])
    assert "Cannot" not in capsys.readouterr().out
