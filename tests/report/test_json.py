from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest

from ragdiag.findings.finding import DocumentNote
from ragdiag.report.json import schema, to_dict, to_json
from ragdiag.report.model import Report
from ragdiag.retrieval.losses import Cause
from ragdiag.types import Measure
from tests.report.sample import CLEAN, FULL, HUBS


def check(document: Any) -> None:
    jsonschema.Draft202012Validator(schema()).validate(document)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_everything_in_the_schema_is_strict() -> None:
    def objects(node: Any) -> list[dict[str, Any]]:
        if isinstance(node, list):
            return [found for child in node for found in objects(child)]
        if not isinstance(node, dict):
            return []
        own = [node] if node.get("type") == "object" else []
        return own + [found for child in node.values() for found in objects(child)]

    assert len(objects(schema())) > 10
    assert all("additionalProperties" in found for found in objects(schema()))


@pytest.mark.parametrize("report", [FULL, CLEAN], ids=["full", "clean"])
def test_a_report_is_valid(report: Report) -> None:
    check(json.loads(to_json(report)))


def test_the_keys_have_their_order() -> None:
    assert list(to_dict(FULL)) == [
        "schema",
        "store",
        "measures",
        "findings",
        "comparison",
        "sampling",
        "ann",
        "passed",
        "skipped",
        "notes",
        "run",
    ]


def test_measures_carry_ten_digits_and_reasons() -> None:
    measures = to_dict(FULL)["measures"]
    assert measures["anisotropy.rogue_share"] == {
        "value": 0.0123,
        "low": 0.0119,
        "high": 0.0128,
        "null": 0.002604166667,
        "n": 12000,
    }
    assert measures["spectrum.participation_ratio"] == {
        "value": None,
        "low": None,
        "high": None,
        "null": None,
        "n": 500,
        "undefined": "n is below 2d",
    }


def test_a_finding_has_all_its_parts() -> None:
    shown = to_dict(FULL)["findings"][0]
    assert shown == {
        "code": "DUP001",
        "severity": "error",
        "title": "the index and the docstore disagree",
        "message": FULL.findings[0].message,
        "evidence": {"integrity.missing": {"value": 2.0, "low": 2.0, "high": 2.0, "null": 0.0, "n": 12000}},
        "cost": {"text": "A query that hits one of them fails or returns nothing."},
        "remedy": {
            "text": "Rebuild the index from the docstore. Nothing has to be embedded again.",
            "similarity": None,
            "tested": "",
        },
        "documents": [],
    }


def test_the_flat_fields_of_a_run_are_those_of_the_deciding_metric() -> None:
    comparison = to_dict(FULL)["comparison"]
    run = comparison["runs"][1]
    assert {key: run[key] for key in list(run)[:9]} == {
        "similarity": "cosine",
        "mean": 0.655,
        "mean_low": 0.615,
        "mean_high": 0.695,
        "mean_null": 0.008,
        "delta": 0.043,
        "low": 0.023,
        "high": 0.063,
        "p": 0.0012,
    }
    assert run["metrics"]["nDCG@10"] == {key: run[key] for key in list(run)[1:9]}
    assert run["metrics"]["R@10"]["mean"] == 0.71
    assert comparison["winner"] == "cosine"
    assert comparison["runs"][0]["p"] is None


def test_the_loss_is_told_cause_by_cause() -> None:
    losses = to_dict(FULL)["comparison"]["losses"]
    assert {key: losses[key] for key in list(losses)[:9]} == {
        "metric": "nDCG@10",
        "k": 10,
        "queries": 150,
        "pairs": 180,
        "missing": 41,
        "attainable": 1.0,
        "score": 0.612,
        "total": 0.388,
        "low_ranked": 0.1,
    }
    assert [cause["cause"] for cause in losses["causes"]] == [cause.value for cause in Cause]
    assert sum(cause["loss"] for cause in losses["causes"]) + losses["low_ranked"] == pytest.approx(losses["total"])
    by_name = {cause["cause"]: cause for cause in losses["causes"]}
    assert [name for name, cause in by_name.items() if not cause["tested"]] == [
        "missed by the store's own search",
        "found by BM25 only",
    ]
    assert by_name["found under another similarity"]["via"] == {"cosine": 12, "dot": 3}
    assert by_name["outranked by hubs"]["expected"] == 1.24
    assert by_name["outranked by hubs"]["offenders"] == [
        {
            "query": "q-1",
            "asked": "how do I reset it?",
            "document": {"id": "reset-01", "text": "Press the ring for ten seconds."},
            "rank": 12,
            "loss": 1.0,
            "via": "",
            "instead": [
                {"id": "faq-000", "text": "All rights reserved.", "lists": 90},
                {"id": "faq-001", "text": None, "lists": 89},
            ],
        }
    ]
    assert losses["hubs"][0] == {"id": "faq-000", "text": "All rights reserved.", "lists": 90}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_not_finite_is_null_with_a_reason(value: float) -> None:
    report = replace(CLEAN, measures={"a.b": Measure(value, value, 1.0, value, 3)})
    document = json.loads(to_json(report))
    check(document)
    assert document["measures"]["a.b"] == {
        "value": None,
        "low": None,
        "high": None,
        "null": None,
        "n": 3,
        "undefined": "the value is not a finite number",
    }


def test_numpy_numbers_are_plain_numbers() -> None:
    measure = Measure(np.float64(1) / 3, np.float32(0.25), -0.0, None, np.int64(4))  # type: ignore[arg-type]
    text = to_json(replace(CLEAN, measures={"a.b": measure}))
    assert json.loads(text)["measures"]["a.b"] == {
        "value": 0.3333333333,
        "low": 0.25,
        "high": 0.0,
        "null": None,
        "n": 4,
    }
    assert "-0.0" not in text


def test_hostile_texts_stay_inside_their_strings() -> None:
    evil = '\x1b[31m","severity":"info\u202e\u009b\ud800'
    report = replace(FULL, findings=(replace(HUBS, documents=(DocumentNote(evil, evil, ""),)),))
    text = to_json(report)
    assert text.isascii()
    assert "\x1b" not in text
    assert "\\ud800" not in text
    assert json.loads(text)["findings"][0]["documents"][0]["id"] == evil.replace("\ud800", "\ufffd")


def test_only_run_differs_between_two_runs() -> None:
    later = replace(FULL, run=replace(FULL.run, started="2027-01-01T00:00:00Z", seconds=1.0))
    first, second = to_dict(FULL), to_dict(later)
    assert first.pop("run") != second.pop("run")
    assert json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("store", "password"), "x"),
        (("measures", "a.b"), {"value": None, "low": None, "high": None, "null": None, "n": 1}),
        (("measures", "a.b"), {"value": 1, "low": 1, "high": 1, "null": 0, "n": 1, "undefined": "x"}),
        (("comparison", "p"), 0),
        (("comparison", "losses", "why"), ""),
        (("comparison", "losses", "hubs"), [{"id": "x", "lists": 1}]),
        (("schema",), "ragdiag.audit/2"),
    ],
)
def test_the_schema_refuses(path: tuple[str, ...], value: Any) -> None:
    document = to_dict(FULL)
    node = document
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        check(document)
