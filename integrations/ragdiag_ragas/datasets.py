"""Between our judgements and lists, and Ragas' datasets and testsets."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ragdiag.errors import JudgementsError
from ragdiag.numbers import counted
from ragdiag.retrieval.judgements import Judgements, jsonl
from ragdiag.retrieval.labelled_lines import ragas_judgements
from ragdiag.retrieval.layouts import judgements_for, read_judgements
from ragdiag.retrieval.ragas_results import ID
from ragdiag.retrieval.ragas_rows import ragas_rows
from ragdiag.retrieval.retrieved import Retrieved
from ragdiag.stores import VectorStore, open_store
from ragdiag_ragas.installed import ragas

Run = Mapping[str, Sequence[str] | Mapping[str, float]]


def to_dataset(
    run_or_records: Run | Sequence[Retrieved],
    judgements: str | os.PathLike[str] | Judgements | None = None,
    *,
    store: Any = None,
) -> Any:
    """Return a Ragas ``EvaluationDataset`` with ids and contexts, of what was retrieved and of what was wanted.

    Its ``to_list``, ``to_jsonl`` and ``to_pandas`` give ``query_id`` too, which no sample of Ragas has; its
    ``query_ids`` are in the order of the samples, of a slice as well. Its ``note`` says which queries only the lists
    or only the judgements have; "" when there are none.

    Parameters
    ----------
    run_or_records : mapping or sequence of Retrieved
        By query id the document ids, best first, or document id to score, more is better; or the lists of one
        similarity, such as ``comparison.retrieved["cosine"]``. A judged query that a run leaves out retrieved
        nothing, and counts.
    judgements : path or Judgements, optional
        A run needs them; of records they replace the relevant documents, by query id.
    store : str, path or object, optional
        Gives the contexts of a run; see `ragdiag.open_store`.

    Returns
    -------
    ragas.EvaluationDataset

    Raises
    ------
    MissingExtraError
        Without Ragas.
    JudgementsError
        When a query id comes twice, a run comes without judgements, or they have no query in common.
    """
    opened = open_store(store) if store is not None else None
    queries, note = records_of(run_or_records, labels_of(judgements, opened), store=opened)
    return dataset_of(queries, note)


def read_dataset(dataset: Any, store: Any = None) -> Judgements:
    """Read a Ragas dataset or testset as judgements.

    ``reference_context_ids`` are taken as they are. ``reference_contexts`` are found among the texts of the store by
    exact, normalised, then fuzzy text; how many were found, and in which way, is in ``Judgements.anchored``.

    Parameters
    ----------
    dataset : EvaluationDataset, Testset, path or sequence of mappings
        Live, or a file of JSON lines as ``to_jsonl`` writes it.
    store : str, path or object, optional
        See `ragdiag.open_store`. Without it contexts stay texts; `ragdiag.compare` and `audit` find them then.

    Raises
    ------
    JudgementsError
        With the row that cannot be read; when no row names a relevant document; when no context is in the store.
    """
    path = isinstance(dataset, str | os.PathLike)
    labels = read_judgements(dataset) if path else ragas_judgements(rows_of(dataset), type(dataset).__name__)
    return judgements_for(labels, open_store(store)) if store is not None else labels


def labels_of(
    judgements: str | os.PathLike[str] | Judgements | None, store: VectorStore | None = None
) -> Judgements | None:
    """Return judgements, read when they are a path; texts in place of ids are found in the store, if there is one."""
    if judgements is None or store is not None:
        return None if judgements is None or store is None else judgements_for(judgements, store)
    return judgements if isinstance(judgements, Judgements) else read_judgements(judgements)


def records_of(
    given: Any, labels: Judgements | None = None, *, store: VectorStore | None = None
) -> tuple[tuple[Retrieved, ...], str]:
    """Return the queries of a run, of lists, of a Ragas dataset or of a file of its rows; each id once.

    Parameters as for `to_dataset` and `read_dataset`. Also returned is what `to_dataset` has as a note.
    """
    if isinstance(given, Mapping):
        return _of_run(given, labels, store)
    graded = dict(zip(labels.query_ids, labels.relevant, strict=True)) if labels is not None else None
    if isinstance(given, Sequence) and not isinstance(given, str) and all(isinstance(q, Retrieved) for q in given):
        queries: tuple[Retrieved, ...] = tuple(given)
        if graded is not None:
            queries = tuple(replace(q, relevant=graded.get(q.query_id, {})) for q in queries)
    else:
        name = str(given) if isinstance(given, str | os.PathLike) else type(given).__name__
        queries = ragas_rows(rows_of(given), name, store, graded)
    if not queries:
        raise JudgementsError("there is no query", hint="give the lists of at least one")
    repeated = [id_ for id_, times in Counter(q.query_id for q in queries).items() if times > 1]
    if repeated:
        raise JudgementsError(f"query {repeated[0]} is there twice", hint="give every query its own id")
    if labels is None:
        return queries, ""
    odd, left = _not_in_common([q.query_id for q in queries], labels, "the rows", "give each row its query_id")
    texts = dict(zip(labels.query_ids, labels.contexts, strict=False))  # of judgements without ids
    queries = tuple(
        replace(q, relevant_contexts=texts.get(q.query_id) or (q.relevant_contexts if q.relevant else ()))
        for q in queries
    )
    return queries, _note(
        (odd, f"not in {labels.name}: nothing is relevant to them, and they count"), (left, "judged alone: left out")
    )


def rows_of(dataset: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a Ragas dataset, of a file of them, or of a sequence of mappings."""
    if isinstance(dataset, str | os.PathLike):
        return [row for _, row in jsonl(Path(dataset))]
    if hasattr(dataset, "samples") and len(dataset.samples) == 0:  # Ragas asks the first sample of what type it is
        return []
    rows = dataset.to_list() if hasattr(dataset, "to_list") else dataset
    if not isinstance(rows, Iterable):
        raise JudgementsError(f"{type(dataset).__name__} is no dataset of Ragas", hint="give an EvaluationDataset")
    found = [row.model_dump() if hasattr(row, "model_dump") else row for row in rows]
    if not all(isinstance(row, Mapping) for row in found):
        raise JudgementsError(f"{type(dataset).__name__} is no dataset of Ragas", hint="give an EvaluationDataset")
    return found


def dataset_of(queries: Sequence[Retrieved], note: str = "") -> Any:
    """Return the dataset of some queries; see `to_dataset`."""
    if not any(q.ids or q.contexts for q in queries):
        raise JudgementsError("no query retrieved anything", hint="were the lists lost on the way?")
    return _dataset_class()(samples=samples_of(queries), query_ids=[q.query_id for q in queries], note=note)


def samples_of(queries: Sequence[Retrieved]) -> list[Any]:
    """Return the samples, in order; lists are empty, not unknown, where none retrieved anything."""
    sample = ragas("ragas.dataset_schema").SingleTurnSample
    nothing = not any(q.ids or q.contexts for q in queries)
    with_ids = nothing or any(q.ids for q in queries)
    with_texts = nothing or any(q.contexts for q in queries)
    return [
        sample(
            user_input=q.text,
            retrieved_context_ids=list(q.ids) if with_ids else None,
            reference_context_ids=[id_ for id_, grade in q.relevant.items() if grade > 0] if with_ids else None,
            retrieved_contexts=list(q.contexts) if with_texts else None,
            reference_contexts=list(q.relevant_contexts) if with_texts else None,
            response=q.response or None,
            reference=q.reference or None,
        )
        for q in queries
    ]


@cache
def _dataset_class() -> Any:
    @dataclass(repr=False)
    class QueryDataset(ragas("ragas.dataset_schema").EvaluationDataset):  # type: ignore[misc]
        """Rows that know their query: a sample of Ragas has no place for its id."""

        query_ids: list[str] = field(default_factory=list)
        note: str = ""

        def __getitem__(self, idx: Any) -> Any:
            found = super().__getitem__(idx)
            if isinstance(idx, slice):
                found.query_ids, found.note = self.query_ids[idx], self.note
            return found

        def to_list(self) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = super().to_list()
            if len(self.query_ids) != len(rows):  # made by Ragas, as from_list does
                return rows
            return [{"query_id": id_, **row} for id_, row in zip(self.query_ids, rows, strict=True)]

    return QueryDataset


def _not_in_common(ids: Collection[str], labels: Judgements, what: str, hint: str) -> tuple[list[str], list[str]]:
    """Return the queries of a list that are not judged, and those judged that it has not."""
    own, judged = set(ids), set(labels.query_ids)
    if not own & judged:
        raise JudgementsError(f"{what} and {labels.name} have no query in common", hint=hint)
    return [id_ for id_ in ids if id_ not in judged], [id_ for id_ in labels.query_ids if id_ not in own]


def _note(*groups: tuple[Sequence[str], str]) -> str:
    said = [f"{counted(len(ids), 'query', 'queries')}, such as {ids[0][:ID]}, {what}" for ids, what in groups if ids]
    return "; ".join(said)


def _of_run(run: Run, labels: Judgements | None, store: VectorStore | None) -> tuple[tuple[Retrieved, ...], str]:
    if labels is None:
        raise JudgementsError("a run of ids comes without judgements", hint="give the judgements of its queries")
    odd, left = _not_in_common(list(run), labels, "the run", "give the run by the query ids of the judgements")
    note = _note((odd, f"not in {labels.name}: left out"), (left, "not in the run: they retrieved nothing, and count"))
    unknown = labels.contexts or ((),) * len(labels.query_ids)
    lists = {query: tuple(_ranked(run.get(query, ()))) for query in labels.query_ids}
    texts = _looked_up(store, {id_ for ids in lists.values() for id_ in ids} | labels.document_ids())
    queries = tuple(
        Retrieved(
            query_id=query,
            text=text,
            ids=lists[query],
            contexts=tuple(texts.get(id_, "") for id_ in lists[query] if texts),
            relevant=relevant,
            relevant_contexts=tuple(texts[id_] for id_ in relevant if id_ in texts) or contexts,
        )
        for query, text, relevant, contexts in zip(
            labels.query_ids, labels.texts, labels.relevant, unknown, strict=True
        )
    )
    return queries, note


def _ranked(documents: Sequence[str] | Mapping[str, float]) -> Iterator[str]:
    if isinstance(documents, Mapping):
        return iter(sorted(documents, key=lambda id_: -documents[id_]))
    return iter(documents)


def _looked_up(store: VectorStore | None, wanted: Collection[str]) -> dict[str, str]:
    """Return the texts of those documents that are in the store; it may lack some that are judged."""
    if store is None or not store.info.has_texts:
        return {}
    return {
        id_: text
        for batch in store.scan()
        for id_, text in zip(batch.ids, batch.texts or (), strict=False)
        if text is not None and id_ in wanted
    }
