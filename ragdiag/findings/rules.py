"""All rules, and how they are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragdiag.errors import ConfigError
from ragdiag.findings import contents, hubs, integrity, labelled, related, shape
from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding
from ragdiag.findings.rule import NotApplicable, Rule

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (*integrity.RULES, *contents.RULES, *shape.RULES, *hubs.RULES, *labelled.RULES, *related.RULES),
        key=lambda rule: rule.code,
    )
)


@dataclass(frozen=True)
class Checked:
    """What the rules said.

    Attributes
    ----------
    findings : tuple of Finding
        Worst first, then by code.
    passed : tuple of str
        Codes that looked and found nothing.
    skipped : mapping of str to str
        Code to the reason why it could not look.
    """

    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    skipped: Mapping[str, str]


def selected(select: Sequence[str], ignore: Sequence[str]) -> list[Rule]:
    """Return the rules whose code starts with one of `select` (all when empty) and with none of `ignore`.

    Raises
    ------
    ConfigError
        When an entry fits no rule.
    """
    for prefix in (*select, *ignore):
        if not any(rule.code.startswith(prefix) for rule in RULES):
            raise ConfigError(f"no rule has a code that starts with {prefix!r}", hint="see ragdiag rule")
    chosen = tuple(select) or ("",)
    return [
        rule for rule in RULES if rule.code.startswith(chosen) and not (ignore and rule.code.startswith(tuple(ignore)))
    ]


def check_rules(evidence: Evidence, *, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> Checked:
    """Let every selected rule look at the evidence."""
    findings: list[Finding] = []
    passed: list[str] = []
    skipped: dict[str, str] = {}
    for rule in selected(select, ignore):
        try:
            found = list(rule.check(evidence))
        except NotApplicable as reason:
            skipped[rule.code] = str(reason)
            continue
        findings.extend(found)
        if not found:
            passed.append(rule.code)
    findings.sort(key=lambda finding: (-finding.severity, finding.code))
    return Checked(tuple(findings), tuple(passed), skipped)
