"""Foreign text made safe to print: ids, chunks and names come from people who may wish us ill."""

from __future__ import annotations

import re
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
_MARKDOWN = set("\\`*_{}[]<>&#|~$!")
# Mentions, addresses of mail, and the numbers of issues, where the reference would be told too.
_REFERENCE = re.compile(
    r"(?<![A-Z0-9])@(?=[A-Z0-9-])|@(?=[A-Z0-9_-]+\.[A-Z0-9])|&#35;(?=\d)|(?<![A-Z0-9])GH-(?=\d)", re.IGNORECASE
)
_ADDRESS = re.compile(r"\b(?:[a-z]+://|www\.)", re.IGNORECASE)
_BULLET = re.compile(r"^([-+=]|\d+[.)](?=\s))")


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


def markdown(text: str) -> str:
    """Return one line of text as Markdown (GitHub's) that reads as the same words and does nothing.

    What Markdown or HTML would obey becomes an entity; a mention and the number of an issue notify nobody, an address
    is no link.

    Examples
    --------
    >>> print(markdown("<b>*x*</b> [a](b) | nDCG@10"))
    &#60;b&#62;&#42;x&#42;&#60;/b&#62; &#91;a&#93;(b) &#124; nDCG@10
    >>> print(markdown("ask @maintainer, https://x.example"))
    ask @&#8203;maintainer, https&#58;//x.example
    >>> print(markdown("owner/repo#1"))
    owner/repo&#35;&#8203;1
    """
    safe = "".join(f"&#{ord(char)};" if char in _MARKDOWN else char for char in clean(text))
    # References are looked for in the finished page, where entities are characters again: they have to be broken.
    safe = _REFERENCE.sub(lambda found: f"{found[0]}&#8203;", safe)
    safe = _ADDRESS.sub(lambda found: found[0].replace(":", "&#58;").replace(".", "&#46;"), safe)
    return _BULLET.sub(lambda found: f"{found[0][:-1]}&#{ord(found[0][-1])};", safe)


def markdown_code(text: str) -> str:
    """Return foreign text as code in Markdown: nothing in it is obeyed, and what it says stands out as not ours.

    Examples
    --------
    >>> print(markdown_code("`</code>"))
    <code>&#96;&#60;&#47;code&#62;</code>
    """
    # Letters of any script stay; a sign of ASCII could be the beginning of something.
    harmless = (
        char if char.isalnum() or not char.isascii() or char == " " else f"&#{ord(char)};" for char in clean(text)
    )
    plain = "".join(harmless)
    return f"<code>{plain}</code>" if plain else ""
