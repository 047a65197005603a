"""Geometry alone cannot choose a remedy: two worlds of one shape, one repaired and one ruined by whitening."""

from __future__ import annotations

import numpy as np
import pytest

from ragdiag.errors import SimilarityError
from ragdiag.similarities import Training, parse
from ragdiag.similarities.spread import spread
from ragdiag.testing.labelled_worlds import Labelled, meaningful_directions, nuisance_directions
from ragdiag.types import Float32

SEEDS = range(3)


def recall_at_1(name: str, world: Labelled) -> float:
    """Fitted on the documents, and on nothing else."""
    fitted = parse(name).fit(Training(world.documents))
    scores = fitted.queries(world.queries) @ fitted.documents(world.documents).T
    return float(np.mean(scores.argmax(axis=1) == world.relevant))


@pytest.mark.parametrize("seed", SEEDS)
def test_nuisance_is_repaired_by_whitening_and_by_abtt(seed: int) -> None:
    world = nuisance_directions(np.random.default_rng(seed))
    assert recall_at_1("cosine", world) == pytest.approx(0.52, abs=0.06)
    for remedy in ("whitened", "whitened(gamma=0.5)", "whitened(shrinkage=oas)", "abtt(d=4)", "abtt(d=6)"):
        assert recall_at_1(remedy, world) >= 0.99, remedy
    assert recall_at_1("abtt(d=1)", world) < 0.75
    assert recall_at_1("centred", world) == pytest.approx(0.52, abs=0.06)


@pytest.mark.parametrize("seed", SEEDS)
def test_meaning_is_ruined_by_whitening_and_by_abtt(seed: int) -> None:
    world = meaningful_directions(np.random.default_rng(seed))
    assert recall_at_1("cosine", world) >= 0.98
    for remedy in ("whitened", "abtt(d=4)"):
        assert recall_at_1(remedy, world) == pytest.approx(0.70, abs=0.06), remedy


def test_their_shape_is_the_same() -> None:
    def shape(X: Float32) -> tuple[float, float]:
        variances = spread(X).variances
        ratio = variances.sum() ** 2 / (variances**2).sum()
        return (ratio - 1) / (X.shape[1] - 1), variances[0] / variances.sum()

    for seed in SEEDS:
        isoscore, top = shape(nuisance_directions(np.random.default_rng(seed)).documents)
        others = shape(meaningful_directions(np.random.default_rng(seed)).documents)
        assert (isoscore, top) == pytest.approx(others)
        assert isoscore == pytest.approx(0.028, abs=0.003)
        assert top == pytest.approx(0.24, abs=0.02)


def test_whitening_on_as_many_documents_as_dimensions_is_refused() -> None:
    world = nuisance_directions(np.random.default_rng(0))
    few = Training(world.documents[:128])
    with pytest.raises(SimilarityError, match=r"whole whitening of 128 dimensions has 128 documents"):
        parse("whitened").fit(few)
    # Why: the small eigenvalues are noise.
    fitted = parse("whitened").recipes[0]
    noisy = fitted.unchecked(few)  # type: ignore[attr-defined]
    scores = noisy.queries(world.queries) @ noisy.documents(world.documents).T
    assert np.mean(scores.argmax(axis=1) == world.relevant) < 0.6
    for milder in ("whitened(gamma=0.5)", "whitened(shrinkage=0.5)", "whitened(k=60)"):
        parse(milder).fit(few)
