"""Text cut into sentences, in scripts with and without spaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

_STOP = ".!?…؟۔।॥"  # ends a sentence when a space follows
_FULL = "。！？｡．។။"  # ends one by itself
_CLOSE = "\"'”’»)\\]」』”）】》"
_END = re.compile(
    rf"(?<=[{_STOP}{_FULL}])\s+|(?<=[{_STOP}{_FULL}][{_CLOSE}])\s+"
    rf"|(?<=[{_FULL}])(?![{_FULL}{_CLOSE}\s])|(?<=[{_FULL}][{_CLOSE}])(?![{_CLOSE}\s])"
    r"|\n\s*\n"
)


def sentences(text: str) -> Iterator[str]:
    r"""Yield the sentences of a text in order, white space folded to single spaces.

    A simple rule: an abbreviation before a space ends a sentence too, and Thai, which marks none, is cut at empty
    lines alone.

    Examples
    --------
    >>> list(sentences("It costs 3.50 euros.  Why (you ask)?\nBecause.\n\nNext"))
    ['It costs 3.50 euros.', 'Why (you ask)?', 'Because.', 'Next']
    >>> list(sentences("他问：“多高？”没人知道。真的！！好。"))
    ['他问：“多高？”', '没人知道。', '真的！！', '好。']
    """
    for part in _END.split(text):
        if folded := " ".join(part.split()):
            yield folded
