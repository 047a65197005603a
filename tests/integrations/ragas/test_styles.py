"""The same numbers in each of Ragas' styles, where Ragas itself runs them."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from ragdiag_ragas import Background, ragas_metric, to_dataset
from ragdiag_ragas.metrics import NAMES, metric_named
from ragdiag_ragas.styles import FIELDS

from ragdiag.errors import ConfigError, JudgementsError
from ragdiag.retrieval.retrieved import Retrieved

NAMED = (*NAMES, "AP", "nDCG@3")


def fields(query: Retrieved) -> dict[str, Any]:
    ids = {"retrieved_context_ids": list(query.ids), "reference_context_ids": list(query.relevant)}
    return {"user_input": query.text, **ids}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_three_styles_and_the_pure_function_agree(ragas: Any, graded: tuple[Retrieved, ...]) -> None:
    known = Background.of(graded)
    everything = known.hubs or frozenset()
    whole = [
        Retrieved(
            q.query_id,
            q.text,
            q.ids,
            relevant=q.relevant,
            hubs=everything,
            groups=known.groups,
            lexical=q.lexical,
        )
        for q in graded
    ]
    legacy = ragas().evaluate(
        to_dataset(graded), [ragas_metric(name, background=known) for name in NAMED], show_progress=False
    )
    for name in NAMED:
        pure = [metric_named(name).score(query) for query in whole]
        numeric = ragas_metric(name, "numeric", background=known)
        modern = ragas_metric(name, "collections", background=known)
        by_numeric = [numeric.score(**fields(query)).value for query in graded[:40]]
        by_modern = [r.value for r in asyncio.run(modern.abatch_score([fields(query) for query in graded]))]
        np.testing.assert_allclose(legacy[name], pure, rtol=0, atol=1e-12)
        np.testing.assert_allclose(by_numeric, pure[:40], rtol=0, atol=1e-12)
        np.testing.assert_allclose(by_modern, pure, rtol=0, atol=1e-12)
        assert (numeric.name, modern.name) == (name, name)


def test_inside_an_experiment(ragas: Any, graded: tuple[Retrieved, ...]) -> None:
    data = ragas("ragas.dataset").Dataset(name="q", backend="inmemory")
    for query in graded[:20]:
        data.append({"query_id": query.query_id, **fields(query)})
    known = Background.of(graded)
    numeric, modern = (ragas_metric("nDCG@10", style, background=known) for style in ("numeric", "collections"))

    async def run(row: dict[str, Any]) -> dict[str, Any]:
        own = {name: row[name] for name in FIELDS}
        return {
            "query_id": row["query_id"],
            "numeric": (await numeric.ascore(**own)).value,
            "modern": (await modern.ascore(**own)).value,
        }

    rows = asyncio.run(ragas("ragas.experiment").experiment()(run).arun(data, name="e"))
    scores = {row["query_id"]: (row["numeric"], row["modern"]) for row in rows}
    expected = {q.query_id: metric_named("nDCG@10").score(q) for q in graded[:20]}
    assert scores == {query: (score, score) for query, score in expected.items()}


def test_without_a_background_every_reference_counts_1(ragas: Any) -> None:
    metric = ragas_metric("nDCG@10", "collections")
    scored = metric.score(user_input="?", retrieved_context_ids=[7, "8"], reference_context_ids=["7", 8])
    assert scored.value == 1.0


def test_what_cannot_be_made(ragas: Any) -> None:
    with pytest.raises(ConfigError, match="duplicates@10 needs to know 'groups', which no sample of Ragas carries"):
        ragas_metric("duplicates@10")
    with pytest.raises(ConfigError, match="unknown style 'modern': one of legacy, numeric, collections"):
        ragas_metric("AP", "modern")
    sample = ragas().SingleTurnSample(user_input="?", retrieved_contexts=["a text"])
    with pytest.raises(JudgementsError, match="no retrieved_context_ids"):
        asyncio.run(ragas_metric("AP").single_turn_ascore(sample))


def test_two_queries_of_the_same_words() -> None:
    same = [Retrieved("q1", "how?", ("a",), relevant={"a": 1}), Retrieved("q2", "how?", ("a",), relevant={"a": 2})]
    with pytest.raises(JudgementsError, match="query q2 has the words of another one, with other judgements"):
        Background.of(same)
    assert Background.of(same[:1] * 2).grades == {"how?": {"a": 1}}
