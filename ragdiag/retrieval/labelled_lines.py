"""A file of labelled queries, one JSON object per line: ours, or a dataset or testset of Ragas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ragdiag.errors import JudgementsError
from ragdiag.retrieval.judgements import Judgements, check_query, jsonl, whole_grade

# What Ragas writes before the contexts of a question that needs several.
_HOP = re.compile(r"^<\d+-hop>\s*")

Row = Mapping[str, Any]
Labels = tuple[str, dict[str, int], tuple[str, ...]]


def read_lines(file: Path) -> Judgements:
    """Read ``{"query": …, "relevant": [ids] or {id: grade}}``, with ``query_id`` where there is one.

    Queries without an id are numbered from 1, in the order of the file.

    Raises
    ------
    JudgementsError
        With the line that cannot be read.
    """
    return _read(_numbered(file), str(file), _own)


def read_ragas(file: Path) -> Judgements:
    """Read a Ragas dataset or testset: ``user_input`` with ``reference_context_ids`` or ``reference_contexts``.

    The ids are taken where a line has both. Contexts are texts, which have to be found in the
    store; see `ragdiag.retrieval.anchoring`.

    Raises
    ------
    JudgementsError
        With the line that cannot be read.
    """
    return _read(_numbered(file), str(file), _ragas)


def ragas_judgements(rows: Iterable[Row], name: str, *, unlabelled: bool = False) -> Judgements:
    """Take in the rows of a Ragas dataset that is no file, as `read_ragas` does.

    Parameters
    ----------
    rows : iterable of mappings
    name : str
        Where they come from, for messages.
    unlabelled : bool
        Whether there may be no relevant document at all.

    Raises
    ------
    JudgementsError
        With the row that cannot be read, counted from 1.

    Examples
    --------
    >>> rows = [{"user_input": "how?", "reference_context_ids": ["d1"]}]
    >>> ragas_judgements(rows, "a dataset").relevant
    ({'d1': 1},)
    """
    numbered = ((f"{name}, row {number}", plain(row)) for number, row in enumerate(rows, start=1))
    return _read(numbered, name, _ragas, unlabelled=unlabelled)


def _numbered(file: Path) -> Iterator[tuple[str, Row]]:
    return ((f"{file}, line {number}", row) for number, row in jsonl(file))


def _read(
    rows: Iterable[tuple[str, Row]], name: str, labels: Callable[[Row, str], Labels], *, unlabelled: bool = False
) -> Judgements:
    texts: dict[str, str] = {}
    relevant, contexts = [], []
    for where, row in rows:
        text, graded, unknown = labels(row, where)
        id_ = row.get("query_id")
        if id_ is None:
            id_ = str(len(texts) + 1)
        if isinstance(id_, bool) or not isinstance(id_, str | int):
            raise JudgementsError(f"{where}: the query_id is {type(id_).__name__}", hint="give it as text, or none")
        check_query(texts, id_, text, where)
        texts[str(id_)] = text
        relevant.append(graded)
        contexts.append(unknown)
    if not any(relevant) and not any(contexts) and not unlabelled:
        raise JudgementsError(f"{name} names no relevant document", hint="give each query those that answer it")
    return Judgements(
        name, tuple(texts), tuple(texts.values()), tuple(relevant), tuple(contexts) if any(contexts) else ()
    )


def _own(row: Row, where: str) -> Labels:
    text, relevant = row.get("query"), row.get("relevant")
    if not isinstance(text, str) or not isinstance(relevant, list | dict):
        raise JudgementsError(
            f"{where} has no query and relevant", hint='write {"query": "…", "relevant": ["id"]} or {"id": grade}'
        )
    grades = relevant if isinstance(relevant, dict) else dict.fromkeys(ids_of(relevant, where), 1)
    graded = {id_: whole_grade(grade, where) for id_, grade in grades.items()}
    return text, {id_: grade for id_, grade in graded.items() if grade > 0}, ()


def _ragas(row: Row, where: str) -> Labels:
    text = row.get("user_input")
    if isinstance(text, list):
        raise JudgementsError(f"{where}: user_input is a conversation", hint="give single questions")
    if not isinstance(text, str):
        raise JudgementsError(f"{where} has no user_input", hint="write the dataset with to_jsonl")
    ids, contexts = row.get("reference_context_ids") or [], row.get("reference_contexts") or []
    for what, values in (("reference_context_ids", ids), ("reference_contexts", contexts)):
        if not isinstance(values, list):
            raise JudgementsError(f"{where}: {what} is {type(values).__name__}", hint="give a list")
    if ids:
        return text, dict.fromkeys(ids_of(ids, where), 1), ()
    if not all(isinstance(context, str) for context in contexts):
        raise JudgementsError(f"{where}: a reference context is no text", hint="give a list of texts")
    kept = (_HOP.sub("", context).strip() for context in contexts)
    return text, {}, tuple(dict.fromkeys(context for context in kept if context))


def plain(row: Row) -> dict[str, Any]:
    """Return a row of a data frame as JSON would have it: arrays as lists, NaN as null.

    Examples
    --------
    >>> plain({"user_input": "how?", "reference_context_ids": np.array([1, 2]), "reference": float("nan")})
    {'user_input': 'how?', 'reference_context_ids': [1, 2], 'reference': None}
    """
    return {key: _plain(value) for key, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and value != value else value


def ids_of(values: Sequence[Any], where: str) -> list[str]:
    """Return ids as text, or raise a `JudgementsError` for what is none."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise JudgementsError(f"{where}: the id {value!r:.40} is no text", hint="give ids as they are in the store")
    return [str(value) for value in values]
