"""Which list counts for a question, and which scores for a margin."""

from __future__ import annotations

import gc
import json
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from ragdiag_langchain import (
    RemediedEmbeddings,
    RemediedVectorStore,
    RetrievalRecord,
    RetrievalRecorder,
    diagnose,
    record_of,
)
from ragdiag_langchain.traffic import Retrieval

from ragdiag import audit, fix
from ragdiag.errors import RecordError
from ragdiag.report.model import Report
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import ArrayStore
from tests.integrations.langchain.live import Counting, small
from tests.integrations.langchain.model_by_text import IDS, QUESTIONS, TEXTS, ModelByText, shifted_world
from tests.integrations.langchain.test_diagnose import Plain

IDS_OF_300 = ["hub", *(f"d{at}" for at in range(3000))]
X_OF_300 = np.random.default_rng(0).standard_normal((len(IDS_OF_300), 4)).astype(np.float32)


def with_hub(n: int = 300, k: int = 10, *, vectors: bool = False) -> RetrievalRecord:
    """Return a record of n questions, of which every list holds the hub; the other documents come once."""
    record = RetrievalRecord()
    for at in range(n):
        ids = ("hub", *(f"d{at * (k - 1) + i}" for i in range(k - 1)))
        record.add("s", Retrieval(f"q{at}", ids), vector=X_OF_300[at] if vectors else None)
    return record


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize("stored", [False, True])
def test_a_failure_does_not_erase_what_a_question_found(stored: bool) -> None:
    record = with_hub()
    store = ArrayStore(X_OF_300, ids=IDS_OF_300) if stored else None
    before = record.report(store=store)
    for at in range(300):
        record.add("s", Retrieval(f"q{at}", error="TimeoutError"))
    report = record.report(store=store)
    assert "HUB001" in codes(before) & codes(report)
    for each in (before, report):
        assert each.measures["hubness.query.largest"].value == 1.0
        assert each.measures["hubness.query.largest"].n == 300
    assert report.measures["traffic.failed"].value == 0.5
    assert report.notes[0] == (
        "600 live retrievals: 300 different questions, each counted once, with the last list of documents that the"
        " application got"
    )
    assert not any("found nothing" in note for note in report.notes)


def test_an_empty_answer_leaves_the_last_list_and_is_said() -> None:
    record = with_hub()
    for at in range(100):
        record.add("s", Retrieval(f"q{at}"))
    record.add("s", Retrieval("q7", ("d1",)))  # found something again
    record.add("s", Retrieval("new"))
    report = record.report()
    assert report.measures["hubness.query.largest"].value == 299 / 300
    assert "99 questions found nothing when asked last: the last list with documents counts" in report.notes
    assert report.measures["traffic.empty"].value == 101 / 402
    assert report.sampling.queries == 301


def test_lists_come_from_the_application_alone() -> None:
    """Questions with vectors whose lists are empty: nothing is searched for in their place."""
    record = RetrievalRecord()
    for at in range(60):
        record.add("s", Retrieval(f"q{at}", error="TimeoutError"), vector=X_OF_300[at])
    report = record.report(store=ArrayStore(X_OF_300, ids=IDS_OF_300))
    largest, gap = report.measures["hubness.query.largest"], report.measures["gap.mean_distance"]
    assert (largest.value, largest.undefined) == (None, "no list holds a document of the store")
    assert (gap.n, gap.value is not None) == (60, True)
    assert report.measures["hubness.document.largest"].n == 2000


def test_one_long_list_hides_no_hub() -> None:
    record = with_hub()
    record.add("s", Retrieval("everything", ("hub", *(f"d{at}" for at in range(499)))))
    for store in (None, ArrayStore(X_OF_300, ids=IDS_OF_300)):
        report = record.report(store=store)
        assert report.sampling.k == 10
        assert "HUB001" in codes(report)
        assert report.measures["hubness.query.largest"].value == 1.0
        assert "1 list longer than 10, the median length: the first 10 documents of each count" in report.notes


def test_a_shorter_list_counts_as_it_is() -> None:
    record = RetrievalRecord()
    for at, length in enumerate([1, 2, 3, 3, 3, 4] * 10):
        record.add("s", Retrieval(f"q{at}", tuple(f"d{i}" for i in range(length))))
    report = record.report()
    assert (report.sampling.k, report.measures["hubness.query.largest"].value) == (3, 1.0)
    assert report.store.count == 3  # the fourth is beyond the third place
    assert report.measures["hubness.query.top_1_percent"].value == 60 / 150  # of 10 · (1 + 2 + 3 + 3 + 3 + 3) places


def test_margins_are_of_one_kind_of_score() -> None:
    record = RetrievalRecord()
    for at in range(60):
        record.add("s", Retrieval(f"d{at}", ("a", "b"), (1.0, 1.5), "lower"))
    for at in range(40):
        record.add("s", Retrieval(f"r{at}", ("a", "b"), (0.9, 0.2), "higher", relevance=True))
    report = record.report()
    assert (report.measures["traffic.margin_first"].value, report.measures["traffic.margin_first"].n) == (0.5, 60)
    said = "40 questions came with scores of another kind, or of the other direction: they are in no margin"
    assert said in report.notes
    for at in range(60):
        record.add("s", Retrieval(f"r{at}", ("a", "b"), (0.9, 0.6), "higher", relevance=True))
    margin = record.report().measures["traffic.margin_first"]
    assert (margin.value, margin.n) == (0.5, 60)  # as many: the store's own
    record.add("s", Retrieval("r60", ("a", "b"), (0.9, 0.6), "higher", relevance=True))
    margin = record.report().measures["traffic.margin_first"]
    assert margin.n == 61
    assert margin.value == pytest.approx(0.3)


class OnlyRelevance(InMemoryVectorStore):
    """A store that gives relevance of its own making, and tells distances elsewhere."""

    def similarity_search_with_relevance_scores(self, query: str, k: int = 4, **kwargs: Any) -> Any:
        found = [Document(f"{query} {at}", id=str(at)) for at in range(k)]
        return [(document, 1 / (1 + at)) for at, document in enumerate(found)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Any:
        found = [Document(f"{query} {at}", id=str(at)) for at in range(k)]
        return [(document, 0.5 * at) for at, document in enumerate(found)]


def test_relevance_is_told_from_distance_where_it_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragdiag_langchain.views._direction", lambda store: "lower")
    recorded = diagnose(OnlyRelevance(Counting(4)))
    recorded.similarity_search_with_score("a", k=2)
    recorded.similarity_search_with_relevance_scores("b", k=2)
    first, second = record_of(recorded).retrievals()
    assert (first.scores, first.direction, first.relevance) == ((0.0, 0.5), "lower", False)
    assert (second.scores, second.direction, second.relevance) == ((1.0, 0.5), "higher", True)
    recorded.similarity_search_with_relevance_scores("c", k=3)
    margins = record_of(recorded).report().measures
    assert (margins["traffic.margin_first"].value, margins["traffic.margin_first"].n) == (0.5, 2)
    assert margins["traffic.margin_last"].value == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_scores_beyond_float32_are_in_no_margin() -> None:
    record = RetrievalRecord()
    record.add("s", Retrieval("a", ("a", "b"), (1e308, -1e308), "higher"))
    assert record.report().measures["traffic.margin_last"].undefined == "no retrieval came with two scores or more"
    for at in range(20):
        record.add("s", Retrieval(f"q{at}", ("a", "b"), (2.0 + at % 2, 1.0), "higher"))
    margin = record.report().measures["traffic.margin_last"]
    assert (margin.value, margin.n) == (1.5, 20)


def test_the_share_of_the_top_is_not_told_where_the_documents_are_not_counted() -> None:
    def filled(capacity: int) -> RetrievalRecord:
        record = RetrievalRecord(capacity=capacity)
        for at in range(1000):
            ids = ("hub", f"d{at}", f"d{(at + 1) % 1000}") if at % 2 else (f"e{at}", "hub", f"d{at}")
            record.add("s", Retrieval(f"q{at}", ids))
        return record

    exact = filled(10_000).report().measures["traffic.top_1_percent"]
    # 1,501 documents: the hub in 1,000 places, and 14 others in two each.
    assert (exact.value, exact.low, exact.high) == (1028 / 3000, 1028 / 3000, 1028 / 3000)
    cut = filled(50).report().measures["traffic.top_1_percent"]
    assert (cut.value, cut.low, cut.high) == (None, None, None)
    assert cut.undefined == (
        "of how many documents is not known: more were listed than the 50 that are counted exactly, and no store was"
        " read"
    )


def test_a_remedied_store_is_reported_as_an_audit_with_mapped_queries(tmp_path: Path) -> None:
    X, Q = shifted_world()
    model = ModelByText.of(TEXTS, X, QUESTIONS, Q)
    judged = Judgements("labels", tuple(QUESTIONS), tuple(QUESTIONS), tuple({IDS[i]: 1} for i in range(len(QUESTIONS))))
    fixed = fix(
        ArrayStore(X, ids=IDS), "query-centred", to=str(tmp_path / "new.parquet"), judgements=judged, embeddings=model
    )
    store = RemediedVectorStore(InMemoryVectorStore(model), fixed.artefact)
    store.add_texts(list(TEXTS), ids=list(IDS))
    recorded = diagnose(store)
    for question in QUESTIONS * 3:
        recorded.similarity_search(question, k=5)
    report = record_of(recorded).report()
    behind = record_of(recorded).report(store=store.store)
    expected = audit(store.store, judgements=judged, embeddings=RemediedEmbeddings(model, fixed.artefact))
    raw = audit(store.store, judgements=judged, embeddings=model)
    for name in ("gap.mean_distance", "gap.ratio"):
        assert report.measures[name] == behind.measures[name] == expected.measures[name]
        assert expected.measures[name].value != raw.measures[name].value
    assert report.store.count == len(TEXTS)
    assert "GAP001" in codes(raw)
    assert "GAP001" not in codes(report)


def test_a_name_for_each_user_fills_no_memory() -> None:
    recorder = RetrievalRecorder()
    retriever = Plain(documents=[Document("heat", id="1")])
    for user in range(3000):
        config: Any = {"callbacks": [recorder], "run_name": f"user {user}"}
        retriever.invoke("heat", config)
    record = recorder.record
    assert (record.asked, len(record.sources), record.sources[0]) == (3000, 51, "others")
    assert len(record.retrievals("others")) == 2000
    said = "more sources were asked than are told apart: the later ones are counted together, as others"
    assert said in record.report().notes
    assert said in record.report(source="user 0").notes
    again = RetrievalRecord.merged([record, with_hub(3)])
    assert (again.asked, len(again.sources)) == (3003, 51)


def test_a_retriever_for_each_request_is_let_go() -> None:
    record = RetrievalRecord()
    gone = []
    for _ in range(200):
        retriever = Plain(documents=[Document("heat", id="1")])
        gone.append(weakref.ref(retriever))
        diagnose(retriever, record=record).invoke("heat")
        del retriever
    assert (record.asked, record.sources) == (200, ("Plain",))
    gc.collect()
    assert [ref() for ref in gone] == [None] * 200
    several = [diagnose(Plain(documents=[Document("heat", id="1")]), record=record) for _ in range(60)]
    for each in several:
        each.invoke("heat")
    assert (len(record.sources), record._traffic["others"].asked) == (51, 10)
    assert record.asked == 260


def test_a_long_query_is_cut_and_stays_one_of_its_own(tmp_path: Path) -> None:
    record = RetrievalRecord()
    for at in range(20):
        record.add("s", Retrieval("x" * 100_000 + str(at), ("a",)))
    queries = {retrieval.query for retrieval in record.retrievals()}
    assert (len(queries), max(map(len, queries)) < 560) == (20, True)
    assert all(query.startswith("x" * 500 + "… (100,00") for query in queries)
    record.save(tmp_path / "r.json")
    assert (tmp_path / "r.json").stat().st_size < 30_000
    assert RetrievalRecord.load(tmp_path / "r.json").report().sampling.queries == 20


def test_a_pipe_and_a_file_of_before_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordError, match="pipe cannot be read: it is no file"):
        RetrievalRecord.load(tmp_path / "pipe")
    with_hub(3).save(tmp_path / "r.json")
    whole = json.loads((tmp_path / "r.json").read_text("utf-8"))
    whole["schema"] = "ragdiag.retrievals/1"
    (tmp_path / "r.json").write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(RecordError, match=r"it is of ragdiag\.retrievals/1, and ragdiag\.retrievals/2 is read"):
        RetrievalRecord.load(tmp_path / "r.json")


def test_a_store_that_is_gone_is_not_kept_by_its_record() -> None:
    def asked() -> tuple[RetrievalRecord, weakref.ref[Embeddings]]:
        store, embeddings = small()
        recorded = diagnose(store)
        recorded.similarity_search("text 1")
        return record_of(recorded), weakref.ref(embeddings)

    record, model = asked()
    gc.collect()
    assert model() is None
    assert any("no store is known to the record" in note for note in record.report().notes)
