from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from ragdiag.engine import Block, LocalEngine
from ragdiag.errors import StoreError
from ragdiag.statistics.census import Census, CensusStep
from ragdiag.statistics.sample import Sample, SampleStep
from ragdiag.stores import ArrayStore, ScannedStore, VectorStore
from ragdiag.types import Batch, Float32, Shard, StoreInfo

WHOLE = Shard(0, 1)


class Log:
    """A step that keeps the blocks it was given."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def step(self, block: Block) -> None:
        self.blocks.append(block)


def vectors(n: int = 10, dim: int = 3) -> Float32:
    return np.arange(1, n * dim + 1, dtype=np.float32).reshape(n, dim)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 4096])
def test_every_step_sees_every_row_once(batch_size: int) -> None:
    X = vectors()
    first, second = Log(), Log()
    assert LocalEngine(batch_size).run(ArrayStore(X), [first, second]) == 10
    assert first.blocks == second.blocks
    assert [block.start for block in first.blocks] == list(range(0, 10, batch_size))
    assert np.concatenate([block.batch.vectors for block in first.blocks]).tolist() == X.tolist()
    assert np.concatenate([block.norms for block in first.blocks]) == pytest.approx(
        np.linalg.norm(X.astype(np.float64), axis=1)
    )


def test_progress_is_told_after_each_batch() -> None:
    told: list[tuple[str, int, int]] = []
    LocalEngine(4).run(ArrayStore(vectors()), [], stage="reading", progress=lambda *args: told.append(args))
    assert told == [("reading", 4, 10), ("reading", 8, 10), ("reading", 10, 10)]


def test_unusable_vectors_are_marked() -> None:
    X = vectors()
    X[1], X[2, 0], X[3], X[4] = np.nan, np.inf, 3e38, 0
    log = Log()
    LocalEngine().run(ArrayStore(X), [log])
    block = log.blocks[0]
    assert block.usable.tolist() == [True, False, False, False, *[True] * 6]
    assert block.norms[[1, 2, 3, 4]].tolist() == [0, 0, 0, 0]
    assert np.isfinite(block.norms).all()


class Mixed(ScannedStore):
    """A store that breaks its promise of one dimension."""

    info = StoreInfo(name="mixed", kind="test", count=4, dim=3, metric=None)

    def scan(self, *, batch_size: int = 4096, shard: Shard = WHOLE) -> Iterator[Batch]:
        yield Batch(["a", "b"], vectors(2, 3))
        yield Batch(["c", "d"], vectors(2, 4))

    def fetch(self, ids: Sequence[str]) -> Batch:
        raise NotImplementedError


def test_a_store_with_two_dimensions_is_refused() -> None:
    store: VectorStore = Mixed()
    message = r"^mixed holds vectors of 4 dimensions among those of 3: keep vectors of one dimension"
    with pytest.raises(StoreError, match=message):
        LocalEngine().run(store, [])


def census(store: VectorStore, batch_size: int = 4096) -> Census:
    step = CensusStep(store.info.dim)
    LocalEngine(batch_size).run(store, [step])
    return step.result()


@pytest.mark.parametrize("batch_size", [1, 3, 4096])
def test_a_census(batch_size: int) -> None:
    X = vectors()
    X[1], X[4], X[7] = np.nan, 0, X[6]
    texts: list[str | None] = [None, "", " \n", "A  b", "a B\t", "ab", "x", "y", "z", "ä"]
    found = census(ArrayStore(X, ids=[f"d{i}" for i in range(10)], texts=texts), batch_size)
    assert list(found.ids) == [f"d{i}" for i in range(10)]
    assert found.n == 10
    assert np.flatnonzero(~found.usable).tolist() == [1]
    assert np.flatnonzero(~found.live).tolist() == [1, 4]
    assert found.text_lengths.tolist() == [-1, 0, 0, 4, 3, 2, 1, 1, 1, 1]
    assert found.vector_hashes[7] == found.vector_hashes[6]
    assert len(set(found.vector_hashes.tolist())) == 9
    assert found.text_hashes[3] == found.text_hashes[4]
    assert found.text_hashes[3] != found.text_hashes[5]
    assert found.smallest.tolist() == [0, 0, 0]
    assert found.largest.tolist() == [28, 29, 30]


def test_hashes_of_vectors() -> None:
    X = np.array([[0, 1], [-0.0, 1], [1, 0], [np.nextafter(np.float32(1), 2), 0]], dtype=np.float32)
    hashes = census(ArrayStore(X)).vector_hashes
    assert hashes[0] == hashes[1]  # −0 is 0
    assert len(set(hashes.tolist())) == 3  # the order of the coordinates counts, and the last bit
    many = np.random.default_rng(0).integers(0, 2, size=(20_000, 24)).astype(np.float32)
    distinct = np.unique(many, axis=0)
    assert len(np.unique(census(ArrayStore(distinct)).vector_hashes)) == len(distinct)


def sample(store: VectorStore, positions: list[int], batch_size: int = 4096) -> Sample:
    step = SampleStep(np.array(positions, dtype=np.int64), store.info.dim)
    LocalEngine(batch_size).run(store, [step])
    return step.result()


@pytest.mark.parametrize("batch_size", [1, 3, 4096])
def test_a_sample_holds_the_usable_rows_asked_for(batch_size: int) -> None:
    X = vectors()
    X[2], X[5] = np.nan, 0
    found = sample(ArrayStore(X, texts=[f"t{i}" for i in range(10)]), [0, 2, 3, 5, 8, 9], batch_size)
    assert found.positions.tolist() == [0, 3, 8, 9]
    assert found.vectors.tolist() == X[[0, 3, 8, 9]].tolist()
    assert found.texts == ("t0", "t3", "t8", "t9")
    assert len(found) == 4
    assert sample(ArrayStore(X), [1], batch_size).texts == (None,)
    assert sample(ArrayStore(X), [], batch_size).vectors.shape == (0, 3)
