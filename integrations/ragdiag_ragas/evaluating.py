"""Evaluate one or several similarities with Ragas' metrics and ours, paired, with the causes beside the scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ragdiag.errors import ConfigError, JudgementsError
from ragdiag.numbers import counted
from ragdiag.retrieval.clusters import query_clusters
from ragdiag.retrieval.compare import paired_scores
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.ragas_results import LESS_IS_BETTER
from ragdiag.retrieval.retrieved import Retrieved, with_hubs
from ragdiag.stores import open_store
from ragdiag_ragas.datasets import labels_of, records_of
from ragdiag_ragas.evaluation import Evaluation, Row
from ragdiag_ragas.installed import ragas
from ragdiag_ragas.metrics import KINDS, Metric, hub_exposure, metric_named
from ragdiag_ragas.scoring import Outcome, ragas_name, ragas_scores, worst_score

GIVEN = "given"  # the name of lists that come without one


def evaluate(
    given: Any,
    metrics: Sequence[Any] | None = None,
    *,
    llm: Any = None,
    judgements: Any = None,
    store: Any = None,
    less_is_better: Collection[str] = (),
    seed: int = 0,
) -> Evaluation:
    """Evaluate what one or several similarities retrieved.

    Every query keeps its id and its place, and every mean is over all of them: a metric that raises, or gives no
    number, as Ragas' do for an empty retrieval, counts as the worst score, and is listed. The worst score is the lower
    end of the metric's ``allowed_values``, the upper one where less is better; a metric that declares none is taken to
    go from 0 to 1, or as far as it went. Which it was is in `Evaluation.notes`. Differences to the first similarity are
    tested in pairs, as in `ragdiag.compare`.

    Parameters
    ----------
    given : Comparison, mapping, sequence or Ragas dataset
        What ``compare(…, keep=10)`` returned; or by similarity the lists of the same queries, the baseline first;
        or one such list: of `Retrieved`, of rows of Ragas, an ``EvaluationDataset``, or the path of a JSONL file.
    metrics : sequence, optional
        Names of ours, such as ``"nDCG@10"``, and metric objects of Ragas in any of its styles. By default all of ours
        that can be told from what is given, and Ragas' ID-based precision and recall; no LLM is asked.
    llm : LLM of Ragas or of LangChain, optional
        For metrics that have none of their own.
    judgements : path or Judgements, optional
        Replaces the relevant documents, by query id. Queries that are not in both are in `Evaluation.notes`.
    store : str, path or object, optional
        Where the contexts of rows without ids are found; see `ragdiag.open_store`.
    less_is_better : collection of str, optional
        Names of those of the metrics whose worst score is the largest; more is taken as better of all others, but for
        those known to be so: ``noise_sensitivity``, ``harmfulness``, ``maliciousness``, and three of ours.
    seed : int
        Of resampling.

    Returns
    -------
    Evaluation

    Raises
    ------
    MissingExtraError
        When a metric of Ragas is asked for, as by default, and it is not installed.
    JudgementsError
        When a query id comes twice, similarities have not the same queries, the judgements are of none of them, or a
        row has no ids where they are needed.
    ConfigError
        For an unknown metric, one that comes twice, or one that needs what was not given; when `less_is_better` names
        none of the metrics.

    Examples
    --------
    >>> asked = [Retrieved(f"q{i}", "?", (f"d{i}", "x"), relevant={f"d{i}": 1}) for i in range(20)]
    >>> evaluate({"cosine": asked}, ["nDCG@10", "R@1"]).runs[0].scores["R@1"].mean.value
    1.0
    """
    lists, notes = _lists(given, judgements, store)
    first = next(iter(lists.values()))
    wanted = _metrics(metrics, first)
    less = _less(less_is_better, wanted)
    numbers: dict[str, int] = {}
    documents = [query.relevant or query.relevant_contexts for query in first]
    clusters = query_clusters([{numbers.setdefault(one, len(numbers)): 1 for one in own} for own in documents])
    outcomes = {
        similarity: {name: _outcomes(metric, queries, llm) for name, metric in wanted.items()}
        for similarity, queries in lists.items()
    }
    worst = {}
    for name, metric in wanted.items():
        found = [outcome for by_metric in outcomes.values() for outcome in by_metric[name]]
        worst[name] = worst_score(metric, [o.score for o in found if not o.failure], less_is_better=name in less)
        if failed := sum(bool(o.failure) for o in found):
            which, as_ = "less" if name in less else "more", counted(failed, "failure counts", "failures count")
            notes.append(f"{name}: {as_} {worst[name]:g}, the worst where {which} is better")
    return Evaluation(
        metrics=tuple(wanted),
        runs=paired_scores(
            {
                similarity: {
                    name: np.array([worst[name] if o.failure else o.score for o in found])
                    for name, found in by_metric.items()
                }
                for similarity, by_metric in outcomes.items()
            },
            clusters,
            np.random.default_rng([seed, 1]),
        ),
        rows=tuple(
            _row(similarity, query, {name: found[i] for name, found in outcomes[similarity].items()}, worst)
            for similarity, queries in lists.items()
            for i, query in enumerate(queries)
        ),
        clusters=len(np.unique(clusters)),
        seed=seed,
        less_is_better=less,
        notes=tuple(notes),
    )


def _lists(given: Any, judgements: Any, store: Any) -> tuple[dict[str, tuple[Retrieved, ...]], list[str]]:
    opened = open_store(store) if store is not None else None
    if isinstance(given, Comparison):
        if not given.retrieved:
            raise ConfigError("the comparison has kept no lists", hint="compare again with compare(…, keep=10)")
        given = given.retrieved
    named = given if isinstance(given, Mapping) else {GIVEN: given}
    if not named:
        raise JudgementsError("there is nothing to evaluate", hint="give the lists of at least one similarity")
    labels = labels_of(judgements, opened)
    records = {str(name): records_of(queries, labels, store=opened) for name, queries in named.items()}
    lists = {name: with_hubs(queries) for name, (queries, _) in records.items()}
    notes = dict.fromkeys(note for _, note in records.values() if note)
    baseline, *others = lists
    wanted = [query.query_id for query in lists[baseline]]
    for name in others:
        by_id = {query.query_id: query for query in lists[name]}
        if set(by_id) != set(wanted):
            odd = min(set(by_id) ^ set(wanted))
            raise JudgementsError(
                f"{baseline} and {name} have not the same queries, such as {odd}",
                hint="give an empty list for a query that retrieved nothing",
            )
        lists[name] = tuple(by_id[query] for query in wanted)
        if any(a.relevant != b.relevant for a, b in zip(lists[name], lists[baseline], strict=True)):
            raise JudgementsError(f"{baseline} and {name} have not the same judgements", hint="give judgements=")
    return lists, list(notes)


def _metrics(given: Sequence[Any] | None, queries: Sequence[Retrieved]) -> dict[str, Any]:
    if given is None:
        known = [f"{n}@10" for n, kind in KINDS.items() if not kind.needs or _all_know(queries, kind.needs)]
        precision, recall = ragas("ragas.metrics._context_precision"), ragas("ragas.metrics._context_recall")
        given = [*known, precision.IDBasedContextPrecision(), recall.IDBasedContextRecall()]
    if isinstance(given, str) or not given:
        raise ConfigError("no metrics were given", hint='give a list, such as ["nDCG@10", "AP"]')
    named: dict[str, Any] = {}
    for metric in given:
        found = metric_named(metric) if isinstance(metric, str) else metric
        name = found.name if isinstance(found, Metric) else ragas_name(found)
        if name in named:
            raise ConfigError(f"the metric {name} was given twice", hint="give each its own name")
        named[name] = found
    return named


def _less(given: Collection[str], metrics: Collection[str]) -> tuple[str, ...]:
    """Return the metrics of which less is better."""
    if isinstance(given, str):
        raise ConfigError("less_is_better is a text", hint='give a list, such as ["toxicity"]')
    for name in given:
        if name not in metrics:
            raise ConfigError(f"less_is_better names {name!r}, which is no metric here", hint=", ".join(metrics))
    return tuple(name for name in metrics if name in given or name.startswith(LESS_IS_BETTER))


def _all_know(queries: Sequence[Retrieved], what: str) -> bool:
    return all(getattr(query, what) is not None for query in queries)


def _outcomes(metric: Any, queries: Sequence[Retrieved], llm: Any) -> list[Outcome]:
    if isinstance(metric, Metric):
        return [Outcome(metric.score(query)) for query in queries]
    return ragas_scores(metric, queries, llm)


def _row(similarity: str, query: Retrieved, outcomes: Mapping[str, Outcome], worst: Mapping[str, float]) -> Row:
    return Row(
        similarity=similarity,
        query_id=query.query_id,
        text=query.text,
        scores={name: worst[name] if outcome.failure else outcome.score for name, outcome in outcomes.items()},
        failures={name: outcome.failure for name, outcome in outcomes.items() if outcome.failure},
        hub_exposure=None if query.hubs is None else hub_exposure(query.ids, query.hubs, None),
        margin=query.margin,
        gap=query.gap,
        loss=query.loss,
    )
