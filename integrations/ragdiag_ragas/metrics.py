"""The retrieval metrics that Ragas lacks, one pure function each, and the table that names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import ir_measures

from ragdiag.errors import ConfigError, JudgementsError
from ragdiag.retrieval.judgements import whole_grade
from ragdiag.retrieval.retrieved import Retrieved

_NAME = re.compile(r"([A-Za-z_]+)(?:@([1-9][0-9]{0,5}))?")


def ndcg(ids: Sequence[str], relevant: Mapping[str, int], k: int | None = 10) -> float:
    """Return nDCG@k, 0 … 1, more is better: Σ gradeᵢ/log₂(i + 1) over the ranks, over what is best possible.

    Source: Järvelin & Kekäläinen 2002, doi:10.1145/582415.582418; computed by ir-measures.

    Parameters
    ----------
    ids : sequence of str
        What was retrieved, best first; of an id that comes twice the first counts.
    relevant : mapping of str to int
        Document id to grade.
    k : int or None
        Documents looked at; None: all.

    Returns
    -------
    float
        0 for an empty retrieval, and where nothing is relevant.

    Examples
    --------
    >>> ndcg(["a", "b"], {"a": 1}), round(ndcg(["b", "a"], {"a": 1}), 4)
    (1.0, 0.6309)
    """
    return _ir("nDCG", ids, relevant, k)


def recall(ids: Sequence[str], relevant: Mapping[str, int], k: int | None = 10) -> float:
    """Return R@k, 0 … 1, more is better: the share of the relevant documents that are among the first k.

    Parameters and edge cases as for `ndcg`.

    Examples
    --------
    >>> recall(["b", "a"], {"a": 1, "c": 1})
    0.5
    """
    return _ir("R", ids, relevant, k)


def reciprocal_rank(ids: Sequence[str], relevant: Mapping[str, int], k: int | None = 10) -> float:
    """Return RR@k, 0 … 1, more is better: one over the rank of the first relevant document, 0 beyond k.

    Parameters and edge cases as for `ndcg`.

    Examples
    --------
    >>> reciprocal_rank(["b", "a"], {"a": 1})
    0.5
    """
    return _ir("RR", ids, relevant, k)


def average_precision(ids: Sequence[str], relevant: Mapping[str, int], k: int | None = None) -> float:
    """Return AP, 0 … 1, more is better: the mean over the relevant documents of the precision at their rank.

    Those that were not retrieved count with 0. Parameters and edge cases as for `ndcg`.

    Examples
    --------
    >>> average_precision(["a", "b", "c"], {"a": 1, "c": 1, "d": 1, "e": 1}) == (1 + 2 / 3) / 4
    True
    """
    return _ir("AP", ids, relevant, k)


def hub_exposure(ids: Sequence[str], hubs: Collection[str], k: int | None = 10) -> float:
    """Return the share of the first k documents that are hubs, 0 … 1, less is better.

    Parameters
    ----------
    ids : sequence of str
        Of an id that comes twice the first counts.
    hubs : collection of str
        Documents that come back to queries that they do not answer; see `ragdiag.retrieval.bad_hubs`.
    k : int or None

    Returns
    -------
    float
        0 for an empty retrieval.

    Examples
    --------
    >>> hub_exposure(["a", "b", "c", "d"], {"b"})
    0.25
    """
    top = _top("hub_exposure", ids, k)
    return sum(id_ in hubs for id_ in top) / max(len(top), 1)


def duplicate_share(ids: Sequence[str], groups: Mapping[str, Hashable], k: int | None = 10) -> float:
    """Return the share of the first k documents that repeat an earlier one of them, 0 … 1, less is better.

    Parameters
    ----------
    ids : sequence of str
        An id that comes twice repeats itself: here alone it keeps its rank.
    groups : mapping of str to anything
        The same for near-duplicates; an id that is not in it is alone.
    k : int or None

    Returns
    -------
    float
        0 for an empty retrieval.

    Examples
    --------
    >>> duplicate_share(["a", "b", "c", "a"], {"a": 0, "c": 0})
    0.5
    """
    top = ids[: _cutoff("duplicates", k)]
    return (len(top) - len({groups.get(id_, (id_,)) for id_ in top})) / max(len(top), 1)


def lexical_only_misses(
    ids: Sequence[str], relevant: Mapping[str, int], lexical: Sequence[str], k: int | None = 10
) -> float:
    """Return the share of the relevant documents that BM25 has in its first k and the vectors have not, less is better.

    Parameters
    ----------
    ids : sequence of str
        Of an id that comes twice the first counts; so in `lexical`.
    relevant : mapping of str to int
        Document id to grade.
    lexical : sequence of str
        What BM25 brings back, best first.
    k : int or None

    Returns
    -------
    float
        0 … 1; 0 where nothing is relevant.

    Examples
    --------
    >>> lexical_only_misses(["b"], {"a": 1, "b": 1}, ["a", "b"])
    0.5
    """
    wanted = {id_ for id_, grade in relevant.items() if grade > 0}
    name = "lexical_only_misses"
    return len(wanted & set(_top(name, lexical, k)) - set(_top(name, ids, k))) / max(len(wanted), 1)


def _cutoff(measure: str, k: int | None) -> int | None:
    if k is not None and (type(k) is not int or k < 1):  # the library behind it would end the process
        raise ConfigError(f"{measure} has the cutoff {k}", hint="give a whole number, at least 1, or none")
    return k


def _top(measure: str, ids: Sequence[str], k: int | None) -> list[str]:
    return list(dict.fromkeys(ids))[: _cutoff(measure, k)]


def _ir(measure: str, ids: Sequence[str], relevant: Mapping[str, int], k: int | None) -> float:
    top = _top(measure, ids, k)
    # Ids are foreign: a lone surrogate ends the process in the C library, and a NUL ends the id.
    numbers: dict[str, str] = {}
    for id_ in (*top, *relevant):
        numbers.setdefault(id_, str(len(numbers)))
    graded = {numbers[id_]: whole_grade(grade, f"document {id_!r:.40}") for id_, grade in relevant.items()}
    wanted = {document: grade for document, grade in graded.items() if grade > 0}
    if not top or not wanted:
        return 0.0
    if k is None and measure == "R":  # which has no form without a cutoff: all that was retrieved
        k = len(top)
    parsed = ir_measures.parse_measure(measure if k is None else f"{measure}@{k}")
    run = {numbers[id_]: float(-rank) for rank, id_ in enumerate(top)}
    (found,) = ir_measures.iter_calc([parsed], {"q": wanted}, {"q": run})
    return min(float(found.value), 1.0)


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    Attributes
    ----------
    score : callable
        Of a query and a cutoff.
    needs : str
        The field of `Retrieved` that must be known; "" when the ids and the grades are enough.
    """

    score: Callable[[Retrieved, int | None], float]
    needs: str = ""


KINDS: Mapping[str, Kind] = {
    "nDCG": Kind(lambda r, k: ndcg(r.ids, r.relevant, k)),
    "R": Kind(lambda r, k: recall(r.ids, r.relevant, k)),
    "RR": Kind(lambda r, k: reciprocal_rank(r.ids, r.relevant, k)),
    "AP": Kind(lambda r, k: average_precision(r.ids, r.relevant, k)),
    "hub_exposure": Kind(lambda r, k: hub_exposure(r.ids, r.hubs or (), k), "hubs"),
    "duplicates": Kind(lambda r, k: duplicate_share(r.ids, r.groups or {}, k), "groups"),
    "lexical_only_misses": Kind(lambda r, k: lexical_only_misses(r.ids, r.relevant, r.lexical or (), k), "lexical"),
}
NAMES = tuple(f"{kind}@10" for kind in KINDS)


@dataclass(frozen=True)
class Metric:
    """One metric of the table with its cutoff; see `metric_named`."""

    name: str
    kind: Kind
    k: int | None

    def score(self, query: Retrieved) -> float:
        """Return the score of one query.

        Raises
        ------
        ConfigError
            When what it is about was not looked for.
        JudgementsError
            When there are texts in place of ids.
        """
        if (query.contexts and not query.ids) or (query.relevant_contexts and not query.relevant):
            raise JudgementsError(
                f"query {query.query_id} has contexts without ids, which {self.name} needs",
                hint="give store=, so that they are found among its texts",
            )
        if self.kind.needs and getattr(query, self.kind.needs) is None:
            raise ConfigError(
                f"{self.name} needs {self.kind.needs!r} of every query, which {query.query_id} has not",
                hint="take the lists from compare(…, keep=10).retrieved, where it was looked for",
            )
        return self.kind.score(query, self.k)


def metric_named(name: str) -> Metric:
    """Return the metric of a name such as ``"nDCG@10"``, ``"AP"``, ``"hub_exposure@5"``.

    Raises
    ------
    ConfigError
        When there is none.

    Examples
    --------
    >>> metric_named("R@5").k
    5
    """
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match is None or match[1] not in KINDS:
        raise ConfigError(f"unknown metric {name!r}", hint=f"such as {', '.join(NAMES)}, or a metric object of Ragas")
    return Metric(name, KINDS[match[1]], int(match[2]) if match[2] else None)
