"""What an application retrieved, as the rows of a Ragas dataset or result hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ragdiag.errors import JudgementsError
from ragdiag.retrieval.anchoring import anchor
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.labelled_lines import ragas_judgements
from ragdiag.retrieval.retrieved import Retrieved
from ragdiag.stores import VectorStore

Row = Mapping[str, Any]


def ragas_rows(rows: Sequence[Row], name: str, store: VectorStore | None = None) -> tuple[Retrieved, ...]:
    """Return the queries of Ragas' rows with what came back.

    Contexts without ids are found among the texts of the store as `ragdiag.retrieval.anchoring.anchor` does, where
    one is given: of a retrieved context the first document, of a reference all. A retrieved context that is not there
    stays in its place, as an id that no store has.

    Parameters
    ----------
    rows : sequence of mappings
        With ``user_input``, with ``retrieved_context_ids`` or ``retrieved_contexts``, and with
        ``reference_context_ids`` or ``reference_contexts`` where the answers are known; ``query_id``, ``response``
        and ``reference`` if any. Rows without ``query_id`` are numbered from 1.
    name : str
        Where they come from, for messages.
    store : VectorStore, optional

    Raises
    ------
    JudgementsError
        With the row that cannot be read; when a query id comes twice; when no row says what was retrieved.

    Examples
    --------
    >>> ragas_rows([{"user_input": "how?", "retrieved_context_ids": [7]}], "a result")[0].ids
    ('7',)
    """
    labels = ragas_judgements(rows, name, unlabelled=True)
    if not any(row.get(key) is not None for row in rows for key in ("retrieved_context_ids", "retrieved_contexts")):
        raise JudgementsError(
            f"{name} has neither retrieved_context_ids nor retrieved_contexts",
            hint="give each row what the application retrieved; an empty list where that was nothing",
        )
    references = [tuple(row.get("reference_contexts") or labels.contexts[i : i + 1]) for i, row in enumerate(rows)]
    if store is not None and labels.contexts:
        labels, _ = anchor(labels, store)
    queries = tuple(
        Retrieved(
            query_id=labels.query_ids[i],
            text=labels.texts[i],
            ids=tuple(str(id_) for id_ in _list(row, "retrieved_context_ids", f"{name}, row {i + 1}")),
            contexts=tuple(_texts(row, f"{name}, row {i + 1}")),
            relevant=labels.relevant[i],
            relevant_contexts=tuple(text for text in references[i] if isinstance(text, str)),
            response=str(row.get("response") or ""),
            reference=str(row.get("reference") or ""),
        )
        for i, row in enumerate(rows)
    )
    return _anchored(queries, name, store) if store is not None else queries


def _list(row: Row, key: str, where: str) -> list[Any]:
    values = row.get(key)
    if values is None:
        return []
    if not isinstance(values, list | tuple):
        raise JudgementsError(f"{where}: {key} is {type(values).__name__}", hint="give a list")
    return list(values)


def _texts(row: Row, where: str) -> list[str]:
    texts = _list(row, "retrieved_contexts", where)
    if not all(isinstance(text, str) for text in texts):
        raise JudgementsError(f"{where}: a retrieved context is no text", hint="give a list of texts")
    return texts


def _anchored(queries: tuple[Retrieved, ...], name: str, store: VectorStore) -> tuple[Retrieved, ...]:
    wanted = list(dict.fromkeys(text for q in queries if not q.ids for text in q.contexts if text.strip()))
    if not wanted:
        return queries
    numbers = tuple(map(str, range(len(wanted))))
    found, _ = anchor(Judgements(name, numbers, numbers, ({},) * len(wanted), tuple((text,) for text in wanted)), store)
    ids = {text: next(iter(graded)) for text, graded in zip(wanted, found.relevant, strict=True)}
    return tuple(
        replace(q, ids=tuple(ids.get(text, "empty context") for text in q.contexts)) if not q.ids else q
        for q in queries
    )
