from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate, special

from ragdiag import Plan, audit
from ragdiag.pictures.histogram import PAIRS, isotropic_counts, norms
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic


def _directions(n: int = 800, dim: int = 24, seed: int = 0) -> ArrayStore:
    return ArrayStore(isotropic(np.random.default_rng(seed), n, dim), metric="cosine")


def test_every_pair_and_every_nearest_neighbour_is_in_a_bin() -> None:
    pictures = audit(_directions(), plan=Plan(sample_queries=300)).pictures
    assert pictures is not None
    assert pictures.cosines is not None
    assert pictures.cosines.pairs.counts.sum() == pictures.cosines.pairs.n == PAIRS
    assert pictures.cosines.nearest.counts.sum() == pictures.cosines.nearest.n == 300


def test_the_null_of_cosines_is_the_density_of_uniform_directions() -> None:
    # (1 − c²)^((d − 3)/2)/B(½, (d − 1)/2), integrated over each bin.
    edges, dim = np.linspace(-0.6, 0.6, 13), 24
    beta = special.beta(0.5, (dim - 1) / 2)
    slow = [
        1000 * integrate.quad(lambda c: (1 - c * c) ** ((dim - 3) / 2) / beta, low, high)[0]
        for low, high in itertools.pairwise(edges)
    ]
    assert isotropic_counts(edges, 1000, dim) == pytest.approx(slow, rel=1e-8)


def test_uniform_directions_lie_on_their_null() -> None:
    pictures = audit(_directions(2000)).pictures
    assert pictures is not None
    assert pictures.cosines is not None
    pairs = pictures.cosines.pairs
    assert pairs.expected is not None
    seen = pairs.expected > 20
    chi = np.sum((pairs.counts[seen] - pairs.expected[seen]) ** 2 / pairs.expected[seen])
    assert chi / seen.sum() < 1.6  # pairs of 2,000 documents are nearly independent


def test_lengths_are_counted_unless_there_is_one() -> None:
    lengths = np.array([1.0, 1.5, 2.0, 2.0])
    counted = norms(lengths)
    assert counted is not None
    assert counted.counts.sum() == 4
    assert counted.counts[-1] == 2
    assert norms(np.full(5, 3.0)) is None
    pictures = audit(_directions()).pictures
    assert pictures is not None
    assert pictures.norms is None
    assert pictures.one_length == pytest.approx(1.0, abs=1e-6)


def test_a_gap_is_as_wide_as_the_shift_and_none_where_there_is_no_shift() -> None:
    rng = np.random.default_rng(3)
    X, Q = (isotropic(rng, size, 24) for size in (900, 300))
    shift = np.zeros(24, dtype=np.float32)
    shift[0] = 0.8
    for moved, least, most in ((Q, -0.03, 0.03), (Q + shift, 0.5, 0.7)):
        pictures = audit(ArrayStore(X, metric="cosine"), query_vectors=moved).pictures
        assert pictures is not None
        gap = pictures.gap
        assert gap is not None
        assert gap.documents.counts.sum() == 900
        assert gap.queries.counts.sum() == 300
        of_docs, of_queries = (np.average(side.middles, weights=side.counts) for side in (gap.documents, gap.queries))
        # The shifted queries are brought to length 1 again: E x/‖x‖ along the shift, about .8/√(1 + .64).
        assert least < of_queries - of_docs < most
