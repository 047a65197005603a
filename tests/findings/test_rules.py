from __future__ import annotations

import re

import numpy as np
import pytest

from ragdiag import Plan, Severity, audit
from ragdiag.errors import ConfigError
from ragdiag.findings.rule import Rule
from ragdiag.findings.rules import RULES, selected
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import cone
from tests.findings.planted import DIM, N, healthy, judgements, sentences

CODES = [
    *("ANI001", "ANI002", "ANI003", "GAP001", "HUB001", "HUB002", "HUB003"),
    *(f"IDX{number:03d}" for number in range(1, 14)),
    *("RET001", "RET002", "RET003", "RET004", "SIM001", "SIM002", "UNI001"),
]


def test_codes_are_stable() -> None:
    assert [rule.code for rule in RULES] == CODES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_page_says_what_a_rule_means_and_when_it_fires(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z]{3}[0-9]{3}", rule.code)
    assert rule.title
    assert rule.title[0].islower()
    assert len(rule.page.split()) >= 15
    assert re.search(r"[Ff]ires|error when|warning (when|from|above)|[Ff]or information", rule.page)
    assert max(map(len, rule.page.splitlines())) <= 120


def test_a_healthy_store_has_no_finding_at_all() -> None:
    report = audit(ArrayStore(healthy(), texts=sentences(), metric="cosine"))
    assert report.findings == ()
    assert report.worst() is None
    assert sorted((*report.passed, *report.skipped)) == CODES
    assert all(report.skipped.values())
    assert report.skipped == {
        "ANI002": "the mean cosine is not above 0",
        "GAP001": "no queries were given",
        "IDX012": "no embedding model was given",
        "RET001": "no queries were given",
        "RET002": "no judgements were given",
        "RET003": "no judgements were given",
        "RET004": "no judgements were given",
        "SIM001": "the store ranks by cosine",
        "SIM002": "no judgements were given",
    }


def flawed() -> ArrayStore:
    X = cone(np.random.default_rng(0), N, DIM, rho=0.6)
    X[0], X[1], X[2] = np.nan, 0, X[3]
    return ArrayStore(X)


def test_findings_are_ordered_worst_first_then_broken_data_by_its_share() -> None:
    found = [(finding.severity, finding.code) for finding in audit(flawed()).findings]
    assert found == [
        (Severity.ERROR, "IDX001"),
        (Severity.ERROR, "IDX002"),
        (Severity.WARNING, "ANI002"),
        (Severity.INFO, "IDX006"),
        (Severity.INFO, "ANI001"),
    ]


def test_a_proven_loss_comes_first_and_the_larger_share_before_the_smaller() -> None:
    X = healthy()
    X[:5], X[5:25] = np.nan, 0
    labels = judgements([{str(i): 1} for i in range(30, 80)])
    found = audit(X, judgements=labels, query_vectors=healthy(seed=1, n=50))
    errors = [finding.code for finding in found.findings if finding.severity is Severity.ERROR]
    assert errors == ["RET002", "IDX002", "IDX001"]


def test_a_rule_whose_measure_is_undefined_has_not_passed() -> None:
    report = audit(healthy(), plan=Plan(select=("ANI002",)))
    assert report.measures["anisotropy.rogue_dimension"].value is None
    assert (report.passed, report.skipped) == ((), {"ANI002": "the mean cosine is not above 0"})
    few = audit(healthy(n=9), plan=Plan(select=("HUB002",)))
    assert list(few.skipped) == ["HUB002"]
    # The vectors were looked at, though there are no texts.
    assert audit(healthy(), plan=Plan(select=("IDX006",))).passed == ("IDX006",)


def test_no_rule_is_worse_than_it_says() -> None:
    worst = {rule.code: rule.severity for rule in RULES}
    assert all(finding.severity <= worst[finding.code] for finding in audit(flawed()).findings)


def test_select_and_ignore_take_codes_and_beginnings() -> None:
    def codes(select: tuple[str, ...], ignore: tuple[str, ...] = ()) -> list[str]:
        return [rule.code for rule in selected(select, ignore)]

    assert codes(()) == CODES
    assert codes(("HUB",)) == ["HUB001", "HUB002", "HUB003"]
    assert codes(("ANI001", "HUB")) == ["ANI001", "HUB001", "HUB002", "HUB003"]
    assert codes((), ("IDX", "HUB00")) == [code for code in CODES if not code.startswith(("IDX", "HUB"))]
    assert codes(("IDX",), ("IDX00",)) == ["IDX010", "IDX011", "IDX012", "IDX013"]
    report = audit(flawed(), plan=Plan(select=("IDX", "ANI"), ignore=("IDX00", "ANI002")))
    assert [finding.code for finding in report.findings] == ["ANI001"]
    assert sorted((*report.passed, *report.skipped)) == ["ANI003", "IDX010", "IDX011", "IDX012", "IDX013"]


@pytest.mark.parametrize("plan", [Plan(select=("HUB9",)), Plan(ignore=("hub",))])
def test_an_unknown_code_is_refused_before_the_work(plan: Plan) -> None:
    class Untouched:
        """Raises at the first look."""

    with pytest.raises(ConfigError, match=r"no rule has a code that starts with"):
        audit(Untouched(), plan=plan)
