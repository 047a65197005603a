"""Dead coordinates, few documents, zero rows and extreme lengths harm no similarity."""

from __future__ import annotations

import numpy as np
import pytest

from ragdiag.similarities import Training, parse
from ragdiag.testing import worlds
from ragdiag.types import Float32

D = 16
NAMES = [
    "cosine",
    "dot",
    "l2",
    "centred",
    "query-centred",
    "mean-direction",
    "z-score",
    "abtt(d=2)",
    "pca(k=6)",
    "whitened(gamma=0.5)",
    "whitened(shrinkage=ledoit-wolf)",
    "whitened(shrinkage=oas)",
    "layer-norm",
    "csls",
    "nnn",
    "inverted-softmax",
    "local-scaling",
    "dis-sim-local",
    "truncated(k=7)",
    "int8",
    "binary",
    "binary(rescore=false)",
    "pq(m=4, bits=1)",
    "query-centred | whitened(gamma=0.5) | csls",
]


def vectors(seed: int, n: int = 100) -> Float32:
    return worlds.decaying(np.random.default_rng(seed), n, D, 0.5) + np.float32(0.2)


def overlap(name: str, one: tuple[Float32, ...], other: tuple[Float32, ...], k: int = 10) -> float:
    """Share of the top k in common when fitted and used on each."""
    tops = []
    for X, bank, Q in (one, other):
        fitted = parse(name).fit(Training(X, bank))
        mapped = fitted.queries(Q).astype(np.float64) @ fitted.documents(X).astype(np.float64).T
        assert np.isfinite(mapped).all()
        tops.append(np.argsort(-mapped, axis=1, kind="stable")[:, :k])
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*tops, strict=True)]))


def world() -> tuple[Float32, Float32, Float32]:
    return vectors(0), vectors(1, 60), vectors(2, 20)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "layer-norm"])
def test_dead_coordinates_change_no_ranking(name: str) -> None:
    """Three coordinates of 0, as a well-known small model has them, and one of rounding; layer-norm counts them."""
    X, bank, Q = world()

    def with_dead(V: Float32, seed: int) -> Float32:
        dead = np.zeros((len(V), 4), dtype=np.float32)
        dead[:, 3] = 1e-9 * np.random.default_rng(seed).normal(size=len(V))
        return np.concatenate([V, dead], axis=1)

    other = (with_dead(X, 3), with_dead(bank, 4), with_dead(Q, 5))
    # Shrinkage sees four dimensions more; pq cuts the pieces elsewhere.
    least = {"whitened(shrinkage=ledoit-wolf)": 0.9, "whitened(shrinkage=oas)": 0.9, "pq(m=4, bits=1)": 0.0}
    assert overlap(name, (X, bank, Q), other) >= least.get(name, 0.99)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-20, 1e15])
def test_the_unit_changes_no_ranking(name: str, scale: float) -> None:
    X, bank, Q = world()
    factor = np.float32(scale)
    assert overlap(name, (X, bank, Q), (X * factor, bank * factor, Q * factor)) >= 0.99


@pytest.mark.parametrize("name", NAMES)
def test_lengths_of_all_orders_and_zero_rows_leave_finite_scores(name: str) -> None:
    X, bank, _ = world()
    training = Training(X, bank)
    wild = vectors(7, 50)
    wild[0], wild[1] = 0.0, 0.7
    wild[2:20] *= np.float32(1e-20)
    wild[20:40] *= np.float32(1e15)
    fitted = parse(name).fit(training)
    mapped, asked = fitted.documents(wild), fitted.queries(wild)
    assert np.isfinite(mapped).all()
    assert np.isfinite(asked).all()
    assert np.isfinite(asked.astype(np.float64) @ mapped.astype(np.float64).T).all()


@pytest.mark.parametrize("name", NAMES)
def test_training_on_lengths_of_all_orders(name: str) -> None:
    X, bank, _ = world()
    X[:30] *= np.float32(1e-20)
    X[30:50] *= np.float32(1e15)
    fitted = parse(name).fit(Training(X, bank))
    assert np.isfinite(fitted.documents(X)).all()
    assert np.isfinite(fitted.queries(bank)).all()


@pytest.mark.parametrize(
    "name",
    [
        "abtt(d=2)",
        "pca(k=6)",
        "z-score",
        "whitened(gamma=0.5)",
        "whitened(shrinkage=0.2)",
        "whitened(k=10)",
        "local-scaling",
        "int8",
        "binary",
    ],
)
def test_more_dimensions_than_documents(name: str) -> None:
    """A document is its own nearest neighbour, and maps are finite."""
    X = worlds.normal(np.random.default_rng(0), 40, 200)
    fitted = parse(name).fit(Training(X))
    found = fitted.queries(X).astype(np.float64) @ fitted.documents(X).astype(np.float64).T
    assert np.isfinite(found).all()
    assert np.mean(found.argmax(axis=1) == np.arange(40)) >= 0.95


def test_directions_without_variance_are_dropped() -> None:
    X = worlds.low_rank(np.random.default_rng(0), 100, 20, k=5)
    for name, width in (("whitened(gamma=0.5)", 5), ("whitened(shrinkage=0.5)", 5), ("pca(k=9)", 5), ("pca(k=3)", 3)):
        assert parse(name).fit(Training(X)).documents(X).shape == (100, width)


def test_a_document_stored_often_keeps_a_finite_radius() -> None:
    """Eleven copies have neighbours at distance 0: the radius is floored at .05 of the mean."""
    X = vectors(0)
    X[:15] = X[0]
    fitted = parse("local-scaling").fit(Training(X))
    mapped = fitted.documents(X)
    assert np.linalg.norm(mapped[0, :D]) == pytest.approx(2 / 0.05)
    assert np.linalg.norm(mapped[:, :D], axis=1).max() == pytest.approx(2 / 0.05)
    typical = np.median(np.linalg.norm(mapped[20:, :D], axis=1))
    assert typical == pytest.approx(2.0, rel=0.3)


@pytest.mark.parametrize("name", ["local-scaling(k=3)", "dis-sim-local(k=3)"])
def test_a_document_is_not_its_own_neighbour(name: str) -> None:
    """In the reference or not, at another length, or in one copy more, it is scored by the others."""
    X = vectors(0)
    whole = parse(name).fit(Training(X)).documents(X[:1])
    others = parse(name).fit(Training(X[1:]))
    bias = -1 if name.startswith("dis") else slice(None)
    scale = 1.0
    if name.startswith("local"):  # radii are in units of the mean radius, which the document is a part of
        scale = float(parse(name).fit(Training(X)).arrays["0.mean_radius"] / others.arrays["0.mean_radius"])
    assert np.allclose(whole[0, bias], others.documents(X[:1])[0, bias] * scale, atol=1e-5)
    assert np.allclose(parse(name).fit(Training(X)).documents(X[:1] * 3), whole, atol=1e-5)
