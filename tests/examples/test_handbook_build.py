from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import ragdiag
from ragdiag.types import Severity
from tests.examples.conftest import Run

PLANTED = {"SIM002", "HUB001", "IDX004", "IDX006", "IDX007", "IDX009", "IDX010"}


@pytest.fixture(scope="module")
def built(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("handbook") / "store"
    done = run("handbook/build.py", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("427 chunks in ")
    return out


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_input_gives_the_same_bytes(built: Path, run: Run, tmp_path: Path) -> None:
    first = content(built)
    assert set(first) == {"index.faiss", "index.pkl"}
    assert run("handbook/build.py", tmp_path / "again").returncode == 0
    assert content(tmp_path / "again") == first
    assert run("handbook/build.py", tmp_path / "again").returncode == 0, "its own store may be replaced"
    assert content(tmp_path / "again") == first
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_a_folder_of_somebody_else_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    done = run("handbook/build.py", tmp_path)
    assert done.returncode == 2
    assert "is not a store made by build.py" in done.stderr
    assert content(tmp_path) == {"notes.txt": b"mine"}


def test_langchain_opens_it_and_finds_each_document_by_its_vector(built: Path, examples: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # langchain_community says that it is sunset
        from langchain_community.embeddings import FakeEmbeddings
        from langchain_community.vectorstores import FAISS
    store = FAISS.load_local(str(built), FakeEmbeddings(size=384), allow_dangerous_deserialization=True)
    rows = [json.loads(line) for line in (examples / "handbook/corpus.jsonl").read_text("utf-8").splitlines()]
    assert store.index.ntotal == len(store.index_to_docstore_id) == len(rows)
    vectors = np.load(examples / "handbook/vectors/docs.minilm.npy")
    for i in (0, 1, 426):
        (document, distance), *_ = store.similarity_search_with_score_by_vector(vectors[i].tolist(), k=1)
        assert distance == pytest.approx(0, abs=1e-4)
        assert document.page_content == f"{rows[i]['title']} {rows[i]['text']}"
        assert document.metadata == {"title": rows[i]["title"], **rows[i]["metadata"]}
        assert store.get_by_ids([rows[i]["_id"]])[0].page_content == document.page_content


def test_the_audit_names_what_was_planted_and_nothing_else(built: Path, examples: Path) -> None:
    report = ragdiag.audit(
        f"faiss:{built}",
        judgements=examples / "handbook",
        query_vectors=examples / "handbook/vectors/queries.minilm.npy",
    )
    found = {finding.code: finding for finding in report.findings if finding.severity > Severity.INFO}
    assert set(found) == PLANTED
    assert [code for code, finding in found.items() if finding.severity is Severity.ERROR] == ["SIM002"]
    readme = (examples / "handbook/README.md").read_text("utf-8")
    for code in PLANTED:
        assert code in readme
    planted = json.loads((examples / "handbook/planted.json").read_text("utf-8"))
    assert {document.id for document in found["IDX004"].documents} == set(planted["empty"])
    assert {document.id for document in found["IDX009"].documents} <= set(planted["not_normalised"])
    assert {document.id for document in found["IDX010"].documents} <= set(planted["previous_model"])
    hubs = [document.id for document in found["HUB001"].documents]
    assert set(hubs[:5]) <= set(planted["boilerplate"])
