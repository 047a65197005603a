"""Queries and relevance judgements, read in the layout people have."""

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
    pseudo: str = ""

    @property
    def note(self) -> str:
        """What every result of these queries has to say; "" when there is nothing."""
        return f"pseudo-labelled queries ({self.pseudo}), not what users ask" if self.pseudo else ""

    def document_ids(self) -> set[str]:
        """Return all ids that are judged relevant to some query."""
        return {doc for graded in self.relevant for doc in graded}


def read_judgements(path: str | os.PathLike[str]) -> Judgements:
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
    for number, row in _jsonl(queries):
        id_, text = row.get("_id"), row.get("text")
        if not isinstance(id_, str | int) or not isinstance(text, str):
            raise JudgementsError(
                f"{queries}, line {number} has no _id and text", hint='write {"_id": "q1", "text": "…"}'
            )
        if not text.strip():
            raise JudgementsError(f"{queries}, line {number}: query {id_} has no text", hint="remove or fill it")
        if str(id_) in texts:
            raise JudgementsError(f"{queries}, line {number}: query {id_} is there twice", hint="remove one")
        texts[str(id_)] = text
        pseudo |= _pseudo(row.get("metadata"))
    if not texts:
        raise JudgementsError(f"{queries} is empty", hint='write one {"_id": "q1", "text": "…"} per line')
    graded = _read_qrels(_qrels_file(folder), texts)
    if not any(graded.values()):
        raise JudgementsError(f"{folder}/qrels judges no query of queries.jsonl", hint="check the query ids")
    relevant = tuple(graded[q] for q in texts)
    return Judgements(str(path), tuple(texts), tuple(texts.values()), relevant, ", ".join(sorted(pseudo)))


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


def _read_qrels(file: Path, texts: Mapping[str, str]) -> dict[str, dict[str, int]]:
    graded: dict[str, dict[str, int]] = {query: {} for query in texts}
    for number, line in _lines(file):
        # Not the csv module: ids may hold quotes, and it gives up on long lines.
        row = line.split("\t")
        if not line.strip() or (number == 1 and _is_header(row)):
            continue
        if len(row) not in (3, 4) or not _WHOLE.fullmatch(row[-1].strip()):
            raise JudgementsError(
                f"{file}, line {number} is not query-id, corpus-id, score",
                hint="separate them by tabs, and give whole numbers as scores",
            )
        query, document, grade = row[0], row[-2], int(row[-1])
        if query in graded and grade > 0:
            graded[query][document] = grade
    return graded


def _is_header(row: list[str]) -> bool:
    return len(row) in (3, 4) and not any(character.isdigit() for character in row[-1])


def _jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise JudgementsError(f"{file}, line {number} is no JSON", hint="write one object per line") from error
        if not isinstance(row, dict):
            raise JudgementsError(f"{file}, line {number} is no JSON object", hint="write one object per line")
        yield number, row


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    with file.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise JudgementsError(f"{file}, line {number} is not UTF-8", hint="save it as UTF-8") from error
