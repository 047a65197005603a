from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from ragdiag import Plan, Report, audit
from ragdiag.errors import StoreError
from ragdiag.pictures.listed import Chunk, hub_positions, poisson_counts
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic
from ragdiag.types import Batch


@pytest.fixture(scope="module")
def report() -> Report:
    """A store with a hub of the queries, which lies at their mean."""
    rng = np.random.default_rng(0)
    X = isotropic(rng, 500, 24)
    Q = isotropic(rng, 200, 24)
    Q[:, 0] += 0.7
    X[17] = 0
    X[17, 0] = 1
    texts = [f"chunk {i}" for i in range(500)]
    return audit(ArrayStore(X, ids=[f"d{i}" for i in range(500)], texts=texts, metric="cosine"), query_vectors=Q)


def test_the_counts_are_those_of_the_lists(report: Report) -> None:
    assert report.pictures is not None
    listed, other = report.pictures.occurrences
    assert (listed.side, other.side) == ("query", "document")
    assert listed.counts.counts.sum() == listed.counts.n == 500
    assert listed.mean == pytest.approx(200 * 10 / 500)
    assert other.mean == pytest.approx(10)
    orphans = report.measures["hubness.query.orphans"].value
    assert orphans is not None
    assert listed.orphans == round(orphans * 500) == listed.counts.counts[0]
    assert listed.expected_orphans == pytest.approx(500 * np.exp(-4))


def test_the_null_is_the_poisson_law(report: Report) -> None:
    assert report.pictures is not None
    counts = report.pictures.occurrences[0].counts
    assert counts.expected is not None
    assert counts.edges[:11].tolist() == list(range(11))
    assert counts.expected[:10] == pytest.approx(500 * stats.poisson.pmf(np.arange(10), 4.0))
    assert counts.expected.sum() == pytest.approx(500, rel=1e-4)


def test_wide_bins_hold_the_sum_of_their_counts() -> None:
    found = poisson_counts(np.array([0.0, 3.0, 10.0]), 100, 2.5)
    pmf = stats.poisson.pmf(np.arange(10), 2.5)
    assert found == pytest.approx([100 * pmf[:3].sum(), 100 * pmf[3:].sum()])


def test_the_hub_is_named_with_its_text_and_what_it_captures(report: Report) -> None:
    assert report.pictures is not None
    hub = report.pictures.occurrences[0].hubs[0]
    assert (hub.position, hub.chunk.id, hub.chunk.text) == (17, "d17", "chunk 17")
    largest = report.measures["hubness.query.largest"].value
    assert largest is not None
    assert hub.lists == round(largest * 200)
    assert len(hub.captured) == 5
    assert all(one.id.startswith("query ") for one in hub.captured)


def test_chance_makes_no_hub() -> None:
    usable = np.ones(2000, dtype=bool)
    rng = np.random.default_rng(0)
    false = sum(len(hub_positions(rng.poisson(10, size=2000), usable)) for _ in range(200))
    assert false <= 18  # at most .05 of each: P(Poisson(10) > 18) = .007
    counts = rng.poisson(10, size=2000)
    counts[5] = 60
    assert hub_positions(counts, usable)[0] == 5


def test_orphans_that_are_named_are_in_no_list(report: Report) -> None:
    assert report.pictures is not None
    listed = report.pictures.occurrences[0]
    assert len(listed.orphan_examples) == min(5, listed.orphans)
    assert not {one.id for one in listed.orphan_examples} & {hub.chunk.id for hub in listed.hubs}


class Gone(ArrayStore):
    """A store whose documents are deleted while it is audited."""

    def fetch(self, ids: Sequence[str]) -> Batch:
        raise StoreError("there is no such document", hint="")


def test_hubs_that_are_gone_meanwhile_cost_their_texts_and_not_the_audit() -> None:
    rng = np.random.default_rng(0)
    X, Q = isotropic(rng, 500, 24), isotropic(rng, 200, 24)
    Q[:, 0] += 0.7
    X[17], X[17, 0] = 0, 1
    plan = Plan(select=("ANI",))  # whose findings name no documents
    pictures = audit(Gone(X, texts=["here"] * 500, metric="cosine"), query_vectors=Q, plan=plan).pictures
    assert pictures is not None
    assert pictures.occurrences[0].hubs[0].chunk == Chunk("17", None)
    assert pictures.map is not None
    assert len(pictures.map.chunks) == 700
