"""Labelled queries in whatever layout they come."""

from __future__ import annotations

import os
from pathlib import Path

from ragdiag.errors import JudgementsError
from ragdiag.retrieval.anchoring import anchor
from ragdiag.retrieval.judgements import Judgements, jsonl, read_beir
from ragdiag.retrieval.labelled_lines import read_lines, read_ragas
from ragdiag.retrieval.trec import read_trec, topics_and_qrels
from ragdiag.stores import VectorStore

_FOLDERS = "a BEIR folder holds queries.jsonl and qrels/, a TREC folder topics.tsv and qrels.txt"
_FILES = 'a file holds {"query": …, "relevant": […]} or Ragas\' {"user_input": …, "reference_contexts": […]} per line'


def read_judgements(path: str | os.PathLike[str]) -> Judgements:
    """Read labelled queries; the layout is recognised by what is there.

    ======  ===================================================================================
    folder  BEIR: ``queries.jsonl`` and ``qrels/test.tsv``
    folder  TREC: ``topics.tsv`` (id, tab, text; or ``<top>`` blocks) and ``qrels.txt``
    file    JSON per line: ``{"query": …, "relevant": [ids] or {id: grade}}``, ``query_id`` if any
    file    JSON per line, as Ragas writes datasets and testsets: ``user_input`` with
            ``reference_context_ids`` or ``reference_contexts``
    ======  ===================================================================================

    Grades are whole numbers up to 1,000; those of 0 or less are no relevance. Queries keep their
    order, those without judgements included, so that rows of a vector file match.

    Raises
    ------
    JudgementsError
        With the file and the line that cannot be read, or with what was looked for.
    """
    place = Path(path)
    if place.is_dir():
        if (place / "queries.jsonl").is_file():
            return read_beir(path)
        if any(topics_and_qrels(place)):
            return read_trec(place)
        raise JudgementsError(f"{place} holds no labelled queries", hint=f"{_FOLDERS}; {_FILES}")
    if not place.is_file():
        what = "is neither a file nor a folder" if place.exists() else "does not exist"
        raise JudgementsError(f"{place} {what}", hint=f"{_FOLDERS}; {_FILES}")
    if place.stat().st_size and _starts(place) != b"{":
        raise JudgementsError(f"{place} is no file of JSON objects, one per line", hint=f"{_FILES}; {_FOLDERS}")
    _, first = next(jsonl(place), (0, {}))
    if "user_input" in first:
        return read_ragas(place)
    if "query" in first or "relevant" in first:
        return read_lines(place)
    what = "holds no query" if not first else f"has {', '.join(map(str, list(first)[:5]))} in its first line"
    raise JudgementsError(f"{place} {what}", hint=f"{_FILES}; {_FOLDERS}")


def judgements_for(given: str | os.PathLike[str] | Judgements, store: VectorStore) -> Judgements:
    """Return the judgements, read when they are a path, with texts in place of ids found in the store."""
    labels = read_judgements(given) if isinstance(given, str | os.PathLike) else given
    return anchor(labels, store)[0] if labels.contexts else labels


def _starts(file: Path) -> bytes:
    """Return the first byte that is no blank and no byte-order mark."""
    with file.open("rb") as stream:
        return stream.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
