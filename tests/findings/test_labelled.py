from __future__ import annotations

import math

import numpy as np
import pytest

from ragdiag import Plan, Severity
from ragdiag.geometry.intervals import wilson
from ragdiag.numbers import spoken
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import cone, isotropic
from ragdiag.types import Float32, Float64, IntArray
from ragdiag.vectors import unit
from tests.findings.planted import DIM, N, check, fired, healthy, judgements, names, ranked, silent

RNG = np.random.default_rng


@pytest.mark.parametrize(("rho", "severity"), [(0.36, Severity.WARNING), (0.2, Severity.INFO)])
def test_gap001_queries_apart_from_documents(rho: float, severity: Severity) -> None:
    finding = fired("GAP001", healthy(), query_vectors=cone(RNG(1), 400, DIM, rho=rho))
    assert finding.severity is severity
    # The documents have mean 0 and spread 1, the queries mean √ρ and spread 1 − ρ.
    assert finding.evidence["gap.mean_distance"].value == pytest.approx(math.sqrt(rho), abs=0.02)
    assert finding.evidence["gap.ratio"].value == pytest.approx(rho / (2 - rho), rel=0.1)
    assert finding.evidence["gap.probe_auc"].null == 0.5


def test_gap001_is_silent_where_there_is_none() -> None:
    silent("GAP001", healthy(), query_vectors=isotropic(RNG(1), 400, DIM))
    silent("GAP001", healthy(), query_vectors=cone(RNG(1), 400, DIM, rho=0.05))
    assert check("GAP001", healthy()).skipped == {"GAP001": "no queries were given"}


def of_many_lengths(n: int) -> Float32:
    lengths = np.exp(RNG(2).normal(0, 0.5, size=(n, 1)))
    return np.asarray(healthy(n=n) * lengths, dtype=np.float32)


def scores(metric: str, Q: Float32, X: Float32) -> Float64:
    q, d = Q.astype(np.float64), X.astype(np.float64)
    products: Float64 = q @ d.T
    if metric == "cosine":
        return np.asarray(products / np.linalg.norm(d, axis=1))
    return products if metric == "dot" else np.asarray(products - (d**2).sum(axis=1) / 2)


def neighbours(metric: str, X: Float32) -> IntArray:
    table = scores(metric, X, X)
    np.fill_diagonal(table, -np.inf)
    return ranked(table, 10)


@pytest.mark.parametrize(("metric", "spoken"), [("dot", "dot product"), ("l2", "Euclidean distance")])
def test_sim001_lengths_decide(metric: str, spoken: str) -> None:
    n = 180  # all of them are probes
    silent("SIM001", ArrayStore(healthy(n=n), metric=metric))
    X = of_many_lengths(n)
    finding = fired("SIM001", ArrayStore(X, metric=metric))
    assert finding.severity is Severity.WARNING
    pairs = zip(neighbours(metric, X), neighbours("cosine", X), strict=True)
    overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in pairs])
    assert finding.evidence[f"norms.overlap_cosine_{metric}"].value == pytest.approx(overlap)
    assert finding.evidence["norms.variation"].value == pytest.approx(
        np.linalg.norm(X, axis=1).std() / np.linalg.norm(X, axis=1).mean(), rel=1e-5
    )
    assert spoken in finding.message


def test_sim001_needs_a_metric_other_than_cosine() -> None:
    X = of_many_lengths(180)
    assert check("SIM001", ArrayStore(X, metric="cosine")).skipped == {"SIM001": "the store ranks by cosine"}
    assert check("SIM001", X).skipped == {"SIM001": "the store does not say how it ranks"}


def ndcg(lists: IntArray, target: list[int]) -> Float64:
    """Return nDCG@10 of each query with one relevant document."""
    ranks = [np.flatnonzero(row == t) for row, t in zip(lists, target, strict=True)]
    return np.array([1 / math.log2(rank[0] + 2) if len(rank) else 0.0 for rank in ranks])


def test_sim002_another_similarity_ranks_better() -> None:
    X = of_many_lengths(N)
    target = list(range(0, N, 4))
    Q = unit(unit(X[target]) + np.float32(1.1) * isotropic(RNG(3), len(target), DIM))
    labels = judgements([{str(t): 1} for t in target])
    finding = fired("SIM002", ArrayStore(X, metric="dot"), judgements=labels, query_vectors=Q)
    assert finding.severity is Severity.ERROR
    assert finding.remedy.similarity == "cosine"
    by_dot, by_cosine = (ndcg(ranked(scores(metric, Q, X), 10), target) for metric in ("dot", "cosine"))
    assert finding.evidence["nDCG@10.baseline"].value == pytest.approx(by_dot.mean())
    # Cosine is the choice of every fold, so that choosing gains what it gains.
    chosen = finding.evidence["nDCG@10.chosen"]
    assert chosen.value == pytest.approx((by_cosine - by_dot).mean())
    error = (by_cosine - by_dot).std() / math.sqrt(len(target))
    assert chosen.low == pytest.approx(chosen.value - 1.96 * error, abs=0.2 * error)
    assert f"choosing on some of them gains {spoken(chosen.value)} on the others" in finding.message
    assert "150 labelled queries, p = 0.0002 (Holm)" in finding.remedy.tested
    # The winner itself, and vectors of one length, leave nothing to win; nor does an effect that is asked to be larger.
    silent("SIM002", ArrayStore(X, metric="cosine"), judgements=labels, query_vectors=Q)
    silent("SIM002", ArrayStore(unit(X), metric="dot"), judgements=labels, query_vectors=Q)
    silent("SIM002", ArrayStore(X, metric="dot"), judgements=labels, query_vectors=Q, plan=Plan(min_effect=0.9))


def test_sim001_carries_what_the_labels_show() -> None:
    X = of_many_lengths(N)
    store = ArrayStore(X, metric="dot")
    # Labels that prove cosine better leave the word to SIM002.
    target = list(range(0, N, 4))
    Q = unit(unit(X[target]) + np.float32(1.1) * isotropic(RNG(3), len(target), DIM))
    labels = judgements([{str(t): 1} for t in target])
    proven = check("SIM001", store, judgements=labels, query_vectors=Q)
    assert proven.skipped == {"SIM001": "the labels prove that cosine ranks better (SIM002)"}
    # Where long documents are the relevant ones, length is meant.
    longest = np.argsort(-np.linalg.norm(X, axis=1))[:150].tolist()
    Q = unit(unit(X[longest]) + np.float32(2.5) * isotropic(RNG(3), 150, DIM))
    labels = judgements([{str(t): 1} for t in longest])
    finding = fired("SIM001", store, judgements=labels, query_vectors=Q)
    assert finding.severity is Severity.INFO
    assert finding.cost == "None that the labelled queries show: ranked by cosine they would find no more."
    assert finding.remedy.text.startswith("Leave it alone")
    by_dot, by_cosine = (ndcg(ranked(scores(metric, Q, X), 10), longest).mean() for metric in ("dot", "cosine"))
    assert f"paired over 150 labelled queries, {by_cosine - by_dot:+.3f} [" in finding.remedy.tested
    assert "nDCG@10 to dot; no proof that it is better" in finding.remedy.tested
    # Nine queries prove nothing either way.
    few = fired("SIM001", store, judgements=judgements([{str(t): 1} for t in longest[:9]]), query_vectors=Q[:9])
    assert few.severity is Severity.WARNING
    assert "paired over 9 labelled queries" in few.remedy.tested
    assert "More labelled queries would decide." in few.remedy.text


def test_sim001_is_not_decided_by_labels_that_are_at_chance() -> None:
    X = of_many_lengths(N)
    labels = judgements([{str(t): 1} for t in range(100)])
    finding = fired("SIM001", ArrayStore(X, metric="dot"), judgements=labels, query_vectors=healthy(seed=5, n=100))
    assert finding.severity is Severity.WARNING
    assert finding.remedy.tested == "labelled queries, which cannot decide: retrieval is at chance (RET002)"


def test_sim002_needs_judgements() -> None:
    report = check("SIM002", healthy(), query_vectors=healthy(seed=1, n=30))
    assert report.skipped == {"SIM002": "no judgements were given"}
    assert report.comparison is None


def test_ret001_judged_documents_that_are_not_there() -> None:
    store, Q = ArrayStore(healthy(), ids=names()), healthy(seed=1, n=30)
    known = [{f"d{i}": 1} for i in range(30)]
    silent("RET001", store, judgements=judgements(known), query_vectors=Q)
    labels = judgements([{"gone1": 1}, {"gone1": 2, "gone2": 1}, {"gone3": 1, **known[2]}, *known[3:]])
    finding = fired("RET001", store, judgements=labels, query_vectors=Q)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["judgements.unknown"] == wilson(3, 31, null=0.0)
    assert finding.message == (
        "3 judged documents of 31 are not in the store; 2 queries have no relevant document there at all."
    )
    many = [{f"d{i}": 1 for i in range(20 * q, 20 * q + 20)} for q in range(30)]
    many[0]["gone"] = 1
    few = fired("RET001", store, judgements=judgements(many), query_vectors=Q)
    assert few.severity is Severity.INFO
    assert few.evidence["judgements.unknown"].value == 1 / 601


def test_an_unknown_document_counts_as_missed() -> None:
    X = healthy()
    relevant = [{str(i): 1, **({"gone": 1} if i < 10 else {})} for i in range(20)]
    report = check("RET001", X, judgements=judgements(relevant), query_vectors=X[:20])
    assert report.comparison is not None
    assert report.comparison.runs[0].scores["R@10"].mean.value == pytest.approx((10 * 0.5 + 10) / 20)
    assert report.comparison.runs[0].scores["RR@10"].mean.value == 1.0
