"""Whether two audits say anything about each other."""

from __future__ import annotations

from typing import NoReturn

from ragdiag.errors import IncomparableError
from ragdiag.report.read import SavedAudit
from ragdiag.retrieval.significance import FEWEST

_BASELINE = "write a new baseline with the audit of today"


def check_comparable(old: SavedAudit, new: SavedAudit) -> None:
    """Raise unless two audits can be compared.

    Raises
    ------
    IncomparableError
        When dimension, metric, k, embedding model or the queries are not the same; queries that were labelled may
        differ as long as half of the smaller set, and ten, are in both.
    """
    if old.dim != new.dim:
        _refuse(f"the vectors had {old.dim:,} dimensions and have {new.dim:,}")
    if old.metric is not new.metric:
        named = [audit.metric.value if audit.metric is not None else "an unknown metric" for audit in (old, new)]
        _refuse(f"the store ranked by {named[0]} and ranks by {named[1]}")
    if old.measures and new.measures and old.k != new.k:
        _refuse(f"{old.k} neighbours of each query were looked at, and now {new.k}", hint=f"audit with -k {old.k}")
    if old.model and new.model and old.model != new.model:
        _refuse(f"the embedding model was {old.model} and is {new.model}")
    _check_queries(old, new)


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
