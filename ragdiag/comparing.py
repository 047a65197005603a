"""The labelled comparison: which similarity should this store rank by?"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import ragdiag.report.notebook  # noqa: F401  says how a notebook shows what is returned
from ragdiag.engine import Engine, LocalEngine, Progress, SamePasses, Step
from ragdiag.errors import ConfigError, JudgementsError, SimilarityError, StoreError
from ragdiag.geometry.anisotropy import sampled_mean_cosine
from ragdiag.numbers import counted
from ragdiag.plan import Plan
from ragdiag.retrieval.attribution import Labelled, cutoff
from ragdiag.retrieval.candidates import candidates, smaller
from ragdiag.retrieval.clusters import query_clusters
from ragdiag.retrieval.compare import METRICS, compare_runs
from ragdiag.retrieval.comparison import EQUAL_LENGTHS, Comparison
from ragdiag.retrieval.crossfit import CrossFit, crossfit, fixed
from ragdiag.retrieval.decomposition import decompose, preferred
from ragdiag.retrieval.embedders import Embedder, load_embedder
from ragdiag.retrieval.folds import FOLDS, query_folds
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.layouts import judgements_for
from ragdiag.retrieval.lexical import LexicalSearch
from ragdiag.retrieval.metrics import DEPTH, deepest
from ragdiag.retrieval.positions import FindIds, positions_of, refuse_duplicate_ids, unknown_ids
from ragdiag.retrieval.query_vectors import query_vectors_of
from ragdiag.retrieval.retrieved import retrieved
from ragdiag.retrieval.shared import shared
from ragdiag.retrieval.significance import FEWEST
from ragdiag.similarities import Pipeline, Training, for_metric, parse
from ragdiag.statistics.census import Census, CensusStep
from ragdiag.statistics.observed import lengths_vary
from ragdiag.statistics.sample import SampleStep, draw
from ragdiag.stores import VectorStore, opened_store
from ragdiag.types import Float32, IntArray, StoreInfo
from ragdiag.vectors import unit

ALIKE = 1e-6  # by which coordinates of unit vectors differ from rounding


def compare(
    store: Any,
    judgements: str | os.PathLike[str] | Judgements,
    *,
    similarities: Sequence[str] | None = None,
    metrics: Sequence[str] = METRICS,
    query_vectors: Any = None,
    embeddings: str | Embedder | None = None,
    lexical: bool = True,
    frontier: bool = False,
    keep: int = 0,
    plan: Plan | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Say which similarity a store should rank by, on the vectors that are in it.

    Every similarity is scored on queries that it was not fitted on, all documents are searched exactly,
    and the differences to the store's own similarity are tested in pairs.

    Parameters
    ----------
    store : str, path or object
        A URI or a live store; see `ragdiag.open_store`.
    judgements : path or Judgements
        Labelled queries.
    similarities : sequence of str, optional
        Names such as ``"query-centred | whitened(gamma=0.5)"``. By default the remedies that real stores
        profit from.
    metrics : sequence of str
        By ir-measures names; the first one decides.
    query_vectors : path or array, shape (m, d), optional
    embeddings : str or Embeddings, optional
        One of the two gives the vectors of the queries.
    lexical : bool
        Whether BM25 on the stored texts stands beside the vectors.
    frontier : bool
        Whether truncated and quantised vectors are scored too.
    keep : int
        So many documents of each list are kept in `Comparison.retrieved`, with their texts and what is known of the
        reasons; 0: none.
    plan : Plan, optional
        Of it: `sample_documents` (similarities are fitted on that many), `seed`, `min_effect`.
    engine : Engine, optional
    progress : callable, optional

    Returns
    -------
    Comparison

    Raises
    ------
    RagdiagError
        When the input cannot be used.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 16)).astype(np.float32)
    >>> asked = X[:60] + rng.standard_normal((60, 16)).astype(np.float32) / 2
    >>> ids = tuple(map(str, range(60)))
    >>> labels = Judgements("toy", ids, ids, tuple({i: 1} for i in ids))
    >>> compare(X, labels, query_vectors=asked, similarities=["abtt(d=3)"]).winner is None
    True
    """
    plan, engine = plan or Plan(), engine or LocalEngine()
    named = [similarities] if isinstance(similarities, str) else similarities
    pipelines = [parse(name) for name in named] if named is not None else None
    with opened_store(store) as opened:
        info = opened.info
        longest = min(DEPTH, info.count)
        if isinstance(keep, bool) or not isinstance(keep, int) or not 0 <= keep <= longest:
            raise ConfigError(f"keep is {keep!r}", hint=f"give a whole number from 0 to {longest}")
        # Twice as deep as what is kept, for counterfactuals; metrics without a cutoff look at the longest lists anyway.
        depth = max(deepest(metrics, info.count), min(2 * keep, longest))
        labels = judgements_for(judgements, opened)
        embedder = load_embedder(embeddings) if embeddings is not None else None
        queries = query_vectors_of(labels, query_vectors, embedder, info)
        assert queries is not None  # judgements were given

        judged = np.array([i for i, graded in enumerate(labels.relevant) if graded], dtype=np.int64)
        words = LexicalSearch([labels.texts[i] for i in judged], depth, seed=plan.seed % 2**64)
        # Pseudo-labelled queries are the very words of their documents: BM25 would find them all.
        use_words = lexical and info.has_texts and not labels.pseudo
        same = SamePasses(info.name)
        learnt = _learn(opened, labels, queries, plan, engine, progress, [same, *([words] if use_words else [])])
        same.check()
        training, vary = learnt.training, lengths_vary(learnt.census.norms[learnt.census.live])
        kept = [learnt.relevant[i] for i in judged]
        clusters = query_clusters(kept)
        _refuse_few(labels, clusters)
        directions = unit(training.documents)
        folds = query_folds(clusters, FOLDS, np.random.default_rng([plan.seed, 0]))

        base = for_metric(info.metric)
        _refuse_alike(directions, info, by_length=vary and base.name != "cosine")
        given = candidates(base.name, lengths_vary=vary) if pipelines is None else pipelines
        wanted = {p.name: p for p in given if p.name != base.name}
        packed = {p.name: p for p in (smaller(info.dim) if frontier else ()) if p.name not in wanted}
        fits, refused = _fitted({**wanted, **packed}, training, queries, judged, folds, depth)
        if pipelines is not None and wanted and not set(wanted) & set(fits):
            name, why = next(iter(refused.items()))
            raise SimilarityError(f"{name} cannot be compared", hint=why)
        # Deeper than the cutoff, so that it can be seen what would come in if something else went.
        deeper = min(max(DEPTH, 2 * cutoff(metrics[0])), info.count)
        own = fixed(base, queries[judged], deeper, plan.seed % 2**64)
        steps = shared([step for fit in (own, *fits.values()) for step in fit.steps])
        engine.run(opened, [*steps, same], stage="searching", progress=progress)
        same.check()
        exact, by_words = own.run(), words.result(progress) if use_words else None
        runs = [exact.top(depth), *(fits[name].run() for name in wanted if name in fits)]
        comparison = compare_runs(
            runs,
            kept,
            seed=plan.seed,
            lexical=by_words,
            smaller={n: (fits[n].run(), fits[n].bytes_per_vector) for n in packed if n in fits},
            folds=folds,
            min_effect=plan.min_effect,
            metrics=metrics,
            note="; ".join(filter(None, (labels.note, "" if vary else EQUAL_LENGTHS))),
            refused=refused,
            query_ids=[labels.query_ids[i] for i in judged],
        )
        losses = decompose(
            opened,
            learnt.census,
            _labelled(labels, judged, kept, clusters, learnt),
            exact,
            candidates=preferred(comparison, runs),
            lexical=by_words,
            mean_cosine=sampled_mean_cosine(directions),
            metric=metrics[0],
        )
        lists = {}
        if keep:
            lists = retrieved(
                opened, learnt.census, directions, labels, judged, queries[judged], kept, runs, by_words, k=keep
            )
        return replace(comparison, losses=losses, retrieved=lists)


@dataclass(frozen=True)
class _Learnt:
    training: Training
    relevant: tuple[Mapping[int, int], ...]
    census: Census
    unknown: list[str]


def _labelled(
    labels: Judgements, judged: IntArray, relevant: Sequence[Mapping[int, int]], clusters: IntArray, learnt: _Learnt
) -> Labelled:
    ids, unknown = learnt.census.ids, learnt.unknown
    return Labelled(
        relevant,
        clusters,
        [labels.query_ids[i] for i in judged],
        [labels.texts[i] for i in judged],
        lambda position: ids[position] if position >= 0 else unknown[-2 - position],
    )


def _learn(
    store: VectorStore,
    labels: Judgements,
    queries: Float32,
    plan: Plan,
    engine: Engine,
    progress: Progress | None,
    beside: Sequence[Step],
) -> _Learnt:
    """Read the store once: what similarities are fitted on, and where the judged documents are."""
    info = store.info
    drawn = SampleStep(draw(info.count, plan.sample_documents, plan.rng("documents")), info.dim)
    find, census = FindIds(labels.document_ids()), CensusStep(info.dim)
    engine.run(store, [drawn, find, census, *beside], stage="reading the store", progress=progress)
    counted, sample = census.result(), drawn.result()
    refuse_duplicate_ids(counted.ids, info.name)
    if len(sample) < 2:
        raise StoreError(
            f"{info.name} holds fewer than two vectors that are finite and not zero", hint="embed the documents again"
        )
    relevant = positions_of(find.positions, labels, info)
    assert relevant is not None
    training = Training(sample.vectors, queries[queries.any(axis=1)], plan.seed % 2**63)
    return _Learnt(training, relevant, counted, unknown_ids(find.positions, labels))


def _refuse_few(labels: Judgements, clusters: IntArray) -> None:
    m, groups = len(clusters), len(np.unique(clusters))
    if m < FEWEST:
        have = "one labelled query" if m == 1 else f"{m} labelled queries"
        raise JudgementsError(
            f"{labels.name} has {have}", hint=f"label at least {FEWEST}, better 100: fewer prove nothing"
        )
    if groups < FEWEST:
        raise JudgementsError(
            f"the {m} labelled queries of {labels.name} share relevant documents: {counted(groups, 'group')}",
            hint=f"label queries about at least {FEWEST} different documents",
        )


def _refuse_alike(directions: Float32, info: StoreInfo, *, by_length: bool) -> None:
    if not by_length and float(np.ptp(directions, axis=0).max()) < ALIKE:
        raise StoreError(
            f"all {counted(len(directions), 'document')} drawn from {info.name} score alike, whatever is asked",
            hint="their vectors point one way; look at what the model is given, and embed the documents again",
        )


def _fitted(
    pipelines: Mapping[str, Pipeline],
    training: Training,
    queries: Float32,
    judged: IntArray,
    folds: IntArray,
    depth: int,
) -> tuple[dict[str, CrossFit], dict[str, str]]:
    fits, refused = {}, {}
    for name, pipeline in pipelines.items():
        try:
            fits[name] = crossfit(pipeline, training, queries, judged, folds, depth)
        except SimilarityError as error:
            refused[name] = str(error)
    return fits, refused
