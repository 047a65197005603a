"""Searching together finds what searching apart finds, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ragdiag.engine import Step
from ragdiag.retrieval.crossfit import crossfit
from ragdiag.retrieval.shared import WIDER, SharedSearch, shared
from ragdiag.similarities import Cosine, Similarity, Training, parse
from ragdiag.statistics.bounds import product_error
from ragdiag.statistics.neighbors import NeighborSearch
from ragdiag.types import Float32, Float64, IntArray
from tests.statistics.kernels import PRODUCTS

D = 64
NAMES = (
    "cosine",
    "dot",
    "l2",
    "centred",
    "query-centred",
    "mean-direction",
    "abtt(d=2)",
    "cosine | query-centred",
    "centred | abtt(d=1)",
    "query-centred | dot",
    "centred | l2",
    "csls(k=10)",
    "nnn",
    "whitened(gamma=0.5)",
    "query-centred | whitened(gamma=0.5)",
    "z-score",
    "truncated(k=8)",
    "int8",
)
World = Callable[[np.random.Generator, int], Float32]


def _normal(rng: np.random.Generator, n: int) -> Float32:
    return rng.standard_normal((n, D), dtype=np.float32)


def _duplicates(rng: np.random.Generator, n: int) -> Float32:
    return _normal(rng, 40)[rng.integers(0, 40, n)]


def _zeros(rng: np.random.Generator, n: int) -> Float32:
    X = _normal(rng, n)
    X[::3] = 0
    return X


def _huge(rng: np.random.Generator, n: int) -> Float32:
    return _normal(rng, n) * np.float32(1e12)


def _tiny(rng: np.random.Generator, n: int) -> Float32:
    return _normal(rng, n) * np.float32(1e-15)


def _all_sizes(rng: np.random.Generator, n: int) -> Float32:
    return _normal(rng, n) * (10.0 ** rng.uniform(-12, 8, size=(n, 1))).astype(np.float32)


def _cone(rng: np.random.Generator, n: int) -> Float32:
    X = _normal(rng, n) * np.float32(1e-4)
    X[:, 0] += 1
    return X


def _on_the_mean(rng: np.random.Generator, n: int) -> Float32:
    X = _normal(rng, n) + np.float32(3)
    X[::2] = X.mean(axis=0)
    return X


WORLDS: tuple[World, ...] = (_normal, _duplicates, _zeros, _huge, _tiny, _all_sizes, _cone, _on_the_mean)


def _run(steps: list[Step], X: Float32, usable: np.ndarray[tuple[int], np.dtype[np.bool_]], block: int) -> None:
    for start in range(0, len(X), block):
        rows = slice(start, start + block)
        for step in steps:
            assert isinstance(step, NeighborSearch | SharedSearch)
            step.search(start, X[rows], usable[rows])


def _fits(X: Float32, bank: Float32) -> list[Similarity]:
    training = Training(X[X.any(axis=1)], bank[bank.any(axis=1)])
    return [parse(name).fit(training) for name in NAMES]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
@pytest.mark.parametrize(("n", "k", "block"), [(700, 10, 300), (700, 50, 10**6), (60, 100, 25)])
def test_together_as_apart(world: World, n: int, k: int, block: int) -> None:
    rng = np.random.default_rng(n + k)
    X, Q, bank = world(rng, n), world(rng, 90), world(rng, 60)
    usable = rng.random(n) < 0.9
    own = rng.integers(0, n, 90)
    fits = _fits(X, bank)
    apart, together = ([NeighborSearch(fit, Q, k, exclude=own, seed=3) for fit in fits] for _ in range(2))
    steps = shared(together)
    assert len(steps) == 1
    _run(list(apart), X, usable, block)
    _run(steps, X, usable, block)
    for a, b in zip(apart, together, strict=True):
        found, same = a.result(), b.result()
        assert np.array_equal(found.positions, same.positions), found.similarity
        assert np.array_equal(found.scores, same.scores), found.similarity


@pytest.mark.parametrize("kind", list(PRODUCTS))
def test_whatever_multiplies_finds_the_same(kind: str) -> None:
    rng = np.random.default_rng(5)
    X, Q = _normal(rng, 700), _normal(rng, 90)
    fits = _fits(X, _normal(rng, 60))
    together = [NeighborSearch(fit, Q, 10, seed=3) for fit in fits]
    for step in shared(together):
        step.search(0, X, np.ones(700, dtype=bool), PRODUCTS[kind])  # type: ignore[attr-defined]
    for fit, search in zip(fits, together, strict=True):
        alone = NeighborSearch(fit, Q, 10, seed=3)
        alone.search(0, X, np.ones(700, dtype=bool))
        assert np.array_equal(search.result().positions, alone.result().positions), fit.name
        assert np.array_equal(search.result().scores, alone.result().scores), fit.name


@pytest.mark.parametrize("world", [_normal, _cone])
def test_one_product_serves_all_but_rescaled_axes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X, Q = world(rng, 500), world(rng, 60)
    alone: list[str] = []
    for name in ("search", "search_mapped"):
        monkeypatch.setattr(NeighborSearch, name, lambda self, *_: alone.append(self.similarity.name))
    _run(shared([NeighborSearch(fit, Q, 5) for fit in _fits(X, Q)]), X, np.ones(500, dtype=bool), 10**6)
    own = {"whitened(gamma=0.5)", "query-centred | whitened(gamma=0.5)", "z-score", "truncated(k=8)", "int8"}
    if world is _cone:  # float32 unit vectors are no scale of the rest, beside which their rounding is large
        own.add("cosine | query-centred")
    assert set(alone) <= own
    assert "z-score" in alone


def test_the_bound_covers_every_pair() -> None:
    """No bound is below the float64 product of the mapped vectors, and none is far above it."""
    slack: list[Float64] = []

    class Checked(NeighborSearch):
        def take(
            self, tile: slice, positions: IntArray, documents: Float32, products: Any, bounds: Any, scale: Any = None
        ) -> None:
            exact = documents.astype(np.float64) @ self.scaled[tile].astype(np.float64).T
            coarse = np.outer(product_error(documents), self.norms[tile])
            bounds = bounds if scale is None else bounds * scale
            some = coarse > 1e-30
            slack.append((bounds - exact)[some] / coarse[some])
            assert (bounds >= exact - 1e-12 * np.abs(exact)).all()

    for world in WORLDS:
        rng = np.random.default_rng(1)
        X, Q = world(rng, 400), world(rng, 60)
        searches = [Checked(fit, Q, 5) for fit in _fits(X, Q)]
        SharedSearch(searches).search(0, X, np.ones(400, dtype=bool))
    assert len(slack) == len(WORLDS) * len(NAMES)
    assert max(float(part.max(initial=0)) for part in slack) <= 2 * WIDER


def test_cross_fitted_query_maps_share() -> None:
    rng = np.random.default_rng(2)
    X, Q = _normal(rng, 400), _normal(rng, 50) + 1
    judged, folds = np.arange(50), np.arange(50) % 5
    names = ("query-centred", "abtt(d=1)", "csls", "nnn", "query-centred | whitened(gamma=0.5)")
    one, other = ([crossfit(parse(name), Training(X, Q), Q, judged, folds, 10) for name in names] for _ in range(2))
    everywhere = np.ones(400, dtype=bool)
    _run([step for fit in one for step in fit.steps], X, everywhere, 150)
    steps = shared([step for fit in other for step in fit.steps])
    assert len(steps) == 6  # all queries, and the queries of five folds for what has a bank
    _run(steps, X, everywhere, 150)
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.run().positions, b.run().positions)
        assert np.array_equal(a.run().scores, b.run().scores)


def test_other_steps_and_other_queries_stay_their_own() -> None:
    class Count:
        def step(self, block: object) -> None: ...

    X = _normal(np.random.default_rng(0), 4)
    steps: list[Step] = [Count(), NeighborSearch(Cosine(), X[:2], 1), NeighborSearch(Cosine(), X[2:], 1)]
    assert shared(steps) == steps


@pytest.mark.parametrize(("documents", "queries"), [(1e16, 1e-8), (1e10, 1e-20), (1.0, 1e-38), (1e17, 1e-5)])
def test_together_as_apart_whatever_the_lengths(documents: float, queries: float) -> None:
    """Where a shared product would leave the range of float32, too."""
    rng = np.random.default_rng(8)
    X, Q = _normal(rng, 300), _normal(rng, 20)
    X[::2] *= np.float32(documents)
    Q *= np.float32(queries)
    apart, together = (
        [NeighborSearch(parse(n).fit(Training(X)), Q, 10) for n in ("cosine", "dot", "l2")] for _ in "ab"
    )
    _run(list(apart), X, np.ones(300, dtype=bool), 100)
    _run(shared(together), X, np.ones(300, dtype=bool), 100)
    for a, b in zip(apart, together, strict=True):
        assert (b.result().positions >= 0).all(), b.similarity.name
        assert np.array_equal(a.result().positions, b.result().positions), b.similarity.name
        assert np.array_equal(a.result().scores, b.result().scores), b.similarity.name
