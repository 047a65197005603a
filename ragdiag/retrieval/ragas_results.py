"""A finished result of Ragas, joined to the store that it came from: for the worst rows, the cause in retrieval."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ragdiag.engine.base import Engine
from ragdiag.errors import JudgementsError
from ragdiag.numbers import counted, percent
from ragdiag.retrieval.judgements import Judgements, jsonl
from ragdiag.retrieval.lexical import LexicalSearch
from ragdiag.retrieval.ragas_rows import ragas_rows
from ragdiag.retrieval.retrieved import Retrieved, retrieved
from ragdiag.statistics.census import Census
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.stores.base import VectorStore
from ragdiag.types import Float32

WORST = 5
ID = 40  # characters of a query id or a metric's name; they are foreign
NAMED = 10  # metrics in a sentence
# The worst score of these is the largest: Ragas', then ours.
LESS_IS_BETTER = (
    *("noise_sensitivity", "harmfulness", "maliciousness"),
    *("hub_exposure", "duplicates", "lexical_only_misses"),
)
_OTHER = {"query_id", "id", "user_input", "response", "reference", "query_length", "query_style", "persona_name"}


def read_scores(path: str | os.PathLike[str]) -> tuple[list[Mapping[str, Any]], list[dict[str, float]], int]:
    """Read the rows of a result, and their scores.

    Every column of numbers is a metric. A row without one, or with null or NaN, counts as the worst: 1 for those whose
    name starts as one of `LESS_IS_BETTER`, 0 for all others.

    Returns
    -------
    rows : list of mappings
    scores : list of dict of str to float
        By metric, 0 … 1, of every row all metrics.
    failed : int
        Scores that were not there.

    Raises
    ------
    JudgementsError
        With the line that cannot be read, or whose score is outside 0 … 1; when there is no score at all.
    """
    file = Path(path)
    if not file.is_file():
        what = "is no file" if file.exists() else "does not exist"
        raise JudgementsError(f"{file} {what}", hint="give the result of Ragas as one JSON object per line")
    numbered = list(jsonl(file))
    rows: list[Mapping[str, Any]] = [row for _, row in numbered]
    metrics = list(dict.fromkeys(name for row in rows for name, value in row.items() if _is_score(name, value)))
    if not metrics:
        raise JudgementsError(f"{file} holds no score", hint="write the rows with a number for each metric")
    failed, scores = 0, []
    for number, row in numbered:
        own = {}
        for name in metrics:
            value = row.get(name)
            if value is None or (isinstance(value, float) and math.isnan(value)):
                failed += 1
                own[name] = 1.0 if name.startswith(LESS_IS_BETTER) else 0.0
            elif not _is_score(name, value) or not 0 <= value <= 1:
                raise JudgementsError(
                    f"{file}, line {number}: {name[:ID]} is {str(value)[:20]}, which is no score from 0 to 1",
                    hint="leave out what is no score; scale the others",
                )
            else:
                own[name] = float(value)
        scores.append(own)
    return rows, scores, failed


def ragas_notes(
    path: str | os.PathLike[str],
    store: VectorStore,
    census: Census,
    directions: Float32,
    *,
    engine: Engine,
    seed: int,
) -> tuple[str, ...]:
    """Say what a result of Ragas scores over all its rows, and for the worst rows why.

    Parameters
    ----------
    path : path
        JSON lines: ``user_input``, ``retrieved_context_ids`` or ``retrieved_contexts``, ``reference_context_ids`` or
        ``reference_contexts``, and a number for each metric.
    store : VectorStore
        From which it was retrieved.
    census : Census
    directions : ndarray of float32, shape (s, d)
        See `retrieved`.
    engine : Engine
    seed : int

    Returns
    -------
    tuple of str
        The means, then a sentence for each of the five rows with the lowest mean score.

    Raises
    ------
    JudgementsError
        As `read_scores` and `ragas_rows`; when no row names a relevant document.
    """
    rows, scores, failed = read_scores(path)
    name = Path(path).name
    queries = ragas_rows(rows, str(path), store)
    if not any(query.relevant for query in queries):
        raise JudgementsError(f"{path} names no relevant document", hint="give reference_context_ids or _contexts")
    joined, unknown = _joined(queries, store, census, directions, engine, seed)
    metrics = list(scores[0])
    named = [f"{metric[:ID]} {np.mean([own[metric] for own in scores]):.3f}" for metric in metrics[:NAMED]]
    more = f" and {len(metrics) - NAMED} more" if len(metrics) > NAMED else ""
    means = ", ".join(named) + more
    lost = f"; {counted(failed, 'missing score counts', 'missing scores count')} as the worst" if failed else ""
    by_row = [float(np.mean([_good(metric, value) for metric, value in own.items()])) for own in scores]
    worst = sorted(range(len(queries)), key=lambda i: by_row[i])[:WORST]
    return (
        f"{name}, over all {counted(len(rows), 'row')}: {means}{lost}",
        *(f"{name}, query {joined[i].query_id[:ID]}: {by_row[i]:.3f}; {_why(joined[i], unknown[i])}" for i in worst),
    )


def _joined(
    queries: Sequence[Retrieved], store: VectorStore, census: Census, directions: Float32, engine: Engine, seed: int
) -> tuple[tuple[Retrieved, ...], list[int]]:
    """Return the queries with what the store says of them, and how many hits of each it does not hold."""
    at = {id_: position for position, id_ in enumerate(census.ids)}
    unknown = [sum(id_ not in at for id_ in query.ids) for query in queries]
    if not any(id_ in at for query in queries for id_ in query.ids):
        raise JudgementsError(
            f"nothing that was retrieved is in {store.info.name}", hint="the result belongs to another store"
        )
    k = max(len(query.ids) for query in queries)
    positions = np.full((len(queries), k), -1, dtype=np.int64)
    for row, query in enumerate(queries):
        known = list(dict.fromkeys(at[id_] for id_ in query.ids if id_ in at))
        positions[row, : len(known)] = known
    missing: dict[str, int] = {}
    relevant = [
        {
            at[id_] if id_ in at else missing.setdefault(id_, -2 - len(missing)): grade
            for id_, grade in q.relevant.items()
        }
        for q in queries
    ]
    lexical = None
    if store.info.has_texts:
        words = LexicalSearch([query.text for query in queries], k, seed=seed % 2**64)
        engine.run(store, [words], stage="searching the words")
        lexical = words.result()
    ids, texts = tuple(q.query_id for q in queries), tuple(q.text for q in queries)
    labels = Judgements("", ids, texts, tuple(q.relevant for q in queries))
    run = Neighbors("retrieved", positions, np.where(positions >= 0, 0.0, -np.inf))
    none = np.zeros((len(queries), store.info.dim), dtype=np.float32)
    everyone = np.arange(len(queries), dtype=np.int64)
    found = retrieved(store, census, directions, labels, everyone, none, relevant, [run], lexical, k=k)
    return found["retrieved"], unknown


def _why(query: Retrieved, unknown: int) -> str:
    """Return what is known of a bad row, in words."""
    n = len(query.ids)
    if n + unknown == 0:
        return "nothing was retrieved"
    parts = [query.loss or ("all that is relevant came first" if query.relevant else "nothing is known to be relevant")]
    if query.hubs:
        parts.append(f"hubs hold {percent(len(query.hubs) / n)} of the list")
    repeats = n - len(set((query.groups or {}).values()))
    if repeats:
        parts.append(f"near-duplicates of others hold {percent(repeats / n)}")
    if unknown:
        parts.append(f"{counted(unknown, 'hit is', 'hits are')} not in the store")
    return "; ".join(parts)


def _good(metric: str, value: float) -> float:
    return 1 - value if metric.startswith(LESS_IS_BETTER) else value


def _is_score(name: str, value: object) -> bool:
    return name not in _OTHER and isinstance(value, int | float) and not isinstance(value, bool)
