"""Our metrics in the three styles of Ragas, made from one table; they give the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ragdiag.errors import ConfigError, JudgementsError
from ragdiag.retrieval.labelled_lines import ids_of, plain
from ragdiag.retrieval.retrieved import Retrieved
from ragdiag_ragas.installed import ragas
from ragdiag_ragas.metrics import Metric, metric_named

STYLES = ("legacy", "numeric", "collections")
FIELDS = ("user_input", "retrieved_context_ids", "reference_context_ids")


@dataclass(frozen=True)
class Background:
    """What a sample of Ragas cannot carry, found by the words of its query.

    Attributes
    ----------
    grades : mapping of str to mapping of str to int
        By the words of the query. Of a query that is not in it, every reference counts 1.
    hubs : frozenset of str or None
    groups : mapping of str to str, or None
    lexical : mapping of str to tuple of str, or None
        As in `ragdiag.retrieval.retrieved.Retrieved`, for all queries together.
    """

    grades: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hubs: frozenset[str] | None = None
    groups: Mapping[str, str] | None = None
    lexical: Mapping[str, tuple[str, ...]] | None = None

    @classmethod
    def of(cls, queries: Sequence[Retrieved]) -> Background:
        """Return what the lists of one similarity know, such as ``comparison.retrieved["cosine"]``.

        Raises
        ------
        JudgementsError
            When two queries have the same words and not the same judgements.

        Examples
        --------
        >>> Background.of([Retrieved("q", "how?", ("a",), relevant={"a": 3})]).grades
        {'how?': {'a': 3}}
        """
        grades: dict[str, Mapping[str, int]] = {}
        for query in queries:
            if grades.setdefault(query.text, query.relevant) != query.relevant:
                raise JudgementsError(
                    f"query {query.query_id} has the words of another one, with other judgements",
                    hint="Ragas knows a query by its words alone; word them differently",
                )
        known = {name: all(getattr(q, name) is not None for q in queries) for name in ("hubs", "groups", "lexical")}
        return cls(
            grades,
            frozenset(id_ for q in queries for id_ in q.hubs or ()) if known["hubs"] else None,
            {id_: group for q in queries for id_, group in (q.groups or {}).items()} if known["groups"] else None,
            {q.text: q.lexical or () for q in queries} if known["lexical"] else None,
        )

    def query(self, user_input: str, retrieved_context_ids: Any, reference_context_ids: Any) -> Retrieved:
        """Return the query of a sample with what is known of it.

        Raises
        ------
        JudgementsError
            When the sample has no ids, or something else in their place.
        """
        if retrieved_context_ids is None or reference_context_ids is None:
            raise JudgementsError(
                "a sample has no retrieved_context_ids or no reference_context_ids",
                hint="make the dataset with ragdiag_ragas.to_dataset",
            )
        lists = plain({"retrieved": retrieved_context_ids, "references": reference_context_ids})
        references = ids_of(lists["references"], "a sample")
        return Retrieved(
            query_id=user_input,
            text=user_input,
            ids=tuple(ids_of(lists["retrieved"], "a sample")),
            relevant=self.grades.get(user_input, dict.fromkeys(references, 1)),
            hubs=self.hubs,
            groups=self.groups,
            lexical=None if self.lexical is None else self.lexical.get(user_input, ()),
        )


def ragas_metric(name: str, style: str = "legacy", *, background: Background | None = None) -> Any:
    """Return one of our metrics as an object of Ragas.

    ===============  =================================  =====================================================
    style            what it is                         where it works
    ===============  =================================  =====================================================
    ``legacy``       a ``SingleTurnMetric``             ``ragas.evaluate``
    ``numeric``      as by ``@numeric_metric``          ``@experiment``: ``metric.score(**fields)``
    ``collections``  a collections-style ``BaseMetric`` ``@experiment``: ``await metric.ascore(**fields)``
    ===============  =================================  =====================================================

    The fields are ``user_input``, ``retrieved_context_ids`` and ``reference_context_ids``.

    Parameters
    ----------
    name : str
        See `ragdiag_ragas.metrics.metric_named`.
    style : str
    background : Background, optional
        Grades, hubs, near-duplicates and BM25's lists; the diagnostic metrics need it.

    Raises
    ------
    MissingExtraError
        Without Ragas.
    ConfigError
        For a name or a style that there is not, or a metric without what it needs.
    """
    metric, known = metric_named(name), background or Background()
    if style not in STYLES:
        raise ConfigError(f"unknown style {style!r}", hint=f"one of {', '.join(STYLES)}")
    if metric.kind.needs and getattr(known, metric.kind.needs) is None:
        raise ConfigError(
            f"{name} needs to know {metric.kind.needs!r}, which no sample of Ragas carries",
            hint='give background=Background.of(comparison.retrieved["cosine"]) after compare(…, keep=10)',
        )
    return {"legacy": _legacy, "numeric": _numeric, "collections": _collections}[style](metric, known)


def _legacy(metric: Metric, known: Background) -> Any:
    base = ragas("ragas.metrics.base")
    single_turn: Any = base.SingleTurnMetric

    class RetrievalMetric(single_turn):  # type: ignore[misc]
        def init(self, run_config: Any) -> None:
            """Nothing to set up."""

        async def _single_turn_ascore(self, sample: Any, callbacks: Any) -> float:
            return metric.score(known.query(*(getattr(sample, field_) for field_ in FIELDS)))

    return RetrievalMetric(name=metric.name, _required_columns={base.MetricType.SINGLE_TURN: set(FIELDS)})


def _numeric(metric: Metric, known: Background) -> Any:
    @ragas("ragas.metrics").numeric_metric(name=metric.name, allowed_values=(0.0, 1.0))  # type: ignore[untyped-decorator]
    def score(user_input: str, retrieved_context_ids: list[Any], reference_context_ids: list[Any]) -> float:
        return metric.score(known.query(user_input, retrieved_context_ids, reference_context_ids))

    return score


def _collections(metric: Metric, known: Background) -> Any:
    result = ragas("ragas.metrics.result").MetricResult

    class RetrievalMetric(ragas("ragas.metrics.collections.base").BaseMetric):  # type: ignore[misc]
        async def ascore(
            self, user_input: str, retrieved_context_ids: list[Any], reference_context_ids: list[Any]
        ) -> Any:
            return result(value=metric.score(known.query(user_input, retrieved_context_ids, reference_context_ids)))

    return RetrievalMetric(name=metric.name)
