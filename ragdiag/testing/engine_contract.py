"""The tests that a store of a running engine has to pass, shipped beside `StoreContract`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from ragdiag.errors import StoreError
from ragdiag.stores.base import SearchableStore, VectorStore
from ragdiag.testing.store_contract import DIM, MANY, StoreContract
from ragdiag.types import Float32, Float64, Metric

CLOSE = 2e-5  # of a score: engines compute in float32


class EngineContract(StoreContract):
    """Hold the store of an engine to `StoreContract`, to what happens while others write, and to brute force.

    Attributes
    ----------
    metric : Metric
        By which the stores that `make` makes rank.
    secrets : tuple of str
        Passwords and keys that `make` opens its stores with; they must never be shown.
    sees_all : bool
        Whether a search without ``exact`` finds the true neighbours in a store of 300 documents.

    Examples
    --------
    >>> class TestOurEngine(EngineContract):
    ...     metric = Metric.DOT
    ...     def make(self, ids, vectors, texts, metadata):
    ...         create("docs", ids, vectors, texts, metadata)
    ...         return open_store("ours:localhost?collection=docs")
    ...     def reopen(self, store):
    ...         return open_store("ours:localhost?collection=docs")
    ...     def add(self, ids, vectors):
    ...         client().insert("docs", ids, vectors)
    ...     def delete(self, ids):
    ...         client().delete("docs", ids)
    ...     def make_another(self):
    ...         create("others", ["x"], np.ones((1, 16)), ["x"], [{}])
    """

    metric: Metric = Metric.COSINE
    secrets: tuple[str, ...] = ()
    sees_all: bool = True

    def add(self, ids: Sequence[str], vectors: Float32) -> None:
        """Add documents to the store that `make` made last, by the engine's own client."""
        raise NotImplementedError

    def delete(self, ids: Sequence[str]) -> None:
        """Delete documents of the store that `make` made last, by the engine's own client."""
        raise NotImplementedError

    def make_another(self) -> None:
        """Make a second collection, holding the ids of the first with other vectors, where that one is kept."""
        raise NotImplementedError

    def bytes_on_disk(self) -> Mapping[str, bytes]:
        """Return nothing: engines keep logs."""
        return {}

    def test_what_was_deleted_is_gone(self) -> None:
        """Deleted documents are neither counted, scanned, sampled nor fetched, and the others are untouched."""
        ids, vectors, store = self._fresh()
        gone, left = ids[10:40], ids[:10] + ids[40:]
        self.delete(gone)
        assert store.count() == MANY - 30
        again = self._reopened(store)
        assert again.info.count == MANY - 30
        assert sorted(id_ for batch in again.scan(batch_size=64) for id_ in batch.ids) == sorted(left)
        assert not set(again.sample(MANY, np.random.default_rng(1)).ids) & set(gone)
        with pytest.raises(StoreError):
            again.fetch(gone[:1])
        self._assert_close(again.fetch(left).vectors, vectors[[ids.index(id_) for id_ in left]])
        again.close()

    def test_another_collection_does_not_leak(self) -> None:
        """What lies in a second collection of the same database is not read, counted, sampled or found."""
        ids, vectors, store = self._fresh()
        store.close()
        self.make_another()
        again = self.reopen(store)
        assert again.count() == MANY
        assert sorted(id_ for batch in again.scan() for id_ in batch.ids) == sorted(ids)
        self._assert_close(again.fetch(ids).vectors, vectors)
        assert len(again.sample(2 * MANY, np.random.default_rng(1))) == MANY
        again.close()

    def test_a_scan_survives_writing(self) -> None:
        """Documents that are added and deleted meanwhile repeat none and hide none of those that stay."""
        ids, vectors, store = self._fresh()
        running = store.scan(batch_size=50)
        seen = list(next(running).ids)
        left = [id_ for id_ in ids if id_ not in seen]
        self.delete(left[:20])
        self.add(self._ids(MANY + 40)[MANY:], vectors[:40])
        try:
            seen += [id_ for batch in running for id_ in batch.ids]
        except StoreError:
            return
        assert len(set(seen)) == len(seen)
        assert set(ids) - set(left[:20]) <= set(seen)
        assert store.count() == MANY + 20

    def test_scores_and_order_are_those_of_brute_force(self) -> None:
        """A search that sees everything finds the true neighbours, ties in any order, with the true scores."""
        ids, vectors, store = self._filled()
        if not isinstance(store, SearchableStore):
            pytest.skip("this store is not searched by an engine")
        assert store.info.metric is self.metric
        queries = np.random.default_rng(8).normal(size=(20, DIM)).astype(np.float32)
        truth = true_scores(queries, vectors, self.metric)
        ways = [True] if store.tuning.exact else []
        for exact in [*ways, *([False] if self.sees_all else [])]:
            for row, hits in enumerate(store.search(queries, 10, exact=exact)):
                assert len(set(hits.ids)) == len(hits.ids) == 10
                found = truth[row][[ids.index(id_) for id_ in hits.ids]]
                np.testing.assert_allclose(hits.scores, found, atol=CLOSE * max(1.0, np.abs(truth[row]).max()))
                np.testing.assert_allclose(found, np.sort(truth[row])[::-1][:10], atol=CLOSE * np.abs(truth[row]).max())

    def test_a_search_for_more_than_there_is(self) -> None:
        """As many hits as there are documents at most, each once; no query, no hits."""
        _, _, store = self._filled()
        if not isinstance(store, SearchableStore):
            pytest.skip("this store is not searched by an engine")
        (hits,) = store.search(np.ones((1, DIM), dtype=np.float32), MANY + 10)
        assert len(set(hits.ids)) == len(hits.ids) <= MANY
        assert (np.diff(hits.scores) <= CLOSE).all()
        assert store.search(np.empty((0, DIM), dtype=np.float32), 3) == []

    def test_every_setting_of_the_knob_can_be_used(self) -> None:
        """Each value that ``tuning`` offers is accepted; what is not offered as exact is refused."""
        _, vectors, store = self._filled()
        if not isinstance(store, SearchableStore):
            pytest.skip("this store is not searched by an engine")
        tuning = store.tuning
        assert bool(tuning.knob) == bool(tuning.values)
        assert list(tuning.values) == sorted(set(tuning.values))
        for value in tuning.values:
            assert len(store.search(vectors[:2], 3, effort=value)) == 2
        if not tuning.exact:
            with pytest.raises(StoreError):
                store.search(vectors[:2], 3, exact=True)

    def test_credentials_are_not_shown(self) -> None:
        """Neither the store's name, its repr nor its errors hold a password."""
        _, _, store = self._filled()
        with pytest.raises(StoreError) as raised:
            store.fetch(["no such id"])
        shown = f"{store!r} {store.info} {raised.value}"
        assert not [secret for secret in self.secrets if secret in shown]

    def _fresh(self) -> tuple[list[str], Float32, VectorStore]:
        """Return a store of this test alone."""
        self._made.pop(type(self), (None, _Nothing()))[1].close()
        filled = self._filled()
        self._made.pop(type(self))  # written to from now on
        return filled

    def _reopened(self, store: Any) -> VectorStore:
        store.close()
        return self.reopen(store)


class _Nothing:
    def close(self) -> None:
        """Do nothing."""


def true_scores(queries: Float32, vectors: Float32, metric: Metric) -> Float64:
    """Return cosine, dot product, or minus the Euclidean distance, shape (m, n), in float64; 0 for a zero vector."""
    Q, X = queries.astype(np.float64), vectors.astype(np.float64)
    if metric is Metric.COSINE:
        lengths = np.linalg.norm(Q, axis=1)[:, None] * np.linalg.norm(X, axis=1)
        return np.asarray(Q @ X.T / np.where(lengths == 0, 1.0, lengths))
    if metric is Metric.DOT:
        return np.asarray(Q @ X.T)
    return np.asarray(-np.linalg.norm(Q[:, None, :] - X[None, :, :], axis=2))
