from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
from rich.cells import cell_len

from ragdiag import Plan, Severity, audit
from ragdiag.cli import main
from ragdiag.errors import ConfigError
from ragdiag.findings.rule import Rule
from ragdiag.findings.rules import RULES, selected
from ragdiag.retrieval.compare import compare_runs
from ragdiag.retrieval.comparison import MIN_EFFECT
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import cone
from tests.findings.planted import DIM, N, healthy, judgements, sentences

CODES = [
    *(
        "ANI001",
        "ANI002",
        "ANI003",
        "ANN001",
        "ANN002",
        "ANN003",
        "DRF001",
        "DRF002",
        "GAP001",
        "HUB001",
        "HUB002",
        "HUB003",
    ),
    *(f"IDX{number:03d}" for number in range(1, 15)),
    *("RET001", "RET002", "RET003", "RET004", "SIM001", "SIM002", "UNI001"),
]


def test_codes_are_stable() -> None:
    assert [rule.code for rule in RULES] == CODES


PARTS = ("Measured: ", "Fires when ", "When it is wrong: ", "Do: ", "Source: ")
ENDS = r"(lower|upper) ends? of (the|an|its) (bootstrap )?interval|\(counted\b|\(read from the index"
# Every number of "Fires when", as it is read; a threshold that changes in the code changes here.
FIRES = {
    "ANI001": ["0.5"],
    "ANI002": ["0.1", "0.258", "64", "0.0561", "384", "0.1"],
    "ANI003": ["0.03", "12"],
    "ANN001": ["0.95", "0.8"],
    "ANN002": ["0.5 %"],
    "ANN003": [],
    "DRF001": ["0.0005", "0.002"],
    "DRF002": ["1 %"],
    "GAP001": ["0.3", "0.08", "0.15"],
    "HUB001": ["10 %", "5", "50 %", "10"],
    "HUB002": ["3", "3"],
    "HUB003": ["10 %", "25 %"],
    "IDX001": [],
    "IDX002": [],
    "IDX003": [],
    "IDX004": [],
    "IDX005": ["0.5 %"],
    "IDX006": ["0", "1 %"],
    "IDX007": ["0.5 %", "2 %"],
    "IDX008": [],
    "IDX009": ["1 %", "99 %", "1", "0.001"],
    "IDX010": ["8", "0.6", "0.25", "10"],
    "IDX011": ["5 %"],
    "IDX012": ["1 %", "0.99"],
    "IDX013": ["0.01 %"],
    "IDX014": [],
    "RET001": ["1 %"],
    "RET002": ["5 %", "1", "20 %", "10", "0.1"],
    "RET003": ["1 %", "5 %", "10", "10"],
    "RET004": ["0.01", "0", "0.05", "0.05"],
    "SIM001": ["90 %"],
    "SIM002": ["0.01", "0", "0.05", "0"],
    "UNI001": ["2", "0.5", "4", "1"],
}


def parts(rule: Rule) -> list[str]:
    return [" ".join(part.split()) for part in rule.page.split("\n\n")]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_page_has_the_same_parts_in_the_same_order(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z]{3}[0-9]{3}", rule.code)
    assert rule.title
    assert rule.title[0].islower()
    found = parts(rule)
    assert len(found) == len(PARTS)
    for part, label in zip(found, PARTS, strict=True):
        assert part.startswith(label)
        assert len(part) >= len(label) + 15
        assert part.endswith(".")
    assert " = " in found[0]  # the formula, after the name that the report gives the measure
    assert re.match(r"Measured: `[a-zA-Z0-9_.@]+`", found[0])
    assert len(rule.page.splitlines()) <= 18
    assert max(map(len, rule.page.splitlines())) <= 100


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_page_says_when_the_rule_fires(rule: Rule) -> None:
    fires = parts(rule)[1]
    without_names = re.sub(r"[A-Z]{3}[0-9]{3}", "", fires)
    assert re.findall(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?: %)?", without_names) == FIRES[rule.code]
    assert re.search(ENDS, fires)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_page_says_of_each_severity_when(rule: Rule) -> None:
    fires = parts(rule)[1]
    worst = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "for information"}
    named = [severity for severity, word in worst.items() if word in fires.lower()]
    assert max(named) is rule.severity
    assert ("Always" in fires) == (len(named) == 1)


def test_pages_name_measures_that_exist() -> None:
    report = audit(healthy(), query_vectors=healthy(seed=1, n=50), judgements=judgements([{"1": 1}] * 50))
    named = {name for rule in RULES for name in re.findall(r"`([a-z]+\.[a-z0-9_.]+)`", rule.page)}
    own = {"vectors.unusable", "vectors.zero", "store.mismatches", "store.count", "norms.not_normalised"}
    own |= {"embedder.cosine", "judgements.unknown", "store.changed"}
    matched = {"largest.matched", "skewness.matched", "orphans.matched"}
    drift = {"drift.mmd", "drift.mean_shift", "drift.replaced"}
    assert named - own - matched - drift <= set(report.measures)
    assert own <= named


def test_the_smallest_effect_on_the_pages_is_the_one_used() -> None:
    assert Plan().min_effect == MIN_EFFECT == inspect.signature(compare_runs).parameters["min_effect"].default


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_page_reads_the_same_on_a_narrow_terminal(
    rule: Rule, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["rule", rule.code]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(cell_len, lines)) <= 80
    # No line of the page begins what Markdown takes for a list, a quotation or a heading.
    assert " ".join(" ".join(lines[1:]).split()) == " ".join(rule.page.replace("`", "").split())


def test_a_healthy_store_has_no_finding_at_all() -> None:
    report = audit(ArrayStore(healthy(), texts=sentences(), metric="cosine"))
    assert report.findings == ()
    assert report.worst() is None
    assert sorted((*report.passed, *report.skipped)) == CODES
    assert all(report.skipped.values())
    assert report.skipped == {
        "ANI002": "the mean cosine is not above 0",
        "ANN001": "the store has no search of its own",
        "ANN002": "the store has no search of its own",
        "DRF001": "no earlier audit was given (--baseline)",
        "DRF002": "no earlier audit was given (--baseline)",
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
    assert codes(("IDX",), ("IDX00",)) == ["IDX010", "IDX011", "IDX012", "IDX013", "IDX014"]
    report = audit(flawed(), plan=Plan(select=("IDX", "ANI"), ignore=("IDX00", "ANI002")))
    assert [finding.code for finding in report.findings] == ["ANI001"]
    assert sorted((*report.passed, *report.skipped)) == ["ANI003", "IDX010", "IDX011", "IDX012", "IDX013", "IDX014"]


@pytest.mark.parametrize("plan", [Plan(select=("HUB9",)), Plan(ignore=("hub",))])
def test_an_unknown_code_is_refused_before_the_work(plan: Plan) -> None:
    class Untouched:
        """Raises at the first look."""

    with pytest.raises(ConfigError, match=r"no rule has a code that starts with"):
        audit(Untouched(), plan=plan)
