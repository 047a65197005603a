"""What a similarity brought back for each query, with what is known of the reasons."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ragdiag.geometry.anisotropy import sampled_mean_cosine
from ragdiag.geometry.duplicates import near_cosine
from ragdiag.geometry.gap import query_gaps
from ragdiag.retrieval.attribution import Labelled, attribute
from ragdiag.retrieval.bad_hubs import bad_hubs
from ragdiag.retrieval.causes import Found
from ragdiag.retrieval.clusters import query_clusters
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.metrics import per_query
from ragdiag.retrieval.near_duplicates import near_duplicate_groups
from ragdiag.statistics.census import Census
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.stores.base import VectorStore
from ragdiag.types import Float32, Float64, IntArray
from ragdiag.vectors import unit

LOW_RANKED = "ranked low though found"


@dataclass(frozen=True)
class Retrieved:
    """One query, what came back, and what is known of the reasons.

    Attributes
    ----------
    query_id, text : str
    ids : tuple of str
        Of the documents that came back, best first.
    contexts : tuple of str
        Their texts; empty where the store keeps none, "" for a document without one.
    relevant : mapping of str to int
        Document id to grade.
    relevant_contexts : tuple of str
        The texts of the relevant documents that are in the store.
    hubs : frozenset of str or None
        Those of `ids` that are listed wrongly far more often than an even share; see `bad_hubs`. None: not looked for.
    groups : mapping of str to str, or None
        The same for near-duplicates among `ids`: the id of the first document of their group. None: not looked for.
    lexical : tuple of str or None
        What BM25 brings back, best first. None: not looked for.
    margin : float or None
        By how much the first document scores above the second: cosine, dot product; for L2 half the difference of
        the squared distances.
    gap : float or None
        How far the query lies from where the documents lie; see `query_gaps`.
    loss : str
        The cause (`Cause`) of the relevant documents that are missing, the costliest of several;
        "ranked low though found" when none is missing; "" when nothing is lost or known.
    response, reference : str
        The answer given, and the one wanted; "" where there is none.
    """

    query_id: str
    text: str
    ids: tuple[str, ...]
    contexts: tuple[str, ...] = ()
    relevant: Mapping[str, int] = field(default_factory=dict)
    relevant_contexts: tuple[str, ...] = ()
    hubs: frozenset[str] | None = None
    groups: Mapping[str, str] | None = None
    lexical: tuple[str, ...] | None = None
    margin: float | None = None
    gap: float | None = None
    loss: str = ""
    response: str = ""
    reference: str = ""


def retrieved(
    store: VectorStore,
    census: Census,
    directions: Float32,
    labels: Judgements,
    judged: IntArray,
    queries: Float32,
    relevant: Sequence[Mapping[int, int]],
    runs: Sequence[Neighbors],
    lexical: Neighbors | None,
    *,
    k: int,
) -> dict[str, tuple[Retrieved, ...]]:
    """Look up the first k documents of each list, and why what is missing is missing.

    The causes are those of `attribute` for nDCG@k, in the whole lists; where another
    similarity is asked for a missing document, these are the two best others by nDCG@k: with more of them, one or
    another finds anything.

    Parameters
    ----------
    store : VectorStore
    census : Census
        Of all its documents.
    directions : ndarray of float32, shape (s, d)
        Documents as unit vectors, a random sample: from it follow the gap, and which documents are near-duplicates.
    labels : Judgements
    judged : ndarray of int64, shape (m,)
        The rows of `labels` that were searched for.
    queries : ndarray of float32, shape (m, d)
        Their vectors.
    relevant : sequence of mappings, length m
        Position to grade; see `per_query`.
    runs : sequence of Neighbors
        Of these queries, at least k deep; deeper for counterfactuals.
    lexical : Neighbors or None
        BM25's lists.
    k : int

    Returns
    -------
    dict of str to tuple of Retrieved
        By similarity, in the order of `runs` and of the queries.
    """
    groups = near_duplicate_groups(
        np.concatenate([run.positions for run in runs]),
        census.n,
        lambda positions: store.fetch([census.ids[p] for p in positions]).vectors,
        text_hashes=census.text_hashes if store.info.has_texts else None,
        cosine=near_cosine(sampled_mean_cosine(directions)),
    )
    labelled = Labelled(relevant, query_clusters(relevant), [str(i) for i in range(len(judged))], [], str)
    texts = _texts(store, census, [*(row for run in runs for row in run.positions[:, :k]), *map(list, relevant)])
    gaps = query_gaps(unit(queries), directions)
    words = _tops(lexical, k) if lexical is not None else None

    def rows(run: Neighbors) -> Iterator[Retrieved]:
        hubs = bad_hubs(run.positions[:, :k], relevant, labelled.clusters, int(census.usable.sum()))
        causes = _causes(Found(run, None, _best_two(run, runs, relevant, k), lexical, groups), labelled, census, k)
        for query, top in enumerate(_tops(run, k)):
            row = int(judged[query])
            yield Retrieved(
                query_id=labels.query_ids[row],
                text=labels.texts[row],
                ids=tuple(census.ids[p] for p in top),
                contexts=tuple(texts[p] for p in top if texts),
                relevant=labels.relevant[row],
                relevant_contexts=tuple(texts[p] for p in relevant[query] if texts.get(p)),
                hubs=frozenset(census.ids[hub.position] for hub in hubs if hub.position in top),
                groups={census.ids[p]: census.ids[groups[p]] for p in top},
                lexical=tuple(census.ids[p] for p in words[query]) if words is not None else None,
                margin=_margin(run.scores[query]),
                gap=None if math.isnan(gaps[query]) else float(gaps[query]),
                loss=causes[query],
            )

    return {run.similarity: tuple(rows(run)) for run in runs}


def with_hubs(queries: Sequence[Retrieved], n: int | None = None) -> tuple[Retrieved, ...]:
    """Return queries with the hubs among what they retrieved, told from their lists alone.

    Parameters
    ----------
    queries : sequence of Retrieved
        Those whose `hubs` are known stay as they are; all do when nothing is known to be relevant.
    n : int, optional
        Documents in the store. By default those that come back to some query: fewer than there are, so that an even
        share is larger, and a hub has to be a greater one.

    Examples
    --------
    >>> asked = [Retrieved(f"q{i}", "", ("hub", f"d{i}"), relevant={f"d{i}": 1}) for i in range(40)]
    >>> with_hubs(asked)[0].hubs
    frozenset({'hub'})
    """
    if not any(query.relevant for query in queries):
        return tuple(queries)
    numbers: dict[str, int] = {}
    for id_ in (id_ for query in queries for id_ in (*query.ids, *query.relevant)):
        numbers.setdefault(id_, len(numbers))
    lists = np.full((len(queries), max((len(q.ids) for q in queries), default=0)), -1, dtype=np.int64)
    for row, query in enumerate(queries):
        lists[row, : len(query.ids)] = [numbers[id_] for id_ in query.ids]
    relevant = [{numbers[id_]: grade for id_, grade in query.relevant.items()} for query in queries]
    found = bad_hubs(lists, relevant, query_clusters(relevant), n or len(numbers))
    names, positions = list(numbers), {hub.position for hub in found}
    hubs = frozenset(names[position] for position in positions)
    return tuple(q if q.hubs is not None else replace(q, hubs=hubs & set(q.ids)) for q in queries)


def _tops(run: Neighbors, k: int) -> list[list[int]]:
    return [[p for p in row if p >= 0] for row in run.positions[:, :k].tolist()]


def _best_two(
    run: Neighbors, runs: Sequence[Neighbors], relevant: Sequence[Mapping[int, int]], k: int
) -> list[Neighbors]:
    metric = f"nDCG@{k}"
    means = {other.similarity: float(per_query(other.positions, relevant, [metric])[metric].mean()) for other in runs}
    others = sorted((other for other in runs if other is not run), key=lambda other: -means[other.similarity])
    return others[:2]


def _causes(found: Found, labelled: Labelled, census: Census, k: int) -> list[str]:
    """Return for each query the cause that costs it most; of equal ones the first, as `Cause` has them."""
    metric, relevant = f"nDCG@{k}", labelled.relevant
    losses = attribute(found, labelled, census.usable, metric=metric, worst=sum(map(len, relevant)))
    costs: list[dict[str, float]] = [{} for _ in relevant]
    for cause, offenders in losses.offenders.items():
        for offender in offenders:
            own = costs[int(offender.query)]
            own[cause.value] = own.get(cause.value, 0.0) + offender.loss
    scores = per_query(found.exact.positions, relevant, [metric])[metric]
    return [
        max(own, key=lambda cause: own[cause]) if own else (LOW_RANKED if wanted and score < 1 - 1e-9 else "")
        for own, score, wanted in zip(costs, scores.tolist(), relevant, strict=True)
    ]


def _margin(scores: Float64) -> float | None:
    return float(scores[0] - scores[1]) if len(scores) > 1 and np.isfinite(scores[1]) else None


def _texts(store: VectorStore, census: Census, rows: Sequence[Sequence[int]]) -> dict[int, str]:
    if not store.info.has_texts:
        return {}
    wanted = sorted({int(p) for row in rows for p in row if p >= 0})
    texts = store.fetch([census.ids[p] for p in wanted]).texts or []
    return {p: text or "" for p, text in zip(wanted, texts, strict=True)}
