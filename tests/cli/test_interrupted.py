"""Ctrl-C: one line, exit code 130, and no file that was not there before; in real processes, by real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ragdiag

SAID = "ragdiag: interrupted, nothing was written"

# A process that hits itself, so that the moment does not depend on how fast anything is.
HIT = """
import os, signal, sys, threading
import ragdiag.cli.progress as told
import ragdiag.engine.products as products
from ragdiag.cli import main

products.cores = lambda: 2
moment = sys.argv[1]

def hit():
    os.kill(os.getpid(), signal.SIGINT)

class Hitting(told.StderrProgress):
    def __call__(self, stage, done, total):
        if stage == moment:
            hit()
        super().__call__(stage, done, total)

told.StderrProgress = Hitting
if moment in ("a thread searches", "threads search, again and again"):
    upper, first = products.HostProducts.upper, [True]
    def hit_first(self, *args):
        if threading.current_thread() is not threading.main_thread() and first.pop():
            first.append(moment != "a thread searches")
            hit()
        return upper(self, *args)
    products.HostProducts.upper = hit_first
if moment == "text runs":
    import ragdiag.auditing
    def audit(*args, **options):
        exec("hit()", {"hit": hit})
    ragdiag.auditing.audit = audit
if moment == "names change":
    import ragdiag.fixing
    put = ragdiag.fixing.put
    def hit_twice(*args, **options):
        hit()
        put(*args, **options)
        hit()
    ragdiag.fixing.put = hit_twice
sys.argv[1:] = sys.argv[2:]
sys.exit(main())
"""

# One that reads its store again and again, and says so at once.
ENDLESS = """
import sys
import ragdiag.cli.progress
from ragdiag.cli import main
from ragdiag.engine import LocalEngine

ragdiag.cli.progress.PATIENCE = 0
run = LocalEngine.run
def again(self, *args, **options):
    while True:
        run(LocalEngine(512), *args, **options)  # of one block there is nothing to say
LocalEngine.run = again
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder with documents, and queries shifted apart from them."""
    rng = np.random.default_rng(0)
    content = rng.standard_normal((2600, 12)).astype(np.float32)
    queries = content[:60] + 0.5 * rng.standard_normal((60, 12)).astype(np.float32)
    folder = tmp_path / "given"
    (folder / "labels" / "qrels").mkdir(parents=True)
    np.save(folder / "docs.npy", content)
    np.save(folder / "queries.npy", queries + 3 * rng.standard_normal(12).astype(np.float32))
    lines = [json.dumps({"_id": f"q{i}", "text": f"question {i}"}) for i in range(60)]
    (folder / "labels" / "queries.jsonl").write_text("\n".join(lines))
    (folder / "labels" / "qrels" / "test.tsv").write_text("".join(f"q{i}\t{i}\t1\n" for i in range(60)))
    (tmp_path / "out").mkdir()
    return folder


def started(script: str, *args: str) -> subprocess.Popen[str]:
    roots = [str(Path(ragdiag.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots))}
    return subprocess.Popen(
        [sys.executable, "-c", script, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def commands(given: Path) -> dict[str, list[str]]:
    out, labels = given.parent / "out", ["--queries", f"{given}/labels", "--query-vectors", f"{given}/queries.npy"]
    docs = f"{given}/docs.npy"
    return {
        "audit": ["audit", docs, *labels, "--output", f"{out}/report.txt"],
        "audit all": ["audit", docs, "--sample-queries", "9999", "--output", f"{out}/report.txt"],
        "compare": ["compare", docs, *labels, "--output", f"{out}/report.txt"],
        "fix": ["fix", docs, "--remedy", "best", *labels, "--to", f"{out}/new.npy"],
        "fix to a folder": ["fix", docs, "--remedy", "abtt(d=2)", "--to", f"faiss:{out}/new"],
    }


@pytest.mark.parametrize(
    ("command", "moment"),
    [
        ("audit", "reading the store"),
        ("audit", "searching the neighbours"),
        ("audit", "a thread searches"),
        ("audit", "threads search, again and again"),
        ("audit", "text runs"),
        ("audit all", "comparing all pairs"),
        ("compare", "reading the store"),
        ("compare", "searching"),
        ("fix", "searching"),
        ("fix", "writing the new store"),
        ("fix to a folder", "reading the store"),
        ("fix to a folder", "ranking the source"),
        ("fix to a folder", "writing the new store"),
        ("fix to a folder", "reading the new store"),
    ],
)
def test_it_leaves_nothing(given: Path, command: str, moment: str) -> None:
    process = started(HIT, moment, *commands(given)[command])
    out, err = process.communicate(timeout=180)
    assert (process.returncode, out, err.strip().splitlines()[-1:]) == (130, "", [SAID]), err
    assert "Traceback" not in err
    assert os.listdir(given.parent / "out") == []


@pytest.mark.parametrize("command", ["audit", "compare", "fix to a folder"])
def test_a_signal_from_outside(given: Path, command: str) -> None:
    process = started(ENDLESS, *commands(given)[command])
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first.startswith("reading the store: ") or "of 2,600" in first, first
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=180)
    assert (process.returncode, err.strip().splitlines()[-1:]) == (130, [SAID]), err
    assert os.listdir(given.parent / "out") == []


def test_it_comes_too_late_when_names_change(given: Path) -> None:
    process = started(HIT, "names change", *commands(given)["fix to a folder"])
    out, err = process.communicate(timeout=180)
    assert (process.returncode, err) == (0, "")
    assert "new.ragdiag" in "".join(out.split())  # a long path takes two lines
    assert sorted(os.listdir(given.parent / "out")) == ["new", "new.ragdiag"]
