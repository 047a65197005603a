"""Whether two audits say anything about each other."""

from __future__ import annotations

from typing import NoReturn

from ragdiag.errors import IncomparableError
from ragdiag.report.read import SavedAudit
from ragdiag.retrieval.significance import FEWEST
from ragdiag.types import Metric

_BASELINE = "write a new baseline with the audit of today"


def check_comparable(old: SavedAudit, new: SavedAudit) -> None:
    """Raise unless two audits can be compared.

    Raises
    ------
    IncomparableError
        When dimension, metric, k, embedding model or the queries are not the same; queries that were labelled may
        differ as long as half of the smaller set, and ten, are in both.
    """
    check_same_kind(old, dim=new.dim, metric=new.metric, k=new.k if new.measures else old.k, model=new.model)
    _check_queries(old, new)


def check_same_kind(old: SavedAudit, *, dim: int, metric: Metric | None, k: int, model: str) -> None:
    """Raise unless an audit of such a store can be compared with `old`: what is known before the work."""
    if old.dim != dim:
        _refuse(f"the vectors had {old.dim:,} dimensions and have {dim:,}")
    if old.metric is not metric:
        named = [kind.value if kind is not None else "an unknown metric" for kind in (old.metric, metric)]
        _refuse(f"the store ranked by {named[0]} and ranks by {named[1]}")
    if old.measures and old.k != k:
        _refuse(f"{old.k} neighbours of each query were looked at, and now {k}", hint=f"audit with -k {old.k}")
    if old.model and model and old.model != model:
        _refuse(f"the embedding model was {old.model} and is {model}")


def _check_queries(old: SavedAudit, new: SavedAudit) -> None:
    hint = "audit both with the same queries"
    if old.labelled is not None and new.labelled is not None:
        common = len(set(old.labelled.ids) & set(new.labelled.ids))
        sizes = len(old.labelled.ids), len(new.labelled.ids)
        if 2 * common < min(sizes) or (common < FEWEST <= min(sizes)):
            _refuse(f"of {sizes[0]:,} labelled queries then and {sizes[1]:,} now, {common:,} are the same", hint=hint)
        if new.labelled.metric not in old.labelled.scores:
            _refuse(f"the labelled queries were not scored by {new.labelled.metric} then", hint=hint)
    elif old.queries and new.queries and old.queries != new.queries:
        _refuse(f"{old.queries:,} queries were given then and {new.queries:,} now", hint=hint)


def _refuse(why: str, *, hint: str = _BASELINE) -> NoReturn:
    raise IncomparableError(f"the audits cannot be compared: {why}", hint=hint)
