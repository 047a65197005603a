"""Every similarity is an inner product: the maps rank as the formula does, tie-aware."""

from __future__ import annotations

import numpy as np
import pytest

from ragdiag.similarities import L2, Cosine, Dot, Similarity, for_metric
from ragdiag.testing import worlds
from ragdiag.types import Float32, Float64, Metric
from ragdiag.vectors import row_norms, unit
from tests.reference.neighbors import direct_scores, mapped_scores, ranking, wrong_neighbours

SIMILARITIES: list[tuple[Metric, Similarity]] = [
    (Metric.COSINE, Cosine()),
    (Metric.DOT, Dot()),
    (Metric.L2, L2()),
]
SCALES = [1e-20, 1e-3, 1.0, 1e3, 1e15]


def documents(seed: int, n: int = 80, d: int = 12) -> Float32:
    """Directions of all kinds at lengths of all kinds, some of them twice."""
    rng = np.random.default_rng(seed)
    X = worlds.normal(rng, n, d) * np.exp(rng.standard_normal((n, 1))).astype(np.float32)
    X[-10:] = X[:10]
    return X


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("metric", "similarity"), SIMILARITIES)
def test_the_maps_rank_as_the_formula(metric: Metric, similarity: Similarity, scale: float) -> None:
    for seed in range(5):
        X = documents(seed) * np.float32(scale)
        Q = documents(seed + 100, n=9) * np.float32(scale)
        scores = direct_scores(Q, X, metric)
        found, _ = ranking(mapped_scores(similarity.queries(Q), similarity.documents(X)), 10)
        lengths, longest = row_norms(Q), float(row_norms(X).max())
        tolerance = {
            Metric.COSINE: np.full(9, 4 * 2.0**-24),  # unit vectors are rounded to float32
            Metric.DOT: lengths * longest * 1e-12,
            Metric.L2: (lengths + longest) ** 2 * 2.0**-40,
        }[metric]
        assert wrong_neighbours(found, scores, tolerance) == []


@pytest.mark.parametrize("scale", [1e-20, 1e-10, 1.0, 1e10, 1e15])
def test_l2_keeps_distances_that_one_float32_coordinate_would_lose(scale: float) -> None:
    """‖d‖²/2 is kept to 2⁻⁴⁸, or to the smallest float32 numbers."""
    X = documents(0) * np.float32(scale)
    last = L2().documents(X).astype(np.float64)[:, -2:] @ L2().queries(X)[:1, -2:].astype(np.float64).T
    exact = -0.5 * row_norms(X) ** 2
    assert np.allclose(last[:, 0], exact, rtol=2.0**-47, atol=2.0**-170)


@pytest.mark.parametrize(("metric", "similarity"), SIMILARITIES)
def test_the_length_of_a_query_changes_the_ranking_under_l2_alone(metric: Metric, similarity: Similarity) -> None:
    X, Q = documents(0), documents(1, n=20)
    before, _ = ranking(mapped_scores(similarity.queries(Q), similarity.documents(X)), 10)
    scores = mapped_scores(similarity.queries(Q * np.float32(4)), similarity.documents(X))
    tolerance = np.abs(scores).max(axis=1) * 1e-6
    changed = wrong_neighbours(before, scores, tolerance) != []
    assert changed == (metric is Metric.L2)


def with_equal_lengths(X: Float32, headroom: float = 1.1) -> tuple[Float32, float]:
    """Append √(M² − ‖d‖²), which gives every document the length M."""
    longest = headroom * float(row_norms(X).max())
    rest = np.sqrt(longest**2 - row_norms(X) ** 2)
    return np.concatenate([X, rest[:, None].astype(np.float32)], axis=1), longest


@pytest.mark.parametrize(("source", "maps"), SIMILARITIES)
def test_the_equal_norm_dimension_lets_any_store_rank_by_any_similarity(source: Metric, maps: Similarity) -> None:
    """Whatever a store ranks by, mapped documents of one length under queries with a 0 rank as the source does."""
    for seed in range(5):
        X, Q = documents(seed), documents(seed + 100, n=15)
        D, length = with_equal_lengths(maps.documents(X))
        mapped = maps.queries(Q)
        asked = np.concatenate([mapped, np.zeros((len(Q), 1), dtype=np.float32)], axis=1)
        scores = direct_scores(Q, X, source)
        for metric, store in SIMILARITIES:
            found, _ = ranking(mapped_scores(store.queries(asked), store.documents(D)), 10)
            # float32 coordinates of size M and queries of length ‖q‖: the scores that they can tell apart
            blur: Float64 = 8 * 2.0**-24 * length * (row_norms(mapped) + (length if metric is Metric.L2 else 0))
            per_unit = {Metric.COSINE: 1 / row_norms(Q), Metric.DOT: np.ones(15), Metric.L2: np.full(15, 2.0)}
            assert wrong_neighbours(found, scores, blur * per_unit[source]) == []


def test_cosine_of_a_zero_vector_is_zero() -> None:
    X = np.array([[0, 0], [1, 0]], dtype=np.float32)
    assert mapped_scores(Cosine().queries(X), Cosine().documents(X)).tolist() == [[0.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("scale", SCALES)
def test_directions_do_not_depend_on_lengths(scale: float) -> None:
    X = documents(0)
    assert np.allclose(unit(X * np.float32(scale)), unit(X), rtol=0, atol=2e-7)
    assert np.allclose(row_norms(unit(X * np.float32(scale))), 1, rtol=0, atol=3e-7)


@pytest.mark.parametrize(
    ("metric", "name"), [(Metric.COSINE, "cosine"), (Metric.DOT, "dot"), (Metric.L2, "l2"), (None, "cosine")]
)
def test_a_metric_is_ranked_by_its_similarity(metric: Metric | None, name: str) -> None:
    assert for_metric(metric).name == name
