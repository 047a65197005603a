"""The explanation: why a query brings back what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from ragdiag.engine import Block, LocalEngine, Progress, SamePasses
from ragdiag.errors import ConfigError, JudgementsError, StoreError
from ragdiag.geometry.anisotropy import sampled_mean_cosine
from ragdiag.geometry.duplicates import near_cosine
from ragdiag.geometry.intervals import wilson
from ragdiag.geometry.matched import CAPTURED, TIMES
from ragdiag.geometry.portrait import kth_distance
from ragdiag.plan import Plan
from ragdiag.report.explanation import Explanation, Hit, LexicalBest, QueryFacts
from ragdiag.retrieval.comparison import EQUAL_LENGTHS
from ragdiag.retrieval.embedders import Embedder
from ragdiag.retrieval.lexical import LexicalSearch
from ragdiag.retrieval.near_duplicates import near_duplicate_groups
from ragdiag.retrieval.one_query import query_vector_of
from ragdiag.retrieval.positions import refuse_duplicate_ids
from ragdiag.retrieval.tokens import tokens
from ragdiag.similarities import L2, Cosine, Dot, Training, for_metric, parse
from ragdiag.statistics.neighbors import Neighbors, NeighborSearch
from ragdiag.statistics.observed import lengths_vary
from ragdiag.statistics.sample import Sample, SampleStep, draw
from ragdiag.stores import VectorStore, opened_store
from ragdiag.types import Batch, Float32, Float64, IntArray, Measure, Similarity, StoreInfo
from ragdiag.vectors import row_norms, unit

DEPTH = 100  # to which ranks are known
SEARCHED = 1000  # documents searched for, to see which are listed again and again
FAR = 0.99  # of the documents have nearer neighbours; 0 to 5 % of real questions with sentence models
SURE = 0.01  # chance that any document of the store would be listed that often
FEWEST = 100  # documents, for that to be 1 in 100 by chance
COMMON = 0.25  # of the texts hold a word that says nothing


def explain(
    store: Any,
    query: str,
    *,
    embeddings: str | Embedder | None = None,
    query_vector: Any = None,
    similarities: Sequence[str] = (),
    k: int = 10,
    seed: int = 0,
    progress: Progress | None = None,
) -> Explanation:
    """Say why a query brings back the documents it does.

    All documents are searched exactly, under the store's own similarity and under others. How often a
    hit comes back is counted with documents as queries.

    Parameters
    ----------
    store : str, path or object
        A URI or a live store; see `ragdiag.open_store`.
    query : str
    embeddings : str or Embeddings, optional
        The model that fills the store, as ``provider:model``.
    query_vector : path or array, shape (d,) or (1, d), optional
        Instead of it: the vector of the query.
    similarities : sequence of str
        More similarities to give the ranks under, such as ``"abtt(d=2)"``; those that learn from queries
        cannot be used, since there is one.
    k : int
        Documents that come back.
    seed : int
        Of the documents drawn.
    progress : callable, optional

    Returns
    -------
    Explanation

    Raises
    ------
    RagdiagError
        When the input cannot be used.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    >>> found = explain(X, "where is it?", query_vector=X[7] + X[8] / 2, k=3)
    >>> found.hits[0].id, found.similarity, found.hits[0].ranks["l2"]
    ('7', 'cosine', 1)
    """
    if not query.strip():
        raise JudgementsError("the query is empty", hint="give its words, in quotation marks")
    pipelines = [parse(name) for name in dict.fromkeys(similarities)]
    plan = Plan(k=k, seed=seed)
    with opened_store(store) as opened:
        info = opened.info
        if k > info.count:
            raise ConfigError(f"k is {k:,}, and {info.name} holds {info.count:,} vectors", hint="give a smaller one")
        asked = query_vector_of(query, query_vector, embeddings, info)

        engine, roll, same = LocalEngine(), _Roll(), SamePasses(info.name)
        sample_step = SampleStep(draw(info.count, plan.sample_documents, plan.rng("documents")), info.dim)
        depth = min(max(DEPTH, k + 1), info.count)
        words = LexicalSearch([query], depth, seed=seed % 2**64)
        engine.run(opened, [roll, sample_step, words, same], stage="reading the store", progress=progress)
        same.check()
        refuse_duplicate_ids(roll.ids, info.name)
        sample, norms = sample_step.result(), np.concatenate([np.empty(0), *roll.norms])
        if len(sample) < 2:
            raise StoreError(f"{info.name} holds no two vectors that are finite and not zero", hint="embed again")

        base, vary = for_metric(info.metric), lengths_vary(norms[norms > 0])
        plain = [s for s in (Cosine(), Dot(), L2()) if s.name != base.name] if vary else []
        training = Training(sample.vectors, None, seed)
        others: list[Similarity] = [*plain, *(p.fit(training) for p in pipelines if p.name != base.name)]
        runs = [NeighborSearch(s, asked, depth, seed=seed % 2**64) for s in (base, *others)]
        few, few_positions = sample.vectors[:SEARCHED], sample.positions[:SEARCHED]
        listing = NeighborSearch(base, few, k, exclude=few_positions, seed=seed % 2**64)
        near = NeighborSearch(Cosine(), few, k, exclude=few_positions, seed=seed % 2**64)
        own_near = NeighborSearch(Cosine(), asked, k, seed=seed % 2**64)
        engine.run(opened, [*runs, listing, near, own_near, same], stage="searching", progress=progress)
        same.check()

        own, *found = [run.result() for run in runs]
        lexical = words.result() if info.has_texts else None
        in_order = own.positions[0][own.positions[0] >= 0]
        top = in_order[:k]
        fetched = opened.fetch([roll.ids[position] for position in in_order[: k + 1]])
        ranks = {run.similarity: run.positions[0] for run in (*found, *([lexical] if lexical else []))}
        hits = _hits(fetched, top, asked[0], base.name, ranks, listing.result(), sample, norms, _words(query, sample))
        return Explanation(
            query=query,
            store=info,
            similarity=base.name,
            k=k,
            hits=hits,
            others=tuple(ranks),
            instead={name: _not_among(top, row[:k], roll.ids) for name, row in ranks.items()},
            depth=depth,
            facts=_facts(asked, sample, near.result(), own_near.result()),
            lexical=_lexical_best(lexical, in_order, opened, roll.ids, norms),
            sampled=len(few),
            seed=seed,
            notes=_notes(info, vary),
        )


class _Roll:
    """Notes ids and lengths; 0 where a vector cannot be used."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.norms: list[Float64] = []

    def step(self, block: Block) -> None:
        self.ids.extend(block.batch.ids)
        self.norms.append(block.norms)


def _hits(
    fetched: Batch,
    top: IntArray,
    query: Float32,
    similarity: str,
    ranks: dict[str, IntArray],
    listing: Neighbors,
    sample: Sample,
    norms: Float64,
    words: Sequence[str],
) -> tuple[Hit, ...]:
    n, m, k = len(norms), len(listing.positions), listing.k
    X = fetched.vectors
    scores = _scores(X, query, similarity)
    sign = -1.0 if similarity == "l2" else 1.0
    mean_cosine = sampled_mean_cosine(unit(sample.vectors))
    texts = list(fetched.texts or [None] * len(X))
    rows = np.arange(len(top))
    groups = near_duplicate_groups(
        rows[None], len(rows), lambda p: X[p], text_hashes=_equal(texts[: len(rows)]), cosine=near_cosine(mean_cosine)
    )
    lengths, usual, even = row_norms(X), _usual(norms), min(k / n, 1.0)
    hits = []
    for i, position in enumerate(top.tolist()):
        in_lists = int(np.sum(listing.positions == position))
        listed = wilson(in_lists, m, null=even)
        hub = (listed.low or 0.0) >= max(CAPTURED, TIMES * even)
        hub = hub and float(n * stats.binom.sf(in_lists - 1, m, even)) < SURE
        held = set(tokens(texts[i] or ""))
        hits.append(
            Hit(
                rank=i + 1,
                id=fetched.ids[i],
                text=texts[i],
                score=float(scores[i]),
                margin=max(sign * float(scores[i] - scores[i + 1]), 0.0) if i + 1 < len(X) else None,
                ranks={name: _rank(row, position) for name, row in ranks.items()},
                listed=listed,
                hub=hub,
                repeats=int(groups[i]) + 1 if groups[i] < i else None,
                length=float(lengths[i]),
                relative_length=float(lengths[i]) / usual,
                words=tuple(word for word in words if word in held),
            )
        )
    return tuple(hits)


def _scores(X: Float32, query: Float32, similarity: str) -> Float64:
    """Return the scores as a store counts them, in float64: L2 squared, as faiss has it."""
    rows, q = X.astype(np.float64), query.astype(np.float64)
    if similarity == "l2":
        distances: Float64 = ((rows - q) ** 2).sum(axis=1)
        return distances
    if similarity == "dot":
        return rows @ q
    lengths = np.maximum(row_norms(X), np.finfo(np.float64).tiny)
    cosines: Float64 = rows @ q / (lengths * np.sqrt(q @ q))
    return cosines


def _usual(norms: Float64) -> float:
    """Return the median length."""
    return float(np.median(norms[norms > 0]))


def _rank(row: IntArray, position: int) -> int | None:
    at = np.flatnonzero(row == position)
    return int(at[0]) + 1 if len(at) else None


def _equal(texts: Sequence[str | None]) -> Any:
    """Return a number per text, equal for texts that differ in case and white space only; 0 for none."""
    plain = ["" if text is None else " ".join(text.split()).casefold() for text in texts]
    numbers = {text: i + 1 for i, text in enumerate(dict.fromkeys(plain))}
    known = [text is not None for text in texts]
    return np.array([numbers[text] if k else 0 for text, k in zip(plain, known, strict=True)], dtype=np.uint64)


def _words(query: str, sample: Sample) -> tuple[str, ...]:
    """Return the words of the query by how few of the sampled texts hold them; common ones left out."""
    asked = dict.fromkeys(tokens(query), 0)
    texts = [set(tokens(text)) for text in sample.texts if text]
    for held in texts:
        for word in asked.keys() & held:
            asked[word] += 1
    rare = [word for word, count in asked.items() if count <= COMMON * len(texts)]
    return tuple(sorted(rare, key=lambda word: asked[word]))


def _facts(asked: Float32, sample: Sample, near: Neighbors, own: Neighbors) -> QueryFacts:
    directions = unit(sample.vectors).astype(np.float64)
    total, s = directions.sum(axis=0), len(directions)
    # Each document against the mean of the others: of few it would be a good part itself.
    rest = total - directions
    lengths = np.maximum(np.sqrt(np.einsum("ij,ij->i", rest, rest)), np.finfo(np.float64).tiny)
    cosines = np.einsum("ij,ij->i", directions, rest) / lengths
    low, middle, high = (float(x) for x in np.quantile(cosines, [0.05, 0.5, 0.95]))
    mean_length = max(float(np.sqrt(total @ total)), np.finfo(np.float64).tiny)
    own_cosine = float(unit(asked)[0].astype(np.float64) @ total) / mean_length

    distances, distance = kth_distance(near.scores), kth_distance(own.scores)
    kth = 1 - distance[0] ** 2 / 2
    usual = 1 - float(np.median(distances)) ** 2 / 2
    nearer = int(np.sum(distances < distance[0]))
    return QueryFacts(
        length=float(row_norms(asked)[0]),
        mean_cosine=Measure(own_cosine, None, None, middle, s),
        mean_cosine_range=(low, high),
        kth_cosine=Measure(float(kth), None, None, usual, len(distances)),
        farther_than=wilson(nearer, len(distances), null=0.5),
        far=len(distances) >= FEWEST and nearer >= FAR * len(distances),
    )


def _not_among(hits: IntArray, row: IntArray, ids: Sequence[str]) -> tuple[str, ...]:
    known = set(hits.tolist())
    return tuple(ids[position] for position in row.tolist() if position >= 0 and position not in known)


def _lexical_best(
    run: Neighbors | None, in_order: IntArray, store: VectorStore, ids: Sequence[str], norms: Float64
) -> LexicalBest | None:
    if run is None or run.positions[0, 0] < 0:
        return None
    best = int(run.positions[0, 0])
    (text,) = store.fetch([ids[best]]).texts or [None]
    return LexicalBest(ids[best], text, _rank(in_order, best), float(norms[best] / _usual(norms)))


def _notes(info: StoreInfo, vary: bool) -> tuple[str, ...]:
    notes = []
    if info.metric is None:
        notes.append("the store does not say how it ranks; cosine was assumed")
    if not vary:
        notes.append(EQUAL_LENGTHS)
    if not info.has_texts:
        notes.append("the store keeps no texts")
    return tuple(notes)
