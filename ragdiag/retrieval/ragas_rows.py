"""What an application retrieved, as the rows of a Ragas dataset or result hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ragdiag.errors import JudgementsError
from ragdiag.retrieval.anchoring import Place, anchored, places, refuse_lost
from ragdiag.retrieval.labelled_lines import ids_of, plain, ragas_judgements
from ragdiag.retrieval.retrieved import Retrieved
from ragdiag.stores import VectorStore

Row = Mapping[str, Any]


def ragas_rows(
    rows: Sequence[Row],
    name: str,
    store: VectorStore | None = None,
    graded: Mapping[str, Mapping[str, int]] | None = None,
) -> tuple[Retrieved, ...]:
    """Return the queries of Ragas' rows with what came back.

    Contexts without ids are found among the texts of the store as `ragdiag.retrieval.anchoring.places` does, where one
    is given: of a retrieved context the first document, of a reference all; but documents with equal texts count as
    one, the first that was retrieved or else the first, so that to retrieve the text is enough. A context that is not
    there stays in its place, as an id that no store has.

    Parameters
    ----------
    rows : sequence of mappings
        With ``user_input``, with ``retrieved_context_ids`` or ``retrieved_contexts``, and with
        ``reference_context_ids`` or ``reference_contexts`` where the answers are known; ``query_id``, ``response``
        and ``reference`` if any. Rows without ``query_id`` are numbered from 1. Arrays are lists, NaN is null.
    name : str
        Where they come from, for messages.
    store : VectorStore, optional
    graded : mapping of str to mapping of str to int, optional
        By query id the relevant documents, in place of the rows' own; of a query that is not in it nothing is relevant.

    Raises
    ------
    JudgementsError
        With the row that cannot be read; when a query id comes twice; when no row says what was retrieved.

    Examples
    --------
    >>> ragas_rows([{"user_input": "how?", "retrieved_context_ids": [7]}], "a result")[0].ids
    ('7',)
    """
    rows = [plain(row) for row in rows]
    labels = ragas_judgements(rows, name, unlabelled=True)
    if not any(row.get(key) is not None for row in rows for key in ("retrieved_context_ids", "retrieved_contexts")):
        raise JudgementsError(
            f"{name} has neither retrieved_context_ids nor retrieved_contexts",
            hint="give each row what the application retrieved; an empty list where that was nothing",
        )
    lists = [_ids(row, f"{name}, row {i + 1}") for i, row in enumerate(rows)]
    contexts = [_texts(row, f"{name}, row {i + 1}") for i, row in enumerate(rows)]
    references = [tuple(row.get("reference_contexts") or labels.contexts[i : i + 1]) for i, row in enumerate(rows)]
    own = [[text.strip() for text in texts] for texts in labels.contexts or [()] * len(rows)]
    found: dict[str, Place] = {}
    if store is not None:
        unknown = [text.strip() for ids, texts in zip(lists, contexts, strict=True) if not ids for text in texts]
        wanted = [text for text in (*(text for texts in own for text in texts), *unknown) if text]
        found = places(wanted, store, name) if wanted else {}
        refuse_lost([found[text] for text in dict.fromkeys(unknown) if text], f"retrieved contexts of {name}", store)
        labels = anchored(labels, found, store)[0] if labels.contexts else labels
        lists = [
            ids or [found[text.strip()].ids[0] if text.strip() else "empty context" for text in texts]
            for ids, texts in zip(lists, contexts, strict=True)
        ]
    relevant = labels.relevant if graded is None else [graded.get(query, {}) for query in labels.query_ids]
    return tuple(
        Retrieved(
            query_id=labels.query_ids[i],
            text=labels.texts[i],
            ids=tuple(lists[i]),
            contexts=tuple(contexts[i]),
            relevant=_one_of_equals(
                relevant[i], lists[i], [found[t] for t in (*own[i], *map(str.strip, contexts[i])) if t in found]
            ),
            relevant_contexts=tuple(text for text in references[i] if isinstance(text, str)),
            response=str(row.get("response") or ""),
            reference=str(row.get("reference") or ""),
        )
        for i, row in enumerate(rows)
    )


def _one_of_equals(relevant: Mapping[str, int], ids: Sequence[str], found: Sequence[Place]) -> dict[str, int]:
    """Return the grades with one document in place of several that hold the same text."""
    graded = dict(relevant)
    for place in found:
        equals = [id_ for id_ in place.ids if id_ in graded] if place.equal else []
        if equals:
            first = next((id_ for id_ in ids if id_ in place.ids), equals[0])
            graded[first] = max([graded.pop(id_) for id_ in equals])
    return graded


def _list(row: Row, key: str, where: str) -> list[Any]:
    values = row.get(key)
    if values is None:
        return []
    if not isinstance(values, list):
        raise JudgementsError(f"{where}: {key} is {type(values).__name__}", hint="give a list")
    return values


def _ids(row: Row, where: str) -> list[str]:
    return ids_of(_list(row, "retrieved_context_ids", where), where)


def _texts(row: Row, where: str) -> list[str]:
    texts = _list(row, "retrieved_contexts", where)
    if not all(isinstance(text, str) for text in texts):
        raise JudgementsError(f"{where}: a retrieved context is no text", hint="give a list of texts")
    return texts
