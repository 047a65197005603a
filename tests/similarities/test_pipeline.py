"""Recipes one after the other: each is fitted on what the ones before made of the vectors."""

from __future__ import annotations

import numpy as np
import pytest

from ragdiag.similarities import Training, parse
from ragdiag.similarities.base import spelled
from ragdiag.similarities.whitened import Whitened
from ragdiag.testing import worlds
from ragdiag.types import Float32, Float64
from tests.reference.neighbors import mapped_scores, ranking, wrong_neighbours

D = 12


def documents(n: int = 120, seed: int = 0) -> Float32:
    return worlds.decaying(np.random.default_rng(seed), n, D) + np.float32(0.4)


def queries(n: int = 40, seed: int = 1) -> Float32:
    return worlds.decaying(np.random.default_rng(seed), n, D) - np.float32(0.2)


def training() -> Training:
    return Training(documents(), queries())


def scores(name: str, Q: Float32, X: Float32) -> Float64:
    fitted = parse(name).fit(training())
    return mapped_scores(fitted.queries(Q), fitted.documents(X))


def assert_rank_alike(one: Float64, other: Float64, tolerance: float = 1e-5) -> None:
    found, _ = ranking(one, 20)
    assert wrong_neighbours(found, other, tolerance * np.ptp(other, axis=1)) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cosine | cosine", "cosine"),
        ("centred | cosine", "centred"),
        ("centred | centred", "centred"),
        ("whitened(gamma=0)", "centred"),
        (f"pca(k={D})", "centred"),
        ("truncated(k=12)", "cosine"),
        ("z-score | z-score", "z-score"),
        ("cosine | dot", "cosine"),
        ("cosine | l2", "cosine"),
        ("layer-norm | layer-norm", "layer-norm"),
        ("whitened | pca(k=12)", "whitened"),
        ("abtt(d=2) | abtt(d=3)", "abtt(d=5)"),
        ("pca(k=7) | abtt(d=2) | whitened(gamma=0.5)", "pca(k=7) | whitened(gamma=0.5) | abtt(d=2)"),
    ],
)
def test_pipelines_that_are_one_similarity(one: str, other: str) -> None:
    Q, X = queries(15, seed=2), np.concatenate([documents(), documents(40, seed=3)])
    assert_rank_alike(scores(one, Q, X), scores(other, Q, X))


def test_the_order_matters() -> None:
    Q, X = queries(15, seed=2), documents()
    first, second = scores("cosine | centred", Q, X), scores("centred | cosine", Q, X)
    assert np.abs(first - second).max() > 0.01


def test_a_recipe_learns_from_what_is_mapped() -> None:
    fitted = parse("cosine | query-centred | whitened(gamma=0.5)").fit(training())
    X, Q = documents(), queries()
    unit = X / np.linalg.norm(X.astype(np.float64), axis=1, keepdims=True)
    unit_queries = Q / np.linalg.norm(Q.astype(np.float64), axis=1, keepdims=True)
    arrays = fitted.arrays
    assert np.allclose(arrays["1.document_mean"], unit.mean(axis=0), atol=1e-7)
    assert np.allclose(arrays["1.query_mean"], unit_queries.mean(axis=0), atol=1e-7)
    assert np.allclose(arrays["2.document_mean"], 0, atol=1e-7)
    _, s, _ = np.linalg.svd(unit - unit.mean(axis=0))
    assert np.allclose(np.linalg.norm(arrays["2.matrix"], axis=0), (s / s[0]) ** -0.5, rtol=1e-5)


def test_a_bank_is_mapped_too() -> None:
    fitted = parse("query-centred | csls(k=10)").fit(training())
    moved = queries().astype(np.float64) - queries().astype(np.float64).mean(axis=0)
    assert np.allclose(fitted.arrays["1.bank"], moved / np.linalg.norm(moved, axis=1, keepdims=True), atol=1e-6)


def test_what_uses_queries_says_so() -> None:
    for name in ("query-centred", "csls", "nnn", "inverted-softmax", "query-centred | abtt", "pca(k=3) | csls"):
        assert parse(name).uses_queries, name
    for name in ("cosine", "centred | whitened", "local-scaling", "dis-sim-local", "z-score | int8"):
        assert not parse(name).uses_queries, name


@pytest.mark.parametrize(
    "name", ["centred | dot", "whitened | dot", "query-centred | abtt(d=2) | z-score | dot", "dot"]
)
def test_a_linear_remedy_under_dot_folds_into_the_query(name: str) -> None:
    fitted = parse(name).fit(training())
    folded = fitted.folded()
    assert folded is not None
    assert folded.name == name
    Q, X = queries(15, seed=2), documents()
    assert folded.documents(X) is X, "the index stays"
    assert_rank_alike(mapped_scores(folded.queries(Q), X), mapped_scores(fitted.queries(Q), fitted.documents(X)))


@pytest.mark.parametrize("name", ["centred", "cosine | dot", "centred | l2", "centred | csls", "layer-norm | dot"])
def test_what_rewrites_documents_does_not_fold(name: str) -> None:
    assert parse(name).fit(training()).folded() is None


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("cosine", 48),
        ("l2", 56),
        ("csls", 52),
        ("truncated(k=5)", 20),
        ("pca(k=5)", 20),
        ("int8", 12),
        ("binary", 2),
        ("truncated(k=8) | binary", 1),
        ("truncated(k=5) | int8", 5),
        ("pq(m=4, bits=1)", 0.5),
        ("query-centred | pq(m=6, bits=1)", 0.75),
    ],
)
def test_bytes_per_vector(name: str, size: float) -> None:
    assert parse(name).fit(training()).bytes_per_vector == size


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("csls(alpha=1)", "csls(alpha=1.0, k=10)"),
        ("inverted-softmax", "inverted-softmax(beta=20.0)"),
        ("pq(m=2)", "pq(bits=8, m=2)"),
    ],
)
def test_one_similarity_has_one_name(one: str, other: str) -> None:
    assert parse(one) == parse(other)
    assert parse(other).name == one


@pytest.mark.parametrize("gamma", [0.1, 1 / 3, 0.123456789, 1e-9, 0.9999999])
def test_no_digit_of_an_option_is_lost(gamma: float) -> None:
    assert parse(spelled(Whitened(gamma=gamma))).recipes == (Whitened(gamma=gamma),)
