from __future__ import annotations

import numpy as np
import pytest

from ragdiag.geometry.intervals import wilson
from ragdiag.geometry.positives import misplaced
from ragdiag.testing.worlds import isotropic
from ragdiag.types import Float32, IntArray
from ragdiag.vectors import unit

RNG = np.random.default_rng


def world(n: int = 400, dim: int = 32) -> tuple[Float32, Float32, IntArray]:
    """Return documents, a query near each, and their numbers."""
    X = unit(isotropic(RNG(0), n, dim))
    return X, unit(X + np.float32(0.8) * isotropic(RNG(1), n, dim)), np.arange(n)


def test_related_vectors_have_none() -> None:
    X, Q, rows = world()
    found = misplaced(Q, X, X, rows, rows)
    assert found.share.value == 0.0
    assert found.share.high == pytest.approx(wilson(0, 400).high)
    assert found.share.null == 0.5
    assert found.documents.tolist() == []


def test_unrelated_vectors_have_half() -> None:
    X, Q, rows = world()
    share = misplaced(Q, X, X[::-1], rows, rows).share
    assert share.value == pytest.approx(0.5, abs=0.06)
    assert (share.low or 0.0) < 0.5 < (share.high or 1.0)


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5])
def test_half_of_the_part_that_another_model_made_is_misplaced(part: float) -> None:
    X, Q, rows = world()
    foreign = rows < part * 400
    stored = X.copy()
    stored[foreign] = isotropic(RNG(2), int(foreign.sum()), 32)
    found = misplaced(Q, stored, stored, rows, rows)
    assert found.share.value == pytest.approx(part / 2, abs=0.04)
    assert set(found.documents) <= set(rows[foreign].tolist())


def test_it_is_the_share_counted_one_by_one() -> None:
    X, Q, _ = world(60)
    documents = RNG(3).integers(0, 60, size=200)
    asked = RNG(4).integers(0, 60, size=200)
    found = misplaced(Q, X, X[documents], asked, documents)
    far: dict[int, list[bool]] = {}
    for row, document in zip(asked.tolist(), documents.tolist(), strict=True):
        cosines = X.astype(np.float64) @ Q[row]
        far.setdefault(document, []).append(bool(cosines[document] < np.median(cosines)))
    assert found.share.value == pytest.approx(np.mean([np.mean(each) for each in far.values()]))
    assert found.share.n == min(len(far), len(set(asked.tolist())))
    assert set(found.documents.tolist()) == {document for document, each in far.items() if np.mean(each) > 0.5}


def test_a_query_without_a_direction_is_left_out() -> None:
    X, Q, rows = world()
    Q[:10] = 0
    assert misplaced(Q, X, X, rows, rows).share.n == 390
    missing = misplaced(np.zeros_like(Q), X, X, rows, rows).share
    assert (missing.value, missing.undefined) == (None, "no relevant document has a direction")


@pytest.mark.slow
def test_the_interval_covers_when_documents_share_queries() -> None:
    covered = 0
    for seed in range(200):
        generator = RNG([5, seed])
        X = isotropic(generator, 150, 16)
        truth = 0.2  # of the documents are foreign, and half of those misplaced
        foreign = generator.random(150) < 2 * truth
        rows = np.arange(600)
        documents = rows % 150
        Q = unit(X[documents] + np.float32(0.3) * isotropic(generator, 600, 16))
        Q[foreign[documents]] = isotropic(generator, int(foreign[documents].sum()), 16)
        share = misplaced(Q, X, X[documents], rows, documents).share
        covered += (share.low or 0.0) <= truth <= (share.high or 1.0)
    assert covered / 200 >= 0.93
