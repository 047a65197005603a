"""The script of the GitHub Action, run as the runner runs it; and the examples of docs/gate.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

yaml: Any = import_module("yaml")  # it has no types, and this is the one place that reads YAML
ROOT = Path(__file__).parents[2]
GATE = ROOT / "action" / "gate.sh"
GUIDE = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be beside two stores, with a `ragdiag` on the path that is the one under test."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 16)).astype(np.float32) + np.float32(0.4)
    np.save("good.npy", X)
    X[:40] = -X[:40]
    np.save("bad.npy", X)
    tools = tmp_path / "bin"
    tools.mkdir()
    command = tools / "ragdiag"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ragdiag "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "integrations")]))


def run(store: str, *, github: bool = False, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the script, on GitHub or as if there were none around it."""
    files = {"GITHUB_STEP_SUMMARY": "summary.md", "GITHUB_OUTPUT": "outputs.txt"}
    for file in files.values():
        Path(file).write_text("")
    given = {f"RAGDIAG_{name.upper()}": value for name, value in inputs.items()}
    environment = {**os.environ, **files, "RAGDIAG_STORE": store, **given, "GITHUB_ACTIONS": "true" if github else ""}
    return subprocess.run(
        ["bash", str(GATE)], env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def gate(store: str, **inputs: str) -> tuple[int, str, str, str]:
    """Run the script; return its code, the job summary, its outputs and stderr."""
    done = run(store, github=False, **inputs)
    assert done.stdout == ""
    return done.returncode, Path("summary.md").read_text(), Path("outputs.txt").read_text(), done.stderr


def test_a_baseline_is_made_kept_and_held_to() -> None:
    code, summary, outputs, _ = gate("good.npy")
    assert (code, outputs) == (0, "audit=ragdiag-audit.json\n")
    assert (
        summary == "No baseline ragdiag-baseline.json: take ragdiag-audit.json as the first one when you accept it.\n"
    )
    Path("ragdiag-audit.json").rename("ragdiag-baseline.json")

    code, summary, outputs, _ = gate("good.npy", options="--seed\n3\n")
    assert (code, outputs) == (0, "audit=ragdiag-audit.json\nregression=false\n")
    assert summary.startswith("## ragdiag diff: ✅ No regression")

    code, summary, outputs, _ = gate("bad.npy")
    assert (code, outputs) == (1, "audit=ragdiag-audit.json\nregression=true\n")
    assert "- new warning DRF001: the vectors drifted since the earlier audit" in summary.splitlines()
    code, _, outputs, _ = gate("bad.npy", fail_on="never")
    assert (code, outputs.splitlines()[1]) == (0, "regression=true")


def test_without_a_baseline_the_audit_decides() -> None:
    X = np.load("good.npy")
    X[0] = np.nan
    np.save("broken.npy", X)
    assert gate("broken.npy")[0] == 1
    assert gate("broken.npy", fail_on="never")[0] == 0


def test_what_cannot_be_used_or_compared_keeps_its_code() -> None:
    code, summary, outputs, err = gate("none.npy")
    assert (code, summary, outputs) == (2, "", "")
    assert err.startswith("error: ")
    assert gate("good.npy", audit="old.json")[0] == 0
    np.save("wide.npy", np.random.default_rng(1).standard_normal((200, 24)))
    code, summary, outputs, err = gate("wide.npy", baseline="old.json")
    assert (code, outputs) == (3, "audit=ragdiag-audit.json\n")
    assert summary == "The baseline old.json and the new audit could not be compared; the log says why.\n"
    assert "the vectors had 16 dimensions and have 24" in err


def test_what_inputs_say_is_never_a_command() -> None:
    code, _, _, err = gate('$(touch pwned); "`touch pwned`.npy', options="--seed\n$(touch pwned)")
    assert code == 2
    assert err.startswith("error: ")
    assert not Path("pwned").exists()


@pytest.mark.parametrize("audit", ["kept.json", "./kept.json", "link.json"])
def test_an_audit_never_replaces_the_baseline_it_is_held_to(audit: str) -> None:
    assert gate("good.npy", audit="kept.json")[0] == 0
    Path("link.json").symlink_to("kept.json")
    kept = Path("kept.json").read_bytes()
    code, summary, outputs, err = gate("bad.npy", baseline="kept.json", audit=audit)
    assert (code, summary, outputs) == (2, "", "")
    assert err == "error: baseline and audit are one file: give two\n"
    assert Path("kept.json").read_bytes() == kept


def test_a_file_that_is_not_there_yet_has_one_name() -> None:
    code, _, _, err = gate("good.npy", baseline="new.json", audit="./bin/../new.json")
    assert (code, err) == (2, "error: baseline and audit are one file: give two\n")
    assert not Path("new.json").exists()


def test_what_is_compared_is_what_was_written() -> None:
    gate("good.npy")
    Path("ragdiag-audit.json").rename("ragdiag-baseline.json")
    gate("good.npy")
    code, _, _, _ = gate("bad.npy", options="--output\nelsewhere.json\n--format\nterminal")
    assert code == 1
    assert not Path("elsewhere.json").exists()


@pytest.mark.parametrize(
    ("store", "inputs", "said"),
    [
        ("", {}, "RAGDIAG_STORE says which store to audit, and is empty"),
        ("good.npy", {"audit": "-"}, "audit is no name of a file"),
        ("good.npy", {"baseline": "bin"}, "baseline is a folder: give a file"),
    ],
)
def test_inputs_that_cannot_be_used(store: str, inputs: dict[str, str], said: str) -> None:
    code, summary, outputs, err = gate(store, **inputs)
    assert (code, summary, outputs, err) == (2, "", "", f"error: {said}\n")


def test_a_name_writes_no_output_of_its_own() -> None:
    code, _, outputs, err = gate("good.npy", audit="a.json\nregression=false")
    assert (code, outputs, err) == (2, "", "error: audit is no name of a file\n")


def test_lines_may_end_as_on_windows_and_a_store_may_begin_with_a_dash() -> None:
    Path("-good.npy").write_bytes(Path("good.npy").read_bytes())
    assert gate("-good.npy", options="--seed\r\n3\r\n")[0] == 0


def test_github_obeys_nothing_that_a_store_says() -> None:
    done = run("##[error]none.npy", github=True)
    assert done.returncode == 2
    assert "##[error]" in done.stderr
    first, last = done.stdout.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert re.fullmatch(r"ragdiag-\d{4,}", token)
    assert last == f"::{token}::"
    assert run("##[error]none.npy", github=True).stdout.splitlines()[0] != first


def test_the_action_hands_the_script_all_its_inputs() -> None:
    action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    steps = action["runs"]["steps"]
    handed = "".join(str(step.get("env", "")) + str(step.get("if", "")) for step in steps)
    assert set(re.findall(r"inputs\.([a-z-]+)", handed)) == set(action["inputs"])
    # No expression inside of a script: it would be pasted there before the shell reads it.
    assert not any("${{" in step["run"] for step in steps)
    read = set(re.findall(r"RAGDIAG_[A-Z_]+", GATE.read_text()))
    assert read == {name for step in steps for name in step["env"]} - {"RAGDIAG_INSTALL"}
    written = set(re.findall(r'echo "([a-z]+)=', GATE.read_text()))
    assert written == set(action["outputs"])


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


def test_the_guide_uses_inputs_that_exist() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    workflows = [yaml.safe_load(block) for block in blocks("yaml")]
    steps = [step for flow in workflows for job in flow.get("jobs", {}).values() for step in job["steps"]]
    ours = [step for step in steps if step.get("uses", "").startswith("OWNER/")]
    assert ours
    assert all(set(step["with"]) <= set(action["inputs"]) for step in ours)


def test_the_hook_of_the_guide_passes_and_fails(tmp_path: Path) -> None:
    (config,) = [found for block in blocks("yaml") if "repos" in (found := yaml.safe_load(block))]
    (hook,) = config["repos"][0]["hooks"]
    assert not hook["pass_filenames"]
    subprocess.run(
        ["sh", "-c", "ragdiag audit good.npy --format json > ragdiag-baseline.json"], check=True, timeout=300
    )
    for store, code in (("good.npy", 0), ("bad.npy", 1)):
        command = hook["entry"].replace("./vectors.npy", store)
        assert subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=300).returncode == code


def test_the_commands_of_the_guide_run() -> None:
    np.save("vectors.npy", np.load("good.npy"))
    for block in blocks("sh"):
        done = subprocess.run(["sh", "-e", "-c", block], capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
