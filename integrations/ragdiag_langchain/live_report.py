"""The report of live traffic: the audit of its store, with the lists that the application got."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np

from ragdiag.engine import LocalEngine
from ragdiag.errors import RagdiagError
from ragdiag.findings.evidence import Evidence
from ragdiag.findings.rules import RULES, Checked, check_rules, selected
from ragdiag.geometry import hubs
from ragdiag.geometry.portrait import Portrait, portrait
from ragdiag.numbers import counted, percent
from ragdiag.observe import observe
from ragdiag.plan import Plan
from ragdiag.report.model import Report, Sampling
from ragdiag.report.run import run_info
from ragdiag.statistics.census import Census
from ragdiag.statistics.moments import Moments
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.statistics.observed import Documents, Observed, Queries
from ragdiag.statistics.sample import Sample
from ragdiag.stores import VectorStore, open_store
from ragdiag.types import Batch, Float32, IntArray, Measure, StoreInfo
from ragdiag.vectors import unit
from ragdiag_langchain.known import behind
from ragdiag_langchain.questions import Questions
from ragdiag_langchain.traffic import OTHERS, Retrieval, Traffic
from ragdiag_langchain.traffic_measures import outside, traffic_measures

FOREIGN = 0.5  # of the listed documents
_NO_STORE = "the store was not read"


def live_report(
    traffic: Traffic,
    *,
    source: str,
    others: Sequence[str],
    unreached: Sequence[str],
    store: Any,
    plan: Plan | None,
) -> Report:
    """Return the report of one source.

    Parameters
    ----------
    traffic : Traffic
    source : str
    others : sequence of str
        Sources that this report says nothing of.
    unreached : sequence of str
        What `diagnose` could not reach.
    store : object or None
        What `ragdiag.open_store` opens; where it cannot, the report rests on the lists alone.
    plan : Plan or None

    Returns
    -------
    Report
    """
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    kept = traffic.retrievals()
    questions = Questions.of(kept)
    plan = replace(plan or Plan(), k=questions.k)
    selected(plan.select, plan.ignore)
    notes = _notes(traffic, kept, questions, source, others, unreached)
    opened, why = _opened(store)
    Q = _vectors(questions.asked, None if opened is None else opened.info.dim)
    if opened is not None:
        seen, drawn, checked, missed = _with_store(opened, questions.lists, Q, plan)
        if missed:
            notes.append(f"{percent(missed)} of the listed documents are not in the store under the id they came with")
        if missed > FOREIGN:  # as of a retriever that finds small chunks and returns their parents
            opened, why = None, "the lists are not of this store's documents"
    if opened is None:
        seen, drawn, checked = _lists_alone(traffic, questions.lists, source, Q, plan)
        notes.append(f"{why}: hubs are counted among the documents that were listed, and nothing else is known of them")
    own, said = traffic_measures(traffic, questions.asked, seen.documents.census.n if opened else None)
    measures = {**own, "traffic.outside_documents": outside(Q, seen.documents.sample.vectors), **drawn.measures}
    notes += said
    return Report(
        store=seen.info,
        measures=measures,
        findings=checked.findings,
        passed=checked.passed,
        skipped=checked.skipped,
        comparison=None,
        sampling=Sampling(
            documents=seen.documents.census.n,
            document_queries=len(seen.documents.queries),
            moment_documents=len(seen.documents.sample),
            queries=len(questions.asked),
            k=plan.k,
            seed=plan.seed,
        ),
        run=run_info(started, time.perf_counter() - clock),
        notes=tuple(notes),
    )


def _opened(store: Any) -> tuple[VectorStore | None, str]:
    if store is None:
        return None, "no store is known to the record"
    try:
        opened = open_store(behind(store))
    except RagdiagError as error:
        return None, f"the store could not be read ({error.message})"
    return (opened, "") if opened.info.count >= 2 else (None, f"{opened.info.name} holds fewer than two vectors")


def _vectors(kept: Sequence[Retrieval], dim: int | None) -> Float32:
    """Return the recorded query vectors that can be used, shape (m, d)."""
    vectors = [r.vector for r in kept if r.vector is not None and r.vector.ndim == 1 and np.isfinite(r.vector).all()]
    dim = dim if dim is not None else len(vectors[0]) if vectors else 1
    fitting = [vector for vector in vectors if len(vector) == dim and vector.any()]
    return np.array(fitting, dtype=np.float32).reshape(len(fitting), dim)


def _positions(lists: Sequence[Sequence[str]], ids: Sequence[str], k: int) -> IntArray:
    """Return the lists as rows of the documents, shape (m, k); −1 where a list is shorter or an id unknown."""
    where = {id_: row for row, id_ in enumerate(ids)}
    positions = np.full((len(lists), k), -1, dtype=np.int64)
    for row, listed in enumerate(lists):
        positions[row, : len(listed)] = [where.get(id_, -1) for id_ in listed]
    return positions


def _asked(Q: Float32, positions: IntArray, similarity: str) -> Queries:
    none = np.empty(0, dtype=np.int64)
    scores = np.full(positions.shape, np.nan)  # of the application, in its own words: not compared with ours
    near = Neighbors(similarity, positions, scores)
    return Queries(Q, Moments.of(unit(Q)), near, (), None, None, none, none)


def _with_store(
    store: VectorStore, lists: Sequence[Sequence[str]], Q: Float32, plan: Plan
) -> tuple[Observed, Portrait, Checked, float]:
    """Audit the store; its queries are the recorded ones, with the lists that were recorded."""
    # No queries to search for: what they found in the application is known.
    seen, *_ = observe(store, labels=None, vectors=None, embedder=None, plan=plan, engine=LocalEngine(), progress=None)
    positions = _positions(lists, seen.documents.census.ids, plan.k)
    known = positions[(positions >= 0).any(axis=1)]
    listed = sum(map(len, lists))
    missed = 1 - float((positions >= 0).sum()) / listed if listed else 0.0
    if len(known) or len(Q):
        seen = replace(seen, queries=_asked(Q, known, seen.similarity))
    drawn = portrait(seen, plan.rng("measures"))
    evidence = Evidence(seen, drawn, None, store.fetch)
    return seen, drawn, check_rules(evidence, select=plan.select, ignore=plan.ignore), missed


def _lists_alone(
    traffic: Traffic, lists: Sequence[Sequence[str]], source: str, Q: Float32, plan: Plan
) -> tuple[Observed, Portrait, Checked]:
    """Look for hubs among the documents that were listed; there are more, so that even use is less than it seems."""
    ids = list(dict.fromkeys(id_ for listed in lists for id_ in listed))
    n, texts, dim = len(ids), traffic.heads(), Q.shape[1]
    positions, none = _positions(lists, ids, plan.k), np.empty(0, dtype=np.int64)
    zeros, range_ = np.zeros(n, dtype=np.uint64), np.zeros(dim, dtype=np.float32)
    census = Census(ids, np.ones(n), np.ones(n, dtype=bool), zeros, none, zeros, range_, range_)
    sample = Sample(none, np.empty((0, dim), dtype=np.float32), ())
    nothing = Neighbors("", np.empty((0, plan.k), dtype=np.int64), np.empty((0, plan.k)))
    documents = Documents(census, Moments.empty(dim), sample, sample, nothing, nothing, {}, [])
    info = StoreInfo(source, "live traffic", n, dim if len(Q) else 0, None, has_texts=True)
    seen = Observed(info, "", documents, _asked(Q, positions, ""), None, None, none, plan.k)
    measures = {"hubness.query.bad_hub_share": Measure.missing("no judgements were given")}
    names = ("skewness", "top_1_percent", "largest", "orphans")
    measures |= {f"hubness.document.{name}": Measure.missing(_NO_STORE) for name in names}
    measures |= hubs.measures("query", positions, census, plan.k, plan.rng("live lists"))
    drawn = Portrait(measures, {}, None, {})

    def fetch(wanted: Sequence[str]) -> Batch:
        return Batch(wanted, np.zeros((len(wanted), 1), np.float32), [texts.get(id_) for id_ in wanted])

    chosen = {rule.code for rule in selected(plan.select, plan.ignore)}
    looking = [rule.code for rule in RULES if rule.code in chosen and rule.code.startswith("HUB")]
    skipped = dict.fromkeys(sorted(chosen - set(looking)), _NO_STORE)
    if not looking:
        return seen, drawn, Checked((), (), skipped)
    found = check_rules(Evidence(seen, drawn, None, fetch), select=looking)
    return seen, drawn, replace(found, skipped={**found.skipped, **skipped})


def _notes(
    traffic: Traffic,
    kept: Sequence[Retrieval],
    questions: Questions,
    source: str,
    others: Sequence[str],
    unreached: Sequence[str],
) -> list[str]:
    part = "" if len(kept) == traffic.asked else f", of which {len(kept):,} drawn at random were kept"
    different = counted(len(questions.asked), "different question")
    notes = [
        f"{counted(traffic.asked, 'live retrieval')}{part}: {different}, each counted once, with the last list of"
        " documents that the application got",
        *questions.notes(),
    ]
    if traffic.errors:
        kinds = sorted(traffic.errors.items(), key=lambda item: (-item[1], item[0]))
        named = ", ".join(f"{name} {count:,}" for name, count in kinds[:5])
        notes.append(f"{counted(sum(traffic.errors.values()), 'retrieval')} failed: {named}")
    if traffic.unknown:
        given = f"{counted(traffic.unknown, 'retrieval')} gave an iterator"
        notes.append(f"{given}: with which documents is not known, nor whether there were any")
    if traffic.apart:
        searches = f"{counted(traffic.apart, 'search', 'searches')} of the store in a thread of its own"
        notes.append(f"{searches}, while a retriever was asked something else: what is a part of that counts twice")
    if traffic.items.missing:
        lacks = f"the count of each in traffic.top_1_percent may lack {traffic.items.missing:,}"
        notes.append(f"more documents were listed than are counted exactly: {lacks}")
    if not any(retrieval.vector is not None for retrieval in kept):
        notes.append("no query vector was seen, so that nothing is said of where queries lie; diagnose sees them")
    if OTHERS in (source, *others):
        notes.append(f"more sources were asked than are told apart: the later ones are counted together, as {OTHERS}")
    notes += [f"not recorded: {what}" for what in unreached[:5]]
    if len(unreached) > 5:
        notes.append(f"not recorded either: {len(unreached) - 5:,} more, in RetrievalRecord.unreached")
    if others:
        notes.append(f"other sources have reports of their own: {', '.join(others[:5])}")
    return notes
