from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragdiag import read_judgements
from ragdiag.errors import JudgementsError

TOPICS = "q1\thow?\nq2\twhy  so?\n\n3\twho?\n"
QRELS = "q1 0 d1 1\nq1 0 d2 2\nq1 Q0 d3 0\nq2\t0\td 9\t-1\n3  0   d1 1\nq7 0 d7 1\n"
CLASSIC = """<top>
<num> Number: 301
<title> International Organized
 Crime

<desc> Description:
Identify organizations.
</top>

<TOP><num>302</num><title>Topic: Poliomyelitis</title></TOP>
<top>
<num> 303
<title>  3 < 4
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A TREC folder."""
    (tmp_path / "topics.tsv").write_text(TOPICS)
    (tmp_path / "qrels.txt").write_text(QRELS)
    return tmp_path


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def message(path: Path) -> str:
    with pytest.raises(JudgementsError) as raised:
        read_judgements(path)
    return str(raised.value)


def test_a_trec_folder(folder: Path) -> None:
    read = read_judgements(folder)
    assert read.query_ids == ("q1", "q2", "3")
    assert read.texts == ("how?", "why  so?", "who?")
    assert read.relevant == ({"d1": 1, "d2": 2}, {}, {"d1": 1})
    assert (read.name, read.contexts) == (str(folder), ())


@pytest.mark.parametrize(
    ("topics", "qrels"), [("queries.txt", "test.qrels"), ("topics.robust", "robust-qrels.tsv"), ("query.tsv", "QRELS")]
)
def test_trec_files_have_many_names(folder: Path, topics: str, qrels: str) -> None:
    (folder / "topics.tsv").rename(folder / topics)
    (folder / "qrels.txt").rename(folder / qrels)
    (folder / "queries.npy").write_bytes(b"\x93NUMPY")  # vectors beside them are no topics
    assert read_judgements(str(folder)).relevant == ({"d1": 1, "d2": 2}, {}, {"d1": 1})


def test_classic_topics(folder: Path) -> None:
    (folder / "topics.tsv").write_text(CLASSIC)
    (folder / "qrels.txt").write_text("302 0 LA1-2 1\n")
    read = read_judgements(folder)
    assert read.query_ids == ("301", "302", "303")
    assert read.texts == ("International Organized Crime", "Poliomyelitis", "3 < 4")
    assert read.relevant == ({}, {"LA1-2": 1}, {})


@pytest.mark.parametrize(
    ("topics", "qrels", "wanted"),
    [
        ("", QRELS, "topics.tsv is empty: write the id of a query, a tab and its text per line"),
        (
            "q1 how?\n",
            QRELS,
            "topics.tsv, line 1 is not query-id and text: separate them by a tab, or write <top> blocks",
        ),
        ("q1\thow?\n\thm\n", QRELS, "topics.tsv, line 2 is not query-id and text"),
        ("q1\thow?\nq2\t \n", QRELS, "topics.tsv, line 2: query q2 has no text: remove or fill it"),
        ("q1\thow?\nq1\twhy?\n", QRELS, "topics.tsv, line 2: query q1 is there twice: remove one"),
        ("\n<top>\n<title> x\n</top>", QRELS, "topics.tsv, line 2: a topic has no <num>: write <num> and <title>"),
        ("<top>\n<num> 1\n</top>", QRELS, "topics.tsv, line 1: query 1 has no text: remove or fill it"),
        (TOPICS, "q1 0 d1 1\nq1 d2 high\n", "qrels.txt, line 2 is not query-id, corpus-id, score"),
        (TOPICS, "q1 0 d1 1\nq1 0 d2 1 STANDARD\n", "qrels.txt, line 2 is not query-id, corpus-id, score"),
        (TOPICS, "q1 0 d1 20240101\n", "qrels.txt, line 1: the grade 20240101 is over 1,000"),
        (TOPICS, "", "qrels.txt judges no query of topics.tsv: check the query ids"),
    ],
)
def test_bad_trec_files(folder: Path, topics: str, qrels: str, wanted: str) -> None:
    (folder / "topics.tsv").write_text(topics)
    (folder / "qrels.txt").write_text(qrels)
    assert message(folder).startswith(f"{folder}/{wanted}")


def test_bad_trec_folders(folder: Path) -> None:
    (folder / "qrels.dev.txt").write_text(QRELS)
    assert message(folder) == (
        f"{folder} must hold one file of qrels, found qrels.dev.txt, qrels.txt: topics.tsv, qrels.txt"
    )
    (folder / "topics.tsv").unlink()
    assert message(folder) == f"{folder} must hold one file of topics, found none: topics.tsv, qrels.txt"


def test_lines_of_ours(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "labels.jsonl",
        {"query": "how?", "relevant": ["d1", 7, "d1"]},
        {"query": "Größe?", "relevant": {"d1": 3, "d2": 0, "d3": -1, "d4": 2.0}, "query_id": 12, "more": None},
        {"query": "why?", "relevant": []},
    )
    read = read_judgements(path)
    assert read.query_ids == ("1", "12", "3")
    assert read.texts == ("how?", "Größe?", "why?")
    assert read.relevant == ({"d1": 1, "7": 1}, {"d1": 3, "d4": 2}, {})
    path.write_text("\ufeff\n" + path.read_text().replace("\n", "\r\n\r\n"))
    assert read_judgements(path).relevant == read.relevant


HOW = 'has no query and relevant: write {"query": "…", "relevant": ["id"]} or {"id": grade}'


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"query": "x"}, HOW),
        ({"relevant": ["d"]}, HOW),
        ({"query": 3, "relevant": ["d"]}, HOW),
        ({"query": "x", "relevant": "d"}, HOW),
        ({"query": " ", "relevant": ["d"]}, ": query 2 has no text: remove or fill it"),
        ({"query": "x", "relevant": ["d"], "query_id": "1"}, ": query 1 is there twice: remove one"),
        ({"query": "x", "relevant": ["d"], "query_id": 1.5}, ": the query_id is float: give it as text, or none"),
        ({"query": "x", "relevant": [None]}, ": the id None is no text: give ids as they are in the store"),
        ({"query": "x", "relevant": {"d": "high"}}, ": the grade high is no whole number"),
        ({"query": "x", "relevant": {"d": True}}, ": the grade True is no whole number"),
        ({"query": "x", "relevant": {"d": 0.5}}, ": the grade 0.5 is no whole number"),
        ({"query": "x", "relevant": {"d": float("nan")}}, ": the grade nan is no whole number"),
        ({"query": "x", "relevant": {"d": float("inf")}}, ": the grade inf is no whole number"),
        ({"query": "x", "relevant": {"d": 1001}}, ": the grade 1001 is over 1,000: is this column the grades?"),
        (["x"], " is no JSON object: write one object per line"),
    ],
)
def test_bad_lines_of_ours(tmp_path: Path, row: Any, wanted: str) -> None:
    path = lines(tmp_path / "l.jsonl", {"query": "how?", "relevant": ["d1"]}, row)
    found = message(path).removeprefix(f"{path}, line 2").lstrip()
    assert found.startswith(wanted.lstrip())


def test_a_ragas_dataset(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "ragas.jsonl",
        {"user_input": "a?", "reference_context_ids": ["d1", 2], "reference_contexts": ["not looked at"]},
        {
            "user_input": "b?",
            "reference_contexts": ["<1-hop>\n\n One. ", "<2-hop>\n\nTwo.", "One.", " "],
            "reference": "!",
        },
        {"user_input": "c?", "retrieved_contexts": ["x"], "reference_contexts": None},
    )
    read = read_judgements(path)
    assert (read.query_ids, read.texts) == (("1", "2", "3"), ("a?", "b?", "c?"))
    assert read.relevant == ({"d1": 1, "2": 1}, {}, {})
    assert read.contexts == ((), ("One.", "Two."), ())


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"user_input": [{"content": "hi"}]}, "l.jsonl, line 2: user_input is a conversation: give single questions"),
        ({"question": "x"}, "l.jsonl, line 2 has no user_input: write the dataset with to_jsonl"),
        ({"user_input": ""}, "l.jsonl, line 2: query 2 has no text"),
        ({"user_input": "x", "reference_contexts": "d"}, "l.jsonl, line 2: reference_contexts is str: give a list"),
        ({"user_input": "x", "reference_context_ids": {"a": 1}}, "l.jsonl, line 2: reference_context_ids is dict"),
        ({"user_input": "x", "reference_contexts": [1]}, "l.jsonl, line 2: a reference context is no text"),
        ({"user_input": "x", "reference_context_ids": [[1]]}, "l.jsonl, line 2: the id [1] is no text"),
    ],
)
def test_bad_ragas_datasets(tmp_path: Path, row: Any, wanted: str) -> None:
    path = lines(tmp_path / "l.jsonl", {"user_input": "how?", "reference_contexts": ["One."]}, row)
    assert message(path).startswith(f"{tmp_path}/{wanted}")


FOLDERS = "a BEIR folder holds queries.jsonl and qrels/, a TREC folder topics.tsv and qrels.txt"
FILES = 'a file holds {"query": …, "relevant": […]} or Ragas\' {"user_input": …, "reference_contexts": […]} per line'


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("", f"holds no query: {FILES}; {FOLDERS}"),
        ("\n\n", f"is no file of JSON objects, one per line: {FILES}; {FOLDERS}"),
        ("{}", f"holds no query: {FILES}; {FOLDERS}"),
        ('{"_id": "q", "text": "x"}', f"has _id, text in its first line: {FILES}; {FOLDERS}"),
        ('[{"query": "x"}]', f"is no file of JSON objects, one per line: {FILES}; {FOLDERS}"),
        (QRELS, f"is no file of JSON objects, one per line: {FILES}; {FOLDERS}"),
        ('{"query": "x", "relevant": []}', "names no relevant document: give each query those that answer it"),
        ('{"user_input": "x"}', "names no relevant document: give each query those that answer it"),
    ],
)
def test_files_that_are_none_of_these(tmp_path: Path, content: str, wanted: str) -> None:
    (tmp_path / "file").write_text(content)
    assert message(tmp_path / "file") == f"{tmp_path}/file {wanted}"


def test_places_that_are_none_of_these(tmp_path: Path) -> None:
    assert message(tmp_path / "no") == f"{tmp_path}/no does not exist: {FOLDERS}; {FILES}"
    (tmp_path / "corpus.jsonl").write_text("{}")
    assert message(tmp_path) == f"{tmp_path} holds no labelled queries: {FOLDERS}; {FILES}"
    assert message(Path("/dev/null")) == f"/dev/null is neither a file nor a folder: {FOLDERS}; {FILES}"
