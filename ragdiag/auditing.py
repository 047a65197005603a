"""The audit: the whole flow in one function."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import ragdiag.report.notebook  # noqa: F401  says how a notebook shows what is returned
from ragdiag.budget import Budget
from ragdiag.changes.comparable import check_same_kind
from ragdiag.engine import Engine, LocalEngine, Progress
from ragdiag.errors import StoreError
from ragdiag.findings.evidence import Evidence
from ragdiag.findings.rules import check_rules, selected
from ragdiag.geometry.portrait import portrait
from ragdiag.observe import observe
from ragdiag.pictures.draw import draw
from ragdiag.plan import Plan
from ragdiag.report.model import Report, Sampling
from ragdiag.report.read import SavedAudit
from ragdiag.report.run import run_info
from ragdiag.retrieval.ann import check_index
from ragdiag.retrieval.compare import compare_runs
from ragdiag.retrieval.comparison import EQUAL_LENGTHS, Comparison
from ragdiag.retrieval.embedders import Embedder, load_embedder
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.layouts import judgements_for
from ragdiag.retrieval.query_vectors import query_vectors_of
from ragdiag.retrieval.ragas_results import ragas_notes
from ragdiag.retrieval.significance import FEWEST
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.statistics.observed import Observed
from ragdiag.stores import opened_store
from ragdiag.vectors import unit


def audit(
    store: Any,
    *,
    judgements: str | os.PathLike[str] | Judgements | None = None,
    query_vectors: Any = None,
    embeddings: str | Embedder | None = None,
    ragas: str | os.PathLike[str] | None = None,
    baseline: SavedAudit | None = None,
    plan: Plan | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Report:
    """Say what is wrong with a vector store.

    Parameters
    ----------
    store : str, path or object
        A URI (``"faiss:./index"``, ``"./vectors.npy"``) or a live store; see `ragdiag.open_store`.
    judgements : path or Judgements, optional
        Labelled queries, in any layout that `read_judgements` knows. Needs `query_vectors` or `embeddings`.
    query_vectors : path or array, shape (m, d), optional
        Vectors of the queries, one row per query of the judgements; without judgements, of any queries.
    embeddings : str or Embeddings, optional
        The model that fills the store, as ``provider:model``; embeds the queries, and a sample of the
        stored texts again to see whether it really is the model.
    ragas : path, optional
        A finished result of Ragas: its means over all rows, and for the worst rows the cause in retrieval, are told
        in `Report.notes`. See `ragdiag.retrieval.ragas_results`.
    baseline : SavedAudit, optional
        What the report is to be compared with (`ragdiag.diff`): refused before the work where that cannot be.
    plan : Plan, optional
    engine : Engine, optional
    progress : callable, optional
        Called with stage, done, total.

    Returns
    -------
    Report

    Raises
    ------
    RagdiagError
        When the input cannot be used; nothing has been written then. An `IncomparableError` where the baseline is of
        another dimension, metric, k or model.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((500, 64)).astype(np.float32)
    >>> report = audit(X)
    >>> report.findings
    ()
    """
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    plan = plan or Plan()
    budget = Budget(plan.max_seconds) if plan.max_seconds is not None else None
    selected(plan.select, plan.ignore)  # a wrong code is found before the work, not after
    with opened_store(store) as opened:
        info = opened.info
        if info.count < 2:
            what = "is empty" if info.count == 0 else "holds one vector"
            raise StoreError(f"{info.name} {what}", hint="an audit compares vectors; store at least two")
        model = embeddings if isinstance(embeddings, str) else ""
        if baseline is not None:
            check_same_kind(baseline, dim=info.dim, metric=info.metric, k=plan.k, model=model)
        embedder = load_embedder(embeddings) if embeddings is not None else None
        labels = judgements_for(judgements, opened) if judgements is not None else None
        vectors = query_vectors_of(labels, query_vectors, embedder, info)

        seen, runs, words = observe(
            opened,
            labels=labels,
            vectors=vectors,
            embedder=embedder,
            plan=plan,
            engine=engine or LocalEngine(),
            progress=progress,
            budget=budget,
        )
        answers: tuple[str, ...] = ()
        if ragas is not None:
            answers = ragas_notes(
                ragas,
                opened,
                seen.documents.census,
                unit(seen.documents.sample.vectors),
                engine=engine or LocalEngine(),
                seed=plan.seed,
            )
        ann = check_index(
            opened,
            seen,
            plan.rng("index queries"),
            queries=plan.ann_queries,
            target=plan.ann_target,
            progress=progress,
        )
        drawn = portrait(seen, plan.rng("measures"))
        drawn = replace(drawn, measures={**drawn.measures, **ann.measures})
        comparison = _compare(runs, words, seen, plan, labels)
        evidence = Evidence(seen, drawn, comparison, opened.fetch, ann)
        checked_rules = check_rules(evidence, select=plan.select, ignore=plan.ignore)
        pictures = draw(seen, drawn, opened.fetch, plan.rng("pictures"), group_by=plan.group_by)
        return Report(
            store=info,
            measures=drawn.measures,
            findings=checked_rules.findings,
            passed=checked_rules.passed,
            skipped=checked_rules.skipped,
            comparison=comparison,
            sampling=Sampling(
                documents=seen.documents.census.n,
                document_queries=len(seen.documents.queries),
                moment_documents=len(seen.documents.sample),
                queries=0 if vectors is None else len(vectors),
                k=plan.k,
                seed=plan.seed,
            ),
            run=run_info(started, time.perf_counter() - clock),
            notes=(*_notes(seen, labels), *ann.notes, *answers, *([budget.note] if budget and budget.note else [])),
            ann=ann,
            sketch=seen.documents.sketch,
            model=model,
            pictures=pictures,
        )


def _compare(
    runs: Sequence[Neighbors], words: Neighbors | None, seen: Observed, plan: Plan, labels: Judgements | None
) -> Comparison | None:
    relevant = seen.queries.relevant if seen.queries else None
    if relevant is None:
        return None
    judged = [i for i, grades in enumerate(relevant) if grades]
    kept = [_rows(run, judged) for run in runs]
    note = "" if seen.lengths_vary else EQUAL_LENGTHS
    if len(judged) < FEWEST:
        note = f"fewer than {FEWEST} labelled queries give no interval and prove nothing"
    graded = [relevant[i] for i in judged]
    return compare_runs(
        kept,
        graded,
        seed=plan.seed,
        lexical=_rows(words, judged) if words is not None else None,
        min_effect=plan.min_effect,
        note=note,
        query_ids=[labels.query_ids[i] for i in judged] if labels is not None else (),
    )


def _rows(run: Neighbors, queries: Sequence[int]) -> Neighbors:
    return Neighbors(run.similarity, run.positions[queries], run.scores[queries])


def _notes(seen: Observed, labels: Judgements | None) -> tuple[str, ...]:
    notes = [labels.note] if labels is not None and labels.note else []
    if seen.info.metric is None:
        notes.append("the store does not say how it ranks; cosine was assumed")
    if not seen.lengths_vary:
        notes.append(EQUAL_LENGTHS)
    return tuple(notes)
