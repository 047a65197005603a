"""Known scores and known flaws of real corpora."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ragdiag import Report, Severity, audit, read_judgements
from ragdiag.engine import LocalEngine
from ragdiag.findings.finding import Finding
from ragdiag.geometry.texts import boilerplate
from ragdiag.retrieval.metrics import per_query
from ragdiag.similarities import Cosine
from ragdiag.statistics.neighbors import NeighborSearch
from ragdiag.stores import ArrayStore
from tests.shared import DATA, corpus, needs_shared_data

pytestmark = needs_shared_data

TOLERANCE = 5e-4

# The tables of ../shared/data/README.md, made by another pipeline; it publishes RR at a cut of 100.
NDCG = {
    ("scifact", "minilm"): 0.66020,
    ("scifact", "wordavg"): 0.44336,
    ("xquad-en", "minilm"): 0.94367,
    ("xquad-en", "wordavg"): 0.80899,
    ("xquad-de", "minilm"): 0.70307,
    ("xquad-de", "wordavg"): 0.56157,
    ("xquad-zh", "minilm"): 0.24225,
    ("xquad-zh", "wordavg"): 0.20600,
}
RECALL = {"scifact": 0.78556, "xquad-en": 0.98989, "xquad-de": 0.83841, "xquad-zh": 0.37341}
RECIPROCAL_RANK = {"scifact": 0.63171, "xquad-en": 0.92869, "xquad-de": 0.66468, "xquad-zh": 0.21764}
COUNTS = {"scifact": (5183, 809), "xquad-en": (240, 1187), "xquad-de": (240, 1182), "xquad-zh": (240, 1181)}


@cache
def report(name: str, embedding: str) -> Report:
    ids, texts = corpus(name)
    vectors = np.load(DATA / name / "vectors" / f"docs.{embedding}.npy")
    store = ArrayStore(vectors, ids=ids, texts=texts, metric="cosine", name=name)
    queries = DATA / name / "vectors" / f"queries.{embedding}.npy"
    return audit(store, judgements=DATA / name, query_vectors=queries)


def finding(found: Report, code: str) -> Finding:
    return next(finding for finding in found.findings if finding.code == code)


@pytest.mark.parametrize(("name", "embedding"), NDCG)
def test_an_audit_gives_the_published_scores(name: str, embedding: str) -> None:
    found = report(name, embedding)
    assert found.comparison is not None
    documents, queries = COUNTS[name]
    assert (found.store.count, found.comparison.queries) == (documents, queries)
    scores = found.comparison.runs[0].scores
    assert found.comparison.runs[0].similarity == "cosine"
    assert scores["nDCG@10"].mean.value == pytest.approx(NDCG[name, embedding], abs=TOLERANCE)
    if embedding == "minilm":
        assert scores["R@10"].mean.value == pytest.approx(RECALL[name], abs=TOLERANCE)


@pytest.mark.parametrize("name", RECIPROCAL_RANK)
def test_a_search_gives_the_published_reciprocal_rank(name: str) -> None:
    ids, _ = corpus(name)
    where = {id_: position for position, id_ in enumerate(ids)}
    judgements = read_judgements(DATA / name)
    queries = np.load(DATA / name / "vectors" / "queries.minilm.npy")
    store = ArrayStore(np.load(DATA / name / "vectors" / "docs.minilm.npy"), ids=ids)
    search = NeighborSearch(Cosine(), queries, 100)
    assert LocalEngine().run(store, [search]) == COUNTS[name][0]
    relevant = [{where[id_]: grade for id_, grade in graded.items()} for graded in judgements.relevant]
    scores = per_query(search.result().positions, relevant, ["RR@100", "nDCG@10", "R@10"])
    assert len(scores["RR@100"]) == COUNTS[name][1]
    assert scores["RR@100"].mean() == pytest.approx(RECIPROCAL_RANK[name], abs=TOLERANCE)
    assert scores["nDCG@10"].mean() == pytest.approx(NDCG[name, "minilm"], abs=TOLERANCE)
    assert scores["R@10"].mean() == pytest.approx(RECALL[name], abs=TOLERANCE)


def test_chinese_under_an_english_model_shows_its_hub_and_its_gap() -> None:
    found = report("xquad-zh", "minilm")
    hubs = finding(found, "HUB001")
    assert hubs.severity is Severity.WARNING
    assert hubs.documents[0].note == "in 728 of 1,181 top 10 lists"
    assert hubs.evidence["hubness.query.largest"].value == pytest.approx(728 / 1181)
    gap = finding(found, "GAP001")
    assert gap.severity is Severity.WARNING
    queries = np.load(DATA / "xquad-zh" / "vectors" / "queries.minilm.npy").astype(np.float64)
    documents = np.load(DATA / "xquad-zh" / "vectors" / "docs.minilm.npy").astype(np.float64)
    plain = float(np.linalg.norm(queries.mean(axis=0) - documents.mean(axis=0)))
    # Freed from sampling error, so a little below the plain distance.
    assert gap.evidence["gap.mean_distance"].value == pytest.approx(plain, abs=0.01)


# BM25's nDCG@10 less that of the vectors.
WORDS_GAIN = {
    ("scifact", "minilm"): 0.008,
    ("scifact", "wordavg"): 0.225,
    ("xquad-en", "minilm"): 0.015,
    ("xquad-en", "wordavg"): 0.150,
    ("xquad-de", "minilm"): 0.211,
    ("xquad-de", "wordavg"): 0.352,
    ("xquad-zh", "minilm"): 0.719,
    ("xquad-zh", "wordavg"): 0.755,
}


@pytest.mark.parametrize(("name", "embedding"), NDCG)
def test_words_beat_vectors_that_do_not_fit(name: str, embedding: str) -> None:
    found = report(name, embedding)
    assert found.comparison is not None
    assert found.comparison.lexical is not None
    gain = found.comparison.lexical.scores["nDCG@10"].delta
    assert gain.value == pytest.approx(WORDS_GAIN[name, embedding], abs=0.001)
    # Questions written beside their passages: an advantage of BM25 that is proven, and no error of the model.
    shown = {f.code: f.severity for f in found.findings if f.code == "RET004"}
    expected = {("scifact", "minilm"): None, ("xquad-en", "minilm"): Severity.INFO}
    assert shown.get("RET004") is expected.get((name, embedding), Severity.ERROR)


@pytest.mark.parametrize("name", ["xquad-en", "scifact"])
def test_english_under_an_english_model_is_free_of_warnings(name: str) -> None:
    found = report(name, "minilm")
    assert [f.code for f in found.findings if f.severity >= Severity.WARNING] == []
    assert found.comparison is not None
    assert found.comparison.winner is None


@pytest.mark.parametrize(("name", "embedding"), NDCG)
def test_errors_are_what_labels_prove(name: str, embedding: str) -> None:
    # The model does not know Chinese: it cannot relate a part of the questions to their texts.
    expected = ["RET003"] if name == "xquad-zh" else []
    # Where BM25 scores far more: in languages that the model does not know, and for averaged words.
    expected += ["RET004"] if name in ("xquad-de", "xquad-zh") or embedding == "wordavg" else []
    assert [f.code for f in report(name, embedding).findings if f.severity is Severity.ERROR] == expected


# Share of the relevant documents that are farther than the median document.
MISPLACED = {
    ("scifact", "minilm"): 0.0,
    ("scifact", "wordavg"): 0.024,
    ("xquad-en", "minilm"): 0.0,
    ("xquad-en", "wordavg"): 0.012,
    ("xquad-de", "minilm"): 0.024,
    ("xquad-de", "wordavg"): 0.051,
    ("xquad-zh", "minilm"): 0.132,
    ("xquad-zh", "wordavg"): 0.238,
}


@pytest.mark.parametrize(("name", "embedding"), NDCG)
def test_a_working_model_places_relevant_documents_before_the_median(name: str, embedding: str) -> None:
    share = report(name, embedding).measures["alignment.misplaced"]
    assert share.value == pytest.approx(MISPLACED[name, embedding], abs=0.002)
    comparison = report(name, embedding).comparison
    assert comparison is not None
    null = comparison.runs[0].scores["nDCG@10"].mean.null
    # Ten places of n, for about one relevant document each.
    assert null == pytest.approx(4.54 / COUNTS[name][0], rel=0.35)


@pytest.mark.parametrize("name", COUNTS)
def test_real_texts_are_no_page_furniture(name: str) -> None:
    measure = report(name, "minilm").measures["texts.boilerplate"]
    assert (measure.value, measure.n) == (0.0, COUNTS[name][0])


def test_chinese_page_furniture_is_seen() -> None:
    _, texts = corpus("xquad-zh")
    footer = "本页面由市政府新闻办公室维护，转载请注明出处。联系电话见首页。"
    share, marked = boilerplate([footer + text[:8] if i < 12 else text for i, text in enumerate(texts)])
    assert share.value == 12 / 240
    assert marked[:12].all()


WRONG = ("reversed queries", "permuted documents", "queries of another model", "half from another model")


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["scifact", "xquad-en"])
def test_vectors_that_do_not_belong_together_are_an_error(name: str, wrong: str) -> None:
    ids, _ = corpus(name)
    X = np.load(DATA / name / "vectors" / "docs.minilm.npy")
    Q = np.load(DATA / name / "vectors" / "queries.minilm.npy")
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((384, 384)))[0].astype(np.float32)
    if wrong == "reversed queries":
        Q = Q[::-1].copy()
    elif wrong == "permuted documents":
        X = X[rng.permutation(len(X))]
    elif wrong == "queries of another model":
        Q = Q @ turn
    else:
        half = rng.random(len(X)) < 0.5
        X[half] = X[half] @ turn
    found = audit(ArrayStore(X, ids=ids, metric="cosine"), judgements=DATA / name, query_vectors=Q)
    errors = [f.code for f in found.findings if f.severity is Severity.ERROR]
    assert errors == ["RET003" if wrong == WRONG[3] else "RET002"]
