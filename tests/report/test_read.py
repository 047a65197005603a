from __future__ import annotations

import base64
import copy
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag import audit
from ragdiag.errors import AuditFileError
from ragdiag.report.json import to_dict, to_json
from ragdiag.report.json_sketch import sketch_json
from ragdiag.report.read import read_audit, saved_audit
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic
from tests.report.sample import CLEAN, FULL, MEASURES

HINT = "write it with `ragdiag audit STORE --format json --output FILE`"


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """Return the JSON of an audit with labels and a sketch."""
    X = isotropic(np.random.default_rng(0), 120, 8)
    ids = [f"d{i}" for i in range(120)]
    names = tuple(f"q{i}" for i in range(20))
    labels = Judgements("toy", names, names, tuple({ids[i]: 1} for i in range(20)))
    report = audit(ArrayStore(X, ids=ids, metric="cosine"), judgements=labels, query_vectors=X[:20])
    shown: dict[str, Any] = json.loads(to_json(report))
    return shown


def refused(path: Path) -> str:
    with pytest.raises(AuditFileError) as error:
        read_audit(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "FILE")


def test_what_was_written_is_read(whole: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(whole))
    read = read_audit(path)
    assert (read.count, read.dim, read.k, read.queries, read.seed) == (120, 8, 10, 20, 0)
    assert read.metric is not None
    assert read.metric.value == "cosine"
    assert read.labelled is not None
    assert read.labelled.ids == tuple(f"q{i}" for i in range(20))
    assert read.labelled.scores["RR@10"] == (1.0,) * 20
    assert read.sketch is not None
    assert sketch_json(read.sketch) == whole["sketch"]
    assert read.measures["anisotropy.mean_cosine"].n == 120


def test_a_report_and_its_file_say_the_same() -> None:
    read = saved_audit(to_dict(FULL), "it")
    assert read.findings == FULL.findings
    assert read.passed == FULL.passed
    assert read.skipped == FULL.skipped
    assert {name: measure.n for name, measure in read.measures.items()} == {n: m.n for n, m in MEASURES.items()}
    assert read.proofs["nDCG@10.chosen"].value == 0.041
    # It was made by hand, without the score of each query: as by an earlier version.
    assert (read.labelled, read.has_comparison, read.sketch) == (None, True, None)
    assert saved_audit(to_dict(CLEAN), "it").metric is None


def test_a_file_that_is_cut_off_anywhere_says_so(whole: dict[str, Any], tmp_path: Path) -> None:
    path, text = tmp_path / "cut.json", json.dumps(whole, indent=2)
    for end in [*range(1, len(text) - 1, len(text) // 60), len(text) - 1]:
        path.write_text(text[:end])
        found = refused(path)
        assert found.startswith(("FILE is cut off (line", "FILE is no JSON (line")), found
        assert found.endswith(HINT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "FILE is empty"),
        (b" \n", "FILE is empty"),
        (b"\xff\xfe{}", "FILE is no JSON"),
        (b"hello", "FILE is no JSON (line 1)"),
        (b"[" * 100_000, "FILE is no JSON"),
        (b'{"schema": "ragdiag.audit/1"} {}', "FILE is no JSON (line 1)"),
        (b'{"schema": NaN}', "FILE is no JSON"),
        (b"[]", "FILE is no audit of ragdiag"),
        (b"{}", "FILE is no audit of ragdiag"),
        (b'{"schema": 1}', "FILE is no audit of ragdiag"),
        (b'{"schema": "somebody.audit/1"}', "FILE is no audit of ragdiag"),
        (b'{"schema": "ragdiag.diff/1"}', "FILE is a ragdiag.diff file and no audit"),
        (b'{"schema": "ragdiag.audit/one"}', "FILE is a ragdiag.audit file and no audit"),
        (b'{"schema": "ragdiag.audit/1"}', "FILE is no audit: store is no object"),
    ],
)
def test_what_is_no_audit_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert refused(path) == f"{said}: {HINT}"


@pytest.mark.parametrize(
    ("schema", "can"),
    [
        ("ragdiag.audit/2", "the ragdiag that wrote it, or a later one"),
        ("ragdiag.audit/0", "the ragdiag that wrote it"),
    ],
)
def test_another_version_says_who_can_read_it(schema: str, can: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"schema": schema}))
    assert refused(path) == f"FILE follows {schema}, and this version reads ragdiag.audit/1: {can} reads it"


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.json") == "cannot read FILE: No such file or directory"
    assert refused(tmp_path) == "cannot read FILE: Is a directory"
    with pytest.raises(AuditFileError, match="cannot read"):
        read_audit("nul\0")


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.touch()
    os.truncate(path, 300 * 2**20)
    assert refused(path) == f"FILE has 314,572,800 bytes: that is no audit: {HINT}"


def test_what_never_ends_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragdiag.report.read.MOST_BYTES", 10_000)
    with pytest.raises(AuditFileError, match="/dev/zero does not end after 10,000 bytes"):
        read_audit("/dev/zero")


def test_the_mark_that_windows_puts_before_a_file_is_no_reason_to_refuse_it(
    whole: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(whole), encoding="utf-8-sig")
    assert read_audit(path).count == 120


def test_a_sketch_names_no_document_twice(whole: dict[str, Any]) -> None:
    broken = copy.deepcopy(whole)
    broken["sketch"]["ids"] = base64.b64encode(bytes(8 * 120)).decode()
    with pytest.raises(AuditFileError, match="ids are not in ascending order, each once"):
        saved_audit(broken, "it")


def _paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value that is not in a long list."""
    inner = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))[:2]
        if isinstance(value, list)
        else []
    )
    return [here, *(path for key, child in inner for path in _paths(child, (*here, key)))]


def test_any_value_of_any_other_type_is_read_or_refused_in_one_line(whole: dict[str, Any]) -> None:
    said = []
    for path in _paths(whole)[1:]:
        for other in (None, True, -1, 1e400, 10**400, "x", [], [None], {}, {"a": 1}):
            broken = copy.deepcopy(whole)
            place: Any = broken
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = other
            try:
                saved_audit(broken, "it")
            except AuditFileError as error:
                said.append(str(error))
    assert len(said) > 500
    assert all(line.startswith("it ") and "\n" not in line for line in said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found["store"].update(metric="manhattan"), "store.metric is no metric"),
        (lambda found: found["store"].update(name="n" * 1_000_000), "store.name has 1,000,000 characters"),
        (lambda found: found["comparison"].update(metric="m" * 1_000_000), "metric has 1,000,000 characters"),
        (lambda found: found["comparison"]["per_query"]["ids"].__setitem__(1, "q0"), "holds an id twice"),
        (lambda found: found["comparison"]["per_query"].update(ids=[], groups=[]), "ids names no query"),
        (
            lambda found: found["comparison"]["per_query"]["scores"]["R@10"].__setitem__(0, 1e308),
            "R@10 holds a score that is not between 0 and 1",
        ),
        (
            lambda found: found["comparison"].update(lexical={"delta": 0.1, "low": 0.3, "high": 0.2}),
            "lexical.low and high are no interval",
        ),
        (lambda found: found["comparison"]["per_query"]["groups"].pop(), "is no list of 20 groups"),
        (lambda found: found["comparison"]["per_query"]["scores"]["R@10"].pop(), "R@10 does not hold 20 scores"),
        (lambda found: found["comparison"].update(metric="P@3"), "scores lacks P@3"),
        (
            lambda found: found["measures"]["anisotropy.mean_cosine"].update(low=1.0, high=0.0),
            "and high are no interval",
        ),
    ],
)
def test_values_that_do_not_agree_are_refused(whole: dict[str, Any], change: Any, said: str) -> None:
    broken = copy.deepcopy(whole)
    change(broken)
    with pytest.raises(AuditFileError, match="it is no audit: .*" + said):
        saved_audit(broken, "it")
