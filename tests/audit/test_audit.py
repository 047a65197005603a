from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from ragdiag import LocalEngine, Metric, Plan, Report, Severity, VectorStore, audit
from ragdiag.engine import Progress, Step
from ragdiag.engine.products import HOST
from ragdiag.errors import ConfigError, JudgementsError, StoreError, VectorsError
from ragdiag.report.json import to_json
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import ArrayStore, ScannedStore
from ragdiag.testing.worlds import isotropic, offset_normal
from ragdiag.types import Batch, Float32, Float64, Measure, Shard, StoreInfo
from tests.audit.handbook import HANDBOOK, QUERY_VECTORS, corpus, planted

WHOLE = Shard(0, 1)
WITH_QUERIES: dict[str, Any] = {"judgements": HANDBOOK, "query_vectors": QUERY_VECTORS}


@pytest.fixture(scope="module")
def report(handbook: Path) -> Report:
    return audit(f"faiss:{handbook}", **WITH_QUERIES)


def listed(report: Report, code: str) -> list[str]:
    found = next(finding for finding in report.findings if finding.code == code)
    return [document.id for document in found.documents]


def test_the_handbook_shows_what_was_planted_and_nothing_else(report: Report) -> None:
    wrong = {finding.code for finding in report.findings if finding.severity >= Severity.WARNING}
    assert wrong == {"SIM002", "HUB001", "IDX004", "IDX006", "IDX007", "IDX009", "IDX010"}
    assert {finding.code for finding in report.findings if finding.severity is Severity.ERROR} == {"SIM002"}


def test_the_handbooks_flaws_are_named(report: Report) -> None:
    flaws = planted()
    assert listed(report, "IDX004") == sorted(flaws["empty"])
    assert set(listed(report, "IDX009")) <= set(flaws["not_normalised"])
    assert set(listed(report, "IDX010")) <= set(flaws["previous_model"])
    copies = {*flaws["exact_duplicates"], *flaws["exact_duplicates"].values(), *flaws["empty"]}
    assert set(listed(report, "IDX006")) <= copies
    revisions = {*flaws["near_duplicates"], *flaws["near_duplicates"].values()}
    assert set(listed(report, "IDX007")) <= revisions
    # Two pages that many questions are about come after the five pieces of page furniture.
    assert set(listed(report, "HUB001")[:5]) <= set(flaws["boilerplate"])
    assert len(listed(report, "HUB001")) == 7


def test_the_handbooks_numbers_are_those_of_its_readme(report: Report) -> None:
    flaws, n = planted(), 427
    measures = report.measures
    assert measures["texts.empty"].value == len(flaws["empty"]) / n
    assert measures["duplicates.texts"].value == len(flaws["exact_duplicates"]) / n
    # Pages and revisions, pages and copies, and the empty chunks, which are all alike.
    assert measures["duplicates.near"].value == (60 + 20 + 8) / n
    separate = next(finding for finding in report.findings if finding.code == "IDX010").evidence
    assert separate["population.minor_share"].value == pytest.approx(40 / (n - 16))  # distinct vectors
    lengths = next(finding for finding in report.findings if finding.code == "IDX009").evidence
    assert lengths["norms.not_normalised"].value == pytest.approx(35 / n)
    assert report.comparison is not None
    scores = {run.similarity: run.scores["nDCG@10"].mean.value for run in report.comparison.runs}
    assert scores == pytest.approx({"l2": 0.505, "cosine": 0.538, "dot": scores["dot"]}, abs=5e-4)
    assert (report.comparison.baseline, report.comparison.winner) == ("l2", "cosine")


def without_run(report: Report) -> str:
    held = json.loads(to_json(report))
    assert held.pop("run")["seconds"] > 0
    return json.dumps(held)


AGAIN = """
import json, sys
from ragdiag import audit
from ragdiag.report.json import to_json
print(to_json(audit(sys.argv[1], judgements=sys.argv[2], query_vectors=sys.argv[3])))
"""


def test_the_same_seed_gives_the_same_bytes(handbook: Path, report: Report) -> None:
    assert without_run(audit(f"faiss:{handbook}", **WITH_QUERIES)) == without_run(report)


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(handbook: Path, report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "12345")
    args = [f"faiss:{handbook}", str(HANDBOOK), str(QUERY_VECTORS)]
    done = subprocess.run([sys.executable, "-c", AGAIN, *args], check=True, capture_output=True, text=True)
    held = json.loads(done.stdout)
    del held["run"]
    assert json.dumps(held) == without_run(report)


def same(a: Measure, b: Measure, rel: float = 1e-6) -> bool:
    pairs = ((a.value, b.value), (a.low, b.low), (a.high, b.high), (a.null, b.null))
    close = all(
        (x is None) == (y is None) and (x is None or x == pytest.approx(y, rel=rel, abs=1e-9)) for x, y in pairs
    )
    return close and (a.n, a.undefined) == (b.n, b.undefined)


def differences(a: Report, b: Report, rel: float = 1e-6) -> list[str]:
    """Return the names of the measures that differ by more than rounding."""
    assert a.measures.keys() == b.measures.keys()
    return [name for name in a.measures if not same(a.measures[name], b.measures[name], rel)]


@pytest.mark.parametrize("batch_size", [7, 100])
def test_batches_of_any_size_give_the_same_report(handbook: Path, report: Report, batch_size: int) -> None:
    other = audit(f"faiss:{handbook}", engine=LocalEngine(batch_size), **WITH_QUERIES)
    assert differences(report, other) == []
    # Equal scores are told apart by the pair, not by the batch.
    assert [finding.documents for finding in other.findings] == [finding.documents for finding in report.findings]
    assert (other.passed, other.skipped) == (report.passed, report.skipped)


def world(n: int = 1500, dim: int = 24, seed: int = 0) -> Float32:
    return offset_normal(np.random.default_rng(seed), n, dim, rho=0.1)


def test_another_seed_draws_others() -> None:
    X = world()
    a, b = (audit(X, plan=Plan(seed=seed, sample_queries=200, sample_documents=300)) for seed in (0, 2**70))
    assert a.measures["uniformity.document"].value != b.measures["uniformity.document"].value
    assert a.measures["uniformity.document"].value == pytest.approx(b.measures["uniformity.document"].value, abs=0.1)
    # Nothing is drawn for what is counted over all.
    assert a.measures["anisotropy.mean_cosine"] == b.measures["anisotropy.mean_cosine"]


def width(report: Report, name: str) -> float:
    measure = report.measures[name]
    assert measure.low is not None
    assert measure.high is not None
    return measure.high - measure.low


def test_a_sample_says_so() -> None:
    X = world()
    whole = audit(X)
    part = audit(X, plan=Plan(sample_queries=100, sample_documents=200))
    sampling = part.sampling
    assert (sampling.documents, sampling.document_queries, sampling.moment_documents) == (1500, 100, 200)
    assert (sampling.queries, sampling.k, sampling.seed) == (0, 10, 0)
    drawn = {"uniformity.document": 200, "population.separation": 200, "hubness.document.orphans": 100}
    drawn |= {"duplicates.near": 100, "outliers.far": 100, "hubness.document.skewness": 100}
    assert {name: part.measures[name].n for name in drawn} == drawn
    for name in ("uniformity.document", "duplicates.near", "hubness.document.robin_hood"):
        assert width(part, name) > 1.5 * width(whole, name)
    orphans = part.measures["hubness.document.orphans"]
    assert orphans.value != whole.measures["hubness.document.orphans"].value  # it falls with the queries, as its null
    # Counted over all documents, whatever was drawn.
    for name in ("anisotropy.mean_cosine", "norms.variation", "duplicates.vectors", "spectrum.participation_ratio"):
        assert part.measures[name].n == 1500
        assert part.measures[name].value == pytest.approx(whole.measures[name].value, rel=0.05)
    drawn_u, counted_u = part.measures["uniformity.document"], whole.measures["uniformity.document"]
    assert (drawn_u.low or 0) < (counted_u.value or 0) < (drawn_u.high or 0)
    # Every query searched all documents, and the null knows how few they were.
    assert orphans.null == pytest.approx((1 - 10 / 1500) ** 100)
    assert orphans.value == pytest.approx(orphans.null, abs=0.15)


def test_any_store_with_the_same_vectors_gives_the_same_measures(tmp_path: Path) -> None:
    X = isotropic(np.random.default_rng(0), 300, 16)
    texts = [f"text number {i} of many" for i in range(300)]
    bare = audit(X)
    np.save(tmp_path / "x.npy", X)
    assert differences(bare, audit(tmp_path / "x.npy"), rel=1e-12) == []
    assert differences(bare, audit(f"npy:{tmp_path / 'x.npy'}"), rel=1e-12) == []

    for metric, index in (("dot", faiss.IndexFlatIP(16)), ("l2", faiss.IndexFlatL2(16))):
        index.add(X)
        faiss.write_index(index, str(tmp_path / "index.faiss"))
        from_faiss = audit(f"faiss:{tmp_path}")
        assert from_faiss.store.metric is Metric(metric)
        # An array has no search of its own; that of a flat index misses nothing.
        own = ["ann.document.recall", "ann.query.recall", "ann.unreachable"]
        assert differences(audit(ArrayStore(X, metric=metric)), from_faiss, rel=1e-12) == own
        assert (from_faiss.measures[own[0]].value, from_faiss.measures[own[2]].value) == (1.0, 0.0)
        # Unit vectors rank alike under all; what is no unit vector once its coordinates are rescaled does not.
        assert differences(bare, from_faiss, rel=1e-5) == ["sensitivity.axis_scaling", *own]

    memory = InMemoryVectorStore(DeterministicFakeEmbedding(size=16))
    for i, (text, vector) in enumerate(zip(texts, X, strict=True)):
        memory.store[str(i)] = {"id": str(i), "text": text, "vector": vector.tolist(), "metadata": {}}
    live = audit(memory)
    of_texts = {name for name in bare.measures if name.startswith("texts.") or "text" in name}
    assert set(differences(bare, live, rel=1e-12)) == {
        name for name in of_texts if not same(bare.measures[name], live.measures[name])
    }
    assert live.measures["texts.empty"].value == 0.0
    held = audit(ArrayStore(X, ids=[str(i) for i in range(300)], texts=texts, metric="cosine"))
    assert differences(live, held, rel=1e-12) == []


def test_a_live_store_filled_by_langchain() -> None:
    model = DeterministicFakeEmbedding(size=16)
    memory = InMemoryVectorStore(model)
    documents = [Document(id=f"d{i}", page_content=f"text {i // 2}") for i in range(100)]
    memory.add_documents(documents)
    found = audit(memory, embeddings=model)
    assert found.measures["duplicates.vectors"].value == 0.5
    assert found.measures["duplicates.texts"].value == 0.5
    assert found.measures["embedder.mismatch"].value == 0.0


def test_progress_counts_the_documents() -> None:
    told: list[tuple[str, int, int]] = []
    audit(world(), engine=LocalEngine(400, threads=1), progress=lambda *args: told.append(args))
    counts = [(400, 1500), (800, 1500), (1200, 1500), (1500, 1500)]
    stages = ("reading the store", "searching the neighbours")
    passes = [(stage, *count) for stage in stages for count in counts]
    assert told == [*passes[:4], ("comparing all pairs", 1500, 1500), *passes[4:]]


class Repeated(ScannedStore):
    """A store that breaks the promise of unique ids."""

    info = StoreInfo(name="repeated", kind="test", count=40, dim=24, metric=None)

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        ids = [f"d{i}" for i in range(20)]
        yield Batch(ids, world(20))
        yield Batch(["e0", "d7", "d8", *ids[3:]], world(20, seed=1))

    def fetch(self, ids: Sequence[str]) -> Batch:
        raise NotImplementedError


def test_duplicate_ids_are_refused() -> None:
    store: VectorStore = Repeated()
    with pytest.raises(StoreError) as raised:
        audit(store)
    assert str(raised.value) == "repeated has 19 repeated ids, such as 'd7': give every vector its own id"


class Emptied(Repeated):
    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        yield Batch(["d0"], world(1))


def test_a_store_that_is_emptied_meanwhile() -> None:
    with pytest.raises(StoreError, match=r"^repeated gave 1 vectors: was it emptied while it was read\?$"):
        audit(Emptied())


def with_nan_rows() -> tuple[Float32, Float32]:
    X = world(500)
    bad = np.full((25, 24), np.nan, dtype=np.float32)
    bad[3] = np.inf
    # At the end, so that the others keep their positions, by which ties are broken.
    return X, np.concatenate([X, bad])


# Of rows drawn among all: with more rows, others are drawn.
DRAWN = ("norms.overlap_cosine_dot", "norms.overlap_cosine_l2", "sensitivity.axis_scaling", "gap.probe_auc")


def test_vectors_that_are_not_finite_are_left_out_of_every_other_measure() -> None:
    X, with_bad = with_nan_rows()
    clean, dirty = audit(X), audit(with_bad)
    assert [finding.code for finding in dirty.findings] == ["IDX001"]
    assert dirty.findings[0].evidence["vectors.unusable"].value == 25 / 525
    assert clean.findings == ()
    assert [name for name in differences(clean, dirty) if name not in DRAWN] == []


def test_vectors_that_are_not_finite_are_no_orphans() -> None:
    X, with_bad = with_nan_rows()
    Q = world(200, seed=5)
    found = differences(audit(X, query_vectors=Q), audit(with_bad, query_vectors=Q))
    assert [name for name in found if name not in DRAWN] == []


def test_too_little_is_refused() -> None:
    X = world(50)
    for rows, message in ((0, "no vector that is"), (1, "one vector alone that is")):
        few = np.where(np.arange(50)[:, None] < rows, X, np.float32(np.nan))
        with pytest.raises(
            StoreError, match=rf"^array holds {message} finite and not zero: embed the documents again$"
        ):
            audit(few)
    with pytest.raises(StoreError, match=r"^array holds one vector: an audit compares vectors; store at least two$"):
        audit(X[:1])
    mostly = X.copy()
    mostly[2:] = 0
    with pytest.raises(StoreError, match=r"^none of the documents drawn from array has a vector that is finite"):
        audit(mostly, plan=Plan(sample_queries=1, sample_documents=1))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 11])
def test_a_tiny_store_is_audited_and_what_it_cannot_tell_is_undefined(n: int) -> None:
    found = audit(isotropic(np.random.default_rng(0), n, 8))
    assert found.findings == ()
    assert all(bool(measure.undefined) == (measure.value is None) for measure in found.measures.values())
    assert found.measures["uniformity.document"].value is None or n >= 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_queries": 0}, "sample_queries is 0: give a whole number, at least 1"),
        ({"sample_documents": -1}, "sample_documents is -1: give a whole number, at least 1"),
        ({"k": 0}, "k is 0: give a whole number, at least 1"),
        ({"seed": -1}, "seed is -1: give a whole number, at least 0"),
        ({"k": 2.5}, "k is 2.5: give a whole number, at least 1"),
        ({"k": True}, "k is True: give a whole number, at least 1"),
        ({"seed": False}, "seed is False: give a whole number, at least 0"),
        ({"select": "HUB"}, 'select is \'HUB\': give a tuple of rule codes, such as ("HUB", "IDX001")'),
        ({"ignore": (1,)}, 'ignore is (1,): give a tuple of rule codes, such as ("HUB", "IDX001")'),
        ({"min_effect": float("nan")}, "min_effect is nan: give a number from 0 to 1"),
        ({"ann_queries": 0}, "ann_queries is 0: give a whole number, at least 1"),
        ({"ann_target": 1.0}, "ann_target is 1.0: give a number above 0 and below 1"),
        ({"ann_target": "x"}, "ann_target is 'x': give a number above 0 and below 1"),
        ({"min_effect": "1"}, "min_effect is '1': give a number from 0 to 1"),
    ],
)
def test_a_plan_is_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Plan(**options)
    assert str(raised.value) == message
    with pytest.raises(ConfigError):
        replace(Plan(), **options)


def test_one_purpose_of_chance_does_not_touch_another() -> None:
    plan = Plan(seed=3)
    a, b = plan.rng("documents"), plan.rng("document queries")
    first = a.random()
    assert first != b.random()
    b.random(100)
    assert plan.rng("documents").random() == first
    assert Plan(seed=4).rng("documents").random() != first


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((3, 5)), "the query vectors has dimension 5 where the store has 24: use the embedding model that"),
        (np.full((3, 24), np.nan), "the query vectors holds NaN or infinite values: embed those queries again"),
        (np.ones((0, 24)), "the query vectors holds no query: give one row per query"),
        (np.ones(24), r"the query vectors has shape \(24,\), not \(vectors, dimensions\): store one vector per row"),
        (
            np.ma.ones((3, 24)),
            "the query vectors is a masked array: leave its masked rows out, or call its filled method",
        ),
        ([["a"]], "the query vectors holds .* values, not numbers"),
    ],
)
def test_query_vectors_are_checked(vectors: Any, message: str) -> None:
    with pytest.raises(VectorsError, match=f"^{message}"):
        audit(world(50), query_vectors=vectors)


def test_a_masked_array_is_no_store() -> None:
    with pytest.raises(VectorsError, match=r"^array is a masked array: "):
        audit(np.ma.masked_invalid(world(50)))


LABELS = Judgements("labels", ("q0", "q1"), ("a", "b"), ({"0": 1}, {"1": 1}))


def test_labels_are_checked() -> None:
    X = world(50)
    with pytest.raises(VectorsError, match=r"^the query vectors has 3 rows for 2 queries of labels: give one row per"):
        audit(X, judgements=LABELS, query_vectors=X[:3])
    with pytest.raises(JudgementsError, match=r"^queries need vectors: add --query-vectors FILE\.npy or --embeddings"):
        audit(X, judgements=LABELS)
    nothing = replace(LABELS, relevant=({}, {}))
    with pytest.raises(JudgementsError, match=r"^labels judges no document relevant: give grades of 1 or more$"):
        audit(X, judgements=nothing, query_vectors=X[:2])
    elsewhere = replace(LABELS, relevant=({"x": 1}, {"y": 1}))
    message = r"^none of the 2 judged ids, such as 'x', is in array: the judgements belong to another store"
    with pytest.raises(JudgementsError, match=message):
        audit(X, judgements=elsewhere, query_vectors=X[:2])


class Counting:
    """An engine that counts how often the store is read."""

    products = HOST

    def __init__(self) -> None:
        self.stages: list[str] = []

    def run(
        self, store: VectorStore, steps: Sequence[Step], *, stage: str = "", progress: Progress | None = None
    ) -> int:
        self.stages.append(stage)
        return LocalEngine(64).run(store, steps, stage=stage, progress=progress)


def test_an_engine_of_ones_own_reads_the_store_twice() -> None:
    X, engine = world(300), Counting()
    assert differences(audit(X, engine=engine), audit(X)) == []
    assert engine.stages == ["reading the store", "searching the neighbours"]


def test_a_report_prints_itself(report: Report) -> None:
    text = str(report)
    assert repr(report) == text
    for finding in report.findings:
        assert finding.code in text
    assert report.store.count == len(corpus())
    assert isinstance(report.run.seconds, float)


def _parallel(rng: np.random.Generator) -> Float64:
    return np.outer(rng.uniform(0.5, 3, 100), rng.standard_normal(16))


def _alike_but_for_noise(rng: np.random.Generator) -> Float64:
    return rng.standard_normal(384) + 1e-7 * rng.standard_normal((400, 384))


def _far_from_the_origin(rng: np.random.Generator) -> Float64:
    return rng.standard_normal((200, 32)) + 1e6


def _equal(rng: np.random.Generator) -> Float64:
    return np.tile(np.eye(1, 16), (100, 1))


@pytest.mark.parametrize("world", [_parallel, _alike_but_for_noise, _far_from_the_origin, _equal])
def test_vectors_that_hardly_differ_are_reported_and_drawn(world: Callable[[np.random.Generator], Float64]) -> None:
    report = audit(world(np.random.default_rng(0)))
    assert report.measures["population.separation"].value is None
    assert "ANI001" in {finding.code for finding in report.findings}
    assert "<html" in report.to_html()
