from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ragdiag import Plan, Report, Severity
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic, normal
from ragdiag.types import Float32, IntArray
from ragdiag.vectors import unit
from tests.findings.planted import DIM, N, check, counts, fired, healthy, judgements, listed, ranked, silent

M = 200


def drawn_to(document: Float32, m: int, weight: float, seed: int = 3) -> Float32:
    """Return queries that all lean towards one document."""
    return unit(isotropic(np.random.default_rng(seed), m, len(document)) + np.float32(weight) * document)


def test_hub001_a_document_that_answers_every_query() -> None:
    X = healthy()
    silent("HUB001", X, query_vectors=isotropic(np.random.default_rng(3), M, DIM))
    Q = drawn_to(X[41], M, 0.5)
    found = counts(ranked(Q.astype(np.float64) @ X.T, 10), N)
    assert found.argmax() == 41
    assert M / 4 < found[41] < M
    finding = fired("HUB001", X, query_vectors=Q)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["hubness.query.largest"].value == found[41] / M
    assert finding.evidence["hubness.query.skewness"].value == pytest.approx(stats.skew(found))
    top = np.sort(found)[-6:].sum() / found.sum()
    assert finding.evidence["hubness.query.top_1_percent"].value == pytest.approx(top)
    hubs = int(np.sum(found >= 20))
    assert hubs > 1
    assert finding.message == (
        f"{hubs} documents are each in over 10 % of the top 10 lists of the queries; the first is in"
        f" {found[41]} of 200, where an even share is 3.33."
    )
    assert listed(finding)[0] == "41"
    assert [document.note for document in finding.documents] == [
        f"in {count} of 200 top 10 lists" for count in np.sort(found)[::-1][:hubs]
    ]


def test_hub001_among_the_documents_themselves() -> None:
    # Under L2 a short vector is nearer to all than they are to each other.
    X = healthy()
    silent("HUB001", ArrayStore(X, metric="l2"))
    X[7] *= 0.1
    finding = fired("HUB001", ArrayStore(X, metric="l2"))
    assert finding.evidence["hubness.document.largest"].value == (N - 1) / N
    assert listed(finding) == ["7"]
    assert finding.documents[0].note == "in 599 of 600 top 10 lists"
    assert finding.message == (
        "One document is in 599 of 600 top 10 lists of the documents, where an even share is 10."
    )
    # With five queries, too few to say anything, the documents are still looked at.
    few = fired("HUB001", ArrayStore(X, metric="l2"), query_vectors=healthy(seed=4, n=5))
    assert few.evidence["hubness.document.largest"].value == (N - 1) / N


def test_hub001_says_how_many_places_of_hubs_are_wrong() -> None:
    X = healthy()
    Q = drawn_to(X[41], M, 0.7)
    labels = judgements([{"41": 1} if i < 50 else {str(i): 1} for i in range(M)])
    lists = ranked(Q.astype(np.float64) @ X.T, 10)
    found = counts(lists, N)
    held = found >= max(2 * found.mean(), 5)
    wrong = total = 0
    for i, row in enumerate(lists):
        relevant = 41 if i < 50 else i
        total += int(held[row].sum())
        wrong += int(sum(held[p] and p != relevant for p in row))
    finding = fired("HUB001", X, query_vectors=Q, judgements=labels)
    assert finding.evidence["hubness.query.bad_hub_share"].value == pytest.approx(wrong / total)


@pytest.mark.parametrize("m", [2, 9, 10, 12, 20])
def test_hub001_is_silent_about_chance_in_few_queries(m: int) -> None:
    X = healthy()
    for seed in range(3):
        report = check("HUB001", X, query_vectors=isotropic(np.random.default_rng(seed), m, DIM))
        assert report.findings == ()


@pytest.fixture(scope="module")
def hubs() -> tuple[Float32, IntArray]:
    """Normal vectors under L2: the classical world of hubs, with its k-occurrence by sorting."""
    X = normal(np.random.default_rng(0), 2000, 40)
    squares = (X.astype(np.float64) ** 2).sum(axis=1)
    scores = X.astype(np.float64) @ X.T - squares / 2
    np.fill_diagonal(scores, -np.inf)
    return X, counts(ranked(scores, 10), 2000)


def as_l2(X: Float32) -> ArrayStore:
    return ArrayStore(X, metric="l2")


def test_hub002_uneven_use(hubs: tuple[Float32, IntArray]) -> None:
    X, found = hubs
    silent("HUB002", as_l2(unit(X)))
    finding = fired("HUB002", as_l2(X))
    assert finding.severity is Severity.WARNING
    skewness = finding.evidence["hubness.document.skewness"]
    # All documents were queries, so that nothing is left to correct.
    assert skewness.value == pytest.approx(stats.skew(found), rel=1e-6)
    p = 10 / 2000
    assert skewness.null == pytest.approx((1 - 2 * p) / math.sqrt(2000 * p * (1 - p)))
    assert listed(finding)[0] == str(found.argmax())
    assert finding.documents[0].note == f"in {found.max()} of 2,000 top lists"
    assert finding.evidence["hubness.document.top_1_percent"].value == pytest.approx(
        np.sort(found)[-20:].sum() / found.sum()
    )


def test_hub002_leaves_to_hub001_what_that_has_named() -> None:
    X = healthy()
    X[7] *= 0.1
    report: Report = check("HUB", as_l2(X))
    assert [finding.code for finding in report.findings] == ["HUB001"]
    assert "HUB002" in report.passed


def test_hub003_orphans(hubs: tuple[Float32, IntArray]) -> None:
    X, found = hubs
    silent("HUB003", as_l2(unit(X)))
    finding = fired("HUB003", as_l2(X))
    share = finding.evidence["hubness.document.orphans"]
    assert share.value == np.mean(found == 0)
    assert share.null == pytest.approx((1 - 10 / 2000) ** 2000)
    assert finding.severity is Severity.INFO
    worse = fired("HUB003", as_l2(np.concatenate([X, 0.01 * X[:10]])))
    assert worse.severity is Severity.WARNING
    # Few queries leave most documents unseen, and that is what even use would do too.
    few = check("HUB003", as_l2(unit(X)), plan=Plan(sample_queries=300))
    assert few.measures["hubness.document.orphans"].null == pytest.approx((1 - 10 / 2000) ** 300)
    assert (few.measures["hubness.document.orphans"].value or 0) > 0.2
    assert few.findings == ()
