"""Foreign text in a figure: plotly reads a subset of HTML in labels and hover texts, so none may reach it."""

from __future__ import annotations

import html
import textwrap

from ragdiag.report.escape import clean, shorten

# First strong isolate and its end: a text from right to left turns nothing around it.
_OPEN, _CLOSE = "\u2068", "\u2069"


def label(text: str, *, cells: int = 80, width: int = 44) -> str:
    r"""Return the start of a foreign text as plotly may show it: cleaned, cut, folded, isolated, without markup.

    Parameters
    ----------
    text : str
        Untrusted.
    cells : int
        Columns at most; a wide character takes two.
    width : int
        Of a line; lines are parted by ``<br>``, the only tag.

    Examples
    --------
    >>> print(label("<a href='javascript:x'>y</a> & $z$", width=60).replace("\u2068", "").replace("\u2069", ""))
    &lt;a href='javascript:x'&gt;y&lt;/a&gt; &amp; $z$
    """
    cut = shorten(clean(text[: 4 * cells]), cells)
    lines = textwrap.wrap(cut, width, break_long_words=True) or [""]
    return "<br>".join(f"{_OPEN}{html.escape(line, quote=False)}{_CLOSE}" for line in lines)
