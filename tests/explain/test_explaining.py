"""Explanations against the direct formulas, and what they say of planted oddities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ragdiag import explain
from ragdiag.report.explanation import Explanation
from ragdiag.report.json_explanation import to_json
from ragdiag.report.reasons import reasons
from ragdiag.report.terminal_explanation import to_text
from ragdiag.similarities import Training, parse
from ragdiag.stores import ArrayStore
from ragdiag.types import Float32, IntArray, Metric
from tests.reference.neighbors import direct_scores

N, DIM, K = 150, 12, 5


def world() -> tuple[Float32, Float32]:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((N, DIM)) * rng.lognormal(0, 0.5, (N, 1))
    return X.astype(np.float32), rng.standard_normal(DIM).astype(np.float32)


def store(X: Float32, metric: Metric | None = Metric.COSINE, **more: Any) -> ArrayStore:
    return ArrayStore(X, ids=[f"d{i}" for i in range(len(X))], metric=metric, **more)


def order(Q: Float32, X: Float32, metric: Metric) -> IntArray:
    ordered: IntArray = np.argsort(-direct_scores(Q, X, metric), axis=1)
    return ordered


@pytest.mark.parametrize("metric", list(Metric))
def test_every_number_is_that_of_the_direct_formula(metric: Metric) -> None:
    X, q = world()
    found = explain(store(X, metric), "q", query_vector=q, k=K, similarities=["abtt(d=2)"])
    ranked = order(q[None], X, metric)[0]
    scores = direct_scores(q[None], X, metric)[0] * (-1 if metric is Metric.L2 else 1)
    assert [hit.id for hit in found.hits] == [f"d{i}" for i in ranked[:K]]
    assert [hit.score for hit in found.hits] == pytest.approx(scores[ranked[:K]], rel=1e-5)
    assert [hit.margin for hit in found.hits] == pytest.approx(np.abs(np.diff(scores[ranked[: K + 1]])), abs=1e-5)

    # Ranks among all documents, as sorting all of them gives them.
    fit = parse("abtt(d=2)").fit(Training(X))
    by_abtt = np.argsort(-(fit.queries(q[None]) @ fit.documents(X).T), axis=1)[0]
    by_name = {m.value: order(q[None], X, m)[0] for m in Metric if m is not metric} | {"abtt(d=2)": by_abtt}
    assert set(found.others) == set(by_name)
    for name, expected in by_name.items():
        where = {f"d{p}": rank for rank, p in enumerate(expected.tolist(), 1)}
        ranks = [where[hit.id] if where[hit.id] <= 100 else None for hit in found.hits]
        assert [hit.ranks[name] for hit in found.hits] == ranks
        new = [f"d{p}" for p in expected[:K].tolist() if p not in ranked[:K]]
        assert list(found.instead[name]) == new

    # All documents are searched for, each without itself.
    among = direct_scores(X, X, metric)
    np.fill_diagonal(among, -np.inf)
    lists = np.argsort(-among, axis=1)[:, :K]
    counts = np.bincount(lists.ravel(), minlength=N)
    assert [(hit.listed.value, hit.listed.null) for hit in found.hits] == [
        (counts[p] / N, K / N) for p in ranked[:K].tolist()
    ]
    lengths = np.linalg.norm(X.astype(np.float64), axis=1)
    assert [hit.length for hit in found.hits] == pytest.approx(lengths[ranked[:K]], rel=1e-6)
    assert [hit.relative_length for hit in found.hits] == pytest.approx(lengths[ranked[:K]] / np.median(lengths))

    # Where the query lies, by cosine whatever the store ranks by.
    cosines = direct_scores(X, X, Metric.COSINE)
    np.fill_diagonal(cosines, -2)
    kth = np.sort(cosines, axis=1)[:, -K]
    own = np.sort(direct_scores(q[None], X, Metric.COSINE)[0])[-K]
    assert found.facts.kth_cosine.value == pytest.approx(own, abs=1e-6)
    assert found.facts.kth_cosine.null == pytest.approx(np.median(kth), abs=1e-3)
    assert found.facts.farther_than.value == pytest.approx(np.mean(kth > own))
    U = X / lengths[:, None]
    mean = U.mean(axis=0)
    assert found.facts.mean_cosine.value == pytest.approx(q @ mean / np.linalg.norm(q) / np.linalg.norm(mean), abs=1e-5)
    rest = (U.sum(axis=0) - U) / np.linalg.norm(U.sum(axis=0) - U, axis=1)[:, None]
    expected_range = np.quantile(np.sum(U * rest, axis=1), [0.05, 0.95])
    assert found.facts.mean_cosine_range == pytest.approx(tuple(expected_range), abs=1e-5)


def test_equal_lengths_leave_the_plain_similarities_out() -> None:
    X, q = world()
    found = explain(store(X / np.linalg.norm(X, axis=1)[:, None], None), "q", query_vector=q[None], k=3)
    assert found.others == ()
    assert [note[:40] for note in found.notes] == [
        "the store does not say how it ranks; cos",
        "all vectors have one length, so that cos",
        "the store keeps no texts",
    ]


def planted() -> tuple[ArrayStore, Float32]:
    """A store with a hub in the middle of all, a copy, a long vector and an empty text."""
    rng = np.random.default_rng(2)
    common = np.zeros(64)
    common[0] = 6
    X = (common + rng.standard_normal((300, 64))).astype(np.float32)
    X[0] = common
    X[1] = X[2]
    X[3] *= 4
    texts = [f"filler {i}" for i in range(300)]
    texts[2] = "the pump leaks"
    texts[1] = "The pump  LEAKS"
    texts[0] = " "
    texts[250] = "how does the pump get loud"
    texts[251] = "the end"
    return store(X, texts=texts), (X[2] + 0.3 * X[0] + 0.3 * X[3] / 4).astype(np.float32)


def test_what_was_planted_is_named() -> None:
    opened, q = planted()
    found = explain(opened, "why is the pump loud?", query_vector=q, k=4)
    by_id = {hit.id: hit for hit in found.hits}
    assert set(by_id) >= {"d0", "d1", "d2"}
    hub = by_id["d0"]
    assert hub.hub
    X = opened.fetch([f"d{i}" for i in range(300)]).vectors
    lists = order(X, X, Metric.COSINE)
    listing = [0 in [p for p in row.tolist() if p != i][:4] for i, row in enumerate(lists) if i]
    assert hub.listed.value == pytest.approx(sum(listing) / 300)
    assert sum(listing) > 200
    assert not by_id["d2"].hub
    first, second = sorted((by_id["d1"], by_id["d2"]), key=lambda hit: hit.rank)
    assert (first.repeats, second.repeats) == (None, first.rank)
    assert by_id["d2"].words == ("pump", "the")
    assert found.lexical is not None
    assert (found.lexical.id, found.lexical.rank) == ("d250", by_id.get("d250", found.lexical).rank)
    told = reasons(found)
    assert told[0].startswith(f"Hit {hub.rank} is a hub, back for whatever is asked: it is among the 4 nearest of")
    assert told[0].endswith("% of the documents, where an even share is 1.33 %.")
    assert told[1] == f"One place is taken by near-duplicates: hit {second.rank} of hit {first.rank}."
    assert told[2].startswith('By its words alone d250 ("how does the pump get loud") would come first (BM25)')
    assert told[-1] == f"Hit {hub.rank} has an empty text."


def test_a_question_from_elsewhere_is_far_out() -> None:
    opened, q = planted()
    rng = np.random.default_rng(3)
    stray = rng.standard_normal(64).astype(np.float32)
    stray[0] = -6
    assert not explain(opened, "q", query_vector=q).facts.far
    found = explain(opened, "q", query_vector=stray)
    assert found.facts.far
    assert found.facts.farther_than.value == 1
    assert reasons(found)[0].startswith("The question lies far out: cosine ")


def test_a_plain_case_says_that_nothing_stands_out() -> None:
    opened, _ = planted()
    X = opened.fetch([f"d{i}" for i in range(4, 300)]).vectors
    found = explain(store(X), "q", query_vector=X[9] + X[17] / 2, k=3, similarities=["centred"])
    quiet = replace(found, instead={})
    assert reasons(quiet) == ("Nothing stands out: no hub, no repeat, and the question lies where documents lie.",)
    assert "Nothing stands out" in to_text(quiet)


def test_long_vectors_count_where_they_count() -> None:
    opened, q = planted()
    X = opened.fetch([f"d{i}" for i in range(300)]).vectors
    found = explain(store(X, Metric.DOT), "q", query_vector=q, k=3)
    assert found.hits[0].id == "d3"
    assert found.hits[0].relative_length == pytest.approx(4, rel=0.2)
    assert "  lists  length\n" in to_text(found)
    assert f"{found.hits[0].relative_length:.2f}×" in to_text(found)
    assert any(reason.startswith("Hit 1 has an unusual length (hit 1: ") for reason in reasons(found))
    assert not any("unusual length" in reason for reason in reasons(explain(store(X), "q", query_vector=q)))


@pytest.mark.parametrize(("k", "word"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (22, "22nd"), (10, "10th")])
def test_ordinals(k: int, word: str) -> None:
    opened, q = planted()
    found = explain(opened, "q", query_vector=q, k=k)
    far = replace(found, facts=replace(found.facts, far=True))
    assert f" to its {word} nearest document" in reasons(far)[0]


def hostile() -> Explanation:
    rng = np.random.default_rng(4)
    X = rng.standard_normal((40, 8)).astype(np.float32)
    ids = [f"\x1b[31mid{i}\u202e" for i in range(40)]
    texts: list[str | None] = ["\x1b]0;title\x07 text\ud800" for _ in range(40)]
    texts[3] = None
    opened = ArrayStore(X, ids=ids, texts=texts, metric="l2", name="\x1b[2Jname")
    return explain(opened, "what \x1b[31m is text", query_vector=X[3], k=40)


def test_foreign_texts_reach_no_terminal() -> None:
    found = hostile()
    for width in (40, 80):
        shown = to_text(found, width=width)
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "\u202e" not in shown
        assert max(map(len, shown.splitlines())) <= width
    assert to_text(found, encoding="ascii").isascii()
    assert to_json(found).isascii()


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert to_json(hostile()) == to_json(hostile())
    assert hostile().hits[-1].margin is None  # there is no next one
