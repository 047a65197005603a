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


@pytest.mark.parametrize("values", [[-1, 1], [0, 1], [0, -0.0, 1], [1, 2, 4, 8], [1, 1.0000001]], ids=str)
@pytest.mark.parametrize("dim", [23, 24])
def test_vectors_of_few_values_have_hashes_of_their_own(values: list[float], dim: int) -> None:
    drawn = np.random.default_rng(dim).choice(np.array(values, dtype=np.float32), size=(20_000, dim))
    distinct = np.unique(drawn + np.float32(0), axis=0)
    hashes = census(ArrayStore(drawn)).vector_hashes
    assert len(np.unique(hashes)) == len(distinct)
    # Both halves of 64 bits tell them apart as random numbers would: 20,000 of 2³² have .05 pairs.
    assert len(np.unique(hashes & np.uint64(2**32 - 1))) >= len(distinct) - 3
    assert len(np.unique(hashes >> np.uint64(32))) >= len(distinct) - 3


def test_vectors_that_differ_in_one_bit_have_hashes_of_their_own() -> None:
    bits = np.zeros((32 * 33 + 1, 33), dtype=np.uint32)
    for row in range(32 * 33):
        bits[row, row // 32] = np.uint32(1) << np.uint32(row % 32)
    X = (np.ones((1, 33), dtype=np.float32).view(np.uint32) ^ bits).view(np.float32)
    X = X[np.isfinite(X).all(axis=1)]
    assert len(np.unique(census(ArrayStore(X)).vector_hashes)) == len(X)


@pytest.mark.parametrize("batch_size", [1, 100, 300, 4096])
def test_hashes_and_lengths_do_not_depend_on_the_batches(batch_size: int) -> None:
    X = np.random.default_rng(0).standard_normal((700, 7)).astype(np.float32)
    whole, parts = census(ArrayStore(X), 700), census(ArrayStore(np.concatenate([X, X])), batch_size)
    assert (parts.vector_hashes == np.concatenate([whole.vector_hashes] * 2)).all()
    assert (parts.norms == np.concatenate([whole.norms] * 2)).all()


@pytest.mark.parametrize("scale", [1e-40, 1e-25, 1e-13, 1.0, 1e11, 1e15])
def test_lengths_of_any_size(scale: float) -> None:
    X = (np.random.default_rng(0).standard_normal((20, 500)) * scale).astype(np.float32)
    expected = np.linalg.norm(X.astype(np.float64), axis=1)
    assert census(ArrayStore(X)).norms == pytest.approx(expected, rel=1e-6, abs=0)


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
