"""The gate from end to end: audits of real stores, compared on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import pytest
from rich.cells import cell_len

from ragdiag import audit, auditing, diff
from ragdiag.cli import main
from ragdiag.report.json import schema
from ragdiag.report.json_diff import diff_schema
from ragdiag.report.terminal_diff import diff_to_text

Capture = pytest.CaptureFixture[str]
N, DIM, M = 300, 32, 60
LABELLED = ["--queries", "beir", "--query-vectors", "queries.npy"]


@pytest.fixture(autouse=True)
def world(elsewhere: Path) -> None:
    """A store whose first documents answer a query each; and one with a fifth from another model."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, DIM)).astype(np.float32) + np.float32(0.3)
    np.save("good.npy", X)
    np.save("queries.npy", X[:M] + rng.standard_normal((M, DIM)).astype(np.float32))
    bad = X.copy()
    bad[:M] = X[:M] @ np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
    np.save("bad.npy", bad)
    np.save("wide.npy", rng.standard_normal((N, 48)))
    Path("beir/qrels").mkdir(parents=True)
    rows = [{"_id": f"q{i}", "text": f"question {i}"} for i in range(M)]
    Path("beir/queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = "".join(f"q{i}\t{i}\t1\n" for i in range(M))
    Path("beir/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)


def audited(store: str, *options: str, file: str = "") -> str:
    name = file or f"{store}.json"
    assert main(["audit", f"{store}.npy", *options, "--format", "json", "--output", name, "--fail-on", "never"]) == 0
    return name


def complaint(args: list[str], code: int, capsys: Capture) -> str:
    capsys.readouterr()
    before = sorted(Path().rglob("*"))
    assert main(args) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert sorted(Path().rglob("*")) == before
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    return str(line.removeprefix("error: "))


def test_equal_stores_pass_and_a_changed_model_fails(capsys: Capture) -> None:
    good, again = audited("good", *LABELLED), audited("good", *LABELLED, "--seed", "5", file="again.json")
    bad = audited("bad", *LABELLED)
    capsys.readouterr()
    assert main(["diff", good, again]) == 0
    assert "No regression: nothing got worse by more than chance moves." in capsys.readouterr().out
    assert main(["diff", good, bad]) == 1
    out = capsys.readouterr().out
    assert "- nDCG@10 of 60 labelled queries fell from " in out
    assert "new warning DRF001: the vectors drifted since the earlier audit" in out
    assert main(["diff", bad, good, "--ignore", "drf"]) == 0


def test_json_follows_its_schema_and_the_same_files_give_the_same_bytes(capsys: Capture) -> None:
    good, bad = audited("good", *LABELLED), audited("bad", *LABELLED)
    capsys.readouterr()
    shown = []
    for _ in range(2):
        assert main(["diff", good, bad, "--format", "json"]) == 1
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    document = json.loads(shown[0])
    jsonschema.Draft202012Validator.check_schema(diff_schema())
    jsonschema.Draft202012Validator(diff_schema()).validate(document)
    assert document["regression"] is True
    assert document["drift"]["measures"]["drift.vectors_changed"]["value"] == pytest.approx(0.2, abs=1e-9)
    assert document["drift"]["measures"]["drift.vectors_changed"]["n"] == N
    (decides,) = [row for row in document["labelled"] if row["decides"]]
    assert decides["metric"] == "nDCG@10"
    assert decides["delta"]["value"] == pytest.approx(decides["new"] - decides["old"], abs=1e-9)


def test_a_dash_is_stdout(capsys: Capture) -> None:
    good = audited("good")
    capsys.readouterr()
    assert main(["diff", good, good, "--output", "-"]) == 0
    assert capsys.readouterr().out.startswith("ragdiag diff\n")
    assert not Path("-").exists()


def test_the_library_says_what_the_files_say() -> None:
    good, bad = audited("good"), audited("bad")
    live = diff(audit(np.load("good.npy")), audit(np.load("bad.npy")))
    saved = diff(good, bad)
    assert live.regressions == saved.regressions
    assert live.drift == saved.drift
    assert live.drift_p == saved.drift_p == 0.0005


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    text = diff_to_text(diff(audited("good", *LABELLED), audited("bad", *LABELLED)), width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text.splitlines()[5].endswith("regressions.")


def test_a_baseline_fails_for_what_got_worse_alone(capsys: Capture) -> None:
    bad = audited("bad", *LABELLED)
    capsys.readouterr()
    assert main(["audit", "bad.npy", *LABELLED]) == 1  # RET003: a proven loss
    assert main(["audit", "bad.npy", *LABELLED, "--baseline", bad]) == 0
    assert "No regression" in capsys.readouterr().out
    good = audited("good", *LABELLED)
    args = ["audit", "bad.npy", *LABELLED, "--baseline", good]
    capsys.readouterr()
    assert main([*args, "--fail-on", "never"]) == 0
    capsys.readouterr()
    assert main([*args, "--format", "json"]) == 1
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(schema()).validate(document)
    jsonschema.Draft202012Validator(diff_schema()).validate(document["diff"])
    assert "DRF001" in [finding["code"] for finding in document["findings"]]
    assert "DRF001" not in document["skipped"]
    # The new audit, the comparison in it, is a baseline itself.
    Path("next.json").write_text(json.dumps(document))
    assert main(["diff", "next.json", bad]) == 0


def test_rules_that_were_not_selected_play_no_part(capsys: Capture) -> None:
    good = audited("good")
    capsys.readouterr()
    assert main(["audit", "bad.npy", "--baseline", good]) == 1
    assert main(["audit", "bad.npy", "--baseline", good, "--select", "HUB,IDX"]) == 0
    assert main(["audit", "bad.npy", "--baseline", good, "--ignore", "DRF001"]) == 0
    assert "DRF001" not in capsys.readouterr().out.split("ragdiag diff")[-1]


def test_what_no_longer_looks_or_has_another_size_is_told(capsys: Capture) -> None:
    good, part = audited("good"), audited("good", "--select", "HUB", file="part.json")
    np.save("large.npy", np.concatenate([np.load("good.npy"), np.load("good.npy")[:, ::-1]]))
    found = diff(good, part)
    looked = {*diff(good, good).new.passed, *(finding.code for finding in diff(good, good).new.findings)}
    blind = sorted(code for code in looked if not code.startswith("HUB"))
    assert f"{len(blind)} rules looked then and not now, and so fail nothing: {', '.join(blind[:5])}, …" in found.notes
    assert diff(good, good).notes == ()
    assert diff(part, good).notes == ()
    assert diff(good, part, ignore=blind).notes == ()
    (note,) = diff(good, audited("large")).notes
    assert note.startswith("the store had 300 vectors and has 600: how often documents are listed")
    assert diff(audited("large"), good).notes[0].startswith("the store had 600 vectors and has 300:")
    capsys.readouterr()


def test_a_baseline_in_the_other_formats(capsys: Capture) -> None:
    good = audited("good", *LABELLED)
    args = ["audit", "bad.npy", *LABELLED, "--baseline", good, "--format"]
    capsys.readouterr()
    assert main([*args, "markdown"]) == 1
    assert capsys.readouterr().out.splitlines()[0].startswith("## ragdiag diff: ❌ ")
    assert main([*args, "junit"]) == 1
    suite = ET.fromstring(capsys.readouterr().out)
    case = next(case for case in suite if case.get("name") == "baseline")
    assert [child.tag for child in case] == ["failure"]
    assert main([*args, "junit", "--fail-on", "never"]) == 0
    suite = ET.fromstring(capsys.readouterr().out)
    assert suite.get("failures") == "0"
    case = next(case for case in suite if case.get("name") == "baseline")
    assert [child.tag for child in case] == ["system-out"]
    assert "nDCG@10 of 60 labelled queries fell from" in str(case[0].text)
    assert main(["diff", good, good, "--format", "markdown"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "## ragdiag diff: ✅ No regression: nothing got worse by more than chance moves."
    )


def test_what_cannot_be_compared_is_three_with_the_reason(capsys: Capture) -> None:
    good, wide = audited("good"), audited("wide")
    k = audited("good", "-k", "7", file="k.json")
    assert complaint(["diff", good, wide], 3, capsys) == (
        "the audits cannot be compared: the vectors had 32 dimensions and have 48: write a new baseline with the audit"
        " of today"
    )
    assert complaint(["diff", good, k, "--output", "d.json"], 3, capsys).endswith(": audit with -k 10")
    capsys.readouterr()
    assert main(["audit", "wide.npy", "--baseline", good, "--output", "a.txt"]) == 3
    assert not Path("a.txt").exists()
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: the audits cannot be compared: the vectors had")


def test_files_that_cannot_be_used_are_two_in_one_line(capsys: Capture) -> None:
    good = audited("good")
    Path("cut.json").write_text(Path(good).read_text()[:5000])
    Path("newer.json").write_text('{"schema": "ragdiag.audit/7"}')
    for args in (["diff", good, "cut.json"], ["audit", "good.npy", "--baseline", "cut.json"]):
        assert complaint(args, 2, capsys).startswith("cut.json is cut off (line ")
    assert complaint(["diff", "newer.json", good], 2, capsys) == (
        "newer.json follows ragdiag.audit/7, and this version reads ragdiag.audit/1: the ragdiag that wrote it, or a"
        " later one reads it"
    )
    assert complaint(["diff", good, "none.json"], 2, capsys) == "cannot read none.json: No such file or directory"
    assert complaint(["diff", good, good, "--output", good], 2, capsys).startswith(
        f"cannot write {good}: it belongs to"
    )
    assert complaint(["diff", good, good, "--output", "no/where.json"], 2, capsys).startswith("cannot write no/where")
    assert complaint(["diff", good, good, "--ignore", "DFR"], 2, capsys) == (
        "--ignore: no rule's code begins with 'DFR': did you mean DRF?"
    )


def test_a_baseline_of_another_kind_is_refused_before_the_work(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = audited("good")
    monkeypatch.setattr(auditing, "observe", lambda *_, **__: pytest.fail("the store was read"))
    said = complaint(["audit", "wide.npy", "--baseline", good], 3, capsys)
    assert said.startswith("the audits cannot be compared: the vectors had 32 dimensions and have 48")
    said = complaint(["audit", "good.npy", "-k", "5", "--baseline", good], 3, capsys)
    assert said.startswith("the audits cannot be compared: 10 neighbours of each query were looked at, and now 5")
    said = complaint(["audit", "good.npy?metric=dot", "--baseline", good], 3, capsys)
    assert said.startswith("the audits cannot be compared: the store ranked by an unknown metric and ranks by dot")


def test_labelled_queries_too_few_to_fail_anything_are_told(capsys: Capture) -> None:
    few = "query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\t{i}\t1\n" for i in range(9))
    Path("beir/qrels/test.tsv").write_text(few)
    good, bad = audited("good", *LABELLED), audited("bad", *LABELLED)
    capsys.readouterr()
    found = diff(good, bad)
    assert not found.labelled[0].regression
    why = "an interval needs 10 independent groups of queries; there are 9"
    assert f"labelled retrieval was compared and can fail nothing: {why}" in found.notes


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable to root")
def test_an_unwritable_folder_is_known_before_the_work(capsys: Capture) -> None:
    good = audited("good")
    Path("closed").mkdir(mode=0o500)
    assert complaint(["diff", good, good, "--output", "closed/d.json"], 2, capsys).startswith(
        "cannot write closed/d.json"
    )


def test_an_audit_of_an_earlier_version_is_compared_as_far_as_it_goes(capsys: Capture) -> None:
    good, bad = audited("good", *LABELLED), audited("bad", *LABELLED)
    old: dict[str, Any] = json.loads(Path(good).read_text())
    del old["sketch"], old["comparison"]["per_query"]
    Path(good).write_text(json.dumps(old))
    capsys.readouterr()
    main(["diff", good, bad])
    out = " ".join(capsys.readouterr().out.split())
    assert "the earlier audit does not say how each query scored: labelled retrieval was not compared" in out
    assert "the earlier audit has no sketch of its vectors: drift was not looked at" in out
    main(["audit", "bad.npy", *LABELLED, "--baseline", good, "--format", "json"])
    skipped = json.loads(capsys.readouterr().out)["skipped"]
    assert skipped["DRF001"] == skipped["DRF002"] == "an audit has no sketch of its vectors"
    assert main(["diff", good, good]) == 0
    assert "The vectors themselves" not in capsys.readouterr().out


def test_comparisons_alone_are_compared_too(capsys: Capture) -> None:
    for store in ("good", "bad"):
        args = [f"{store}.npy", *LABELLED, "-s", "dot", "--format", "json", "--output", f"{store}.json"]
        assert main(["compare", *args]) == 0
    capsys.readouterr()
    assert main(["diff", "good.json", "bad.json"]) == 1
    out = capsys.readouterr().out
    assert "1 regression." in out
    assert "nDCG@10 of 60 labelled queries fell from" in out
