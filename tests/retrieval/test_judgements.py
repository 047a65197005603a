from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragdiag import read_judgements
from ragdiag.errors import JudgementsError

QUERIES = '{"_id": "q1", "text": "how?"}\n{"_id": "q2", "text": "why?", "metadata": {}}\n{"_id": 3, "text": "who?"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t2\nq1\td3\t0\nq2\td9\t-1\n3\td1\t1\nq7\td7\t1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A BEIR folder."""
    write(tmp_path / "labels", QUERIES, QRELS)
    return tmp_path / "labels"


def write(folder: Path, queries: str | bytes | None, qrels: str | bytes | None, split: str = "test") -> None:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for path, text in ((folder / "queries.jsonl", queries), (folder / "qrels" / f"{split}.tsv", qrels)):
        if text is not None:
            path.write_bytes(text.encode() if isinstance(text, str) else text)


def test_a_beir_folder(folder: Path) -> None:
    read = read_judgements(folder)
    assert read.query_ids == ("q1", "q2", "3")
    assert read.texts == ("how?", "why?", "who?")
    # Grades of 0 and less are no relevance, a query without any keeps its row.
    assert read.relevant == ({"d1": 1, "d2": 2}, {}, {"d1": 1})
    assert read.document_ids() == {"d1", "d2"}
    assert read.name == str(folder)


@pytest.mark.parametrize(
    "qrels",
    [
        QRELS.partition("\n")[2],  # no header
        QRELS.replace("\n", "\r\n"),
        "\ufeff" + QRELS,
        QRELS + "\n\n",
        QRELS.rstrip("\n"),
        "q1\t0\td1\t1\nq1\t0\td2\t2\nq1\tQ0\td3\t0\n3\t0\td1\t1\n",  # TREC's four columns
        "query\titer\tdocument\trelevance\nq1\t0\td1\t1\nq1\t0\td2\t2\n3\t0\td1\t1\n",
    ],
    ids=["no header", "crlf", "bom", "blank lines", "no newline", "trec", "trec with header"],
)
def test_qrels_are_read_as_people_write_them(folder: Path, qrels: str) -> None:
    write(folder, None, qrels)
    assert read_judgements(folder).relevant == ({"d1": 1, "d2": 2}, {}, {"d1": 1})


def test_queries_are_read_as_people_write_them(folder: Path) -> None:
    write(folder, "\ufeff" + QUERIES.replace("\n", "\r\n\r\n").replace("how?", "wie \u2028 geht's? 你好"), None)
    assert read_judgements(str(folder)).texts == ("wie \u2028 geht's? 你好", "why?", "who?")


def test_ids_may_hold_quotes_and_blanks(folder: Path) -> None:
    write(folder, json.dumps({"_id": 'q "1', "text": "x"}), 'q "1\t"d" \'1\t1\n')
    assert read_judgements(folder).relevant == ({'"d" \'1': 1},)


def test_a_very_long_line_is_read(folder: Path) -> None:
    write(folder, None, f"q1\t{'d' * 200_000}\t1\n")
    assert read_judgements(folder).relevant[0] == {"d" * 200_000: 1}


def test_test_is_the_split_that_counts(folder: Path) -> None:
    write(folder, None, "q2\td5\t1\n", split="train")
    assert read_judgements(folder).relevant[0] == {"d1": 1, "d2": 2}
    (folder / "qrels" / "test.tsv").unlink()
    assert read_judgements(folder).relevant == ({}, {"d5": 1}, {})  # the only one there is
    write(folder, None, "q2\td6\t1\n", split="dev")
    with pytest.raises(JudgementsError) as raised:
        read_judgements(folder)
    assert str(raised.value) == f"{folder}/qrels holds dev.tsv, train.tsv: keep one of them, or name it test.tsv"


def test_queries_that_were_made_of_texts_say_so(folder: Path) -> None:
    assert (read_judgements(folder).pseudo, read_judgements(folder).note) == ("", "")

    def pseudo(*metadata: object) -> str:
        rows = [{"_id": f"q{i}", "text": "how?", "metadata": given} for i, given in enumerate(metadata, start=1)]
        write(folder, "".join(json.dumps(row) + "\n" for row in rows), None)
        return read_judgements(folder).pseudo

    assert pseudo({"pseudo": "title"}, {"pseudo": "first-sentence"}, {}) == "first-sentence, title"
    assert read_judgements(folder).note == ("pseudo-labelled queries (first-sentence, title), not what users ask")
    assert pseudo({"pseudo": "\x1b[31m"}, {"pseudo": ["x"]}) == "another kind"
    assert pseudo({"pseudo": ""}, {"pseudo": None}, {"pseudo": False}, [], "pseudo", None) == ""


NO_JSON = "write one object per line"
A_QUERY = 'write {"_id": "q1", "text": "…"}'


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ("", '{file} is empty: write one {"_id": "q1", "text": "…"} per line'),
        ("\n\n", '{file} is empty: write one {"_id": "q1", "text": "…"} per line'),
        ("how?\n", f"{{file}}, line 1 is no JSON: {NO_JSON}"),
        ('{"_id": "q1", "text": "a"}\n{"_id": "q2", "te', f"{{file}}, line 2 is no JSON: {NO_JSON}"),
        ("[" * 100_000, f"{{file}}, line 1 is no JSON: {NO_JSON}"),
        ('["q1", "how?"]\n', f"{{file}}, line 1 is no JSON object: {NO_JSON}"),
        ('{"_id": "q1"}\n', f"{{file}}, line 1 has no _id and text: {A_QUERY}"),
        ('{"text": "a"}\n', f"{{file}}, line 1 has no _id and text: {A_QUERY}"),
        ('{"_id": 1.5, "text": "a"}\n', f"{{file}}, line 1 has no _id and text: {A_QUERY}"),
        ('{"_id": "q1", "text": ["a"]}\n', f"{{file}}, line 1 has no _id and text: {A_QUERY}"),
        ('\n{"_id": "q1", "text": " \\n"}\n', "{file}, line 2: query q1 has no text: remove or fill it"),
        ('{"_id": 1, "text": "a"}\n{"_id": "1", "text": "b"}\n', "{file}, line 2: query 1 is there twice: remove one"),
        (QUERIES.encode() + b'{"_id": "q4", "text": "\xff"}\n', "{file}, line 4 is not UTF-8: save it as UTF-8"),
        (QUERIES.encode("utf-16"), "{file}, line 1 is not UTF-8: save it as UTF-8"),
    ],
)
def test_bad_queries(folder: Path, queries: str | bytes, message: str) -> None:
    write(folder, queries, None)
    with pytest.raises(JudgementsError) as raised:
        read_judgements(folder)
    assert str(raised.value) == message.replace("{file}", str(folder / "queries.jsonl"))


COLUMNS = "is not query-id, corpus-id, score: separate them by tabs, and give whole numbers as scores"


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ("", "{folder}/qrels judges no query of queries.jsonl: check the query ids"),
        ("q1\td1\t0\n", "{folder}/qrels judges no query of queries.jsonl: check the query ids"),
        ("x1\td1\t1\n", "{folder}/qrels judges no query of queries.jsonl: check the query ids"),
        ("q1 d1 1\n", f"{{file}}, line 1 {COLUMNS}"),
        ("q1,d1,1\n", f"{{file}}, line 1 {COLUMNS}"),
        ("q1\td1\n", f"{{file}}, line 1 {COLUMNS}"),
        ("q1\td1\t1.5\nq1\td2\t1\n", f"{{file}}, line 1 {COLUMNS}"),  # no header: it has a digit
        ("q1\td1\t1\nq1\td2\thigh\n", f"{{file}}, line 2 {COLUMNS}"),
        ("q1\td1\t1\nq1\td2\t\u00b2\n", f"{{file}}, line 2 {COLUMNS}"),
        ("q1\td1\t1\nq1\td2\t--1\n", f"{{file}}, line 2 {COLUMNS}"),
        ("q1\td1\t1\n\nq1\t0\td2\t1\t1\n", f"{{file}}, line 3 {COLUMNS}"),
        (b"q1\td1\t1\nq1\td\xe9\t1\n", "{file}, line 2 is not UTF-8: save it as UTF-8"),
    ],
)
def test_bad_qrels(folder: Path, qrels: str | bytes, message: str) -> None:
    write(folder, None, qrels)
    with pytest.raises(JudgementsError) as raised:
        read_judgements(folder)
    known = {"{file}": str(folder / "qrels" / "test.tsv"), "{folder}": str(folder)}
    for name, value in known.items():
        message = message.replace(name, value)
    assert str(raised.value) == message


def test_a_grade_that_is_none(folder: Path) -> None:
    write(folder, None, "q1\td1\t1000\n")
    assert read_judgements(folder).relevant[0] == {"d1": 1000}
    write(folder, None, "q1\td1\t1\nq1\td2\t1001\n")
    with pytest.raises(JudgementsError, match=r"test.tsv, line 2: the grade 1001 is over 1,000: is this column"):
        read_judgements(folder)


def test_a_folder_without_judgements(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").unlink()
    with pytest.raises(JudgementsError, match=r"labels has no qrels/\*.tsv: add query-id, corpus-id, score per line"):
        read_judgements(folder)
