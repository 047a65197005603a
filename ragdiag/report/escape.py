"""Foreign text made safe to print: ids, chunks and names come from people who may wish us ill."""

from __future__ import annotations

import unicodedata

# What our own sentences use beyond ASCII, for a terminal or a log that cannot show it.
_PLAIN = {
    "–": "-",
    "—": "-",
    "−": "-",
    "─": "-",
    "·": "-",
    "×": "x",
    "…": "...",
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "±": "+/-",
    "“": '"',
    "”": '"',
    "’": "'",
    "‘": "'",
    "μ": "mu",
    "σ": "sigma",
    "λ": "lambda",
    "Δ": "delta ",
    "‖": "|",
}
# Joiners that Persian, Indic scripts and emoji need; they move nothing on the screen.
_JOINERS = "\u200c\u200d"
# More combining marks than any script stacks would climb over the neighbouring lines.
_MOST_MARKS = 4


def clean(text: str, *, encoding: str = "utf-8") -> str:
    r"""Return `text` on one line, with nothing in it that a terminal would obey.

    White space of any kind becomes single spaces. Control characters, ANSI escapes, bidirectional
    overrides, unassigned and private code points, and combining marks stacked beyond four become
    visible backslash escapes. What `encoding` cannot express is spelled in ASCII.

    Parameters
    ----------
    text : str
        Untrusted.
    encoding : str
        Of the stream that will show it.

    Examples
    --------
    >>> clean("two\n\tlines")
    'two lines'
    >>> print(clean("\x1b[31mred"))
    \x1b[31mred
    >>> clean("3 × 4", encoding="ascii")
    '3 x 4'
    """
    shown: list[str] = []
    marks = 0
    for char in " ".join(text.split()):
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        hostile = category[0] == "C" and char not in _JOINERS
        shown.append(_escape(char) if hostile or marks > _MOST_MARKS else char)
    return encodable("".join(shown), encoding)


def shorten(text: str, cells: int, *, ellipsis: str = "…") -> str:
    """Return the start of `text` in at most `cells` terminal columns.

    Parameters
    ----------
    text : str
        Already clean.
    cells : int
        Columns; a wide character takes two.
    ellipsis : str
        Ends a text that was cut.

    Examples
    --------
    >>> shorten("a long sentence", 8)
    'a long…'
    """
    from rich.cells import cell_len, chop_cells

    if cell_len(text) <= cells:
        return text
    room = max(cells - cell_len(ellipsis), 1)
    return chop_cells(text, room)[0].rstrip() + ellipsis


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def encodable(text: str, encoding: str) -> str:
    r"""Return `text` with what `encoding` cannot express spelled in ASCII; its lines stay lines.

    Examples
    --------
    >>> print(encodable("λ ≥ 0 ☃", "ascii"))
    lambda >= 0 \u2603
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_spell(char, encoding) for char in text)
    return text


def _spell(char: str, encoding: str) -> str:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return _PLAIN.get(char) or _escape(char)
    return char
