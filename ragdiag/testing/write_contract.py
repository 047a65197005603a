"""The tests that every store that can be written has to pass, shipped beside `StoreContract`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

import numpy as np
import pytest

from ragdiag.errors import ConfigError, RagdiagError, StoreError, TargetExistsError, VectorsError
from ragdiag.stores import Target, VectorStore, check_target, open_store, write_store
from ragdiag.testing.store_contract import DIM, MANY, StoreContract
from ragdiag.types import Batch, Float32, Metric

_NESTED: dict[str, Any] = {"größe": [1, 2.5, {"deep": [None, True, "🦜"]}], "none": None, "empty": {}, "文": "档"}
_FLAT: dict[str, Any] = {"größe": [1, 2], "pi": 3.5, "whole": 1.0, "文": "档", "so": True}


class WriteContract(StoreContract):
    """Hold a store that `write_store` wrote to `StoreContract`, and the writing to its own promises.

    Attributes
    ----------
    metric : Metric
        By which the stores are written.
    keeps_order : bool
        False when documents are read back in an order of the engine's own.
    keeps_odd_numbers : bool
        False when vectors with NaN or infinity are refused.
    nests_metadata : bool
        False when nested metadata is refused, and changed to text where loss is allowed.

    Examples
    --------
    >>> class TestWrittenNpz(WriteContract):
    ...     supports_metadata = False
    ...     def uri(self, name):
    ...         return f"{self.folder}/{name}.npz"
    """

    metric: Metric = Metric.DOT
    keeps_order: bool = True
    keeps_odd_numbers: bool = True
    nests_metadata: bool = True

    def uri(self, name: str) -> str:
        """Return where a store of this name is written; one name, one place. To be given by the subclass."""
        raise NotImplementedError

    def content(self, name: str) -> Mapping[str, bytes] | None:
        """Return the bytes of a store, to hold it to being the same each time; None when it has none to show."""
        path = self._target(name).path
        if path is None:
            return None
        files = {file.name: file for file in self.folder.rglob("*") if file.is_file() and str(file).startswith(path)}
        return {at: file.read_bytes() for at, file in files.items()}

    def everything(self) -> Sequence[str]:
        """Return what there is where stores are written, to see that a failure leaves nothing behind."""
        return sorted(map(str, self.folder.rglob("*")))

    def beside(self, name: str) -> str | None:
        """Return where a second store lies in the same database; None when one store is all there can be."""
        return None

    def other_names(self, name: str) -> Sequence[str]:
        """Return further URIs that open the store of this name, once it is the only one in its place."""
        return ()

    def live(self, name: str) -> Any:
        """Return an object of the engine's own client that has the store open, for `ragdiag.open_store`; or None."""
        return None

    def make(
        self, ids: Sequence[str], vectors: Float32, texts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> VectorStore:
        """Write these documents with `write_store` and open them."""
        batches = self._batches(ids, vectors, texts, metadata)
        write_store(self.uri("store"), batches, dim=DIM, metric=self.metric, count=len(ids))
        return open_store(self.uri("store"))

    def reopen(self, store: VectorStore) -> VectorStore:
        """Open it again under the same URI."""
        return open_store(self.uri("store"))

    def test_what_is_returned_is_the_new_store(self) -> None:
        """The facts are those of the store opened again, and it ranks as it was told to where it says so."""
        info = self._write("store")
        assert info == open_store(self.uri("store")).info
        assert (info.count, info.dim) == (MANY, DIM)
        assert info.metric in (self.metric, None)
        assert info.mismatches == {}

    def test_the_order_is_that_of_the_batches(self) -> None:
        """Documents are read back in the order in which they came, bit for bit."""
        ids, vectors, store = self._filled()
        if not self.keeps_order:
            pytest.skip("this kind of store has an order of its own")
        assert [id_ for batch in store.scan(batch_size=70) for id_ in batch.ids] == ids
        if self.loss_tolerance == 0:
            read = np.concatenate([batch.vectors for batch in store.scan(batch_size=70)])
            assert read.tobytes() == vectors.tobytes()

    def test_odd_numbers_are_kept_as_they_are(self) -> None:
        """NaN, infinities, -0 and numbers below the normal ones come back bit for bit: they are findings."""
        if self.loss_tolerance:
            pytest.skip("this kind of store declares a loss")
        if not self.keeps_odd_numbers:
            for number in (np.nan, np.inf):
                with pytest.raises(StoreError, match="NaN or infinity"):
                    self.make(self._ids(1), np.full((1, DIM), number, dtype=np.float32), [""], [{}])
                self._assert_nothing("store")
            small = np.array([[1e-45, -0.0] * (DIM // 2)], dtype=np.float32)
            assert self.make(self._ids(1), small, [""], [{}]).fetch(self._ids(1)).vectors.tobytes() == small.tobytes()
            return
        odd = np.array([[np.nan, np.inf, -np.inf, -0.0] * (DIM // 4), [1e-45] * DIM], dtype=np.float32)
        store = self.make(self._ids(2), odd, ["", ""], [{}, {}])
        assert store.fetch(self._ids(2)).vectors.tobytes() == odd.tobytes()

    def test_metadata_may_be_nested_or_missing(self) -> None:
        """Nested, mixed, empty and different metadata come back equal; so does a text with every line break."""
        texts, metadata = ["a\r\n\u2028b", "", " 🦜 "], [_NESTED, {}, {"other": 1}]
        ids, vectors = self._ids(3), np.eye(3, DIM, dtype=np.float32)
        if not self.nests_metadata:
            with pytest.raises(StoreError, match="--lossy"):
                self.make(ids, vectors, texts, metadata)
            self._assert_nothing("store")
            given = self._batches(ids, vectors, texts, metadata)
            write_store(self.uri("lossy"), given, dim=DIM, metric=self.metric, lossy=True)
            read = (open_store(self.uri("lossy")).fetch(ids[:1]).metadata or [])[0]
            assert json.loads(read["größe"]) == _NESTED["größe"]
            assert read["文"] == "档"
            metadata = [_FLAT, {}, {"other": -1}]
        batch = self.make(ids, vectors, texts, metadata).fetch(ids)
        assert batch.texts == (texts if self.supports_texts else None)
        assert batch.metadata == (metadata if self.supports_metadata else None)

    def test_documents_without_texts_and_metadata(self) -> None:
        """Vectors alone can be written; a text that is missing is None or empty afterwards."""
        ids = self._ids(3)
        vectors = np.eye(3, DIM, dtype=np.float32)
        write_store(self.uri("bare"), [Batch(ids, vectors)], dim=DIM, metric=self.metric)
        batch = open_store(self.uri("bare")).fetch(ids)
        assert not any(batch.texts or [])
        assert not any(batch.metadata or [])
        if self.supports_texts:
            write_store(self.uri("some"), [Batch(ids, vectors, ["a", None, "c"])], dim=DIM, metric=self.metric)
            read = open_store(self.uri("some")).fetch(ids).texts
            assert [text or None for text in read or []] == ["a", None, "c"]

    def test_what_cannot_be_kept_is_refused_unless_allowed(self) -> None:
        """Ids, texts and metadata that the store does not keep are an error, or dropped when asked for."""
        vectors = np.eye(2, DIM, dtype=np.float32)
        losses = {
            "ids": Batch(["a", "b"], vectors),
            "texts": Batch(["0", "1"], vectors, ["x", None]),
            "metadata": Batch(["0", "1"], vectors, None, [{}, {"x": 1}]),
        }
        for what in sorted(losses.keys() - self._target("lost").keeps):
            with pytest.raises(StoreError, match=f"keeps no {what}"):
                write_store(self.uri(what), [losses[what]], dim=DIM, metric=self.metric)
            self._assert_nothing(what)
            assert write_store(self.uri(what), [losses[what]], dim=DIM, metric=self.metric, lossy=True).count == 2

    def test_what_is_there_is_refused_or_replaced(self) -> None:
        """A target that exists is left alone, and replaced as a whole by ``overwrite``."""
        self._write("store")
        vectors = np.full((1, DIM), 2, dtype=np.float32)
        one = [Batch(self._ids(1), vectors)]
        with pytest.raises(TargetExistsError):
            check_target(self.uri("store"), metric=self.metric)
        with pytest.raises(TargetExistsError, match="--overwrite"):
            write_store(self.uri("store"), one, dim=DIM, metric=self.metric)
        assert open_store(self.uri("store")).info.count == MANY
        assert write_store(self.uri("store"), one, dim=DIM, metric=self.metric, overwrite=True).count == 1
        assert open_store(self.uri("store")).fetch(self._ids(1)).vectors.tolist() == self.kept(vectors).tolist()

    @pytest.mark.parametrize("old", [False, True])
    def test_what_fails_on_the_way_changes_nothing(self, old: bool) -> None:
        """Whatever is wrong with the batches, there is what there was before, and nothing beside it."""
        if old:
            self._write("store")
        before = self.everything()
        for batches, count, error in self._failures():
            with pytest.raises(error):
                write_store(self.uri("store"), batches, dim=DIM, metric=self.metric, count=count, overwrite=True)
            assert self.everything() == before
            if old:
                assert open_store(self.uri("store")).info.count == MANY
            else:
                self._assert_nothing("store")

    def test_the_same_documents_give_the_same_bytes(self) -> None:
        """However they were cut into batches; for stores that have bytes to show."""
        ids, vectors, metadata = self._ids(MANY), _vectors(), _NESTED if self.nests_metadata else _FLAT
        found = []
        for name, size in (("one", 64), ("two", 7)):
            batches = self._batches(ids, vectors, [f"text {id_}" for id_ in ids], [metadata] * MANY, size=size)
            write_store(self.uri(name), batches, dim=DIM, metric=self.metric)
            content = self.content(name)
            if content is None:
                return
            found.append(list(content.values()))
        assert found[0] == found[1]
        assert found[0]

    def test_the_source_is_not_written_to(self) -> None:
        """A store is not written over itself with ``overwrite``: called otherwise, given open, or as a live object."""
        self._write("store")
        uri, live = self.uri("store"), self.live("store")
        with closing(open_store(uri)) as store:
            for source in (uri, *self.other_names("store"), store, *([] if live is None else [live])):
                with pytest.raises(ConfigError, match="the store that is read"):
                    write_store(uri, store.scan(), dim=DIM, metric=self.metric, overwrite=True, source=source)
        assert open_store(self.uri("store")).info.count == MANY

    def test_a_second_store_survives_an_overwrite(self) -> None:
        """What else lies in the database stays as it is, whether the overwrite succeeds or is refused."""
        other = self.beside("store")
        if other is None:
            pytest.skip("one store is all there can be in this place")
        self._write("store")
        if not self._replaced(other):
            pytest.skip("a second one is not written beside the first")
        done = self._replaced(self.uri("store"))
        assert (open_store(self.uri("store")).info.count, open_store(other).info.count) == (1 if done else MANY, 1)

    def test_an_overwrite_while_a_client_has_it_open(self) -> None:
        """It succeeds, or it is refused and has changed nothing."""
        self._write("store")
        live = self.live("store")
        if live is None:
            pytest.skip("no client has this kind of store open")
        assert open_store(live).count() == (1 if self._replaced(self.uri("store")) else MANY)

    def _replaced(self, uri: str) -> bool:
        """Write one document over whatever is there; whether that was not refused."""
        one = [Batch(self._ids(1), np.ones((1, DIM), dtype=np.float32))]
        with suppress(RagdiagError):
            return bool(write_store(uri, one, dim=DIM, metric=self.metric, overwrite=True))
        return False

    def _target(self, name: str) -> Target:
        return check_target(self.uri(name), metric=self.metric, overwrite=True)

    def _assert_nothing(self, name: str) -> None:
        assert not self._target(name).exists()
        with pytest.raises(RagdiagError):
            open_store(self.uri(name))

    def _write(self, name: str) -> Any:
        batches = self._batches(self._ids(MANY), _vectors(), ["text"] * MANY, [{"n": 1}] * MANY)
        return write_store(self.uri(name), batches, dim=DIM, metric=self.metric, count=MANY)

    def _batches(
        self,
        ids: Sequence[str],
        vectors: Float32,
        texts: Sequence[str],
        metadata: Sequence[Mapping[str, Any]],
        *,
        size: int = 64,
    ) -> Iterator[Batch]:
        """Cut documents into batches, with what this kind of store keeps."""
        for start in range(0, len(ids), size):
            part = slice(start, start + size)
            yield Batch(
                ids[part],
                vectors[part],
                texts[part] if self.supports_texts else None,
                metadata[part] if self.supports_metadata else None,
            )

    def _failures(self) -> Iterator[tuple[Iterator[Batch], int | None, type[Exception]]]:
        good = Batch(self._ids(3), np.ones((3, DIM), dtype=np.float32))

        def breaks() -> Iterator[Batch]:
            yield good
            raise ZeroDivisionError

        yield breaks(), None, ZeroDivisionError
        yield iter([]), None, StoreError
        yield iter([good]), 4, StoreError
        yield iter([good, Batch(self._ids(4)[3:], np.ones((1, DIM + 1), dtype=np.float32))]), None, VectorsError
        yield iter([good, good]), None, StoreError
        yield iter([Batch(["0", "1"], good.vectors)]), None, StoreError
        if self.keeps_ids:
            yield iter([Batch(["a", "\ud800", "c"], good.vectors)]), None, StoreError


def _vectors() -> Float32:
    return np.random.default_rng(11).normal(size=(MANY, DIM)).astype(np.float32)
