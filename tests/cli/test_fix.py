from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ragdiag import load_artefact
from ragdiag.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents and queries shifted apart, as a BEIR folder with vectors."""
    rng = np.random.default_rng(0)
    content = rng.standard_normal((200, 12)).astype(np.float32)
    shift = 3 * rng.standard_normal(12).astype(np.float32)
    queries = content[:60] + 0.5 * rng.standard_normal((60, 12)).astype(np.float32)
    np.save(tmp_path / "docs.npy", content)
    np.save(tmp_path / "queries.npy", queries + shift)
    np.save(tmp_path / "aligned.npy", queries)
    (tmp_path / "labels" / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": f"q{i}", "text": f"question {i}"}) for i in range(60)]
    (tmp_path / "labels" / "queries.jsonl").write_text("\n".join(lines))
    (tmp_path / "labels" / "qrels" / "test.tsv").write_text("".join(f"q{i}\t{i}\t1\n" for i in range(60)))
    return tmp_path


def run(folder: Path, *args: str, queries: str = "queries.npy") -> int:
    labels = ["--queries", f"{folder}/labels"] if "--queries" not in args else []
    return main(["fix", f"{folder}/docs.npy", *args, *labels, "--query-vectors", f"{folder}/{queries}"])


def test_the_best_is_written_and_keeps_its_promise(folder: Path, capsys: Capture) -> None:
    assert run(folder, "--remedy", "best", "--to", f"{folder}/new.npy", "--artefact", f"{folder}/maps") == 0
    out = capsys.readouterr().out
    maps = load_artefact(folder / "maps")
    assert "query-centred" in maps.similarity.name
    assert np.array_equal(np.load(folder / "new.npy"), maps.documents(np.load(folder / "docs.npy")))
    promised, delivered = maps.evidence["promised"], maps.evidence["delivered"]
    assert promised == delivered
    assert promised["R@10"] > 0.9
    assert f"  {promised['nDCG@10']:.6f}    {delivered['nDCG@10']:.6f}  nDCG@10" in out.replace("   ", "  ", 1)
    assert "The new store keeps the promise" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_remedy_by_name_needs_no_labels(folder: Path, capsys: Capture) -> None:
    assert main(["fix", f"{folder}/docs.npy", "--remedy", "abtt(d=2)", "--to", f"{folder}/new.npy"]) == 0
    assert "same top 10" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--remedy", "abt(d=2)", "--to", "{}/new.npy"], "unknown similarity 'abt': did you mean 'abtt'?"),
        (["--remedy", "whitened(k=0)", "--to", "{}/new.npy"], "whitened has k=0"),
        (["--remedy", "whitened", "--to", "{}/new.xyz"], "does not say what kind of store to write"),
        (["--remedy", "abtt(d=2)", "--to", "{}/docs.npy", "--overwrite"], "belongs to the store that is read"),
        (["--remedy", "abtt(d=2)", "--to", "{}/queries.npy"], "exists: name another target, or replace it with"),
        (["--remedy", "abtt(d=2)", "--to", "{}/no/new.npy"], "there is no folder"),
        (["--remedy", "csls(k=100)", "--to", "{}/new.npy"], "csls"),
        (["--remedy", "pca(k=500)", "--to", "{}/new.npy"], "pca"),
        (["--remedy", "abtt(d=2)", "--to", "{}/new.npy", "--queries", "{}/nowhere"], "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    folder: Path, capsys: Capture, args: list[str], message: str
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert run(folder, *(arg.format(folder) for arg in args)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("error: ")
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_nothing_proven_is_said_with_the_numbers(folder: Path, capsys: Capture) -> None:
    assert run(folder, "--remedy", "best", "--to", f"{folder}/new.npy", queries="aligned.npy") == 2
    err = capsys.readouterr().err
    assert "no similarity is proven better than cosine (best: " in err
    assert "leave the store alone, or name a remedy yourself" in err
    assert not (folder / "new.npy").exists()


def test_the_best_needs_labels(folder: Path, capsys: Capture) -> None:
    assert main(["fix", f"{folder}/docs.npy", "--remedy", "best", "--to", f"{folder}/new.npy"]) == 2
    assert "add --queries, or name a remedy" in capsys.readouterr().err


def test_an_overwritten_target_is_the_new_one(folder: Path, capsys: Capture) -> None:
    first = ["--remedy", "abtt(d=2)", "--to", f"{folder}/new.npy"]
    assert run(folder, *first) == 0
    old = (folder / "new.npy").read_bytes()
    assert run(folder, *first) == 2
    assert (folder / "new.npy").read_bytes() == old
    assert run(folder, "--remedy", "abtt(d=3)", "--to", f"{folder}/new.npy", "--overwrite") == 0
    assert (folder / "new.npy").read_bytes() != old
    assert load_artefact(folder / "new.npy.ragdiag").similarity.name == "abtt(d=3)"
