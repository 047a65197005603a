"""Where the loss of the store's own ranking comes from, with the texts of the worst offenders."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ragdiag.geometry.duplicates import near_cosine
from ragdiag.retrieval.attribution import Labelled, attribute
from ragdiag.retrieval.causes import Found
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.losses import Losses
from ragdiag.retrieval.metrics import DEPTH
from ragdiag.retrieval.near_duplicates import near_duplicate_groups
from ragdiag.statistics.census import Census
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.stores.base import VectorStore
from ragdiag.types import Float32, IntArray

HUBS_SHOWN = 10  # whose texts are looked up
TEXT = 200  # characters of a text
FEW = 2  # candidates looked into where none has won: with more of them, one or another finds anything


def decompose(
    store: VectorStore,
    census: Census,
    labelled: Labelled,
    exact: Neighbors,
    *,
    candidates: Sequence[Neighbors],
    lexical: Neighbors | None,
    mean_cosine: float,
    metric: str,
) -> Losses | None:
    """Attribute the loss of the store's own similarity, under exact search; see `attribute`.

    The store's own search is not asked, since no adapter offers one, so that what an approximate index misses is
    said to be untested. Near-duplicates are looked for among the first 100 of each list.

    Parameters
    ----------
    store : VectorStore
    census : Census
        Of all its documents.
    labelled : Labelled
    exact : Neighbors
        The lists of the store's own similarity.
    candidates : sequence of Neighbors
        See `preferred`.
    lexical : Neighbors or None
        BM25's lists.
    mean_cosine : float
        Of two documents; from it follows which are near-duplicates.
    metric : str
        An ir-measures name.

    Returns
    -------
    Losses or None
        None for a metric whose loss is not made of the places of relevant documents, such as ``"Judged@10"``: its
        parts would not add up.
    """

    def vectors(positions: IntArray) -> Float32:
        return store.fetch([census.ids[position] for position in positions]).vectors

    duplicates = near_duplicate_groups(
        exact.positions[:, :DEPTH],
        census.n,
        vectors,
        text_hashes=census.text_hashes if store.info.has_texts else None,
        cosine=near_cosine(mean_cosine),
    )
    found = Found(exact, candidates=candidates, lexical=lexical, duplicates=duplicates)
    losses = attribute(found, labelled, census.usable, metric=metric)
    if not math.isclose(losses.low_ranked + sum(cause.loss for cause in losses.causes), losses.total, abs_tol=1e-9):
        return None
    missing = {labelled.document(p) for own in labelled.relevant for p in own if p < 0}
    named = [id_ for id_ in dict.fromkeys(_named(losses)) if id_ not in missing]
    if not store.info.has_texts or not named:
        return losses
    texts = store.fetch(named).texts or []
    return replace(losses, texts={i: text[:TEXT] for i, text in zip(named, texts, strict=False) if text is not None})


def preferred(comparison: Comparison, runs: Sequence[Neighbors]) -> list[Neighbors]:
    """Return the run of the winner; where none has won, those of the two best candidates, the best first."""
    ranked = sorted(comparison.runs[1:], key=lambda run: -(run.scores[comparison.metric].mean.value or 0.0))
    names = [comparison.winner] if comparison.winner else [run.similarity for run in ranked[:FEW]]
    return [next(run for run in runs if run.similarity == name) for name in names]


def _named(losses: Losses) -> Iterator[str]:
    yield from (hub.document for hub in losses.hubs[:HUBS_SHOWN])
    for offenders in losses.offenders.values():
        for offender in offenders:
            yield offender.document
            yield from (listed.document for listed in offender.instead)
