"""Why relevant documents are not found: one cause for each, and what each cause costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import ir_measures
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ragdiag.retrieval.bad_hubs import bad_hubs, wrong_hits
from ragdiag.retrieval.causes import Found, cause_of, rank_in
from ragdiag.retrieval.losses import Cause, CauseLoss, Listed, Losses, Offender
from ragdiag.retrieval.metrics import per_query
from ragdiag.types import Float64, IntArray

K = 10  # of a metric without a cutoff
_INSTEAD = 3  # documents named for each offender


@dataclass(frozen=True)
class Labelled:
    """The queries, and what they are called.

    Attributes
    ----------
    relevant : sequence of mappings, length m
        Position to grade; negative for a document that is not in the store.
    clusters : ndarray of int64, shape (m,)
        See `query_clusters`.
    ids, texts : sequence of str, length m
    document : callable
        The id of a position, negative ones too.
    """

    relevant: Sequence[Mapping[int, int]]
    clusters: IntArray
    ids: Sequence[str]
    texts: Sequence[str]
    document: Callable[[int], str]


@dataclass(frozen=True)
class _Pair:
    query: int
    position: int
    rank: int | None
    cause: Cause
    via: str
    instead: tuple[int, ...]
    loss: float


def attribute(
    found: Found, labelled: Labelled, findable: NDArray[np.bool_], *, metric: str = "nDCG@10", worst: int = 5
) -> Losses:
    """Give each relevant document that is not in the top k one cause, and each cause its part of the loss.

    k is the cutoff of the metric. A pair (query, relevant document) is missing when it is not in the top
    k that was delivered. Its cause is the first of these that holds:

    - *not in the store*: no document of that id, or its vector is not finite, so that nothing finds it.
    - *no place left*: all k places are held by relevant documents.
    - *missed by the store's own search*: exact search has it in the top k.
    - *outranked by hubs*: without the hubs above it that are not relevant to this query it would be in
      the top k of exact search. Hubs are those of `bad_hubs`, counted over these very queries. Some pairs
      just below k would come in without any few documents; `CauseLoss.expected` says how many.
    - *crowded out by near-duplicates*: with each group of near-duplicates counted once, where the first of
      them stands, it or its copy would be in the top k of exact search.
    - *found under another similarity*: it is in the top k of a candidate; the first that has it is named.
      That is a fact about the pair: what the candidate loses elsewhere is in the comparison.
    - *found by BM25 only*: it is in the top k of BM25.
    - *hard*: none of these.

    For hubs and duplicates its rank must be known: a document below the depth of the list cannot be
    shown to be outranked, and goes to a later cause.

    The loss of a query is what the best possible list would score minus what was scored. What the score
    would gain by bringing the relevant documents of the top k to the front is *ranked low though found*;
    the rest is divided equally over the missing pairs of the query. The parts add up to the whole.

    Parameters
    ----------
    found : Found
    labelled : Labelled
    findable : ndarray of bool, shape (n,)
        Which documents have a vector that a search can list.
    metric : str
        An ir-measures name; 1 must be its largest value.
    worst : int
        Offenders to name for each cause.

    Returns
    -------
    Losses
    """
    k = cutoff(metric)
    delivered = (found.delivered or found.exact).positions
    attainable, brought_up, score = _scores(delivered, labelled.relevant, metric, k)
    hubs = bad_hubs(found.exact.positions[:, :k], labelled.relevant, labelled.clusters, int(findable.sum()))
    _, listed = wrong_hits(found.exact.positions[:, :k], labelled.relevant)
    lists = np.bincount(listed, minlength=len(findable))
    positions = frozenset(hub.position for hub in hubs)
    pairs: list[_Pair] = []
    for query, own in enumerate(labelled.relevant):
        top = set(delivered[query, :k].tolist())
        missing = [position for position in own if position not in top or position < 0]
        for position in missing:
            cause, via, instead = cause_of(found, query, position, own, k, positions, findable)
            part = float(attainable[query] - brought_up[query]) / len(missing)
            rank = rank_in(found.exact.positions[query], position)
            pairs.append(_Pair(query, position, rank, cause, via, instead, part))
    m = max(len(labelled.relevant), 1)
    return Losses(
        metric=metric,
        k=k,
        queries=len(labelled.relevant),
        pairs=sum(len(own) for own in labelled.relevant),
        missing=len(pairs),
        attainable=float(attainable.sum()) / m,
        score=float(score.sum()) / m,
        total=float((attainable - score).sum()) / m,
        low_ranked=float((brought_up - score).sum()) / m,
        causes=tuple(
            CauseLoss(
                cause,
                len(own_pairs := [pair for pair in pairs if pair.cause is cause]),
                sum(pair.loss for pair in own_pairs) / m,
                _expected(found, labelled.relevant, pairs, k, len(hubs), findable) if cause is Cause.HUBS else None,
                _tally(own_pairs),
            )
            for cause in Cause
        ),
        untested=_untested(found),
        hubs=tuple(Listed(labelled.document(hub.position), hub.lists) for hub in hubs),
        offenders={
            cause: tuple(
                _offender(pair, labelled, lists)
                for pair in sorted(
                    (pair for pair in pairs if pair.cause is cause),
                    key=lambda pair: (-pair.loss, pair.rank or np.inf, pair.query, pair.position),
                )[:worst]
            )
            for cause in Cause
        },
    )


def cutoff(metric: str) -> int:
    """Return how many documents of a list a metric looks at; 10 where it looks at all.

    Examples
    --------
    >>> cutoff("nDCG@20"), cutoff("AP")
    (20, 10)
    """
    return int(ir_measures.parse_measure(metric).params.get("cutoff", K))


def _scores(
    lists: IntArray, relevant: Sequence[Mapping[int, int]], metric: str, k: int
) -> tuple[Float64, Float64, Float64]:
    """Return per query the score of the best list, of this one with its relevant hits first, and of this one."""
    brought_up = lists.copy()
    best = np.full((len(lists), max([1, *map(len, relevant)])), -1, dtype=np.int64)
    renamed = []
    for query, own in enumerate(relevant):
        top = lists[query, :k]
        grades = np.array([own.get(p, 0) if p >= 0 else -1 for p in top.tolist()])
        brought_up[query, :k] = top[np.argsort(-grades, kind="stable")]
        best[query, : len(own)] = np.arange(len(own))
        # Those that are not in the store count too, so that the best list has its own numbers.
        renamed.append(dict(enumerate(sorted(own.values(), reverse=True))))
    return (
        per_query(best, renamed, [metric])[metric],
        per_query(brought_up, relevant, [metric])[metric],
        per_query(lists, relevant, [metric])[metric],
    )


def _expected(
    found: Found,
    relevant: Sequence[Mapping[int, int]],
    pairs: Sequence[_Pair],
    k: int,
    hubs: int,
    findable: NDArray[np.bool_],
) -> float:
    """Return how many pairs as many documents drawn at random would be blamed for."""
    share = hubs / max(int(findable.sum()), 1)
    earlier = (Cause.ABSENT, Cause.FULL, Cause.APPROXIMATE)
    total = 0.0
    for pair in pairs:
        if pair.rank is not None and pair.cause not in earlier:
            above = found.exact.positions[pair.query, : pair.rank - 1].tolist()
            others = sum(p not in relevant[pair.query] for p in above)
            total += float(stats.binom.sf(pair.rank - k - 1, others, share))
    return total


def _tally(pairs: Sequence[_Pair]) -> dict[str, int]:
    names = [pair.via for pair in pairs if pair.via]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _untested(found: Found) -> tuple[Cause, ...]:
    given = {
        Cause.APPROXIMATE: found.delivered is not None,
        Cause.DUPLICATES: found.duplicates is not None,
        Cause.SIMILARITY: bool(found.candidates),
        Cause.LEXICAL: found.lexical is not None,
    }
    return tuple(cause for cause, known in given.items() if not known)


def _offender(pair: _Pair, labelled: Labelled, lists: IntArray) -> Offender:
    return Offender(
        query=labelled.ids[pair.query],
        text=labelled.texts[pair.query] if len(labelled.texts) else "",
        document=labelled.document(pair.position),
        rank=pair.rank,
        loss=pair.loss,
        via=pair.via,
        instead=tuple(Listed(labelled.document(p), int(lists[p])) for p in pair.instead[:_INSTEAD]),
    )
