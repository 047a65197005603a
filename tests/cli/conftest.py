"""A command line whose library is a stand-in: what is tested here is the words, the codes and the files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ragdiag.findings.rule import Rule
from ragdiag.report.model import Report
from ragdiag.types import Severity
from tests.report.sample import FULL


@dataclass(frozen=True)
class FakePlan:
    sample_queries: int
    sample_documents: int
    k: int
    seed: int
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    min_effect: float


@dataclass
class FakeAudit:
    """Stands in for `ragdiag.audit.audit`: keeps what it was called with."""

    report: Report = FULL
    calls: list[dict[str, Any]] = field(default_factory=list)
    act: Callable[[], object] = lambda: None

    def __call__(self, store: Any, **options: Any) -> Report:
        self.calls.append({"store": store, **options})
        self.act()
        return self.report


HUB_PAGE = "The same chunks, whatever is asked. Fires at `λ ≥ 0`.\n"


def rules() -> tuple[Rule, ...]:
    def rule(code: str, title: str, severity: Severity, page: str = "# page\n") -> Rule:
        return Rule(code=code, title=title, severity=severity, page=page, check=lambda evidence: ())

    return (
        rule("IDX001", "vectors that are not finite", Severity.ERROR),
        rule("IDX002", "zero vectors", Severity.ERROR),
        rule("HUB001", "a few chunks are in most answers", Severity.WARNING, HUB_PAGE),
        rule("NRM001", "norms differ", Severity.INFO),
    )


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty folder, so that no pyproject.toml is found but the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeAudit:
    stand_in = FakeAudit()
    module = ModuleType("ragdiag.auditing")
    vars(module).update(Plan=FakePlan, audit=stand_in)
    monkeypatch.setitem(sys.modules, "ragdiag.auditing", module)
    rule_module = ModuleType("ragdiag.findings.rules")
    vars(rule_module).update(RULES=rules())
    monkeypatch.setitem(sys.modules, "ragdiag.findings.rules", rule_module)
    return stand_in
