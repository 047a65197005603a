from __future__ import annotations

import numpy as np
import pytest

from ragdiag import Severity
from ragdiag.report.terminal import to_text
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic
from ragdiag.types import Float32
from ragdiag.vectors import unit
from tests.findings.planted import DIM, N, check, fired, healthy, judgements, listed, names, silent

RNG = np.random.default_rng
M = 150
LABELS = judgements([{f"d{4 * i}": 1} for i in range(M)])


def asked(X: Float32) -> Float32:
    """Return a query near every fourth document."""
    return unit(unit(X[: 4 * M : 4]) + np.float32(0.5) * isotropic(RNG(3), M, DIM))


def store(X: Float32) -> ArrayStore:
    return ArrayStore(X, ids=names(len(X)), metric="cosine")


def test_ret002_queries_in_another_order() -> None:
    X = healthy()
    silent("RET002", store(X), judgements=LABELS, query_vectors=asked(X))
    finding = fired("RET002", store(X), judgements=LABELS, query_vectors=asked(X)[::-1].copy())
    assert finding.severity is Severity.ERROR
    mean, misplaced, alignment = finding.evidence.values()
    assert (mean.high or 1.0) < 0.05 + (mean.null or 0.0)
    # Ten places of 600, each worth its discount, for the one relevant document.
    assert mean.null == pytest.approx(sum(1 / np.log2(r + 1) for r in range(1, 11)) / N, abs=0.006)
    assert misplaced.value == pytest.approx(0.5, abs=0.12)
    assert alignment.value == pytest.approx(2.0, abs=0.1)
    assert "another order than the queries" in finding.remedy.text


def test_ret002_another_model_for_the_queries_and_ids_shifted_by_one() -> None:
    X = healthy()
    turn = np.linalg.qr(RNG(7).standard_normal((DIM, DIM)))[0].astype(np.float32)
    fired("RET002", store(X), judgements=LABELS, query_vectors=asked(X) @ turn)
    fired("RET002", store(np.roll(X, 1, axis=0)), judgements=LABELS, query_vectors=asked(X))


def test_ret002_says_when_the_vectors_are_not_at_fault() -> None:
    X = healthy(n=4 * M)
    # Twelve copies of each query take the first places.
    crowd = np.repeat(asked(X), 12, axis=0)
    finding = fired("RET002", store(np.concatenate([X, crowd])), judgements=LABELS, query_vectors=asked(X))
    assert finding.evidence["alignment.misplaced"].value == 0.0
    assert "look for what takes the first places" in finding.remedy.text


def test_ret002_cannot_tell_from_few_queries_or_shared_documents() -> None:
    X = healthy()
    few = judgements([{"d0": 1}] * 9)
    found = check("RET002", store(X), judgements=few, query_vectors=asked(X)[:9])
    assert found.skipped == {"RET002": "fewer than 10 labelled queries"}
    assert found.comparison is not None
    assert found.comparison.note == "fewer than 10 labelled queries give no interval and prove nothing"
    same = judgements([{"d0": 1}] * 40)
    found = check("RET002", store(X), judgements=same, query_vectors=np.tile(X[:1], (40, 1)))
    assert found.skipped == {"RET002": "dealt at random, the judgements score 1: chance and skill cannot be told apart"}
    assert check("RET002", X).skipped == {"RET002": "no judgements were given"}


def test_at_chance_no_similarity_is_left_alone() -> None:
    X = healthy() * np.exp(RNG(2).normal(0, 0.2, size=(N, 1))).astype(np.float32)
    found = check("RET002", store(X), judgements=LABELS, query_vectors=asked(X)[::-1].copy())
    text = to_text(found)
    assert "cosine ranks at chance: mend that first, then compare similarities." in text
    assert "Leave the ranking alone" not in text
    assert "(chance)" in text


def turned(part: float) -> Float32:
    """Return the world with a part from a rotated copy of the model, the first documents."""
    X = healthy()
    turn = np.linalg.qr(RNG(7).standard_normal((DIM, DIM)))[0].astype(np.float32)
    rows = slice(0, round(part * N))
    X[rows] = X[rows] @ turn
    return X


def test_ret003_a_part_from_another_model() -> None:
    X = healthy()
    silent("RET003", store(X), judgements=LABELS, query_vectors=asked(X))
    finding = fired("RET003", store(turned(0.5)), judgements=LABELS, query_vectors=asked(X))
    assert finding.severity is Severity.ERROR
    assert finding.evidence["alignment.misplaced"].value == pytest.approx(0.25, abs=0.08)
    assert finding.evidence["alignment.misplaced"].n == M
    assert len(listed(finding)) == 10
    assert all(int(id_[1:]) < N / 2 for id_ in listed(finding))


def test_ret003_a_few_are_for_information() -> None:
    finding = fired("RET003", store(turned(0.06)), judgements=LABELS, query_vectors=asked(healthy()))
    assert finding.severity is Severity.INFO
    assert 0.01 <= (finding.evidence["alignment.misplaced"].low or 0.0) < 0.05


def test_ret003_leaves_to_ret002_what_is_wrong_with_all() -> None:
    X = healthy()
    found = check("RET003", store(X), judgements=LABELS, query_vectors=asked(X)[::-1].copy())
    assert found.skipped == {"RET003": "labelled retrieval is at chance altogether (RET002)"}
    few = judgements([{"d0": 1}] * 40)
    found = check("RET003", store(X), judgements=few, query_vectors=asked(X)[:40])
    assert found.skipped == {"RET003": "fewer than 10 labelled queries or relevant documents"}
