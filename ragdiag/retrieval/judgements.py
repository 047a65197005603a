"""Queries and relevance judgements, and how a BEIR folder of them is read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragdiag.errors import JudgementsError

# Queries that were made of the stored texts, as `ragdiag queries` makes them.
PSEUDO_KINDS = ("title", "first-sentence", "inverse-cloze")

# Above it a number is no judgement: an id, a count or a score in the wrong column.
_HIGHEST = 1000
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")


@dataclass(frozen=True)
class Judgements:
    """Queries with the documents that are relevant to them.

    Attributes
    ----------
    name : str
        Where they come from.
    query_ids, texts : tuple of str, length m
    relevant : tuple of mappings, length m
        Document id to grade, of each query; grades of 0 or less are left out. Empty for a query
        without judgements.
    pseudo : str
        The kinds of pseudo-labelled queries among them (``"first-sentence, title"``); "" when people asked them all.
    contexts : tuple of tuples of str, length m, or empty
        Relevant texts of each query whose ids are not known; `ragdiag.retrieval.anchoring.anchor`
        finds them among the stored texts.
    anchored : str
        How many of them were found, in one sentence; "" when there were none.

    Examples
    --------
    >>> j = Judgements("here", ("q1",), ("how?",), ({"d1": 1},))
    >>> j.document_ids()
    {'d1'}
    """

    name: str
    query_ids: tuple[str, ...]
    texts: tuple[str, ...]
    relevant: tuple[Mapping[str, int], ...]
    contexts: tuple[tuple[str, ...], ...] = ()
    anchored: str = ""
    pseudo: str = ""

    @property
    def note(self) -> str:
        """What every result of these queries has to say; "" when there is nothing."""
        pseudo = f"pseudo-labelled queries ({self.pseudo}), not what users ask" if self.pseudo else ""
        return "; ".join(filter(None, (self.anchored, pseudo)))

    def document_ids(self) -> set[str]:
        """Return all ids that are judged relevant to some query."""
        return {doc for graded in self.relevant for doc in graded}


def read_beir(path: str | os.PathLike[str]) -> Judgements:
    """Read a BEIR folder: ``queries.jsonl`` and ``qrels/*.tsv``.

    ``qrels/test.tsv`` is taken when there are several files. Queries keep their order in the file,
    those without judgements included, so that rows of a vector file match. Queries whose ``metadata`` holds
    ``pseudo`` were made of the stored texts.

    Raises
    ------
    JudgementsError
        With the file and the line that cannot be read.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise JudgementsError(f"{folder} {what}", hint="give a BEIR folder: queries.jsonl and qrels/test.tsv")
    queries = folder / "queries.jsonl"
    if not queries.is_file():
        raise JudgementsError(f"{folder} has no queries.jsonl", hint="a BEIR folder holds queries.jsonl and qrels/")
    texts: dict[str, str] = {}
    pseudo: set[str] = set()
    for number, row in jsonl(queries):
        id_, text = row.get("_id"), row.get("text")
        if not isinstance(id_, str | int) or not isinstance(text, str):
            raise JudgementsError(
                f"{queries}, line {number} has no _id and text", hint='write {"_id": "q1", "text": "…"}'
            )
        check_query(texts, id_, text, f"{queries}, line {number}")
        texts[str(id_)] = text
        pseudo |= _pseudo(row.get("metadata"))
    if not texts:
        raise JudgementsError(f"{queries} is empty", hint='write one {"_id": "q1", "text": "…"} per line')
    graded = read_qrels(_qrels_file(folder), texts)
    if not any(graded.values()):
        raise JudgementsError(f"{folder}/qrels judges no query of queries.jsonl", hint="check the query ids")
    relevant = tuple(graded[q] for q in texts)
    return Judgements(str(path), tuple(texts), tuple(texts.values()), relevant, pseudo=", ".join(sorted(pseudo)))


def _pseudo(metadata: object) -> set[str]:
    kind = metadata.get("pseudo") if isinstance(metadata, dict) else None
    if not kind:
        return set()
    return {kind if kind in PSEUDO_KINDS else "another kind"}


def _qrels_file(folder: Path) -> Path:
    files = sorted((folder / "qrels").glob("*.tsv"))
    if not files:
        raise JudgementsError(f"{folder} has no qrels/*.tsv", hint="add query-id, corpus-id, score per line")
    test = folder / "qrels" / "test.tsv"
    if test in files or len(files) == 1:
        return test if test in files else files[0]
    names = ", ".join(file.name for file in files)
    raise JudgementsError(f"{folder}/qrels holds {names}", hint="keep one of them, or name it test.tsv")


def check_query(known: Mapping[str, str], id_: str | int, text: str, where: str) -> None:
    """Raise a `JudgementsError` when a query has no text, or its id is known already."""
    if not text.strip():
        raise JudgementsError(f"{where}: query {id_} has no text", hint="remove or fill it")
    if str(id_) in known:
        raise JudgementsError(f"{where}: query {id_} is there twice", hint="remove one")


def _grade(value: object, where: str) -> int:
    """Return a grade, a whole number up to 1,000, or raise a `JudgementsError`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value % 1:
        raise JudgementsError(
            f"{where}: the grade {str(value)[:20]} is no whole number", hint="0 is not relevant, 1 or more is"
        )
    if value > _HIGHEST:
        raise JudgementsError(
            f"{where}: the grade {str(value)[:20]} is over {_HIGHEST:,}", hint="is this column the grades?"
        )
    return int(value)


def read_qrels(file: Path, texts: Mapping[str, str], *, blanks: bool = False) -> dict[str, dict[str, int]]:
    """Return the graded documents of each query in `texts`; columns are set off by tabs, or by `blanks` too."""
    graded: dict[str, dict[str, int]] = {query: {} for query in texts}
    for number, line in lines(file):
        # Not the csv module: ids may hold quotes, and it gives up on long lines.
        row = line.split() if blanks and "\t" not in line else line.split("\t")
        if not line.strip() or (number == 1 and _is_header(row)):
            continue
        if len(row) not in (3, 4) or not _WHOLE.fullmatch(row[-1].strip()):
            raise JudgementsError(
                f"{file}, line {number} is not query-id, corpus-id, score",
                hint="separate them by tabs, and give whole numbers as scores",
            )
        query, document, grade = row[0], row[-2], _grade(int(row[-1]), f"{file}, line {number}")
        if query in graded and grade > 0:
            graded[query][document] = grade
    return graded


def _is_header(row: list[str]) -> bool:
    return len(row) in (3, 4) and not any(character.isdigit() for character in row[-1])


def jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file with one JSON object per line, each with the number of its line."""
    for number, line in lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise JudgementsError(f"{file}, line {number} is no JSON", hint="write one object per line") from error
        if not isinstance(row, dict):
            raise JudgementsError(f"{file}, line {number} is no JSON object", hint="write one object per line")
        yield number, row


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file without their ends, each with its number."""
    with file.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise JudgementsError(f"{file}, line {number} is not UTF-8", hint="save it as UTF-8") from error
