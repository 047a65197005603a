"""The comparison as a whole, on worlds with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from ragdiag import compare
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.judgements import Judgements
from ragdiag.testing.labelled_worlds import Labelled, meaningful_directions, nuisance_directions


def compared(world: Labelled) -> Comparison:
    ids = tuple(f"q{i}" for i in range(len(world.queries)))
    labels = Judgements("world", ids, ids, tuple({str(document): 1} for document in world.relevant.tolist()))
    return compare(
        world.documents,
        labels,
        query_vectors=world.queries,
        similarities=["abtt(d=4)", "whitened", "whitened(gamma=0.5)", "query-centred"],
        metrics=["nDCG@10", "P@1"],
    )


def test_where_the_leading_directions_are_nuisance_whitening_or_abtt_wins() -> None:
    found = compared(nuisance_directions(np.random.default_rng(0)))
    assert found.winner in ("abtt(d=4)", "whitened", "whitened(gamma=0.5)")
    means = {run.similarity: run.scores["P@1"].mean.value for run in found.runs}
    assert means["cosine"] == pytest.approx(0.52, abs=0.06)
    assert means[found.winner] == pytest.approx(1.0, abs=0.01)
    assert found.chosen is not None
    assert (found.chosen.low or 0.0) > 0.2


def test_where_they_carry_the_meaning_the_store_is_left_alone() -> None:
    found = compared(meaningful_directions(np.random.default_rng(0)))
    assert found.winner is None
    means = {run.similarity: run.scores["P@1"].mean.value for run in found.runs}
    assert means["cosine"] == pytest.approx(0.99, abs=0.01)
    assert means["whitened"] == pytest.approx(0.70, abs=0.06)
    whitened = next(run for run in found.runs if run.similarity == "whitened")
    assert (whitened.scores["nDCG@10"].delta.high or 0.0) < -0.1
