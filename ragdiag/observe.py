"""Read a store: one pass for what is counted, one for the neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ragdiag.budget import HELD, Budget, InTime, Rounds
from ragdiag.engine import Engine, Progress, SamePasses, Step
from ragdiag.errors import StoreError
from ragdiag.geometry.sensitivity import random_scalings
from ragdiag.plan import Plan
from ragdiag.retrieval.embedders import Embedder, embed_documents
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.lexical import LexicalSearch
from ragdiag.retrieval.metrics import DEPTH
from ragdiag.retrieval.positions import FindIds, positions_of, refuse_duplicate_ids
from ragdiag.similarities import L2, Cosine, Dot, for_metric
from ragdiag.statistics.all_pairs import AllPairs, is_symmetric
from ragdiag.statistics.census import Census, CensusStep
from ragdiag.statistics.moments import Moments, MomentsStep
from ragdiag.statistics.neighbors import Neighbors, NeighborSearch
from ragdiag.statistics.observed import Documents, Observed, Queries, lengths_vary
from ragdiag.statistics.sample import Sample, SampleStep, draw
from ragdiag.statistics.sketch import Sketch, SketchStep
from ragdiag.stores import VectorStore
from ragdiag.types import Float32, IntArray, Similarity, StoreInfo
from ragdiag.vectors import unit

PROBES = 200  # documents searched under other similarities
REEMBEDDED = 200  # texts embedded again to check the model


def observe(
    store: VectorStore,
    *,
    labels: Judgements | None,
    vectors: Float32 | None,
    embedder: Embedder | None,
    plan: Plan,
    engine: Engine,
    progress: Progress | None,
    budget: Budget | None = None,
) -> tuple[Observed, list[Neighbors], Neighbors | None]:
    """Read everything the measures need; one run per similarity, the store's own first; and that of BM25."""
    words, same = _lexical(store.info, labels, plan), SamePasses(store.info.name)
    drawn = draw(store.info.count, plan.most_queries(store.info.count), plan.rng("document queries"))
    first, sketch, judged = _first_pass(store, engine, plan, labels, words, drawn, progress, same, budget)
    census, moments, sample, held = first
    relevant = positions_of(judged, labels, store.info)
    rounds = Rounds(budget, plan, drawn, held, census.live) if budget is not None else None
    first = census, moments, sample, rounds.first if rounds is not None else held
    runs, documents, queries = _second_pass(store, engine, plan, first, vectors, labels, relevant, progress, same)
    if rounds is not None:
        documents = rounds.grow(documents, store, engine, same, progress)
    own, other, checked = _embed_again(embedder, sample, store.info, plan)
    similarity = for_metric(store.info.metric).name
    documents = replace(documents, sketch=sketch)
    return (
        Observed(store.info, similarity, documents, queries, own, other, checked, plan.k, store.count()),
        runs,
        (words.result(progress) if words is not None else None),
    )


def _lexical(info: StoreInfo, labels: Judgements | None, plan: Plan) -> LexicalSearch | None:
    """Return BM25's search; None without texts or labels, and for those that were made of the very texts."""
    if labels is None or labels.pseudo or not info.has_texts:
        return None
    return LexicalSearch(labels.texts, min(DEPTH, info.count), seed=plan.seed % 2**64)


def _first_pass(
    store: VectorStore,
    engine: Engine,
    plan: Plan,
    labels: Judgements | None,
    words: LexicalSearch | None,
    asked: IntArray,
    progress: Progress | None,
    same: SamePasses,
    budget: Budget | None,
) -> tuple[tuple[Census, Moments, Sample, Sample], Sketch, dict[str, int]]:
    """Read the store once: census, moments, and the rows drawn; a sketch; and where judged documents stand."""
    n, dim = store.info.count, store.info.dim
    census, moments = CensusStep(dim), MomentsStep(dim)
    drawn = SampleStep(draw(n, plan.sample_documents, plan.rng("documents")), dim)
    searched = SampleStep(asked if budget is None else asked[:HELD], dim)
    find, sketch = FindIds(labels.document_ids() if labels else set()), SketchStep(dim)
    steps: list[Step] = [census, moments, drawn, searched, find, sketch, same]
    steps += [words] if words is not None else []
    steps += [InTime(budget, store.info.name, n)] if budget is not None else []
    read = engine.run(store, steps, stage="reading the store", progress=progress)
    same.check()
    if read < 2:
        raise StoreError(f"{store.info.name} gave {read} vectors", hint="was it emptied while it was read?")
    counted = census.result()
    refuse_duplicate_ids(counted.ids, store.info.name)
    live = int(counted.live.sum())
    if live < 2:
        held = "no vector that is" if live == 0 else "one vector alone that is"
        raise StoreError(f"{store.info.name} holds {held} finite and not zero", hint="embed the documents again")
    first, second = drawn.result(), searched.result()
    if min(len(first), len(second)) == 0:
        raise StoreError(
            f"none of the documents drawn from {store.info.name} has a vector that is finite and not zero",
            hint="draw more of them with --sample-queries and --sample-documents",
        )
    return (counted, moments.result(), first, second), sketch.result(), find.positions


def _second_pass(
    store: VectorStore,
    engine: Engine,
    plan: Plan,
    first: tuple[Census, Moments, Sample, Sample],
    vectors: Float32 | None,
    labels: Judgements | None,
    relevant: tuple[Mapping[int, int], ...] | None,
    progress: Progress | None,
    same: SamePasses,
) -> tuple[list[Neighbors], Documents, Queries | None]:
    """Search the whole store for the drawn documents and for the queries."""
    census, moments, sample, drawn = first
    base = for_metric(store.info.metric)
    vary = lengths_vary(census.norms[census.live])

    def search(similarity: Similarity, Q: Float32, k: int, exclude: IntArray | None = None) -> NeighborSearch:
        # A seed may be any whole number, and this one has 64 bits.
        return NeighborSearch(similarity, Q, k, exclude=exclude, seed=plan.seed % 2**64)

    # Every document drawn: each score serves both its documents, and none has to be read again.
    everyone = len(drawn) == int(census.usable.sum())
    searches: dict[str, NeighborSearch] = {}
    found: dict[str, Neighbors] = {}
    for similarity in (base, *([] if base.name == "cosine" else [Cosine()])):
        if everyone and is_symmetric(similarity, drawn.vectors):
            pairs = AllPairs(
                similarity, drawn.vectors, drawn.positions, plan.k, seed=plan.seed % 2**64, products=engine.products
            )
            found[similarity.name] = pairs.result(progress)
        else:
            searches[similarity.name] = search(similarity, drawn.vectors, plan.k, drawn.positions)
    few, few_positions = drawn.vectors[:PROBES], drawn.positions[:PROBES]
    probed = (Cosine(), Dot(), L2()) if vary else ()
    known = {*found, *searches}  # for all that are drawn, and so for the few
    probes = {s.name: search(s, few, plan.k, few_positions) for s in probed if s.name not in known}
    rescaled = [
        search(s, few, plan.k, few_positions) for s in random_scalings(base, store.info.dim, plan.rng("scalings"))
    ]
    asked: list[NeighborSearch] = []
    if vectors is not None:
        depth = DEPTH if relevant is not None else plan.k
        others = [s for s in (Cosine(), Dot(), L2()) if s.name != base.name and vary and relevant is not None]
        asked = [search(s, vectors, max(depth, plan.k)) for s in (base, *others)]
    wanted = sorted({p for graded in relevant or () for p in graded if p >= 0})
    positives = SampleStep(np.array(wanted, dtype=np.int64), store.info.dim)
    steps: list[Step] = [*searches.values(), *probes.values(), *rescaled, *asked, positives, same]
    engine.run(store, steps, stage="searching the neighbours", progress=progress)
    same.check()
    found |= {name: step.result() for name, step in searches.items()}

    documents = Documents(
        census=census,
        moments=moments,
        sample=sample,
        queries=drawn,
        neighbors=found[base.name],
        cosines=found["cosine"],
        probes={
            s.name: (probes[s.name].result() if s.name in probes else found[s.name]).positions[: len(few)]
            for s in probed
        },
        rescaled=[step.result().positions for step in rescaled],
    )
    runs = [step.result() for step in asked]
    if vectors is None:
        return runs, documents, None
    queries = _queries(vectors, labels, relevant, runs[0], positives.result())
    return runs, documents, queries


def _queries(
    vectors: Float32,
    labels: Judgements | None,
    relevant: tuple[Mapping[int, int], ...] | None,
    neighbors: Neighbors,
    positives: Sample,
) -> Queries:
    where = {int(position): row for row, position in enumerate(positives.positions)}
    pairs = [(query, where[p]) for query, graded in enumerate(relevant or ()) for p in sorted(graded) if p in where]
    rows = np.array([query for query, _ in pairs], dtype=np.int64)
    taken = np.array([row for _, row in pairs], dtype=np.int64)
    directions = unit(positives.vectors)[taken] if pairs else None
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return Queries(
        vectors=vectors,
        unit_moments=Moments.of(unit(vectors[lengths > 0])),
        neighbors=neighbors,
        texts=labels.texts if labels else (),
        relevant=relevant,
        positives=directions,
        positive_rows=rows,
        positive_positions=positives.positions[taken],
    )


def _embed_again(embedder: Embedder | None, sample: Sample, info: StoreInfo, plan: Plan) -> tuple[Any, Any, IntArray]:
    """Embed stored texts again; cosine to the stored vector of the same and of another text."""
    none = np.empty(0, dtype=np.int64)
    if embedder is None:
        return None, None, none
    rows = [i for i, text in enumerate(sample.texts) if text and text.strip()]
    if not rows:
        return np.empty(0), np.empty(0), none
    picked = plan.rng("embed again").permutation(rows)[:REEMBEDDED]
    picked.sort()
    texts = [str(sample.texts[i]) for i in picked]
    again = unit(embed_documents(embedder, texts, dim=info.dim)).astype(np.float64)
    stored = unit(sample.vectors[picked]).astype(np.float64)
    own = np.einsum("ij,ij->i", again, stored)
    other = np.einsum("ij,ij->i", again, np.roll(stored, 1, axis=0))
    return own, other, sample.positions[picked]
