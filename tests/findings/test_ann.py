from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import faiss
import pytest
from jsonschema import Draft202012Validator

from ragdiag import Plan, Severity, audit
from ragdiag.cli import main
from ragdiag.errors import StoreError
from ragdiag.findings.finding import Finding
from ragdiag.report.json import schema, to_json
from ragdiag.report.terminal import to_text, verdict
from ragdiag.stores import ArrayStore, FaissStore, Hits, Tuning
from ragdiag.types import Float32, Metric
from tests.ann_worlds import Misses, Searched, hiding
from tests.findings.planted import DIM, N, Told, check, fired, healthy, listed, silent

ASKED = healthy(seed=8, n=120)
KNOB = Tuning(knob="nprobe", value=2, values=(1, 2, 4, 8))


def missing(places: int) -> Misses:
    """Return what leaves out so many of the best ten, but never a document itself."""
    return lambda query, ids, effort: range(1, 1 + places)


def test_ann001_an_index_that_misses_neighbours() -> None:
    silent("ANN001", Searched(healthy()), query_vectors=ASKED)
    few = fired("ANN001", Searched(healthy(), missing(1), tuning=KNOB), query_vectors=ASKED)
    assert few.severity is Severity.WARNING
    assert few.message == "For the queries, the index finds 90 % of the nearest documents; 95 % is wanted."
    assert list(few.evidence) == ["ann.query.recall", "ann.document.recall", "ann.unreachable"]
    assert few.evidence["ann.query.recall"].value == pytest.approx(0.9)
    assert few.remedy.text == "Raise nprobe (now 2); --ann-target 0.95 finds the smallest that does."
    many = fired("ANN001", Searched(healthy(), missing(3)), query_vectors=ASKED)
    assert many.severity is Severity.ERROR
    assert many.remedy.text == "Build the index again with more links or finer lists, or search exactly."
    alone = fired("ANN001", Searched(healthy(), missing(3)))
    assert (
        alone.message
        == "For documents taken as queries, the index finds 70 % of the nearest documents; 95 % is wanted."
    )
    assert list(alone.evidence) == ["ann.document.recall", "ann.unreachable"]


def test_ann001_the_queries_decide() -> None:
    # Documents, which are asked first, are found; queries are not, and the other way about.
    silent(
        "ANN001",
        Searched(healthy(), lambda query, ids, effort: range(1, 6) if query < 200 else ()),
        query_vectors=ASKED,
    )
    fired(
        "ANN001", Searched(healthy(), lambda query, ids, effort: () if query < 200 else range(5)), query_vectors=ASKED
    )


def test_ann001_is_silent_where_chance_can_explain_it() -> None:
    def misses(query: int, ids: list[str], effort: int | None) -> range:
        return range(1, 7) if query % 10 == 0 else range(0)

    finding = check("ANN001", Searched(healthy(), misses))
    recall = finding.measures["ann.document.recall"]
    assert recall.value == pytest.approx(0.94)
    assert recall.high is not None
    assert recall.high > 0.95
    assert finding.passed == ("ANN001",)


def test_ann001_measures_against_the_target_that_was_given() -> None:
    store = Searched(healthy(), missing(3), tuning=KNOB)
    silent("ANN001", store, query_vectors=ASKED, plan=Plan(ann_target=0.6))
    assert fired("ANN001", store, plan=Plan(ann_target=0.9)).severity is Severity.ERROR
    few = Searched(healthy(), missing(1), tuning=KNOB)
    silent("ANN001", few, plan=Plan(ann_target=0.9))
    fired("ANN001", few, plan=Plan(ann_target=0.97))


def by_effort(query: int, ids: list[str], effort: int | None) -> range:
    return range(1, 1 + 8 // (effort or 2) - 1)


def test_ann001_names_the_smallest_setting_that_reached_the_target() -> None:
    # At nprobe 1, 2, 4, 8 it misses 7, 3, 1 and 0 of ten.
    store = Searched(healthy(), by_effort, tuning=KNOB)
    finding = fired("ANN001", store, query_vectors=ASKED, plan=Plan(ann_target=0.85))
    assert finding.remedy.text == "Set nprobe to 4 (now 2), the smallest of those tried that does."
    assert re.fullmatch(r"recall 90 % \[0\.8\d\d, 0\.9\d\d\] over 120 queries", finding.remedy.tested)
    none = fired("ANN001", Searched(healthy(), missing(3), tuning=KNOB), plan=Plan(ann_target=0.9))
    assert none.remedy.text.startswith("No nprobe that was tried reaches 0.9: build the index again")
    assert none.remedy.tested.startswith("at nprobe 8 recall is 70 % [")


def test_ann002_documents_that_no_query_reaches() -> None:
    silent("ANN002", Searched(healthy()))
    hidden = {str(row) for row in range(0, N, 20)}
    finding = fired("ANN002", Searched(healthy(), hiding(hidden)))
    share = finding.evidence["ann.unreachable"]
    assert set(listed(finding)) <= hidden
    assert finding.severity is Severity.WARNING
    assert share.value == pytest.approx(0.05, abs=0.04)
    lost = round(200 * (share.value or 0))
    assert finding.message == f"Of 200 documents drawn, {lost} are not found by their own vectors."
    whole = fired("ANN002", Searched(healthy(), hiding(hidden)), plan=Plan(ann_queries=N))
    assert whole.evidence["ann.unreachable"].value == 30 / N
    one = fired("ANN002", Searched(healthy(), hiding({"17"})), plan=Plan(ann_queries=N))
    assert (one.severity, listed(one)) == (Severity.INFO, ["17"])
    assert one.message == "Of 600 documents drawn, 1 is not found by its own vector."


def mismatched(**said: Any) -> Told:
    return Told(ArrayStore(healthy(), metric="cosine"), **said)


def test_ann003_an_index_for_another_metric() -> None:
    silent("ANN003", mismatched())
    silent("ANN003", mismatched(index_metric=Metric.COSINE))
    finding = fired("ANN003", mismatched(index_metric=Metric.L2))
    assert finding.severity is Severity.ERROR
    assert finding.message == "The index was built for l2, and its queries rank by cosine."
    assert finding.evidence["store.count"].value == N
    assert finding.remedy.text == "Build the index for cosine, or let the queries ask by l2."


def test_a_search_that_fails_is_told_and_ends_no_audit() -> None:
    class Gone(Searched):
        def search(self, queries: Float32, k: int, *, exact: bool = False, effort: int | None = None) -> list[Hits]:
            raise StoreError("the server at db:1 has gone", hint="start it")

    report = audit(Gone(healthy()))
    why = "its own search failed: the server at db:1 has gone"
    assert {report.skipped[code] for code in ("ANN001", "ANN002")} == {why}
    assert f"the index was not checked: {why}" in report.notes
    assert why in verdict(report)
    assert "of its own" not in verdict(audit(healthy()))  # an array has nothing to test


def findings(store: Any, **options: Any) -> list[Finding]:
    return [f for f in audit(store, **options).findings if f.code.startswith("ANN")]


def test_a_flat_index_has_no_finding_and_a_starved_one_has(tmp_path: Path) -> None:
    X = healthy(n=2000)
    for factory, codes in (("Flat", []), ("IVF64,Flat", ["ANN001"])):
        index = faiss.index_factory(DIM, factory, faiss.METRIC_INNER_PRODUCT)
        index.train(X)
        index.add(X)
        faiss.write_index(index, str(tmp_path / "x.faiss"))
        for store in (FaissStore(index), str(tmp_path / "x.faiss")):
            assert [finding.code for finding in findings(store)] == codes
    report = audit(FaissStore(index), plan=Plan(ann_target=0.9))
    (finding,) = [finding for finding in report.findings if finding.code == "ANN001"]
    assert finding.severity is Severity.ERROR
    assert report.ann is not None
    assert finding.remedy.text == f"Set nprobe to {report.ann.reached} (now 1), the smallest of those tried that does."


def test_the_json_holds_the_settings_and_is_the_same_but_for_the_run() -> None:
    store = Searched(healthy(), by_effort, tuning=KNOB)
    held = [json.loads(to_json(audit(store, query_vectors=ASKED, plan=Plan(ann_target=0.85)))) for _ in range(2)]
    runs = [document.pop("run") for document in held]
    assert held[0] == held[1]
    ann = held[0]["ann"]
    assert {name: ann[name] for name in ("knob", "value", "decides", "target", "reached")} == {
        "knob": "nprobe",
        "value": 2,
        "decides": "ann.query.recall",
        "target": 0.85,
        "reached": 4,
    }
    recalls = {setting["effort"]: setting["recall"]["value"] for setting in ann["settings"]}
    assert recalls == pytest.approx({1: 0.3, 2: 0.7, 4: 0.9, 8: 1.0})
    assert [latency["effort"] for latency in runs[0]["latencies"]] == [1, 2, 4, 8]
    Draft202012Validator(schema()).validate({**held[0], "run": runs[0]})


def test_the_terminal_shows_the_settings_in_eighty_columns() -> None:
    store = Searched(healthy(), by_effort, tuning=KNOB)
    text = to_text(audit(store, query_vectors=ASKED, plan=Plan(ann_target=0.85)))
    assert max(map(len, text.splitlines())) <= 80
    said = " ".join(text.split())
    assert "nprobe recall 95 % interval median ms 95 % ms 1 0.300 [" in said
    assert " 2 (now) 0.700 [" in said
    assert "Over 120 queries, nprobe 4 is the smallest that is sure to reach 0.85." in said
    assert "The present one does" not in said
    content = to_text(audit(store, plan=Plan(ann_target=0.5)))
    assert "nprobe 2 is the smallest that is sure to reach 0.5. The present one does." in " ".join(content.split())
    assert "nprobe" not in to_text(audit(Searched(healthy(), tuning=KNOB)))


def test_the_option_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    X = healthy(n=1000)
    index = faiss.index_factory(DIM, "HNSW4,Flat")
    index.add(X)
    faiss.write_index(index, str(tmp_path / "x.faiss"))
    args = ["audit", str(tmp_path / "x.faiss"), "--select", "ANN", "--fail-on", "never"]
    assert main([*args, "--ann-target", ".9"]) == 0
    assert "efSearch" in capsys.readouterr().out
    assert main([*args, "--ann-target", "1"]) == 2
    assert "1.0 is not in the range 0<x<1" in capsys.readouterr().err
    assert main([*args, "--ann-target", "nan"]) == 2
