"""Per-query scores, held to trec_eval's own code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest

from ragdiag.retrieval.metrics import per_query
from ragdiag.types import IntArray

pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval is not installed")

# trec_eval's names; its reciprocal rank knows no cut, so that the list is cut for it.
NAMES = {"nDCG@10": "ndcg_cut.10", "nDCG@5": "ndcg_cut.5", "R@10": "recall.10", "P@5": "P.5"}


def world(seed: int, m: int = 60, n: int = 80, k: int = 30) -> tuple[IntArray, list[dict[int, int]]]:
    """Return random lists with random grades; some relevant documents are not in the store."""
    rng = np.random.default_rng(seed)
    lists = np.stack([rng.permutation(n)[:k] for _ in range(m)]).astype(np.int64)
    lists[3, 12:] = -1  # a short list
    lists[4] = -1  # and an empty one
    relevant = []
    for i in range(m):
        known = {int(p): int(rng.integers(1, 4)) for p in rng.permutation(n)[: rng.integers(1, 9)]}
        unknown = {-2 - int(j): int(rng.integers(1, 4)) for j in rng.permutation(5)[: rng.integers(0, 3)]}
        relevant.append(known | unknown)
        if i == 5:
            relevant[-1] = {-2: 1}  # nothing to be found
        if i == 6:
            missed = set(range(n)) - set(lists[6].tolist())
            relevant[-1] = dict.fromkeys(list(missed)[:3], 2)  # nothing found
    return lists, relevant


def by_trec_eval(lists: IntArray, relevant: list[dict[int, int]], measure: str, cut: int) -> list[float]:
    qrels = {str(i): {str(p): g for p, g in graded.items()} for i, graded in enumerate(relevant)}
    run = {
        str(i): {str(p): 1.0 / (1 + rank) for rank, p in enumerate(row.tolist()[:cut]) if p >= 0}
        for i, row in enumerate(lists)
    }
    scores: Mapping[str, Mapping[str, float]] = pytrec_eval.RelevanceEvaluator(qrels, {measure}).evaluate(run)
    return [scores.get(str(i), {}).get(measure.replace(".", "_"), 0.0) for i in range(len(lists))]


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_trec_eval(seed: int) -> None:
    lists, relevant = world(seed)
    scores = per_query(lists, relevant, [*NAMES, "RR@10"])
    for name, measure in NAMES.items():
        expected = by_trec_eval(lists, relevant, measure, cut=30)
        assert scores[name] == pytest.approx(expected, abs=1e-12)
        assert 0 < np.mean(expected) < 1
    assert scores["RR@10"] == pytest.approx(by_trec_eval(lists, relevant, "recip_rank", cut=10), abs=1e-12)
    assert [scores["nDCG@10"][i] for i in (4, 5, 6)] == [0.0, 0.0, 0.0]


def test_by_hand() -> None:
    lists = np.array([[4, 2, 9], [1, 2, 3], [7, -1, -1]])
    relevant = [{2: 2, 9: 1, -2: 3}, {8: 1}, {7: 1}]
    scores = per_query(lists, relevant, ["nDCG@10", "R@10", "RR@10"])
    gain = 2 / np.log2(3) + 1 / np.log2(4)
    ideal = 3 + 2 / np.log2(3) + 1 / np.log2(4)  # the grade 3 is not in the store, and counts
    assert scores["nDCG@10"] == pytest.approx([gain / ideal, 0, 1])
    assert scores["R@10"] == pytest.approx([2 / 3, 0, 1])
    assert scores["RR@10"] == pytest.approx([1 / 2, 0, 1])


def test_the_order_of_the_search_is_kept() -> None:
    # More than ten digits of rank would be needed if positions were used to break ties.
    lists = np.arange(1000, 0, -1, dtype=np.int64)[None, :]
    scores = per_query(lists, [{1: 1}], ["RR@1000", "R@999", "R@1000"])
    assert [scores[name][0] for name in scores] == pytest.approx([1 / 1000, 0, 1])


def test_what_stands_below_the_cutoff_changes_nothing() -> None:
    """With a metric that looks further, such as AP, the whole lists are scored; the others read the same."""
    rng = np.random.default_rng(0)
    lists = np.stack([rng.permutation(300)[:100] for _ in range(50)])
    lists[5, 40:], lists[6, 3:], lists[7] = -1, -1, -1
    relevant = [{int(d): int(rng.integers(0, 4)) for d in rng.permutation(np.arange(-3, 300))[:40]} for _ in lists]
    names = ["nDCG@10", "R@10", "RR@10", "P@5", "R@50"]
    whole = per_query(lists, relevant, [*names, "AP"])
    assert whole["AP"].mean() > 0
    for name, scores in per_query(lists, relevant, names).items():
        assert scores.tobytes() == whole[name].tobytes()


@pytest.mark.parametrize("name", ["nDCG@0", "R@-1", "P@0"])
def test_a_cutoff_below_1_is_no_metric(name: str) -> None:
    """It ended the process in trec_eval, so that it has one of its own here."""
    code = (
        f"from ragdiag.retrieval.metrics import deepest\ntry: deepest([{name!r}], 9)\nexcept Exception as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, f"unknown metric '{name}'" in done.stdout) == (0, True)
