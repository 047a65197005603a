"""The tests that every vector store has to pass, shipped so that other people's adapters can run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ragdiag.errors import StoreError
from ragdiag.stores.base import VectorStore
from ragdiag.types import Batch, Float32, Shard

DIM, MANY = 16, 300
ROUNDING = 1e-6  # relative, of float32 in an engine that computes with what it keeps
_ID_PARTS = ("doc", "Straße", "文档", "a b/c?d=e&f#g", "🦜")
_TEXT_PARTS = ("plain", "Größe", "向量检索", "عربي", "🦜 emoji", "a\nline")


class StoreContract:
    """Hold a store to the contract of `ragdiag.stores.VectorStore`; subclass it in a test file.

    What an adapter cannot do is an override of the test, marked ``pytest.mark.xfail(reason=…, raises=…)``,
    that calls the base class's. Stores of a running engine use `EngineContract`.

    Attributes
    ----------
    folder : pathlib.Path
        An empty folder for each store that `make` makes.
    loss_tolerance : float
        Largest relative error ``|read − written| / |written|`` over all vectors. Above 1e-6, where
        it is no longer float32's rounding, ``info.loss`` says why.
    keeps_ids : bool
        False when the store numbers its documents itself, as ``"0"``, ``"1"``, … in the order written.
    supports_texts, supports_metadata : bool
        Whether the store keeps them.

    Examples
    --------
    >>> from ragdiag.stores import ArrayStore
    >>> class TestArrayStore(StoreContract):
    ...     def make(self, ids, vectors, texts, metadata):
    ...         return ArrayStore(vectors, ids=ids, texts=texts, metadata=metadata)
    """

    folder: Path
    loss_tolerance: float = 0.0
    keeps_ids: bool = True
    supports_texts: bool = True
    supports_metadata: bool = True

    def make(
        self, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> VectorStore:
        """Write these documents to a new store, beside nothing that was made before, and open it."""
        raise NotImplementedError

    def reopen(self, store: VectorStore) -> VectorStore:
        """Open the store that `make` just made a second time; by default there is no second way."""
        return store

    def kept(self, vectors: Float32) -> Float32:
        """Return what the engine means to keep of these vectors: themselves, or their directions."""
        return vectors

    def bytes_on_disk(self) -> Mapping[str, bytes]:
        """Return the files that reading must not change; engines that keep a log beside their data return none."""
        return {str(path): path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}

    _made: ClassVar[dict[type, tuple[Path, Any]]] = {}

    @pytest.fixture(autouse=True)
    def _give_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @classmethod
    def teardown_class(cls) -> None:
        """Close the store that the tests of this class read."""
        if cls in cls._made:
            cls._made.pop(cls)[1].close()

    def test_info_says_what_a_scan_yields(self) -> None:
        """``info`` agrees with the documents, and declares a loss when there is one."""
        _, vectors, store = self._filled()
        info = store.info
        assert (info.count, info.dim) == vectors.shape
        assert info.name
        assert info.kind
        assert (info.has_texts, info.has_metadata) == (self.supports_texts, self.supports_metadata)
        assert bool(info.loss) == (self.loss_tolerance > ROUNDING), "a loss has to be declared, and only a loss"
        assert isinstance(store, VectorStore)

    def test_scan_is_complete_and_unique(self) -> None:
        """Every document comes exactly once."""
        ids, _, store = self._filled()
        seen = [id_ for batch in store.scan() for id_ in batch.ids]
        assert sorted(seen) == sorted(ids)

    def test_vectors_are_those_written(self) -> None:
        """Vectors come back under their ids as float32, as they were or within the declared loss."""
        ids, vectors, store = self._filled()
        self._assert_close(_by_id(store, ids).vectors, vectors)

    def test_texts_and_metadata_are_those_written(self) -> None:
        """Texts and metadata come back under their ids, whatever the script."""
        ids, _, store = self._filled()
        for batch in (_by_id(store, ids), store.fetch(ids)):
            assert batch.texts == ([_text(at) for at in range(MANY)] if self.supports_texts else None)
            assert batch.metadata == ([_meta(at) for at in range(MANY)] if self.supports_metadata else None)

    @pytest.mark.parametrize("size", [1, 7, MANY - 1, MANY, 10 * MANY])
    def test_batches_are_bounded(self, size: int) -> None:
        """No batch is empty or larger than asked for, and its parts are of one length."""
        _, _, store = self._filled()
        batches = list(store.scan(batch_size=size))
        assert all(1 <= len(batch) <= size for batch in batches)
        assert sum(len(batch) for batch in batches) == MANY
        for batch in batches:
            assert batch.vectors.shape == (len(batch.ids), DIM)
            assert batch.vectors.dtype == np.float32
            assert batch.texts is None or len(batch.texts) == len(batch.ids)
            assert batch.metadata is None or len(batch.metadata) == len(batch.ids)

    @pytest.mark.parametrize("count", [1, 2, 3, 7, MANY + 5])
    def test_shards_partition_the_store(self, count: int) -> None:
        """The shards together are the whole store, and no document is in two."""
        ids, _, store = self._filled()
        shards = (store.scan(batch_size=64, shard=Shard(at, count)) for at in range(count))
        assert sorted(id_ for shard in shards for batch in shard for id_ in batch.ids) == sorted(ids)

    def test_order_is_the_same_each_time(self) -> None:
        """Two scans, with different batches, and a store opened anew give one order."""
        _, _, store = self._filled()
        first, second = (_order(store, size) for size in (50, 33))
        assert first == second
        assert _order(self.reopen(store), 50) == first

    def test_fetch_keeps_the_order_asked_for(self) -> None:
        """``fetch`` answers in the order of the ids, also when one is asked for twice."""
        ids, vectors, store = self._filled()
        rows = [17, 3, MANY - 1, 0, 3]
        batch = store.fetch([ids[row] for row in rows])
        assert list(batch.ids) == [ids[row] for row in rows]
        self._assert_close(batch.vectors, vectors[rows])
        assert batch.vectors.dtype == np.float32

    def test_fetch_of_nothing_is_an_empty_batch(self) -> None:
        """No ids give no documents, of the store's dimension."""
        _, _, store = self._filled()
        batch = store.fetch([])
        assert (len(batch), batch.vectors.shape) == (0, (0, DIM))

    @pytest.mark.parametrize("unknown", ["no such id", "", "-1", str(MANY), "9" * 30, "٣", "00", "\ud800"])
    def test_fetch_of_an_unknown_id_raises(self, unknown: str) -> None:
        """An id that is not there is a `StoreError`, also beside one that is."""
        ids, _, store = self._filled()
        with pytest.raises(StoreError):
            store.fetch([ids[0], unknown])

    def test_one_document_is_enough(self) -> None:
        """A store with a single document opens, scans and fetches."""
        vectors = _vectors()[:1]
        ids = self._ids(1)
        store = self.make(ids, vectors, [_text(0)], [_meta(0)])
        assert store.info.count == 1
        assert [list(batch.ids) for batch in store.scan()] == [ids]
        self._assert_close(store.fetch(ids).vectors, vectors)

    def test_no_documents_are_an_error_or_an_empty_scan(self) -> None:
        """An empty store is said to be one, or yields nothing."""
        try:
            store = self.make([], np.empty((0, DIM), dtype=np.float32), [], [])
        except StoreError:
            return
        assert list(store.scan()) == []

    def test_reading_changes_nothing(self) -> None:
        """Reading, and writing into what was read, leaves the store as it was."""
        ids, _, store = self._filled()
        before = self.bytes_on_disk(), _by_id(store, ids).vectors.copy(), store.info
        for batch in (*store.scan(batch_size=64), store.fetch(ids[:5])):
            batch.vectors[:] = 7.0  # batches are the reader's own
        after = self.bytes_on_disk(), _by_id(store, ids).vectors, store.info
        assert after[0] == before[0], "files changed"
        np.testing.assert_array_equal(after[1], before[1])
        assert after[2] == before[2]

    def test_two_scans_may_run_at_once(self) -> None:
        """Scans and fetches do not disturb each other."""
        ids, _, store = self._filled()
        pairs = list(zip(store.scan(batch_size=50), store.scan(batch_size=50), strict=True))
        assert all(one.ids == other.ids for one, other in pairs)
        running = store.scan(batch_size=50)
        next(running)
        store.fetch(ids[:3])
        assert sum(len(batch) for batch in running) == MANY - 50

    def test_a_sample_holds_documents_as_they_are(self) -> None:
        """A sample is as large as asked for, without repeats, in scan order, and the same for the same seed."""
        ids, vectors, store = self._filled()
        row = {id_: at for at, id_ in enumerate(ids)}
        one, same = (store.sample(40, np.random.default_rng(3)) for _ in range(2))
        assert list(one.ids) == list(same.ids)
        assert len(set(one.ids)) == len(one) == 40
        assert list(one.ids) == [id_ for id_ in _order(store, 50) if id_ in set(one.ids)]
        self._assert_close(one.vectors, vectors[[row[id_] for id_ in one.ids]])
        assert one.texts == ([_text(row[id_]) for id_ in one.ids] if self.supports_texts else None)
        assert one.metadata == ([_meta(row[id_]) for id_ in one.ids] if self.supports_metadata else None)
        assert list(store.sample(MANY + 1, np.random.default_rng(3)).ids) == _order(store, 50)
        assert len(store.sample(0, np.random.default_rng(3))) == 0

    def test_samples_are_uniform(self) -> None:
        """Every document is drawn equally often: chi-square over the ids of 60 samples, p above 1e-6."""
        from scipy.stats import chi2

        ids, _, store = self._filled()
        rng, draws, size = np.random.default_rng(4), 60, 50
        row = {id_: at for at, id_ in enumerate(ids)}
        counts = np.bincount([row[id_] for _ in range(draws) for id_ in store.sample(size, rng).ids], minlength=MANY)
        # Without replacement the variance is that of a hypergeometric count.
        p = size / MANY
        statistic = float(((counts - draws * p) ** 2).sum() / (draws * p * (1 - p))) * (MANY - 1) / MANY
        assert chi2.sf(statistic, MANY - 1) > 1e-6

    def test_count_is_how_many_there_are(self) -> None:
        """``count`` agrees with what ``info`` said when the store was opened."""
        _, _, store = self._filled()
        assert store.count() == store.info.count == MANY

    def test_a_closed_store_opens_again(self) -> None:
        """After ``close`` the same documents are there when it is opened anew."""
        ids = self._ids(3)
        store = self.make(ids, _vectors()[:3], [_text(at) for at in range(3)], [_meta(at) for at in range(3)])
        before = store.fetch(ids).vectors
        store.close()
        with closing(self.reopen(store)) as again:
            np.testing.assert_array_equal(again.fetch(ids).vectors, before)

    def _ids(self, count: int) -> list[str]:
        return [_id(at) if self.keeps_ids else str(at) for at in range(count)]

    def _filled(self) -> tuple[list[str], Float32, VectorStore]:
        """Return the store that the tests of this class read; none of them writes to it."""
        vectors, ids = _vectors(), self._ids(MANY)
        if type(self) not in self._made:
            texts, metadata = [_text(at) for at in range(MANY)], [_meta(at) for at in range(MANY)]
            self._made[type(self)] = self.folder, self.make(ids, vectors.copy(), texts, metadata)
        self.folder, store = self._made[type(self)]
        return ids, vectors, store

    def _assert_close(self, read: Float32, written: Float32) -> None:
        assert read.shape == written.shape
        written = self.kept(written)
        if self.loss_tolerance == 0:
            np.testing.assert_array_equal(read, written)
            return
        error = float(np.linalg.norm(read - written) / np.linalg.norm(written))
        assert error <= self.loss_tolerance, f"relative error {error:.4f}"


def _vectors() -> Float32:
    """Raw norms between .5 and 3, a zero vector and two equal ones among them."""
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(MANY, DIM))
    vectors *= rng.uniform(0.5, 3.0, size=(MANY, 1)) / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[5] = 0.0
    vectors[9] = vectors[8]
    return vectors.astype(np.float32)


def _id(at: int) -> str:
    return f"{_ID_PARTS[at % len(_ID_PARTS)]}-{at}"


def _text(at: int) -> str:
    return f"{_TEXT_PARTS[at % len(_TEXT_PARTS)]} {at}"


def _meta(at: int) -> dict[str, Any]:
    return {"page": at, "source": f"файл-{at % 3}"}


def _order(store: VectorStore, size: int) -> list[str]:
    return [id_ for batch in store.scan(batch_size=size) for id_ in batch.ids]


def _by_id(store: VectorStore, ids: Sequence[str]) -> Batch:
    """Return everything that a scan yields, in the order of `ids`."""
    batches = list(store.scan(batch_size=64))
    at = {id_: (batch, row) for batch in batches for row, id_ in enumerate(batch.ids)}
    found = [at[id_] for id_ in ids]
    return Batch(
        list(ids),
        np.stack([batch.vectors[row] for batch, row in found]),
        [batch.texts[row] for batch, row in found if batch.texts is not None] or None,
        [batch.metadata[row] for batch, row in found if batch.metadata is not None] or None,
    )
