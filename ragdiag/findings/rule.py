"""What a rule is: a code, a page, and a function from the evidence to findings."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragdiag.types import Severity

if TYPE_CHECKING:
    from ragdiag.findings.evidence import Evidence
    from ragdiag.findings.finding import Finding


_DOI = re.compile(r"doi:(10\.\d{4,9}/[^\s;,]*[^\s;,.])")
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
WIDTH = 100  # columns of a page as written; `ragdiag rule` wraps it again to the terminal
COUNTED = "a plain count, for which no literature is needed."
WILSON = "a plain count; its interval is that of Wilson 1927, doi:10.1080/01621459.1927.10502953."


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
        What ``ragdiag rule CODE`` prints, in Markdown; see `page`.
    check : callable
        ``check(evidence)`` yields findings; raises `NotApplicable` when it cannot look.
    """

    code: str
    title: str
    severity: Severity
    page: str
    check: Callable[[Evidence], Iterable[Finding]]


def page(*, measured: str, fires: str, wrong: str, do: str, source: str) -> str:
    """Return the page of a rule: the same five parts in the same order for all.

    Parameters
    ----------
    measured : str
        The measures by the names that the report gives them, with their formulas.
    fires : str
        Goes on from "Fires when": the thresholds, from the constants that the check itself uses, and for each
        whether the end of an interval or a counted value has to reach it.
    wrong : str
        Where the rule speaks and the store is fine, and where it is silent and the store is not.
    do : str
        What to do about it.
    source : str
        With DOI or arXiv number; `COUNTED` or `WILSON` where there is nothing to cite for the measure.

    Examples
    --------
    >>> print(page(measured="`a` = b/c.", fires="`a` is 1.", wrong="never.", do="nothing.", source="us."))
    Measured: `a` = b/c.
    <BLANKLINE>
    Fires when `a` is 1.
    <BLANKLINE>
    When it is wrong: never.
    <BLANKLINE>
    Do: nothing.
    <BLANKLINE>
    Source: us.
    """
    parts = (
        f"Measured: {measured}",
        f"Fires when {fires}",
        f"When it is wrong: {wrong}",
        f"Do: {do}",
        f"Source: {source}",
    )
    return "\n\n".join(
        textwrap.fill(" ".join(part.split()), WIDTH, break_long_words=False, break_on_hyphens=False) for part in parts
    )


def linked(page: str) -> str:
    """Return a page whose DOI and arXiv numbers are links of Markdown.

    Examples
    --------
    >>> print(linked("Source: us, doi:10.1000/182. And arXiv:2108.07344."))
    Source: us, [doi:10.1000/182](https://doi.org/10.1000/182). And [arXiv:2108.07344](https://arxiv.org/abs/2108.07344).
    """
    page = _DOI.sub(r"[doi:\1](https://doi.org/\1)", page)
    return _ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", page)
