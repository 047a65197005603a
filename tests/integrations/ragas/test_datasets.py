from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ragdiag_ragas import read_dataset, to_dataset

from ragdiag.errors import JudgementsError
from ragdiag.retrieval.anchoring import anchor
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.retrieved import Retrieved
from ragdiag.stores import ArrayStore, open_store
from tests.audit.handbook import HANDBOOK, corpus

LABELS = Judgements("here", ("q1", "q2"), ("how?", "why?"), ({"a": 1, "gone": 2}, {"b": 1}))


def rewrapped(words: list[str], rng: np.random.Generator) -> str:
    """Join words by white space of any kind, as a splitter or a PDF would."""
    gaps = rng.choice([" ", "  ", "\n", " \n\t", "\u00a0", "\r\n"], size=len(words))
    return "".join(word + gap for word, gap in zip(words, gaps, strict=True))


@pytest.mark.parametrize("share", [1.0, 0.7, 0.4])
def test_contexts_cut_from_chunks_are_anchored(ragas: Any, handbook: Path, share: float) -> None:
    """At least 99 % of contexts cut from the handbook's chunks, with other white space, find their chunk."""
    rng = np.random.default_rng(3)
    sample, rows = ragas().SingleTurnSample, []
    chunks = [row for row in corpus() if f"{row['title']} {row['text']}".strip()]  # blank ones are planted
    for row in chunks:
        words = f"{row['title']} {row['text']}".split()
        length = max(round(share * len(words)), 5)
        start = int(rng.integers(0, max(len(words) - length, 0) + 1))
        rows.append(sample(user_input=f"q {row['_id']}", reference_contexts=[rewrapped(words[start:][:length], rng)]))
    labels = read_dataset(ragas().EvaluationDataset(samples=rows))
    found, how = anchor(labels, open_store(handbook))
    right = [row["_id"] in relevant for row, relevant in zip(chunks, found.relevant, strict=True)]
    assert (len(chunks), how.total >= 400) == (419, True)  # pages that are there twice are one context
    assert how.unanchored <= 0.01
    assert float(np.mean(right)) >= 0.99
    again = read_dataset(ragas().EvaluationDataset(samples=rows), handbook)
    assert again.relevant == found.relevant
    assert again.anchored == str(how)


def test_there_and_back(ragas: Any, comparison: Comparison, tmp_path: Path) -> None:
    lists = comparison.retrieved["cosine"]
    dataset = to_dataset(lists)
    assert isinstance(dataset, ragas().EvaluationDataset)
    assert dataset.query_ids == list(comparison.query_ids)
    for sample, query in zip(dataset, lists, strict=True):
        assert sample.retrieved_context_ids == list(query.ids)
        assert sample.retrieved_contexts == list(query.contexts)
        assert sample.reference_context_ids == list(query.relevant)
    dataset.to_jsonl(tmp_path / "d.jsonl")
    for back in (read_dataset(dataset), read_dataset(tmp_path / "d.jsonl")):
        assert back.query_ids == comparison.query_ids
        assert back.texts == tuple(query.text for query in lists)
        assert back.relevant == tuple(query.relevant for query in lists)
    assert [row["query_id"] for row in dataset[5:8].to_list()] == list(comparison.query_ids[5:8])
    assert read_dataset(dataset[:4:-1]).query_ids == comparison.query_ids[:4:-1]
    assert dataset[5] is dataset.samples[5]


def test_the_contexts_are_those_of_the_store(ragas: Any, comparison: Comparison) -> None:
    texts = {row["_id"]: f"{row['title']} {row['text']}" for row in corpus()}
    sample = to_dataset(comparison.retrieved["l2"]).samples[0]
    assert sample.retrieved_contexts == [texts[id_] for id_ in sample.retrieved_context_ids]
    assert sample.reference_contexts == [texts[id_] for id_ in sample.reference_context_ids]


def test_a_run_of_ids_or_of_scores(ragas: Any) -> None:
    store = ArrayStore(np.eye(3), ids=["a", "b", "c"], texts=["first text", "second text", "third text"])
    by_score = to_dataset({"q1": {"c": 0.1, "a": 0.9}}, LABELS, store=store).to_list()
    assert by_score == [
        {
            "query_id": "q1",
            "user_input": "how?",
            "retrieved_context_ids": ["a", "c"],
            "retrieved_contexts": ["first text", "third text"],
            "reference_context_ids": ["a", "gone"],
            "reference_contexts": ["first text"],
        },
        {
            "query_id": "q2",
            "user_input": "why?",
            "retrieved_context_ids": [],
            "retrieved_contexts": [],
            "reference_context_ids": ["b"],
            "reference_contexts": ["second text"],
        },
    ]
    assert to_dataset({"q2": ["b"]}, LABELS).samples[1].retrieved_context_ids == ["b"]
    assert to_dataset({"q2": ["b"]}, LABELS).samples[1].retrieved_contexts is None


def test_a_testset(ragas: Any, handbook: Path) -> None:
    text = corpus()[0]["text"]
    schema = ragas("ragas.testset.synthesizers.testset_schema")
    hop = ragas().SingleTurnSample(user_input="how cold?", reference_contexts=[f"<1-hop>\n\n{text}"])
    testset = schema.Testset(samples=[schema.TestsetSample(eval_sample=hop, synthesizer_name="s")])
    labels = read_dataset(testset, handbook)
    assert "hb-0001" in labels.relevant[0]
    assert labels.anchored.startswith("1 of 1 reference contexts were found")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"user_input": "how?"}], "list names no relevant document"),
        ([{"reference_context_ids": ["a"]}], "list, row 1 has no user_input"),
        ([{"user_input": "how?", "reference_context_ids": "a"}], "list, row 1: reference_context_ids is str"),
        (
            [{"query_id": 1, "user_input": "a?", "reference_context_ids": ["a"]}] * 2,
            "list, row 2: query 1 is there twice",
        ),
        (["how?"], "list is no dataset of Ragas"),
        ([], "list names no relevant document"),
        (3, "int is no dataset of Ragas"),
    ],
)
def test_what_cannot_be_read(rows: Any, message: str) -> None:
    with pytest.raises(JudgementsError, match=message):
        read_dataset(rows)


def test_what_cannot_be_made_a_dataset(ragas: Any, tmp_path: Path) -> None:
    with pytest.raises(JudgementsError, match="a run of ids comes without judgements"):
        to_dataset({"q1": ["a"]})
    with pytest.raises(JudgementsError, match="the run and here have no query in common"):
        to_dataset({"1": ["a"]}, LABELS)
    with pytest.raises(JudgementsError, match="no query retrieved anything"):
        to_dataset([Retrieved("q1", "how?", ())])
    with pytest.raises(JudgementsError, match="query q1 is there twice"):
        to_dataset([Retrieved("q1", "how?", ("a",)), Retrieved("q1", "why?", ("a",))])
    with pytest.raises(JudgementsError, match="there is no query"):
        to_dataset([])
    (tmp_path / "d.jsonl").write_text(json.dumps({"user_input": "how?"}))
    with pytest.raises(JudgementsError, match=r"d\.jsonl names no relevant document"):
        read_dataset(tmp_path / "d.jsonl")


def test_an_empty_dataset(ragas: Any) -> None:
    with pytest.raises(JudgementsError, match="EvaluationDataset names no relevant document"):
        read_dataset(ragas().EvaluationDataset(samples=[]))


ROWS: Any = [
    {"user_input": "how?", "retrieved_context_ids": ["a"]},
    {"user_input": "why?", "retrieved_context_ids": ["b"]},
]


def test_judgements_of_other_queries(ragas: Any) -> None:
    """Rows without an id are "1" and "2"."""
    for given in (ROWS, [Retrieved("1", "how?", ("a",))]):
        with pytest.raises(JudgementsError, match="the rows and here have no query in common: give each row its query"):
            to_dataset(given, LABELS)


def test_judgements_of_some_of_the_queries(ragas: Any) -> None:
    rows: Any = [{**ROWS[0], "query_id": "q1"}, {**ROWS[1], "query_id": "q3"}]
    dataset = to_dataset(rows, LABELS)
    assert [sample.reference_context_ids for sample in dataset] == [["a", "gone"], []]
    assert dataset.note == (
        "1 query, such as q3, not in here: nothing is relevant to them, and they count;"
        " 1 query, such as q2, judged alone: left out"
    )
    assert dataset[:1].note == dataset.note
    assert to_dataset({"q1": ["a"], "q3": ["b"]}, LABELS).note == (
        "1 query, such as q3, not in here: left out;"
        " 1 query, such as q2, not in the run: they retrieved nothing, and count"
    )
    assert to_dataset({"q1": ["a"], "q2": ["b"]}, LABELS).note == ""


def test_judgements_of_texts_stay_texts_without_a_store(ragas: Any) -> None:
    labels = Judgements("here", ("1",), ("how?",), ({},), (("so",),))
    rows: Any = [{**ROWS[0], "retrieved_contexts": ["this way"]}]
    assert to_dataset(rows, labels).samples[0].reference_contexts == ["so"]


def test_rows_of_arrays(ragas: Any) -> None:
    rows = [{"user_input": "how?", "reference_context_ids": np.array(["a", "b"])}]
    assert read_dataset(rows).relevant == ({"a": 1, "b": 1},)


def test_judgements_by_path(ragas: Any) -> None:
    dataset = to_dataset({"q-001": ["hb-0265", "hb-0001"]}, HANDBOOK)
    assert len(dataset) == 220
    assert dataset.samples[0].retrieved_context_ids == ["hb-0265", "hb-0001"]
