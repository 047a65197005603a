"""Apply a remedy: a new store that ranks by it, without embedding a document again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ragdiag.artefact import Artefact, FingerprintStep, describe
from ragdiag.comparing import compare
from ragdiag.destination import destination, metric_for, refuse_inputs
from ragdiag.engine import Engine, LocalEngine, Progress, SamePasses
from ragdiag.errors import ConfigError, NothingProvenError, PromiseError, StoreError
from ragdiag.numbers import score
from ragdiag.plan import Plan
from ragdiag.report.json import comparison_json
from ragdiag.retrieval.compare import METRICS
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.embedders import Embedder, load_embedder
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.layouts import judgements_for
from ragdiag.retrieval.metrics import deepest
from ragdiag.retrieval.positions import FindIds, IdsStep, in_order_of, positions_of
from ragdiag.retrieval.promise import Promise, as_promised
from ragdiag.retrieval.query_vectors import query_vectors_of
from ragdiag.similarities import L2, Pipeline, Training, parse
from ragdiag.statistics.lengths import FiniteStep, LengthsStep
from ragdiag.statistics.sample import SampleStep, draw
from ragdiag.stores import VectorStore, opened_store, write_store
from ragdiag.stores.base import IDS
from ragdiag.stores.replace import put, staging
from ragdiag.types import Batch, Float32, Metric, Similarity, StoreInfo
from ragdiag.uninterrupted import uninterrupted

BEST = "best"


@dataclass(frozen=True)
class Fixed:
    """What `fix` did.

    Attributes
    ----------
    source : StoreInfo
    target : StoreInfo or None
        The new store, opened again; None when the index stays as it is.
    artefact : str
        Folder with the maps for queries and new documents.
    similarity : str
    metric : Metric
        By which the stored documents are to be ranked for mapped queries.
    comparison : Comparison or None
        What was proven, on queries that had no part in it; None without labels.
    promised, delivered : mapping of str to float
        Mean of each metric: by the similarity on the source, and by the new store as it ranks, with the same
        fit and all labelled queries. Without labels: ``same top 10``, the share of the lists that agree.
    """

    source: StoreInfo
    target: StoreInfo | None
    artefact: str
    similarity: str
    metric: Metric
    comparison: Comparison | None
    promised: Mapping[str, float]
    delivered: Mapping[str, float]

    @property
    def codes(self) -> bool:
        """Whether the remedy quantises: the new store holds what its codes mean."""
        return parse(self.similarity).recipes[-1].kind in ("int8", "binary", "pq")


def fix(
    store: Any,
    remedy: str,
    *,
    to: str,
    artefact: str | os.PathLike[str] | None = None,
    judgements: str | os.PathLike[str] | Judgements | None = None,
    query_vectors: Any = None,
    embeddings: str | Embedder | None = None,
    metrics: Sequence[str] = METRICS,
    overwrite: bool = False,
    lossy: bool = False,
    plan: Plan | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Fixed:
    """Write a store that ranks by `remedy`, from the vectors that are already there.

    The source is never touched. The new store appears whole or not at all, is read back, and is held to what
    the similarity promised.

    Parameters
    ----------
    store : str, path or object
        A URI or a live store; see `ragdiag.open_store`.
    remedy : str
        The name of a similarity, or ``"best"``: the one that `ragdiag.compare` proves better.
    to : str
        URI of the new store; see `ragdiag.stores.write_store`.
    artefact : path, optional
        Folder for the maps; by default the path of the new store with ``.ragdiag`` added.
    judgements : path or Judgements, optional
        Labelled queries. ``"best"`` needs them.
    query_vectors : path or array, shape (m, d), optional
        Of the queries; without judgements, of any queries, for remedies that learn from them.
    embeddings : str or Embeddings, optional
    overwrite : bool
        Whether a store and an artefact that exist are replaced.
    lossy : bool
        Whether ids, texts and metadata that the new store cannot keep may be dropped.
    plan, engine, progress
        As for `ragdiag.compare`.

    Returns
    -------
    Fixed

    Raises
    ------
    NothingProvenError
        For ``"best"`` when nothing is proven better.
    RagdiagError
        When the input cannot be used; nothing has been written then.
    """
    plan, engine = plan or Plan(), engine or LocalEngine()
    pipeline = None if remedy == BEST else parse(remedy)
    with opened_store(store) as opened:
        info = opened.info
        if getattr(opened, "partial", False):
            raise StoreError(f"{info.name} is a part of a store", hint="fix the store itself; a part can be compared")
        target, beside = destination(to, opened, overwrite, artefact)
        refuse_inputs((target.path, beside), (store, judgements, query_vectors))
        labels = None if judgements is None else judgements_for(judgements, opened)
        if pipeline is None and labels is None:
            raise ConfigError("the best remedy is found on labelled queries", hint="add --queries, or name a remedy")
        embedder = load_embedder(embeddings) if embeddings is not None else None
        queries = query_vectors_of(labels, query_vectors, embedder, info)
        comparison = None
        if labels is not None:
            comparison = compare(
                opened,
                labels,
                similarities=None if pipeline is None else [pipeline.name],
                metrics=metrics,
                query_vectors=queries,
                plan=plan,
                engine=engine,
                progress=progress,
            )
            pipeline = pipeline or _proven(comparison)
        assert pipeline is not None
        same = SamePasses(info.name)
        training, read, relevant = _learn(opened, labels, queries, plan, engine, progress, same)
        fitted = pipeline.fit(training)
        check = Promise(labels, relevant, queries, training, metrics, deepest(metrics, info.count), plan.seed % 2**64)
        promised, lengths = check.promised(fitted), LengthsStep(fitted)
        order = IdsStep()
        engine.run(opened, [promised, lengths, same, order], stage="ranking the source", progress=progress)
        same.check()
        # Zero vectors score 0 among other scores when only queries are mapped.
        in_place = info.metric is Metric.DOT and fitted.folded() is not None and not read.zero
        metric = Metric.DOT if in_place else metric_for(to, info)
        native = metric is Metric.DOT or (metric is Metric.L2 and isinstance(fitted.stages[-1], L2))
        length = None if in_place or native else lengths.common()
        source = describe(info, read.fingerprint)
        fixed = Artefact(fitted, metric, length, source, {} if in_place else source, _named(embeddings), {})

        def verified(
            written: VectorStore, card: Mapping[str, Any]
        ) -> tuple[Artefact, dict[str, float], dict[str, float]]:
            """Hold what was written to what was promised."""
            delivered, again, there = check.delivered(metric, fixed.maps), FingerprintStep(), IdsStep()
            engine.run(written, [delivered, again, there], stage="reading the new store", progress=progress)
            asked, found = promised.result(), delivered.result()
            if IDS in target.keeps:  # an engine may have an order of its own
                found = replace(found, positions=in_order_of(found.positions, there.ids, order.ids))
            scores = check.scores(asked, asked), check.scores(asked, found)
            if not as_promised(asked, found).all():
                raise _broken(target.name, pipeline, metric, *scores)
            evidence = {
                "promised": scores[0],
                "delivered": scores[1],
                "comparison": None if comparison is None else comparison_json(comparison),
            }
            full = {} if in_place else {**card, "fingerprint": again.result()}
            return replace(fixed, target=full, evidence=evidence), *scores

        if in_place:
            done, *scores = verified(opened, {})
            done.write(beside, overwrite=overwrite)
            return Fixed(info, None, beside, fitted.name, metric, comparison, *scores)
        with target.draft(to, overwrite=overwrite) as draft, staging(beside) as desk:
            new = write_store(
                draft.uri,
                _mapped(opened, fixed.maps, progress),
                dim=fixed.maps.documents(np.zeros((1, info.dim), dtype=np.float32)).shape[1],
                metric=metric,
                count=info.count,
                lossy=lossy,
            )
            with opened_store(draft.uri) as written:
                done, *scores = verified(written, describe(replace(new, name=target.name), ""))
            maps = os.path.join(desk, "maps")
            done.write(maps)
            # Maps first: a store that is there has them. The two names change one right after the other.
            with uninterrupted():
                put(maps, beside, folder=True, overwrite=overwrite)
                draft.put()
                # Interrupted here, it would say that nothing was written.
                with opened_store(to) as there:
                    return Fixed(info, there.info, beside, fitted.name, metric, comparison, *scores)


def _broken(
    to: str, pipeline: Pipeline, metric: Metric, promised: Mapping[str, float], delivered: Mapping[str, float]
) -> PromiseError:
    name = next(iter(promised))
    return PromiseError(
        f"{to} would rank by {metric.value} otherwise than {pipeline.name} does:"
        f" {name} {promised[name]:.4f} promised, {delivered[name]:.4f} delivered",
        hint="nothing was written; float32 cannot hold these scores under that metric: write to a store that ranks by"
        " another (?metric=dot)",
    )


def _named(embeddings: str | Embedder | None) -> str:
    return embeddings if isinstance(embeddings, str) else "" if embeddings is None else type(embeddings).__name__


def _proven(comparison: Comparison) -> Pipeline:
    if comparison.winner is not None:
        return parse(comparison.winner)
    base, metric = comparison.baseline, comparison.metric
    best = max(comparison.runs[1:], key=lambda run: run.scores[metric].mean.value or 0.0, default=None)
    said = f"no similarity is proven better than {base}"
    if best is not None:
        said += f" (best: {best.similarity}, {score(best.scores[metric].delta, sign=True)} {metric})"
    raise NothingProvenError(said, hint="leave the store alone, or name a remedy yourself")


@dataclass(frozen=True)
class _Read:
    fingerprint: str
    zero: int


def _learn(
    store: VectorStore,
    labels: Judgements | None,
    queries: Float32 | None,
    plan: Plan,
    engine: Engine,
    progress: Progress | None,
    same: SamePasses,
) -> tuple[Training, _Read, tuple[Mapping[int, int], ...] | None]:
    """Read the store once: what the remedy is fitted on, what it holds, and where the judged documents are."""
    info = store.info
    drawn = SampleStep(draw(info.count, plan.sample_documents, plan.rng("documents")), info.dim)
    find, fingerprint, finite = FindIds(labels.document_ids() if labels else set()), FingerprintStep(), FiniteStep()
    engine.run(store, [drawn, find, fingerprint, finite, same], stage="reading the store", progress=progress)
    same.check()
    if finite.broken:
        raise StoreError(
            f"{info.name} holds {finite.broken:,} vectors that are not finite",
            hint="embed those documents again; ragdiag audit names them",
        )
    sample = drawn.result()
    if len(sample) < 2:
        raise StoreError(f"{info.name} holds fewer than two vectors that are not zero", hint="embed them again")
    asked = None if queries is None else queries[queries.any(axis=1)]
    return (
        Training(sample.vectors, asked, plan.seed % 2**63),
        _Read(fingerprint.result(), finite.zero),
        positions_of(find.positions, labels, info),
    )


def _mapped(store: VectorStore, maps: Similarity, progress: Progress | None) -> Iterator[Batch]:
    done = 0
    for batch in store.scan():
        yield Batch(batch.ids, maps.documents(batch.vectors), batch.texts, batch.metadata)
        done += len(batch)
        if progress is not None:
            progress("writing the new store", done, store.info.count)
