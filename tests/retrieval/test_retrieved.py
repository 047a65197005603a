from __future__ import annotations

import numpy as np
import pytest

import ragdiag
from ragdiag.errors import ConfigError, JudgementsError
from ragdiag.geometry.gap import query_gaps
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.ragas_rows import ragas_rows
from ragdiag.retrieval.retrieved import LOW_RANKED, Retrieved, with_hubs
from ragdiag.stores import ArrayStore
from ragdiag.types import Float32
from ragdiag.vectors import unit

N, M, DIM = 200, 40, 32


def world() -> tuple[Float32, Float32]:
    """Documents, and queries near the first 40 of them; document 199 is a hub, which 198 repeats."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, DIM)).astype(np.float32)
    Q = X[:M] + rng.standard_normal((M, DIM)) / 4
    shared = np.full(DIM, 3, dtype=np.float32)
    X[198:] = shared
    return X, (Q + shared).astype(np.float32)


def labels(relevant: list[str]) -> Judgements:
    ids = tuple(f"q{i}" for i in range(len(relevant)))
    return Judgements("toy", ids, tuple(f"what is {i}?" for i in ids), tuple({id_: 1} for id_ in relevant))


def kept(relevant: list[str], *, keep: int = 5) -> dict[str, tuple[Retrieved, ...]]:
    X, Q = world()
    store = ArrayStore(X, ids=[f"d{i}" for i in range(N)], texts=[f"document {i}" for i in range(N)])
    found = ragdiag.compare(store, labels(relevant), query_vectors=Q, similarities=["centred"], keep=keep)
    return dict(found.retrieved)


def test_the_lists_are_those_of_brute_force() -> None:
    X, Q = (matrix.astype(np.float64) for matrix in world())
    lists = kept([f"d{i}" for i in range(M)])
    assert list(lists) == ["cosine", "centred"]
    cosines = (Q / np.linalg.norm(Q, axis=1, keepdims=True)) @ (X / np.linalg.norm(X, axis=1, keepdims=True)).T
    for query, row in zip(lists["cosine"], cosines, strict=True):
        assert set(query.ids[:2]) == {"d198", "d199"}, "equal: who of them is first is a matter of the seed"
        assert list(query.ids[2:]) == [f"d{i}" for i in np.argsort(-row[:198])[:3]]
        assert query.margin == 0
        assert query.contexts == tuple(f"document {id_[1:]}" for id_ in query.ids)
    assert all(query.margin is not None and query.margin >= 0 for query in lists["centred"])


def test_what_is_known_of_the_reasons() -> None:
    lists = kept([f"d{i}" for i in range(M)])
    for query in lists["cosine"]:
        assert {"d198", "d199"} <= (query.hubs or frozenset())
        assert query.groups is not None
        assert [id_ for id_ in query.ids if query.groups[id_] == "d198"] == list(query.ids[:2])
        assert query.loss in (LOW_RANKED, "outranked by hubs", "found under another similarity", "hard")
    assert {query.loss for query in lists["cosine"]} >= {LOW_RANKED}
    assert lists["centred"][3].relevant_contexts == ("document 3",)
    assert lists["centred"][3].lexical is not None
    X, Q = world()
    gaps = query_gaps(unit(Q), unit(X))
    np.testing.assert_allclose([query.gap or 0.0 for query in lists["cosine"]], gaps, atol=1e-6)


def test_a_judged_document_that_is_not_there_is_named_so() -> None:
    lists = kept(["d1"] + [f"d{i}" for i in range(1, M - 1)] + ["gone"])
    last = lists["cosine"][-1]
    assert (last.loss, last.relevant, last.relevant_contexts) == ("not in the store", {"gone": 1}, ())


@pytest.mark.parametrize("keep", [-1, 101, True, 1.5])
def test_how_many_to_keep(keep: int) -> None:
    with pytest.raises(ConfigError, match=r"keep is .*: give a whole number from 0 to 100"):
        kept([f"d{i}" for i in range(M)], keep=keep)


def test_nothing_is_kept_unless_asked_for() -> None:
    assert kept([f"d{i}" for i in range(M)], keep=0) == {}


def test_hubs_of_lists_alone() -> None:
    asked = [Retrieved(f"q{i}", "", ("hub", f"d{i}"), relevant={f"d{i}": 1}) for i in range(40)]
    found = with_hubs([*asked[:-1], Retrieved("q", "", (), relevant={"d": 1})])
    assert [query.hubs for query in found] == [frozenset({"hub"})] * 39 + [frozenset()]
    assert with_hubs([Retrieved("q", "", ("a",), hubs=frozenset({"a"}), relevant={"a": 1})])[0].hubs == frozenset({"a"})
    assert with_hubs([Retrieved("q", "", ("a",))])[0].hubs is None, "nothing is known to be wrong"


def test_rows_of_ragas() -> None:
    rows: list[dict[str, object]] = [
        {"query_id": "x", "user_input": "a?", "retrieved_context_ids": [1, "b"], "reference_context_ids": [1]},
        {"user_input": "b?", "retrieved_context_ids": [], "response": "none", "reference": "some"},
    ]
    first, second = ragas_rows(rows, "here")
    assert (first.query_id, first.ids, first.relevant, first.contexts) == ("x", ("1", "b"), {"1": 1}, ())
    assert (second.query_id, second.ids, second.relevant) == ("2", (), {})
    assert (second.response, second.reference) == ("none", "some")
    assert (first.hubs, first.groups, first.lexical) == (None, None, None)


def test_contexts_are_anchored_in_their_order() -> None:
    texts = ["The sky is blue today.", "Grass is green.", "Snow is white.", "The sky is blue today."]
    store = ArrayStore(np.eye(4), ids=list("abcd"), texts=texts)
    contexts = ["snow  IS white.", "nobody wrote this", "The sky is blue today.", " "]
    rows = [{"user_input": "?", "retrieved_contexts": contexts, "reference_contexts": ["The sky is\nblue today."]}]
    (query,) = ragas_rows(rows, "here", store)
    assert (query.ids[0], query.ids[2], query.ids[3]) == ("c", "a", "empty context")
    assert query.ids[1] == "lost context 3"  # an id is shown where texts must not be
    assert query.relevant == {"a": 1}  # d holds the same text, and to bring back one is enough
    (alone,) = ragas_rows(rows, "here")
    assert (alone.ids, alone.relevant, alone.relevant_contexts) == ((), {}, ("The sky is\nblue today.",))


TWICE = ArrayStore(np.eye(4), ids=list("abcd"), texts=["The sky is blue today."] * 2 + ["Snow is white."] * 2)
SKY, SNOW = "The sky is blue today.", "Snow is white."


@pytest.mark.parametrize(
    ("row", "ids", "relevant"),
    [
        ({"retrieved_contexts": [SKY], "reference_contexts": [SKY]}, ("a",), {"a": 1}),
        ({"retrieved_contexts": [SKY, SKY], "reference_contexts": [SKY.upper()]}, ("a", "a"), {"a": 1}),
        ({"retrieved_contexts": [SNOW, SKY], "reference_contexts": [SKY, SNOW]}, ("c", "a"), {"a": 1, "c": 1}),
        ({"retrieved_context_ids": ["b"], "reference_contexts": [SKY]}, ("b",), {"b": 1}),
        ({"retrieved_context_ids": ["d", "b", "a"], "reference_contexts": [SKY]}, ("d", "b", "a"), {"b": 1}),
        ({"retrieved_contexts": [SKY], "reference_context_ids": ["b"]}, ("a",), {"a": 1}),
        ({"retrieved_contexts": [SNOW], "reference_contexts": [SKY]}, ("c",), {"a": 1}),
    ],
)
def test_a_text_that_the_store_holds_twice_is_one_document(
    row: dict[str, object], ids: tuple[str, ...], relevant: dict[str, int]
) -> None:
    (query,) = ragas_rows([{"user_input": "?", **row}], "here", TWICE)
    assert (query.ids, query.relevant) == (ids, relevant)


def test_grades_from_elsewhere_know_equal_texts_too() -> None:
    row = {"query_id": "x", "user_input": "?", "retrieved_contexts": [SKY]}
    (query,) = ragas_rows([row], "here", TWICE, {"x": {"b": 2, "a": 1, "d": 1}})
    assert query.relevant == {"a": 2, "d": 1}
    (query,) = ragas_rows([row], "here", TWICE, {"y": {"b": 2}})
    assert query.relevant == {}


def test_a_lost_text_is_one_document_wherever_it_stands() -> None:
    texts = [f"{'Nobody ' * 20}wrote {what}" for what in ("this", "that")]
    rows = [
        {"user_input": f"{i}?", "retrieved_contexts": [SKY, t], "reference_contexts": [*texts[:1], SNOW]}
        for i, t in enumerate(texts)
    ]
    first, second = ragas_rows(rows, "here", TWICE)
    assert [first.ids[1] in first.relevant, second.ids[1] in second.relevant] == [True, False]


def test_rows_of_arrays() -> None:
    rows: list[dict[str, object]] = [
        {
            "query_id": np.int64(3),
            "user_input": np.str_("a?"),
            "retrieved_context_ids": np.array(["b", "a"], dtype=object),
            "retrieved_contexts": np.array(["x", "y"]),
            "reference_context_ids": np.array([7, 8]),
            "reference_contexts": float("nan"),
            "response": float("nan"),
        },
        {"user_input": "b?", "retrieved_context_ids": (np.int64(1), "c"), "reference_context_ids": None},
    ]
    first, second = ragas_rows(rows, "here")
    assert (first.query_id, first.text, first.ids) == ("3", "a?", ("b", "a"))
    assert (first.contexts, first.relevant, first.response) == (("x", "y"), {"7": 1, "8": 1}, "")
    assert (second.ids, second.relevant) == (("1", "c"), {})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"user_input": "?"}], "here has neither retrieved_context_ids nor retrieved_contexts"),
        ([{"retrieved_context_ids": ["a"]}], "here, row 1 has no user_input"),
        ([{"user_input": "?", "retrieved_context_ids": 3}], "here, row 1: retrieved_context_ids is int"),
        ([{"user_input": "?", "retrieved_contexts": [3]}], "here, row 1: a retrieved context is no text"),
        ([{"user_input": "?", "retrieved_context_ids": [None]}], "here, row 1: the id None is no text: give ids as"),
        ([{"user_input": "?", "retrieved_context_ids": ["a", True]}], "here, row 1: the id True is no text"),
        ([{"user_input": "?", "retrieved_context_ids": ["a", {}]}], "here, row 1: the id {} is no text"),
        ([{"user_input": "?", "retrieved_context_ids": ["a"], "reference_contexts": 3}], "reference_contexts is int"),
        (
            [{"query_id": "x", "user_input": "?", "retrieved_context_ids": []}] * 2,
            "row 2: query x is there twice",
        ),
    ],
)
def test_rows_that_cannot_be_read(rows: list[dict[str, object]], message: str) -> None:
    with pytest.raises(JudgementsError, match=message):
        ragas_rows(rows, "here")


def test_gaps_by_hand() -> None:
    X = np.array([[1, 0], [0.6, 0.8], [0.6, -0.8]], dtype=np.float32)
    gaps = query_gaps(np.array([[1, 0], [0, 1], [-1, 0], [0, 0]], dtype=np.float32), X)
    # The mean points along the first axis; document 1 to the others: (1.6, -.8), cosine .32/1.789.
    usual = (0.6 * 1.6 - 0.8 * 0.8) / np.hypot(1.6, 0.8)
    np.testing.assert_allclose(gaps[:3], [usual - 1, usual, usual + 1], atol=1e-7)
    assert np.isnan(gaps[3])
