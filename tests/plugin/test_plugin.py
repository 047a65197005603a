"""A store of somebody else's: built, installed, found, used and tested as the guide says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PLUGIN = HERE / "ragdiag-jsonl"
GUIDE = (ROOT / "docs" / "adding-a-store.md").read_text()

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def _run(*words: str | Path, cwd: Path, path: list[Path] | None = None) -> subprocess.CompletedProcess[str]:
    found = [*(path or []), ROOT, ROOT / "integrations"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, found)), "COLUMNS": "80"}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder into which the plug-in's wheel was installed, with nothing from elsewhere."""
    pytest.importorskip("setuptools", minversion="77")
    pytest.importorskip("pip")
    work = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, work / "source")
    offline = ("--no-deps", "--no-index", "--disable-pip-version-check")
    built = _run("pip", "wheel", *offline, "--no-build-isolation", "-w", "wheels", "./source", cwd=work)
    assert built.returncode == 0, built.stderr
    (wheel,) = (work / "wheels").iterdir()
    assert wheel.name == "ragdiag_jsonl-1.0-py3-none-any.whl"
    put = _run("pip", "install", *offline, "--target", "target", wheel, cwd=work)
    assert put.returncode == 0, put.stderr
    return work / "target"


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Return what runs ragdiag in a folder with a store of 200 documents, the plug-in being installed."""
    vectors = np.random.default_rng(0).normal(size=(200, 8)).tolist()
    lines = [json.dumps({"id": f"d{at}", "vector": vector, "text": f"t {at}"}) for at, vector in enumerate(vectors)]
    (tmp_path / "docs.jsonl").write_text("\n".join(lines))
    return lambda *words, path=(): _run(*words, cwd=tmp_path, path=[installed, *path])


def test_it_is_listed(run: Run) -> None:
    lines = run("ragdiag", "stores").stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("  jsonl "))
    assert lines[at].split(maxsplit=1)[1] == "jsonl: .jsonl; read and written"
    assert lines[at + 1].strip() == "a document per line: jsonl:./docs.jsonl?metric=cosine"


@pytest.mark.parametrize("uri", ["jsonl:./docs.jsonl?metric=cosine", "./docs.jsonl"])
def test_its_stores_are_audited(run: Run, uri: str) -> None:
    done = run("ragdiag", "audit", uri, "--format", "json")
    assert done.returncode == 0, done.stderr
    store = json.loads(done.stdout)["store"]
    assert (store["kind"], store["count"], store["dim"]) == ("jsonl", 200, 8)
    assert store["metric"] == ("cosine" if "metric" in uri else None)


def test_its_errors_are_errors_of_the_command_line(run: Run) -> None:
    done = run("ragdiag", "audit", "jsonl:./nope.jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no file './nope.jsonl'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_its_own_tests_pass_where_it_is_installed(run: Run, tmp_path: Path) -> None:
    shutil.copytree(PLUGIN / "tests", tmp_path / "tests")
    done = run("pytest", "tests", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed", done.stdout, flags=re.MULTILINE)


def test_without_it_there_is_no_such_scheme(tmp_path: Path) -> None:
    done = _run("ragdiag", "audit", "jsonl:./docs.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert "no adapter opens jsonl:./docs.jsonl" in done.stderr


def test_a_broken_one_is_listed_and_harms_nothing(run: Run, tmp_path: Path) -> None:
    info = tmp_path / "broken" / "ragdiag_broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ragdiag-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ragdiag.stores]\nodd = ragdiag_broken:opener\n")
    (tmp_path / "broken" / "ragdiag_broken.py").write_text("import a_library_that_is_not_there\n")
    path = [tmp_path / "broken"]
    listed = run("ragdiag", "stores", path=path)
    assert listed.returncode == 0
    said = " ".join(listed.stdout.split())
    assert "odd (from ragdiag-broken): ModuleNotFoundError: No module named 'a_library_that_is_not_there'" in said
    assert run("ragdiag", "audit", "./docs.jsonl", path=path).returncode == 0
    asked = run("ragdiag", "audit", "odd:x", path=path)
    assert asked.returncode == 2
    assert "the adapter 'odd' of ragdiag-broken is broken" in asked.stderr


def test_the_guide_shows_the_files_as_they_are() -> None:
    shown = dict(re.findall(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE))
    files = {
        str(path.relative_to(PLUGIN)): path.read_text() for path in PLUGIN.rglob("*") if path.suffix in (".py", ".toml")
    }
    assert shown == files


def test_its_contract_takes_twenty_lines() -> None:
    assert len((PLUGIN / "tests" / "test_contract.py").read_text().splitlines()) <= 20


def test_links_of_the_guide_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", GUIDE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
