"""What a rule reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ragdiag.display import Displayed
from ragdiag.types import Measure, Severity


@dataclass(frozen=True)
class DocumentNote:
    """One document that a finding points at.

    Attributes
    ----------
    id : str
        Its id in the store.
    text : str or None
        The start of its text as stored, untrusted; None when the store keeps none.
    note : str
        Why it is listed, such as ``"in 728 of 1,181 top tens"``.
    """

    id: str
    text: str | None
    note: str


@dataclass(frozen=True)
class Remedy:
    """What to do about a finding.

    Attributes
    ----------
    text : str
        In words.
    similarity : str or None
        The name of the similarity that mends it, when one does.
    tested : str
        How it was tested on this store, in words; "" when it was not.
    """

    text: str
    similarity: str | None = None
    tested: str = ""


@dataclass(frozen=True)
class Finding(Displayed):
    """One thing that is wrong with the store, with its evidence.

    Attributes
    ----------
    code : str
        Of the rule, such as ``"HUB001"``.
    severity : Severity
        Geometry alone is at most a warning; an error is a broken index or a proven loss.
    title : str
        A few words, the same for every store.
    message : str
        What was seen in this store, with its numbers.
    evidence : mapping of str to Measure
        The measures the finding rests on, the main one first.
    cost : str
        What a user of the application feels.
    remedy : Remedy
    documents : tuple of DocumentNote
        The worst offenders, at most ten.
    """

    code: str
    severity: Severity
    title: str
    message: str
    evidence: Mapping[str, Measure]
    cost: str
    remedy: Remedy
    documents: tuple[DocumentNote, ...] = field(default=())
