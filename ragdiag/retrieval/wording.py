"""What tells two texts of nearly the same words apart: where words end, figures, and denials."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property

from ragdiag.retrieval.tokens import folded, patterns

# "10²" is not "102", which NFKC would make of it.
_RAISED = re.compile("(?<=[0-9])(?=[\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089\u00bc-\u00be\u2150-\u215e])")

# So that "two bar" is "2 bar" and not "three bar".
_ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_GERMAN = ["null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred"]
_ZEHNER = ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig", "hundert"]
_NUMBERS = {folded(word): str(i) for words in (_ENGLISH, _GERMAN) for i, word in enumerate(words)}
_NUMBERS |= {folded(word): f"{i}0" for words in (_TENS, _ZEHNER) for i, word in enumerate(words, start=2)}

_DENIAL = re.compile(
    "not|no|never|none|nothing|neither|nor|cannot|without|unless|except"
    "|nicht|kein|keine[nmrs]?|nie|niemals|ohne|weder|ausser|ne|pas|jamais|sans|aucune?|ni|sauf"
    "|nunca|jamás|sin|ningún|ninguna|nada|não|sem|nenhuma?|non|mai|senza"
    "|не|ни|нет|без|никогда|[不没沒無无未勿非禁莫]|لا|ليس|नहीं|मत"
)


@dataclass(frozen=True)
class Wording:
    """A text as `normalised` gives it, and what it says beyond its set of words."""

    text: str

    @cached_property
    def spaced(self) -> str:
        """Words, numbers and signs with a blank before and after each.

        One text is in another at the borders of words when its `spaced` is in the other's. A number keeps its sign,
        its decimals and what else is tied to it; letters of scripts without spaces are words of their own.
        """
        whole, unspaced = _units(), patterns()[1]
        units: list[str] = []
        for unit in whole.findall(self.text):
            for odd, part in enumerate(unspaced.split(unit)):
                units += part if odd % 2 else [part] if part else []
        return f" {' '.join(units)} "

    @cached_property
    def figures(self) -> Counter[str]:
        """Every number, and every word with a digit; "two" is "2"."""
        return Counter(figure for unit in self.spaced.split() if (figure := _figure(unit)))

    @cached_property
    def denials(self) -> int:
        """How many words deny."""
        units = self.spaced.split()
        short = sum(units[i][-1] == "n" and units[i + 1] in "'’" and units[i + 2] == "t" for i in range(len(units) - 2))
        return short + sum(_DENIAL.fullmatch(unit) is not None for unit in units)

    def agrees(self, other: Wording) -> bool:
        """Return whether the figures are the same, and as much is denied.

        Examples
        --------
        >>> Wording("turn it to two bar").agrees(Wording("turn it up to 2 bar"))
        True
        >>> Wording("do open the x300").agrees(Wording("do open the x200"))
        False
        >>> Wording("you must open it").agrees(Wording("you mustn't open it"))
        False
        """
        return self.figures == other.figures and self.denials == other.denials


def normalised(text: str) -> str:
    r"""Return a text without what only looks different: case, blanks, compatibility characters (NFKC).

    Examples
    --------
    >>> normalised("A  Room\nof 10² m²")
    'a room of 10^2 m2'
    """
    return " ".join(folded(_RAISED.sub("^", text)).split())


def _figure(unit: str) -> str:
    if unit in _NUMBERS:
        return _NUMBERS[unit]
    if len(unit) == 1 and not unit.isdigit() and unit.isnumeric():
        return f"{unicodedata.numeric(unit):g}"
    return unit if any(character.isnumeric() for character in unit) else ""


@cache
def _units() -> re.Pattern[str]:
    word = patterns()[0].pattern
    return re.compile(rf"(?:(?<!\S)[-+\u2212](?=[0-9]))?{word}(?:[.,:/^\u2013-](?=[0-9]){word})*|\S")
