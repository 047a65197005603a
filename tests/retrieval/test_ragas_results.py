from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ragdiag
from ragdiag.cli.app import main
from ragdiag.errors import JudgementsError
from ragdiag.retrieval.ragas_results import read_scores
from ragdiag.stores import ArrayStore

N = 60
STORE = ArrayStore(
    np.random.default_rng(0).standard_normal((N, 8)),
    ids=[f"d{i}" for i in range(N)],
    texts=[f"text about topic{i} and more" for i in range(N)],
)


def row(number: int, retrieved: Sequence[str], score: Any, relevant: str = "", **more: Any) -> dict[str, Any]:
    return {
        "query_id": f"q{number}",
        "user_input": f"What of topic{number}?",
        "retrieved_context_ids": list(retrieved),
        "reference_context_ids": [relevant or f"d{number}"],
        "faithfulness": score,
        **more,
    }


def written(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path = folder / "results.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_the_worst_rows_have_a_cause(tmp_path: Path) -> None:
    good = [row(i, [f"d{i}", "d59", f"d{i + 1}"], 1.0) for i in range(10, 40)]
    bad = [
        row(1, ["d59", "d4"], 0.1),
        row(2, ["d2", "elsewhere"], 0.2),
        row(3, ["d4", "d5", "d6"], 0.3, relevant="gone"),
        row(4, [], None),
    ]
    report = ragdiag.audit(STORE, ragas=written(tmp_path, [*good, *bad]))
    notes = [note for note in report.notes if note.startswith("results.jsonl")]
    mean = (30 + 0.6) / 34
    assert notes[0] == f"results.jsonl, over all 34 rows: faithfulness {mean:.3f}; 1 missing score counts as the worst"
    assert notes[1] == "results.jsonl, query q4: 0.000; nothing was retrieved"
    assert notes[2] == "results.jsonl, query q1: 0.100; found by BM25 only; hubs hold 50 % of the list"
    assert notes[3] == "results.jsonl, query q2: 0.200; all that is relevant came first; 1 hit is not in the store"
    assert notes[4] == "results.jsonl, query q3: 0.300; not in the store"
    assert len(notes) == 6


def test_contexts_in_place_of_ids(tmp_path: Path) -> None:
    rows = [row(i, [], 0.5) for i in range(3)]
    for i, one in enumerate(rows):
        one["retrieved_context_ids"] = None
        one["retrieved_contexts"] = [f"text  about TOPIC{i} and more", f"text about topic{i + 9} and more"]
    notes = ragdiag.audit(STORE, ragas=written(tmp_path, rows)).notes
    assert "results.jsonl, query q0: 0.500; all that is relevant came first" in notes


def test_less_is_better_is_turned_round(tmp_path: Path) -> None:
    rows = [row(i, [f"d{i}"], 0.5, noise_sensitivity_relevant=i / 10) for i in range(3)]
    rows[0]["noise_sensitivity_relevant"] = float("nan")
    _, scores, failed = read_scores(written(tmp_path, rows))
    assert ([own["noise_sensitivity_relevant"] for own in scores], failed) == ([1.0, 0.1, 0.2], 1)
    notes = ragdiag.audit(STORE, ragas=tmp_path / "results.jsonl").notes
    assert [note.split()[2] for note in notes if ", query " in note] == ["q0:", "q2:", "q1:"]


def test_harm_is_turned_round_too(tmp_path: Path) -> None:
    rows = [row(i, [f"d{i}"], 0.5, harmfulness=i / 10) for i in range(3)]
    rows[0]["harmfulness"] = None
    _, scores, failed = read_scores(written(tmp_path, rows))
    assert ([own["harmfulness"] for own in scores], failed) == ([1.0, 0.1, 0.2], 1)


def test_long_names_and_many_metrics_are_cut(tmp_path: Path) -> None:
    more: dict[str, Any] = {f"{i:03}{'x' * 5000}": 0.25 for i in range(200)}
    report = ragdiag.audit(STORE, ragas=written(tmp_path, [row(1, ["d1"], 1.0, **more)]))
    first = next(note for note in report.notes if note.startswith("results.jsonl"))
    named = ", ".join(f"{i:03}{'x' * 37} 0.250" for i in range(9))
    assert first == f"results.jsonl, over all 1 row: faithfulness 1.000, {named} and 191 more"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(1, ["d1"], 1.5)], r"line 1: faithfulness is 1\.5, which is no score from 0 to 1"),
        ([row(1, ["d1"], 0.5), row(2, ["d1"], "high")], "line 2: faithfulness is high, which is no score"),
        ([row(1, ["d1"], None)], "holds no score"),
        ([], "holds no score"),
        ([row(1, ["d1"], 0.5)] * 2, "row 2: query q1 is there twice"),
        ([{"user_input": "?", "faithfulness": 1.0}], "has neither retrieved_context_ids nor retrieved_contexts"),
        ([{**row(1, ["d1"], 1.0), "reference_context_ids": None}], "names no relevant document"),
        ([row(1, ["elsewhere"], 1.0)], "nothing that was retrieved is in"),
    ],
)
def test_what_cannot_be_joined(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(JudgementsError, match=message):
        ragdiag.audit(STORE, ragas=written(tmp_path, rows))


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "v.npy", np.random.default_rng(0).standard_normal((N, 8)))
    path = written(tmp_path, [row(i, [str(i)], i / 10, relevant=str(i)) for i in range(5)])
    command = ["audit", str(tmp_path / "v.npy"), "--fail-on", "never", "--ragas"]
    assert main([*command, str(path), "--width", "200"]) == 0
    assert "results.jsonl, query q0: 0.000; all that is relevant came first" in capsys.readouterr().out
    assert main([*command, str(tmp_path / "gone.jsonl")]) == 2
    printed = capsys.readouterr()
    assert (printed.out, "gone.jsonl does not exist" in printed.err) == ("", True)
