from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from langchain_core.language_models import FakeListChatModel
from ragdiag_ragas import Background, evaluate, ragas_metric, to_dataset

from ragdiag.errors import ConfigError, JudgementsError
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.retrieved import Retrieved
from ragdiag.stores import ArrayStore


def asked(number: int, ids: Sequence[str], relevant: Sequence[str] = ("a",), **more: Any) -> Retrieved:
    return Retrieved(f"q{number}", f"question {number}", tuple(ids), relevant=dict.fromkeys(relevant, 1), **more)


class TestTheHonestMean:
    """One query answered, one half, one that retrieved nothing, one on which the metric raises."""

    QUERIES = (asked(1, ["a"]), asked(2, ["a", "b"]), asked(3, []), asked(4, ["boom"]))
    WRONG, RIGHT = 0.75, 0.375

    @staticmethod
    def metric(ragas: Any) -> Any:
        """Ragas' own precision, failing where a model would."""
        base: Any = ragas("ragas.metrics._context_precision").IDBasedContextPrecision

        class Failing(base):  # type: ignore[misc]
            async def _single_turn_ascore(self, sample: Any, callbacks: Any) -> float:
                if sample.retrieved_context_ids == ["boom"]:
                    raise RuntimeError("the model is overloaded")
                return float(await super()._single_turn_ascore(sample, callbacks))

        return Failing(name="precision")

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_ragas_has_it_wrong(self, ragas: Any) -> None:
        result = ragas().evaluate(to_dataset(self.QUERIES), [self.metric(ragas)], show_progress=False)
        assert [score for score in result["precision"] if score == score] == [1.0, 0.5]
        assert result._repr_dict["precision"] == self.WRONG

    def test_ours_is_right(self, ragas: Any) -> None:
        found = evaluate(self.QUERIES, [self.metric(ragas)])
        assert found.runs[0].scores["precision"].mean.value == self.RIGHT
        assert found.runs[0].scores["precision"].mean.n == 4
        assert [row.query_id for row in found.rows] == ["q1", "q2", "q3", "q4"]
        assert [row.scores["precision"] for row in found.rows] == [1.0, 0.5, 0.0, 0.0]
        assert {row.query_id: row.failures["precision"] for row in found.failures} == {
            "q3": "it gave nan",
            "q4": "RuntimeError: the model is overloaded",
        }
        assert found.table[0]["failures"] == 2
        assert "failed: given, query q4, precision: RuntimeError: the model is overloaded" in str(found).splitlines()

    def test_an_empty_retrieval_alone(self, ragas: Any) -> None:
        """.75 where .50 is right."""
        queries = (asked(1, ["a"]), asked(2, ["a", "b"]), asked(3, []))
        precision = ragas("ragas.metrics._context_precision").IDBasedContextPrecision()
        assert evaluate(queries, [precision]).runs[0].scores[precision.name].mean.value == 0.5

    def test_an_experiment_loses_rows_and_order(self, ragas: Any) -> None:
        """Ours has them all, in order, whatever is done first."""

        class Slow:
            name = "slow"
            allowed_values = (0.0, 1.0)

            async def ascore(self, user_input: str) -> float:
                number = int(user_input.split()[1])
                await asyncio.sleep((5 - number) / 100)
                if number == 2:
                    raise ValueError("lost")
                return number / 10

        queries = [asked(number, ["a"]) for number in range(1, 5)]

        async def run(row: dict[str, Any]) -> dict[str, Any]:
            return {**row, "slow": await Slow().ascore(row["user_input"])}

        data = ragas("ragas.dataset").Dataset(name="q", backend="inmemory")
        for query in queries:
            data.append({"query_id": query.query_id, "user_input": query.text})
        lossy = asyncio.run(ragas("ragas.experiment").experiment()(run).arun(data, name="e"))
        assert [row["query_id"] for row in lossy] == ["q4", "q3", "q1"]
        found = evaluate(queries, [Slow()])
        assert [row.scores["slow"] for row in found.rows] == [0.1, 0.0, 0.3, 0.4]
        assert found.rows[1].failures == {"slow": "ValueError: lost"}


def test_the_statistics_are_those_of_compare(comparison: Comparison) -> None:
    found = evaluate(comparison, ["nDCG@10", "R@10", "RR@10"], seed=comparison.seed)
    assert [run.similarity for run in found.runs] == ["l2", "cosine", "abtt(d=2)"]
    for ours, theirs in zip(found.runs, comparison.runs, strict=True):
        for metric, paired in theirs.scores.items():
            own = ours.scores[metric]
            assert own.mean.value == pytest.approx(paired.mean.value, abs=1e-12)
            assert own.delta.value == pytest.approx(paired.delta.value, abs=1e-12)
            assert own.delta.low == pytest.approx(paired.delta.low, abs=0.003)
            assert (own.p or 0.0) == pytest.approx(paired.p or 0.0, abs=0.02)
    assert found.clusters == comparison.clusters
    for row in found.rows:
        assert row.scores["nDCG@10"] == pytest.approx(
            comparison.per_query("nDCG@10")[row.query_id][row.similarity], abs=1e-12
        )


def test_geometry_stands_beside_the_scores(ragas: Any, comparison: Comparison) -> None:
    found = evaluate(comparison)
    assert found.metrics[-2:] == ("id_based_context_precision", "id_based_context_recall")
    assert len(found.rows) == 3 * 220
    assert not found.failures
    assert all(row.gap is not None and row.margin is not None and row.hub_exposure is not None for row in found.rows)
    for row in found.rows:
        assert row.scores["id_based_context_recall"] == pytest.approx(row.scores["R@10"], abs=1e-12)
        assert row.scores["hub_exposure@10"] == row.hub_exposure
        assert (row.loss == "") == (row.scores["nDCG@10"] > 1 - 1e-9)
    worst = found.worst()
    assert [row.scores["nDCG@10"] for row in worst] == [0.0] * 5
    assert all(row.loss for row in worst)
    exposed = found.worst("hub_exposure@10", n=1)[0]
    assert exposed.hub_exposure == max(row.hub_exposure or 0 for row in found.rows if row.similarity == "l2")


def test_rows_of_an_application_without_a_store(ragas: Any) -> None:
    rows = [
        {"query_id": f"q{i}", "user_input": f"q {i}", "retrieved_context_ids": ["hub", i], "reference_context_ids": [i]}
        for i in range(40)
    ]
    found = evaluate(rows)
    assert found.runs[0].scores["RR@10"].mean.value == 0.5
    assert {row.hub_exposure for row in found.rows} == {0.5}
    assert "duplicates@10" not in found.metrics
    assert evaluate(ragas().EvaluationDataset.from_list(rows)).runs[0].scores["RR@10"].mean.value == 0.5


def test_contexts_are_found_in_the_store() -> None:
    store = ArrayStore(np.eye(3), ids=["a", "b", "c"], texts=["The sky is blue.", "Grass is green.", "Snow is white."])
    row = {"user_input": "?", "retrieved_contexts": ["grass  is GREEN.", "the sky is blue.", "unheard of"]}
    rows = [{**row, "reference_contexts": ["The sky\nis blue."]}]
    found = evaluate(rows, ["RR@10", "nDCG@10"], store=store)
    assert found.runs[0].scores["RR@10"].mean.value == 0.5
    with pytest.raises(JudgementsError, match="query 1 has contexts without ids, which RR@10 needs: give store="):
        evaluate(rows, ["RR@10"])


def says(answer: str) -> Any:
    """Return a chat model of LangChain that says one thing."""
    return FakeListChatModel(responses=[answer])


def test_a_metric_that_asks_an_llm(ragas: Any) -> None:
    text = ("Snow is white.",)
    queries = [asked(i, ["a"], contexts=text, relevant_contexts=text, reference="White.") for i in range(3)]
    recall = ragas("ragas.metrics._context_recall").LLMContextRecall()
    verdict = '{"classifications": [{"statement": "White.", "reason": "it says so", "attributed": 1}]}'
    found = evaluate(queries, [recall, "R@10"], llm=says(verdict))
    assert [row.scores["context_recall"] for row in found.rows] == [1.0, 1.0, 1.0]
    assert recall.llm is None, "the metric that was given stays as it is"
    broken = evaluate(queries, [recall], llm=says("I would rather not."))
    assert [row.scores["context_recall"] for row in broken.rows] == [0.0, 0.0, 0.0]
    assert all("context_recall" in row.failures for row in broken.rows)
    with pytest.raises(ConfigError, match="context_recall asks an LLM: give one as llm="):
        evaluate(queries, [recall])


def test_a_prompt_metric_is_given_the_llm(ragas: Any) -> None:
    class Llm:
        async def agenerate(self, prompt: str, response_model: Any) -> Any:
            return response_model(value=0.25 if "question 1" in prompt else 7.0, reason="so")

    metric = ragas("ragas.metrics").NumericMetric(name="quality", prompt="Rate {user_input}", allowed_values=(0.0, 1.0))
    found = evaluate([asked(1, ["a"]), asked(2, ["a"])], [metric], llm=Llm())
    assert [row.scores["quality"] for row in found.rows] == [0.25, 0.0]
    assert found.rows[1].failures == {"quality": "it gave 7.0, outside 0.0 … 1.0"}
    with pytest.raises(ConfigError, match="quality asks an LLM"):
        evaluate([asked(1, ["a"])], [metric])


def test_our_metrics_may_be_given_in_any_style(ragas: Any) -> None:
    queries = [asked(1, ["b", "a"]), asked(2, [])]
    for style in ("legacy", "numeric", "collections"):
        found = evaluate(queries, [ragas_metric("RR@10", style)])
        assert [row.scores["RR@10"] for row in found.rows] == [0.5, 0.0]
        assert not found.failures


def test_a_value_out_of_range_is_a_failure_that_says_so(ragas: Any) -> None:
    """Ragas' decorator returns None silently."""

    @ragas("ragas.metrics").numeric_metric(name="twice", allowed_values=(0.0, 1.0))  # type: ignore[untyped-decorator]
    def twice(user_input: str) -> float:
        return 2.0

    found = evaluate([asked(1, ["a"])], [twice])
    assert found.rows[0].scores == {"twice": 0.0}
    assert "expected value in range (0.0, 1.0)" in found.rows[0].failures["twice"]


def test_where_less_is_better_a_failure_counts_1(ragas: Any) -> None:
    class Noise:
        name = "noise_sensitivity_relevant"

        async def ascore(self, user_input: str) -> float:
            return float("inf")

    found = evaluate([asked(1, ["a"])], [Noise()])
    assert found.rows[0].scores == {"noise_sensitivity_relevant": 1.0}


class Scale:
    """What a question's number is worth; what is left out raises."""

    def __init__(self, scores: dict[int, float], allowed_values: Any = None, name: str = "scale") -> None:
        self.scores, self.name = scores, name
        if allowed_values is not None:
            self.allowed_values = allowed_values

    async def ascore(self, user_input: str) -> float:
        return self.scores[int(user_input.split()[1])]


@pytest.mark.parametrize(
    ("allowed", "less", "scores", "worst"),
    [
        ((-1, 1), False, {1: -0.5, 2: 0.5}, -1.0),
        ((-1, 1), True, {1: -0.5, 2: 0.5}, 1.0),
        ((1, 5), False, {1: 2.0, 2: 5.0}, 1.0),
        ([1, 5], True, {1: 2.0, 2: 4.0}, 5.0),
        (range(1, 6), True, {1: 2.0, 2: 4.0}, 5.0),
        (range(1, 6), False, {1: 2.0, 2: 4.0}, 1.0),
        (None, False, {1: 0.25, 2: 0.5}, 0.0),
        (None, True, {1: 0.25, 2: 0.5}, 1.0),
        (None, False, {1: -0.5, 2: 0.5}, -0.5),
        (None, True, {1: 2.0, 2: 4.0}, 4.0),
    ],
)
def test_a_failure_counts_the_worst_of_its_own_scale(
    ragas: Any, allowed: Any, less: bool, scores: dict[int, float], worst: float
) -> None:
    queries = [asked(i, ["a"]) for i in (1, 2, 3)]
    found = evaluate(queries, [Scale(scores, allowed)], less_is_better=["scale"] if less else [])
    assert [row.scores["scale"] for row in found.rows] == [scores[1], scores[2], worst]
    assert found.runs[0].scores["scale"].mean.value == pytest.approx((scores[1] + scores[2] + worst) / 3)
    assert found.worst(n=1)[0].scores["scale"] == worst
    assert found.notes == (
        f"scale: 1 failure counts {worst:g}, the worst where {'less' if less else 'more'} is better",
    )
    assert f"note: {found.notes[0]}" in str(found).splitlines()


def test_the_worst_is_the_same_for_all_similarities(ragas: Any) -> None:
    lists = {"cosine": [asked(i, ["a"]) for i in (1, 2)], "dot": [asked(i, ["a"]) for i in (1, 2)]}
    found = evaluate(lists, [Scale({1: -0.5})])
    assert [row.scores["scale"] for row in found.rows] == [-0.5, -0.5, -0.5, -0.5]
    assert [run.scores["scale"].delta.value for run in found.runs] == [0.0, 0.0]


@pytest.mark.parametrize("allowed", [(-1.0, 1.0), (1.0, 5.0)])
def test_a_numeric_metric_that_raises(ragas: Any, allowed: tuple[float, float]) -> None:
    @ragas("ragas.metrics").numeric_metric(name="n", allowed_values=allowed)  # type: ignore[untyped-decorator]
    def metric(user_input: str) -> float:
        if user_input == "question 2":
            raise RuntimeError("lost")
        return allowed[0] + 0.5

    found = evaluate([asked(1, ["a"]), asked(2, ["a"])], [metric])
    assert [row.scores["n"] for row in found.rows] == [allowed[0] + 0.5, allowed[0]]
    assert found.worst(n=1)[0].query_id == "q2"


def test_harm_that_could_not_be_judged_is_no_good(ragas: Any) -> None:
    found = evaluate([asked(1, ["a"]), asked(2, ["a"])], [Scale({1: 0.0}, name="harmfulness")])
    assert [row.scores["harmfulness"] for row in found.rows] == [0.0, 1.0]
    assert (found.less_is_better, found.worst(n=1)[0].query_id) == (("harmfulness",), "q2")


def test_a_direction_of_no_metric(ragas: Any) -> None:
    with pytest.raises(ConfigError, match="less_is_better names 'harm', which is no metric here: scale"):
        evaluate([asked(1, ["a"])], [Scale({1: 0.0})], less_is_better=["harm"])
    with pytest.raises(ConfigError, match="less_is_better is a text"):
        evaluate([asked(1, ["a"])], [Scale({1: 0.0})], less_is_better="scale")


JUDGED = Judgements("J", ("q1", "q2"), ("a?", "b?"), ({"a": 1}, {"b": 1}))


def test_judgements_that_share_no_query_are_no_score_of_0() -> None:
    rows = [{"user_input": f"{i}?", "retrieved_context_ids": ["a"]} for i in range(2)]
    for given in (rows, {"cosine": rows}, {"cosine": {"1": ["a"]}}):
        with pytest.raises(JudgementsError, match="and J have no query in common"):
            evaluate(given, ["AP"], judgements=JUDGED)


def test_judgements_of_some_queries_say_so() -> None:
    rows = [{"query_id": q, "user_input": f"{q}?", "retrieved_context_ids": ["a"]} for q in ("q1", "q7")]
    rows[1]["reference_contexts"] = ["a text of its own"]  # which J replaces
    found = evaluate(rows, ["AP"], judgements=JUDGED)
    assert [row.scores["AP"] for row in found.rows] == [1.0, 0.0]
    assert found.notes == (
        "1 query, such as q7, not in J: nothing is relevant to them, and they count;"
        " 1 query, such as q2, judged alone: left out",
    )
    assert evaluate({"cosine": {"q1": ["a"], "q2": ["b"]}}, ["AP"], judgements=JUDGED).notes == ()


@pytest.mark.parametrize("times", [1, 2])
def test_a_perfect_retrieval_from_a_store_that_holds_it_twice(times: int) -> None:
    text = "The sky is blue today."
    store = ArrayStore(np.eye(3), ids=["a", "b", "c"], texts=[text, text, "Snow is white."])
    row = {"query_id": "q", "user_input": "?", "retrieved_contexts": [text] * times, "reference_contexts": [text]}
    twice = Judgements("J", ("q",), ("?",), ({},), ((text,),))
    for judgements in (None, twice):
        found = evaluate([row], ["nDCG@10", "R@1", "AP", "RR@10"], store=store, judgements=judgements)
        assert found.rows[0].scores == {"nDCG@10": 1.0, "R@1": 1.0, "AP": 1.0, "RR@10": 1.0}


def test_rows_of_a_data_frame() -> None:
    ids = np.array(["b", "a"], dtype=object)
    row = {"user_input": "?", "retrieved_context_ids": ids, "reference_context_ids": np.array(["a"], dtype=object)}
    assert evaluate([row], ["RR@10"]).rows[0].scores == {"RR@10": 0.5}


@pytest.mark.parametrize("id_", [None, True, {}])
def test_what_is_no_id(ragas: Any, id_: Any) -> None:
    with pytest.raises(JudgementsError, match=r"list, row 1: the id .* is no text"):
        evaluate([{"user_input": "?", "retrieved_context_ids": ["a", id_]}], ["AP"])
    with pytest.raises(JudgementsError, match=r"a sample: the id .* is no text"):
        Background().query("?", ["a", id_], ["a"])


def test_in_a_running_loop(ragas: Any) -> None:
    class One:
        name = "one"

        async def ascore(self, user_input: str) -> float:
            return 1.0

    async def notebook() -> float | None:
        return evaluate([asked(1, ["a"])], [One()]).runs[0].scores["one"].mean.value

    assert asyncio.run(notebook()) == 1.0


class Sleepy:
    """Raises what it is told to for the second question; asked for the others it sleeps so long."""

    name = "sleepy"

    def __init__(self, seconds: float, act: Callable[[], Any]) -> None:
        self.seconds, self.act = seconds, act
        self.cancelled: list[str] = []

    async def ascore(self, user_input: str) -> float:
        if user_input == "question 2":
            await asyncio.sleep(0.05)  # until the others sleep
            self.act()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled.append(user_input)
            raise
        return 1.0


def cancelled() -> None:
    raise asyncio.CancelledError


def test_a_row_that_is_cancelled_has_failed_and_no_other(ragas: Any) -> None:
    metric = Sleepy(0.1, cancelled)
    found = evaluate([asked(number, ["a"]) for number in range(1, 5)], [metric])
    assert [row.scores["sleepy"] for row in found.rows] == [1.0, 0.0, 1.0, 1.0]
    assert {row.query_id: dict(row.failures) for row in found.failures} == {
        "q2": {"sleepy": "CancelledError"}  # a task that is cancelled keeps no words
    }
    assert (found.runs[0].scores["sleepy"].mean.value, found.table[0]["failures"]) == (0.75, 1)
    assert metric.cancelled == []


def test_a_row_that_cancels_its_own_task_has_failed_and_no_other(ragas: Any) -> None:
    """As a scope of another library does that was left open."""

    def cancel() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    found = evaluate([asked(number, ["a"]) for number in range(1, 4)], [Sleepy(0.1, cancel)])
    assert [row.scores["sleepy"] for row in found.rows] == [1.0, 0.0, 1.0]
    assert [row.failures for row in found.failures] == [{"sleepy": "CancelledError"}]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal can be sent to a thread here")
def test_a_keyboard_interrupt_cancels_the_whole(ragas: Any) -> None:
    main = threading.main_thread().ident
    assert main is not None
    metric = Sleepy(3600, lambda: signal.pthread_kill(main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        evaluate([asked(number, ["a"]) for number in range(1, 5)], [metric])
    assert sorted(metric.cancelled) == ["question 1", "question 2", "question 3", "question 4"]


def test_a_similarity_that_retrieved_nothing_at_all_counts_as_such(ragas: Any) -> None:
    precision = ragas("ragas.metrics._context_precision").IDBasedContextPrecision()
    recall = ragas("ragas.metrics._context_recall").IDBasedContextRecall()
    lists = {
        "cosine": [asked(number, ["a"]) for number in range(1, 5)],
        "broken": [asked(number, []) for number in range(1, 5)],
    }
    found = evaluate(lists, [precision, recall, "nDCG@10"])
    good, broken = found.runs
    assert [paired.mean.value for paired in good.scores.values()] == [1.0, 1.0, 1.0]
    assert [paired.mean.value for paired in broken.scores.values()] == [0.0, 0.0, 0.0]
    assert [paired.mean.n for paired in broken.scores.values()] == [4, 4, 4]
    assert [paired.delta.value for paired in broken.scores.values()] == [-1.0, -1.0, -1.0]
    assert [(row.similarity, row.query_id, dict(row.failures)) for row in found.failures] == [
        ("broken", f"q{number}", {precision.name: "it gave nan"}) for number in range(1, 5)
    ]


def test_nothing_retrieved_for_a_metric_of_texts(ragas: Any) -> None:
    """What is given to it is an empty list, and what was wanted."""
    seen: list[tuple[list[str], list[str]]] = []

    class Contexts:
        name = "contexts"

        async def ascore(self, retrieved_contexts: list[str], reference_contexts: list[str]) -> float:
            seen.append((retrieved_contexts, reference_contexts))
            return float(len(retrieved_contexts))

    found = evaluate([asked(1, [], relevant_contexts=("Snow is white.",))], [Contexts()])
    assert seen == [([], ["Snow is white."])]
    assert (found.rows[0].scores, found.failures) == ({"contexts": 0.0}, ())


@pytest.mark.parametrize(
    ("given", "metrics", "error", "message"),
    [
        ([], ["AP"], JudgementsError, "there is no query"),
        ({}, ["AP"], JudgementsError, "there is nothing to evaluate"),
        ([asked(1, ["a"]), asked(1, ["b"])], ["AP"], JudgementsError, "query q1 is there twice"),
        (
            {"a": [asked(1, [])], "b": [asked(2, [])]},
            ["AP"],
            JudgementsError,
            "a and b have not the same queries",
        ),
        ({"a": [asked(1, [])], "b": [asked(1, [], "b")]}, ["AP"], JudgementsError, "have not the same judgements"),
        ([{"user_input": "?", "reference_context_ids": ["a"]}], ["AP"], JudgementsError, "has neither retrieved_con"),
        ([{"user_input": "?", "retrieved_context_ids": "a"}], ["AP"], JudgementsError, "retrieved_context_ids is str"),
        ([{"user_input": "?", "retrieved_contexts": [3]}], ["AP"], JudgementsError, "a retrieved context is no text"),
        ([asked(1, ["a"])], ["P@5"], ConfigError, "unknown metric 'P@5'"),
        ([asked(1, ["a"])], ["AP", "AP"], ConfigError, "the metric AP was given twice"),
        ([asked(1, ["a"])], "AP", ConfigError, "no metrics were given"),
        ([asked(1, ["a"])], [], ConfigError, "no metrics were given"),
        ([asked(1, ["a"])], [3], ConfigError, "3 is no metric"),
        ([asked(1, ["a"])], [int], ConfigError, "is no metric: give a name, or a metric object such as"),
        (
            [asked(1, ["a"])],
            ["lexical_only_misses@10"],
            ConfigError,
            "needs 'lexical' of every query",
        ),
    ],
)
def test_bad_input(given: Any, metrics: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        evaluate(given, metrics)


def test_a_comparison_without_lists(comparison: Comparison) -> None:
    with pytest.raises(ConfigError, match=r"kept no lists: compare again with compare\(…, keep=10\)"):
        evaluate(replace(comparison, retrieved={}), ["AP"])
