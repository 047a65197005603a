"""An audit within a time: what it reaches depends on the clock, what it says of that on nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag import LocalEngine, Plan, Report, VectorStore, audit
from ragdiag.budget import Budget
from ragdiag.cli import main
from ragdiag.engine import Block, Progress, Step
from ragdiag.errors import ConfigError
from ragdiag.report.json import to_json
from ragdiag.similarities import Cosine
from ragdiag.statistics.best import seed_from
from ragdiag.statistics.neighbors import NeighborSearch
from ragdiag.testing.worlds import offset_normal
from ragdiag.types import Float32
from tests.audit.handbook import HANDBOOK, QUERY_VECTORS


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Ticks:
    clock: Clock
    seconds: float

    def step(self, block: Block) -> None:
        self.clock.now += len(block.batch) * self.seconds


@dataclass(frozen=True)
class Timed(LocalEngine):
    """An engine that takes so long to read the store, and for a query; keeps the number of queries of each pass."""

    clock: Clock = field(default_factory=Clock)
    reading: float = 1.0
    query: float = 0.01
    passes: list[int] = field(default_factory=list)

    def run(
        self, store: VectorStore, steps: Sequence[Step], *, stage: str = "", progress: Progress | None = None
    ) -> int:
        queries = sum(len(step.asked) for step in steps if isinstance(step, NeighborSearch))
        self.passes.append(queries)
        ticks = Ticks(self.clock, (self.reading + self.query * queries) / store.info.count)
        return super().run(store, [ticks, *steps], stage=stage, progress=progress)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Timed:
    engine = Timed(batch_size=256)
    monkeypatch.setattr("ragdiag.auditing.Budget", partial(Budget, clock=engine.clock))
    return engine


@pytest.fixture(scope="module")
def vectors() -> Float32:
    """2,400 documents with copies, zeros and unusable vectors among them."""
    rng = np.random.default_rng(5)
    X = offset_normal(rng, 2400, 16, rho=0.3)
    X[1000:1300] = X[:300]
    X[1300:1360] = X[0]
    X[rng.permutation(2400)[:60]] = 0
    X[7] = np.nan
    return X


def without_run(report: Report, *, last_note: bool = True) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(to_json(report))
    del held["run"]
    if not last_note:
        held["notes"].pop()
    return held


def test_the_report_is_that_of_the_number_reached(vectors: Float32, timed: Timed) -> None:
    found = audit(vectors, plan=Plan(max_seconds=45), engine=timed)
    reached = found.sampling.document_queries
    assert 1000 < reached < 2300
    assert found.notes[-1].startswith(f"time decided (45 s): {reached:,} of at most 2,400 documents were drawn as ")
    given = int(found.notes[-1].split()[-1])
    assert given > reached  # unusable ones were drawn too
    expected = audit(vectors, plan=Plan(sample_queries=given))
    assert json.dumps(without_run(found, last_note=False)) == json.dumps(without_run(expected))


def test_rounds_join_to_one_search(vectors: Float32) -> None:
    """With copies, at the end of the lists too, so that many ties are broken."""
    X = np.repeat(vectors[np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)][:60], 12, axis=0)
    queries = np.random.default_rng(0).permutation(len(X))
    usable = np.ones(len(X), dtype=bool)
    for seed in (0, 2**64 - 1):

        def lists(first: int, last: int, seed: int = seed) -> tuple[bytes, bytes]:
            asked = queries[first:last]
            search = NeighborSearch(Cosine(), X[asked], 10, exclude=asked, seed=seed_from(seed, first))
            search.search(0, X, usable)
            return search.result().positions.tobytes(), search.result().scores.tobytes()

        whole = lists(0, 720)
        rounds = [lists(*ends) for ends in ((0, 200), (200, 201), (201, 720))]
        assert whole == tuple(b"".join(part) for part in zip(*rounds, strict=True))
        # By the plain seed the ties of a later round fall otherwise.
        asked = queries[200:720]
        plain = NeighborSearch(Cosine(), X[asked], 10, exclude=asked, seed=seed)
        plain.search(0, X, usable)
        assert plain.result().positions.tobytes() != whole[0][-plain.result().positions.nbytes :]


def test_rounds_grow_and_end_in_time(vectors: Float32, timed: Timed) -> None:
    audit(vectors, plan=Plan(max_seconds=50), engine=timed)
    first, mixed, *more = timed.passes
    assert first == 0
    assert mixed == 200 * 8  # what else is measured of the first documents
    assert more
    assert timed.clock.now <= 0.85 * 50
    # Nothing more would have been worth reading the store for.
    assert timed.clock.now + timed.reading + timed.query * 0.1 * sum(more) > 0.85 * 50


@pytest.mark.parametrize("seconds", [5, 13, 20, 40, 100])
@pytest.mark.parametrize("reading", [0.1, 1.0, 2.4])
def test_no_round_overruns(vectors: Float32, timed: Timed, seconds: float, reading: float) -> None:
    engine = Timed(512, None, timed.clock, reading, 0.002)
    audit(vectors, plan=Plan(max_seconds=seconds), engine=engine)
    least = 2 * reading + 0.002 * engine.passes[1]
    assert engine.clock.now <= max(0.85 * seconds, least)


def test_with_time_to_spare_all_are_searched_for(timed: Timed) -> None:
    X = offset_normal(np.random.default_rng(1), 900, 16, rho=0.3)
    found = audit(X, plan=Plan(max_seconds=1000), engine=timed)
    assert without_run(found) == without_run(audit(X, plan=Plan(sample_queries=900)))
    part = audit(X, plan=Plan(max_seconds=1000, sample_queries=500), engine=timed)
    assert without_run(part) == without_run(audit(X, plan=Plan(sample_queries=500)))


def test_labelled_queries_are_all_searched(handbook: Path, timed: Timed) -> None:
    given: dict[str, Any] = {"judgements": HANDBOOK, "query_vectors": QUERY_VECTORS}
    found = audit(f"faiss:{handbook}", plan=Plan(max_seconds=3), engine=timed, **given)
    assert found.sampling.document_queries == 200
    assert found.comparison == audit(f"faiss:{handbook}", **given).comparison
    number = int(found.notes[-1].split()[-1])
    expected = audit(f"faiss:{handbook}", plan=Plan(sample_queries=number), **given)
    assert without_run(found, last_note=False) == without_run(expected)


def test_more_time_narrows_the_interval(vectors: Float32, timed: Timed) -> None:
    def width(seconds: float) -> float:
        timed.clock.now = 0
        skewness = audit(vectors, plan=Plan(max_seconds=seconds), engine=timed).measures["hubness.document.skewness"]
        assert skewness.low is not None
        assert skewness.high is not None
        return skewness.high - skewness.low

    assert width(50) < width(43)


def test_a_store_too_large_to_be_read_in_time_is_refused(timed: Timed) -> None:
    X = offset_normal(np.random.default_rng(1), 2560, 16, rho=0.3)
    engine = Timed(256, None, timed.clock, 90.0)
    with pytest.raises(
        ConfigError, match=r"^20 s are not enough for .*: reading it once takes about 90 s: it is read t"
    ):
        audit(X, plan=Plan(max_seconds=20), engine=engine)
    assert engine.clock.now < 20


def test_a_refusal_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "v.npy", offset_normal(np.random.default_rng(1), 20_000, 16, rho=0.3))
    assert main(["audit", f"{tmp_path}/v.npy", "--max-seconds", "1e-6", "--output", f"{tmp_path}/out.json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: 1e-06 s are not enough for {tmp_path}/v.npy: reading it once takes about ")
    assert len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["v.npy"]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "10"])
def test_a_time_is_a_number_above_zero(seconds: Any) -> None:
    with pytest.raises(ConfigError, match=r"max_seconds is .*: give a number of seconds above 0"):
        Plan(max_seconds=seconds)
