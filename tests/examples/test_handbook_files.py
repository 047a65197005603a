"""The committed files of the handbook agree with each other and with its README."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="module")
def handbook(examples: Path) -> Path:
    return examples / "handbook"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def chunks(handbook: Path) -> list[dict[str, Any]]:
    return rows(handbook / "corpus.jsonl")


@pytest.fixture(scope="module")
def questions(handbook: Path) -> list[dict[str, Any]]:
    return rows(handbook / "queries.jsonl")


@pytest.fixture(scope="module")
def planted(handbook: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((handbook / "planted.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def vectors(handbook: Path) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.load(handbook / "vectors" / "docs.minilm.npy")
    return found


def labels(handbook: Path) -> list[tuple[str, str, str]]:
    with (handbook / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file, delimiter="\t")
    assert header == ["query-id", "corpus-id", "score"]
    return [(query, document, score) for query, document, score in lines]


def texts_of(chunks: list[dict[str, Any]]) -> dict[str, str]:
    return {chunk["_id"]: f"{chunk['title']} {chunk['text']}" for chunk in chunks}


def test_there_are_as_many_vectors_as_rows(
    handbook: Path, chunks: list[Any], questions: list[Any], vectors: NDArray[np.float32]
) -> None:
    queries = np.load(handbook / "vectors" / "queries.minilm.npy")
    assert vectors.shape == (len(chunks), 384) == (427, 384)
    assert queries.shape == (len(questions), 384) == (220, 384)
    assert vectors.dtype == queries.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-6)


def test_the_vectors_are_small_enough_to_commit(handbook: Path) -> None:
    assert sum(path.stat().st_size for path in handbook.rglob("*.npy")) < 1_000_000


def test_ids_are_unique_and_every_label_has_both_ends(
    handbook: Path, chunks: list[dict[str, Any]], questions: list[dict[str, Any]]
) -> None:
    documents = {chunk["_id"] for chunk in chunks}
    queries = {question["_id"] for question in questions}
    assert len(documents) == len(chunks)
    assert len(queries) == len(questions)
    found = labels(handbook)
    assert {query for query, _, _ in found} == queries
    assert {document for _, document, _ in found} <= documents
    assert {score for _, _, score in found} == {"1"}
    assert len({(query, document) for query, document, _ in found}) == len(found)


def test_planted_ids_are_in_the_store_and_as_many_as_the_readme_says(
    handbook: Path, chunks: list[dict[str, Any]], planted: dict[str, Any]
) -> None:
    documents = {chunk["_id"] for chunk in chunks}
    named = {id_ for flaw in planted.values() for id_ in flaw}
    repeated = {id_ for flaw in planted.values() if isinstance(flaw, dict) for id_ in flaw.values()}
    assert named | repeated <= documents
    assert {name: len(flaw) for name, flaw in planted.items()} == {
        "boilerplate": 12,
        "near_duplicates": 30,
        "exact_duplicates": 10,
        "empty": 8,
        "previous_model": 40,
        "not_normalised": 35,
    }
    assert not named & {document for _, document, _ in labels(handbook)} - {
        *planted["previous_model"],
        *planted["not_normalised"],
    }
    readme = (handbook / "README.md").read_text("utf-8")
    for name in ("boilerplate", "near_duplicates", "exact_duplicates", "empty", "previous_model", "not_normalised"):
        assert f"{len(planted[name])} chunks (`{name}`)" in readme


def test_each_flaw_is_what_it_is_called(
    chunks: list[dict[str, Any]], planted: dict[str, Any], vectors: NDArray[np.float32]
) -> None:
    texts = texts_of(chunks)
    row = {chunk["_id"]: i for i, chunk in enumerate(chunks)}
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    directions = vectors / lengths[:, None]

    def cosine(a: str, b: str) -> float:
        return float(directions[row[a]] @ directions[row[b]])

    assert {id_ for id_, text in texts.items() if not text.strip()} == set(planted["empty"])
    for copy, page in planted["exact_duplicates"].items():
        assert texts[copy] == texts[page]
        assert cosine(copy, page) == pytest.approx(1, abs=1e-6)
    for revision, page in planted["near_duplicates"].items():
        assert texts[revision] != texts[page]
        assert 0.996 < cosine(revision, page) < 1
    odd = {chunk["_id"] for chunk, length in zip(chunks, lengths, strict=True) if abs(length - 1) > 1e-3}
    assert odd == set(planted["not_normalised"])
    previous = directions[[row[id_] for id_ in planted["previous_model"]]]
    between = (previous @ previous.T)[np.triu_indices(len(previous), 1)]
    assert between.mean() == pytest.approx(0.831, abs=0.002)
