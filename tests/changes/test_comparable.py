from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ragdiag.changes.comparable import check_comparable
from ragdiag.diffing import diff
from ragdiag.errors import ConfigError, IncomparableError
from ragdiag.report.read import SavedAudit
from ragdiag.types import Measure, Metric
from tests.changes.saved import AUDIT, labelled

MEASURED = replace(AUDIT, measures={"a.b": Measure.counted(1.0, n=3)})


def asked(*numbers: range, **changes: Any) -> SavedAudit:
    return replace(AUDIT, labelled=labelled({f"q{i}": 0.5 for part in numbers for i in part}, **changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dim": 128}, "the vectors had 64 dimensions and have 128"),
        ({"metric": Metric.L2}, "the store ranked by cosine and ranks by l2"),
        ({"metric": None}, "the store ranked by cosine and ranks by an unknown metric"),
        ({"k": 20}, "10 neighbours of each query were looked at, and now 20"),
        ({"model": "openai:large"}, "the embedding model was openai:small and is openai:large"),
        ({"queries": 70}, "50 queries were given then and 70 now"),
    ],
)
def test_other_things_are_not_compared(changes: dict[str, Any], why: str) -> None:
    old = replace(MEASURED, model="openai:small", queries=50)
    with pytest.raises(IncomparableError, match=why):
        check_comparable(old, replace(old, **changes))
    check_comparable(old, old)


def test_a_model_or_queries_of_which_only_one_side_speaks_are_no_reason() -> None:
    check_comparable(MEASURED, replace(MEASURED, model="openai:large", queries=50))


def test_other_queries_are_not_compared() -> None:
    with pytest.raises(IncomparableError, match="of 40 labelled queries then and 40 now, 15 are the same"):
        check_comparable(asked(range(40)), asked(range(25, 65)))
    check_comparable(asked(range(40)), asked(range(20, 60)))
    check_comparable(asked(range(40)), asked(range(400)))


def test_another_deciding_metric_is_not_compared() -> None:
    other = asked(range(40), metric="R@10", scores={"R@10": (0.5,) * 40})
    with pytest.raises(IncomparableError, match="were not scored by R@10 then"):
        check_comparable(asked(range(40)), other)


def test_codes_are_not_the_letters_of_a_bare_string() -> None:
    with pytest.raises(ConfigError, match="ignore is 'DRF'"):
        diff(AUDIT, AUDIT, ignore="DRF")
