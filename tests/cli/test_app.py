from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ragdiag.cli import main
from tests.audit.handbook import HANDBOOK, QUERY_VECTORS, build

Capture = pytest.CaptureFixture[str]

HEAVY = ("numpy", "faiss", "langchain", "langchain_core", "rich", "scipy", "sklearn", "ir_measures")


def python(*args: str) -> subprocess.CompletedProcess[str]:
    # A parent that measures coverage or sets warnings must not slow the child down.
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False, env=env)


@pytest.mark.parametrize(
    "args", [["--help"], ["audit", "--help"], ["queries", "--help"], ["rule", "--help"], ["--version"], ["nope"]]
)
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    script = (
        "import sys\nfrom ragdiag.cli import main\n"
        f"try:\n    main({args!r})\nexcept SystemExit:\n    pass\n"
        f"sys.exit(' '.join(name for name in {HEAVY!r} if name in sys.modules) or 0)"
    )
    done = python("-c", script)
    assert done.returncode == 0, done.stderr


# What an audit needs of these depends on what it is given; nothing else may slow its start.
UNUSED = (
    *("datasets", "langchain", "langchain_community", "langchain_core", "matplotlib", "pandas", "pyarrow", "ragas"),
    *("sentence_transformers", "sklearn", "torch", "transformers", "chromadb", "qdrant_client", "lancedb", "duckdb"),
)
AUDITED = """
import sys
from ragdiag.cli import main
code = main(sys.argv[2:])
sys.exit(" ".join(name for name in sys.argv[1].split() if name in sys.modules) or code)
"""


def test_an_audit_of_an_array_loads_what_it_needs(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32))
    unused = " ".join([*UNUSED, "faiss", "bm25s", "tqdm"])
    done = python("-c", AUDITED, unused, "audit", f"{tmp_path}/v.npy", "--fail-on", "never")
    assert done.returncode == 0, done.stderr


def test_an_audit_of_the_handbook_loads_what_it_needs(tmp_path: Path) -> None:
    labels = ("--queries", str(HANDBOOK), "--query-vectors", str(QUERY_VECTORS))
    store = f"faiss:{build(tmp_path / 'store')}"
    done = python("-c", AUDITED, " ".join(UNUSED), "audit", store, *labels, "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    assert "labelled queries" in done.stdout


def test_help_is_as_quick_as_click() -> None:
    def seconds(*args: str) -> float:
        start = time.perf_counter()
        assert python(*args).returncode == 0
        return time.perf_counter() - start

    # Interleaved, and the best of each: the machine may be busy with other things.
    pairs = [(seconds("-c", "import click"), seconds("-m", "ragdiag", "--help")) for _ in range(7)]
    assert min(ours for _, ours in pairs) <= 2 * min(click for click, _ in pairs)


def test_the_exit_code_leaves_the_process() -> None:
    assert python("-m", "ragdiag", "nope").returncode == 2
    assert python("-m", "ragdiag", "--version").returncode == 0


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ragdiag {importlib.metadata.version('ragdiag')}\n"


def test_help_lists_the_commands(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-9:] == [
        "Commands:",
        "  audit    Say what is wrong with a vector store.",
        "  compare  Say which similarity a store should rank by.",
        "  fix      Write a repaired store, without embedding a document again.",
        "  diff     Say whether a store got worse between two audits.",
        "  explain  Say why a query brings back what it does.",
        "  queries  Make queries of the stored texts, when you have none.",
        "  rule     Explain a rule, or list them all.",
        "  stores   List what can be opened here.",
    ]


@pytest.mark.parametrize("command", ["audit", "compare", "fix", "explain", "queries", "rule", "stores"])
def test_help_fits_80_columns(command: str, capsys: Capture) -> None:
    assert main([command, "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_without_a_command_the_help_goes_to_stderr(capsys: Capture) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: ragdiag [OPTIONS] [COMMAND] [ARGS]...\n")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["audti"], "there is no command 'audti': did you mean 'audit'?"),
        (
            ["x\x1b[31m"],
            "there is no command 'x\\x1b[31m': the commands are audit, compare, fix, diff, explain, queries,"
            " rule, stores (see 'ragdiag --help')",
        ),
        (["audit"], "missing argument 'STORE' (see 'ragdiag audit --help')"),
    ],
)
def test_a_wrong_command_is_one_line(args: list[str], line: str, capsys: Capture) -> None:
    assert main(args) == 2
    assert capsys.readouterr() == ("", f"error: {line}\n")


def test_a_reader_who_has_gone_is_no_error(tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom ragdiag.cli.output import emit\n"
        "read, write = os.pipe()\nos.dup2(write, 1)\nos.close(read)\nos.close(write)\n"
        "emit('x' * 100_000)\nemit('more')\n"
    )
    done = python("-c", script)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_unicode_gets_ascii() -> None:
    script = (
        "import sys\nsys.stdout.reconfigure(encoding='ascii')\nfrom ragdiag.cli.output import emit\nemit('λ ≥ 0 …')\n"
    )
    done = python("-c", script)
    assert (done.returncode, done.stdout) == (0, "lambda >= 0 ...\n")
