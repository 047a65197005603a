"""What a rule is: a code, a page, and a function from the evidence to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragdiag.types import Severity

if TYPE_CHECKING:
    from ragdiag.findings.evidence import Evidence
    from ragdiag.findings.finding import Finding


class NotApplicable(Exception):  # noqa: N818  it is an answer, not an error
    """Raised by a rule that cannot look at this store; the message is the reason."""


@dataclass(frozen=True)
class Rule:
    """One check with a stable code.

    Attributes
    ----------
    code : str
        Family and number: ``IDX001``.
    title : str
        A few words in lower case, the same for every store.
    severity : Severity
        The worst severity that the rule reports.
    page : str
        What ``ragdiag rule CODE`` prints, in Markdown: what it means, formula, when it fires,
        what to do, when it is wrong, source.
    check : callable
        ``check(evidence)`` yields findings; raises `NotApplicable` when it cannot look.
    """

    code: str
    title: str
    severity: Severity
    page: str
    check: Callable[[Evidence], Iterable[Finding]]
