from __future__ import annotations

import json
import math
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import validate
from ragdiag_langchain import RetrievalRecord, diagnose, record_of
from ragdiag_langchain.sketches import Durations, FrequentItems
from ragdiag_langchain.traffic import Retrieval

from ragdiag.errors import ConfigError, RecordError, TargetExistsError
from ragdiag.plan import Plan
from ragdiag.report.json import schema, to_dict
from ragdiag.stores import ArrayStore
from tests.integrations.langchain.live import QUESTIONS, handbook


def filled(n: int, *, seed: int = 0, reservoir: int = 2000, capacity: int = 100_000, first: int = 0) -> RetrievalRecord:
    record = RetrievalRecord(reservoir=reservoir, capacity=capacity, rng=np.random.default_rng(seed))
    for at in range(first, first + n):
        ids = ("hub", f"d{at % 97}", f"d{at % 89 + 100}")
        retrieval = Retrieval(f"q{at}", ids, (0.9, 0.5, 0.25), "higher", seconds=0.001 * (1 + at % 10))
        record.add("store", retrieval, vector=[float(at), 1.0], texts=[f"text of {id_}" for id_ in ids])
    return record


@given(st.lists(st.integers(0, 30), max_size=400), st.integers(1, 8), st.integers(0, 400))
def test_the_counts_are_within_what_the_sketch_promises(stream: list[int], capacity: int, cut: int) -> None:
    whole, left, right = (FrequentItems(capacity) for _ in range(3))
    for at, item in enumerate(stream):
        whole.add([str(item)])
        (left if at < cut else right).add([str(item)])
    left.merge(right)
    true = Counter(map(str, stream))
    for items in (whole, left):
        assert items.total == len(stream)
        assert items.missing <= len(stream) / (capacity + 1)
        assert len(items.counts) <= 2 * capacity
        for id_, count in true.items():
            assert 0 <= count - items.counts.get(id_, 0) <= items.missing
    if len(true) <= 2 * capacity:
        assert (whole.counts, whole.missing) == (dict(true), 0)


def test_memory_is_bounded_and_the_hub_is_kept() -> None:
    record = RetrievalRecord(reservoir=50, capacity=100, rng=np.random.default_rng(0))
    for at in range(5000):
        record.add("s", Retrieval(f"q{at}", ("hub", f"d{at}", f"e{at}")), texts=["a" * 1000] * 3)
    traffic = record._traffic["s"]
    assert len(traffic.sample) == 50
    assert len(traffic.items.counts) <= 200
    assert len(traffic.texts) <= 4 * 50 * 10
    assert {len(text) for text in traffic.texts.values()} == {200}
    name, count = traffic.items.largest(1)[0]
    assert name == "hub"
    assert 5000 - traffic.items.missing <= count <= 5000
    measures = record.report().measures
    assert measures["hubness.query.largest"].value == 1
    share = measures["traffic.top_1_percent"]
    assert share.value is None
    assert "more were listed than the 100 that are counted exactly" in share.undefined
    # With a store, 1 % of its 10,001 documents is 100: the hub and 99 of the others.
    X = np.random.default_rng(0).standard_normal((10_001, 4)).astype(np.float32)
    ids = ["hub", *(f"{letter}{at}" for at in range(5000) for letter in "de")]
    share = record.report(store=ArrayStore(X, ids=ids)).measures["traffic.top_1_percent"]
    assert share.low is not None
    assert share.high is not None
    assert share.low <= (5000 + 99) / 15_000 <= share.high
    assert any("counted exactly" in note for note in record.report().notes)


def test_the_sample_is_uniform_also_after_a_merge() -> None:
    kept = np.zeros(300)
    for seed in range(400):
        parts = [filled(100, seed=2 * seed, reservoir=30), filled(200, seed=2 * seed + 1, reservoir=30, first=100)]
        for retrieval in RetrievalRecord.merged(parts).retrievals():
            kept[int(retrieval.query[1:])] += 1
    assert kept.sum() == 400 * 30
    # 40 ± 6 of each; the first third comes from one process, the others from another.
    assert abs(kept[:100].mean() - 40) < 4 * 6 / 10
    assert abs(kept[:10].mean() - 40) < 4 * 6 / math.sqrt(10)
    assert abs(kept[-10:].mean() - 40) < 4 * 6 / math.sqrt(10)
    assert np.abs(kept - 40).max() < 5 * 6


def test_merged_records_count_as_one() -> None:
    whole = filled(300)
    parts = [filled(100, seed=1), filled(200, seed=2, first=100)]
    merged = RetrievalRecord.merged(parts)
    assert merged.asked == 300
    one, two = whole._traffic["store"], merged._traffic["store"]
    assert one.items.counts == two.items.counts
    np.testing.assert_array_equal(one.durations.bins, two.durations.bins)
    assert [r.query for r in merged.retrievals()] == [r.query for r in whole.retrievals()]
    assert to_dict(merged.report())["measures"] == to_dict(whole.report())["measures"]
    assert [part.asked for part in parts] == [100, 200]
    with pytest.raises(RecordError, match="no record to merge"):
        RetrievalRecord.merged([])


def test_threads_lose_nothing() -> None:
    record = RetrievalRecord(reservoir=100)

    def work() -> None:
        for at in range(500):
            record.add("s", Retrieval(f"q{at}", ("hub", str(at))))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traffic = record._traffic["s"]
    assert (record.asked, traffic.items.counts["hub"], traffic.items.total) == (4000, 4000, 8000)
    assert int(traffic.durations.bins.sum()) == 4000


def test_margins_latency_and_top_share() -> None:
    record = RetrievalRecord(rng=np.random.default_rng(0))
    for at in range(100):
        lower = Retrieval(f"q{at}", ("a", f"b{at}"), (1.0, 1.5 + 0.01 * (at % 2)), "lower", seconds=(at + 1) / 1000)
        record.add("s", lower)
    record.add("s", Retrieval("broken", error="TimeoutError"))
    record.add("s", Retrieval("nothing"))
    measures = record.report().measures
    margin = measures["traffic.margin_first"]
    assert margin.value == pytest.approx(0.505)  # better is lower: the second has so much more
    assert (margin.value, margin.n) == (measures["traffic.margin_last"].value, 100)
    assert (measures["traffic.failed"].value, measures["traffic.failed"].n) == (1 / 102, 102)
    assert (measures["traffic.empty"].value, measures["traffic.empty"].n) == (1 / 101, 101)
    assert measures["traffic.top_1_percent"].value == 0.5  # of 101 documents the first
    assert measures["traffic.milliseconds_50"].value == pytest.approx(49.5, rel=0.03)
    assert measures["traffic.milliseconds_95"].value == pytest.approx(95, rel=0.03)
    low, high = measures["traffic.milliseconds_50"].low, measures["traffic.milliseconds_50"].high
    assert low is not None
    assert high is not None
    assert low < 41.5
    assert high > 57.5  # ranks 40 to 60 of 100, by the binomial law


def test_what_is_not_known_is_neither_empty_nor_full(tmp_path: Path) -> None:
    record = RetrievalRecord()
    record.add("s", Retrieval("a", known=False))
    record.add("s", Retrieval("b"))
    record.add("s", Retrieval("c", ("x",), apart=True))
    record.add("s", Retrieval("d", ("x",)))
    record.save(tmp_path / "r.json")
    loaded = RetrievalRecord.load(tmp_path / "r.json")
    assert [(r.known, r.apart) for r in loaded.retrievals()] == [
        (False, False),
        (True, False),
        (True, True),
        (True, False),
    ]
    for whole, times in ((record, 1), (loaded, 1), (RetrievalRecord.merged([record, loaded]), 2)):
        report = whole.report()
        empty = report.measures["traffic.empty"]
        assert (empty.value, empty.n) == (1 / 3, 3 * times)
        given = "1 retrieval gave" if times == 1 else "2 retrievals gave"
        assert f"{given} an iterator: with which documents is not known, nor whether there were any" in report.notes
        searches = "1 search" if times == 1 else "2 searches"
        assert any(note.startswith(f"{searches} of the store in a thread of its own") for note in report.notes)


@pytest.mark.parametrize("seconds", [0.0, 1e-7, 1e-6, 0.0123, 3.0, 1e9])
def test_a_duration_is_off_by_at_most_a_hundredth(seconds: float) -> None:
    durations = Durations()
    durations.add(seconds)
    value = durations.quantile(0.5).value
    assert value is not None
    if 2e-6 < seconds < 1e4:
        assert value == pytest.approx(seconds * 1000, rel=0.0101)


def test_queries_far_from_the_documents_are_counted() -> None:
    rng = np.random.default_rng(0)
    axis = np.zeros(32)
    axis[0] = 2.0
    X = (axis + rng.standard_normal((2000, 32))).astype(np.float32)
    record = RetrievalRecord()
    for at in range(200):
        vector = (axis if at < 150 else -axis) + rng.standard_normal(32)
        record.add("s", Retrieval(f"q{at}", (str(at % 7), str(at))), vector=vector)
    outside = record.report(store=X).measures["traffic.outside_documents"]
    assert outside.n == 200
    assert outside.null == 0.01
    assert 50 <= round((outside.value or 0) * 200) <= 56  # the 50 on the other side, and 1 % of the others
    assert outside.low is not None
    assert outside.low > 0.19


def test_saved_and_loaded_it_is_the_same_to_the_byte(tmp_path: Path) -> None:
    store, _ = handbook()
    recorded = diagnose(
        store.as_retriever(search_kwargs={"k": 10}), record=RetrievalRecord(rng=np.random.default_rng(1))
    )
    recorded.batch(QUESTIONS[:60])
    record = record_of(recorded)
    record.add(
        "odd", Retrieval("\ud800 \x1b[2J", ("é", "text:1"), (math.inf, math.nan), "higher", error="", run_id="r")
    )
    record.save(tmp_path / "one.json")
    loaded = RetrievalRecord.load(tmp_path / "one.json")
    loaded.save(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    one, two = (to_dict(r.report(store=store, plan=Plan(seed=3))) for r in (record, loaded))
    validate(one, schema())
    assert {**one, "run": None} == {**two, "run": None}
    validate(to_dict(loaded.report(source="odd")), schema())
    assert "\x1b" not in str(loaded.report(source="odd"))
    for a, b in zip(record.retrievals(), loaded.retrievals(), strict=True):
        assert (a.query, a.ids, a.scores, a.run_id, a.seconds) == (b.query, b.ids, b.scores, b.run_id, b.seconds)
        np.testing.assert_array_equal(a.vector, b.vector)
    with pytest.raises(TargetExistsError):
        record.save(tmp_path / "one.json")
    loaded.add("odd", Retrieval("more"))
    assert loaded.asked == record.asked + 1


def _put(whole: dict[str, Any], path: str, value: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        whole = whole[int(step) if isinstance(whole, list) else step]
    whole[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", "ragdiag.retrievals/3"),
        ("unreached", [1]),
        ("unreached", ["a"] * 101),
        ("sources.store.sample.0.relevance", 0),
        ("capacity", 0),
        ("reservoir", True),
        ("sources", []),
        ("sources.store", 7),
        ("sources.store.asked", 10**400),
        ("sources.store.asked", 6),
        ("sources.store.empty", 9),
        ("sources.store.unknown", 6),
        ("sources.store.apart", 6),
        ("sources.store.apart", True),
        ("sources.store.sample.0.known", 1),
        ("sources.store.sample.0.apart", None),
        ("sources.store.errors", {"A": -1}),
        ("sources.store.counts", {"hub": 10**6}),
        ("sources.store.durations", {"5000": 5}),
        ("sources.store.durations", {"-1": 5}),
        ("sources.store.durations", {"٣": 5}),
        ("sources.store.sample", []),
        ("sources.store.texts", {"a": 1}),
        ("sources.store.votes", {}),
        ("sources.store.sample.0.key", 1e999),
        ("sources.store.sample.0.number", 3),
        ("sources.store.sample.0.ids", "hub"),
        ("sources.store.sample.0.scores", [1.0]),
        ("sources.store.sample.0.scores", [[], 1, 1]),
        ("sources.store.sample.0.vector", "!"),
        ("sources.store.sample.0.vector", "AAA="),
        ("sources.store.sample.0.vector", ""),
        ("sources.store.sample.0.seconds", -1),
        ("sources.store.sample.0.direction", "up"),
        ("sources.store.sample.0.query", None),
    ],
)
def test_a_hostile_file_is_one_clear_error(tmp_path: Path, path: str, value: Any) -> None:
    record = filled(5)
    record.save(tmp_path / "r.json")
    whole = json.loads((tmp_path / "r.json").read_text("utf-8"))
    _put(whole, path, value)
    (tmp_path / "r.json").write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(RecordError, match=r"is no record of retrievals") as caught:
        RetrievalRecord.load(tmp_path / "r.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[" * 100_000, b"{}", b"[]", b"null", b'{"schema": "ragdiag.retrievals/2"}']
)
def test_what_is_no_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(RecordError, match="is no record of retrievals"):
        RetrievalRecord.load(tmp_path / "r.json")
    with pytest.raises(RecordError, match="cannot be read"):
        RetrievalRecord.load(tmp_path / "none.json")
    with pytest.raises(RecordError, match="cannot be read"):
        RetrievalRecord.load(tmp_path)


def test_sizes_are_checked() -> None:
    with pytest.raises(ConfigError, match="reservoir is 0"):
        RetrievalRecord(reservoir=0)
    with pytest.raises(ConfigError, match="capacity is True"):
        RetrievalRecord(capacity=True)


def test_listed_documents_that_the_store_does_not_hold() -> None:
    X = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    record = RetrievalRecord()
    for at in range(20):
        record.add("s", Retrieval(f"q{at}", (str(at), "gone")))
    missed = "50 % of the listed documents are not in the store under the id they came with"
    assert missed in record.report(store=X).notes
    assert record.report(store=X).measures["hubness.query.largest"].value == 1 / 20
    failed = RetrievalRecord()
    failed.add("s", Retrieval("p", error="ValueError"))
    report = failed.report(store=X)
    assert report.measures["hubness.query.largest"].undefined == "no queries were given"
    assert report.store.count == 50


def test_lists_of_other_documents_than_the_store_holds() -> None:
    X = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    record = RetrievalRecord()
    for at in range(40):
        record.add("s", Retrieval(f"q{at}", ("parent", f"of {at}", f"of {at + 1}")), vector=X[at])
    report = record.report(store=X)
    assert [finding.code for finding in report.findings] == ["HUB001"]
    assert [document.id for document in report.findings[0].documents] == ["parent"]
    assert any(note.startswith("the lists are not of this store's documents") for note in report.notes)


@settings(deadline=None, max_examples=60)
@given(
    lists=st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=25),
    stored=st.booleans(),
    scored=st.booleans(),
    vectors=st.booleans(),
)
def test_any_record_has_a_report(lists: list[list[int]], stored: bool, scored: bool, vectors: bool) -> None:
    record = RetrievalRecord()
    for at, ids in enumerate(lists):
        scores = tuple(-float(i) for i in range(len(ids))) if scored else None
        retrieval = Retrieval(f"q{at // 2}", tuple(map(str, ids)), scores)
        record.add("s", retrieval, vector=[1.0, float(at), 0.0] if vectors else None)
    X = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    report = record.report(store=X if stored else None)
    validate(to_dict(report), schema())
    assert str(report)
    assert report.measures["traffic.empty"].value == sum(not ids for ids in lists) / len(lists)
