from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ragdiag import Severity
from ragdiag.report.terminal import to_text
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.lexical import lexical_run
from ragdiag.retrieval.metrics import per_query
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic
from ragdiag.types import Float32
from ragdiag.vectors import unit
from tests.findings.planted import DIM, N, check, fired, healthy, judgements, listed, names, sentences, silent

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


TEXTS = sentences(N)


def with_words(share: float) -> Judgements:
    """Return questions of which a share quotes three words of their document."""
    quoting = round(share * M)
    texts = [" ".join(TEXTS[4 * i].split()[:3]) if i < quoting else "nothing in common" for i in range(M)]
    return replace(LABELS, texts=tuple(texts))


def texts_store(X: Float32) -> ArrayStore:
    return ArrayStore(X, ids=names(len(X)), texts=TEXTS, metric="cosine")


def blurred(noise: float) -> Float32:
    return unit(unit(healthy()[: 4 * M : 4]) + np.float32(noise) * isotropic(RNG(3), M, DIM))


def test_ret004_words_rank_better_than_the_vectors() -> None:
    X, Q, labels = healthy(), blurred(2.0), with_words(1.0)
    finding = fired("RET004", texts_store(X), judgements=labels, query_vectors=Q)
    assert finding.severity is Severity.ERROR
    delta, words, base = finding.evidence.values()
    relevant = [{4 * i: 1} for i in range(M)]
    run = lexical_run(enumerate(TEXTS), labels.texts, 100)
    by_words = per_query(run.positions, relevant, ["nDCG@10"])["nDCG@10"].mean()
    ranked = np.argsort(-unit(Q) @ unit(X).T, axis=1)[:, :10].astype(np.int64)
    by_vectors = per_query(ranked, relevant, ["nDCG@10"])["nDCG@10"].mean()
    assert words.value == pytest.approx(by_words)
    assert base.value == pytest.approx(by_vectors)
    assert delta.value == pytest.approx(by_words - by_vectors)
    assert (delta.low or 0.0) > 0.05
    assert "made for the language" in finding.remedy.text
    # Vectors that do as well, and questions in other words.
    silent("RET004", texts_store(X), judgements=labels, query_vectors=blurred(0.3))
    silent("RET004", texts_store(X), judgements=with_words(0.0), query_vectors=Q)


def test_ret004_a_little_is_for_information() -> None:
    finding = fired("RET004", texts_store(healthy()), judgements=with_words(1.0), query_vectors=blurred(1.1))
    assert finding.severity is Severity.INFO
    delta = finding.evidence["nDCG@10.bm25_delta"]
    assert 0 < (delta.low or 0.0) < 0.05
    assert finding.remedy.text == "Leave it alone, or try hybrid search."
    found = check("RET004", texts_store(healthy()), judgements=with_words(1.0), query_vectors=blurred(1.1))
    assert "which may be all there is to it" in " ".join(to_text(found).split())


def test_ret004_needs_texts_and_questions_of_people() -> None:
    X, Q, labels = healthy(), blurred(2.0), with_words(1.0)

    def skipped(store_: ArrayStore, **options: object) -> str:
        return check("RET004", store_, **options).skipped["RET004"]

    assert skipped(texts_store(X), query_vectors=Q) == "no judgements were given"
    assert skipped(store(X), judgements=labels, query_vectors=Q) == "the store keeps no texts"
    made = replace(labels, pseudo="title")
    why = "the queries were made of the stored texts"
    assert skipped(texts_store(X), judgements=made, query_vectors=Q) == why
    why = "labelled retrieval is at chance altogether (RET002)"
    assert skipped(texts_store(X), judgements=labels, query_vectors=Q[::-1].copy()) == why
    few = replace(labels, query_ids=labels.query_ids[:9], texts=labels.texts[:9], relevant=labels.relevant[:9])
    why = "fewer than 10 independent labelled queries"
    assert skipped(texts_store(X), judgements=few, query_vectors=Q[:9]) == why
