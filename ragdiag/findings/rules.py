"""All rules, and how they are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragdiag.errors import ConfigError
from ragdiag.findings import ann, contents, drift, duplicates, hubs, integrity, labelled, mixtures, related, shape
from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding
from ragdiag.findings.rule import NotApplicable, Rule
from ragdiag.types import Severity

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *ann.RULES,
            *integrity.RULES,
            *mixtures.RULES,
            *contents.RULES,
            *duplicates.RULES,
            *drift.RULES,
            *shape.RULES,
            *hubs.RULES,
            *labelled.RULES,
            *related.RULES,
        ),
        key=lambda rule: rule.code,
    )
)


@dataclass(frozen=True)
class Checked:
    """What the rules said.

    Attributes
    ----------
    findings : tuple of Finding
        Worst first; of one severity what labels have proven, then broken data by the share it concerns.
    passed : tuple of str
        Codes that looked and found nothing.
    skipped : mapping of str to str
        Code to the reason why it could not look: that of the first undefined measure it asked for, where it
        found nothing.
    """

    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    skipped: Mapping[str, str]


def _rank(finding: Finding) -> tuple[int, int, float, str]:
    """Return the sort key: severity; what labels have proven, then broken data by its share, then the rest."""
    proven = finding.severity is Severity.ERROR and finding.code.startswith(("SIM", "RET"))
    data = finding.code.startswith("IDX")
    main = next(iter(finding.evidence.values())).value or 0.0
    share = main if data and main <= 1 else 0.0
    return -finding.severity, 0 if proven else 1 if data else 2, -share, finding.code


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
        seen, measures = evidence.watched()
        try:
            found = list(rule.check(seen))
        except NotApplicable as reason:
            skipped[rule.code] = str(reason)
            continue
        findings.extend(found)
        if not found and measures.undefined:
            skipped[rule.code] = measures.undefined[0]
        elif not found:
            passed.append(rule.code)
    findings.sort(key=_rank)
    return Checked(tuple(findings), tuple(passed), skipped)
