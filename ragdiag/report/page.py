"""A page of a terminal: safe, wrapped lines, none wider than it may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.text import Text

from ragdiag.report.escape import clean, shorten

# A part of a line: a text, or a text and its rich style.
Part = str | tuple[str, str]

MIN_WIDTH = 40

# A blank where no line may break, as in "41 %", "[0.1, 0.2]" and "× 384". Rich breaks at a no-break space too, so a
# private code point stands in for it; no cleaned text holds one.
_GLUE = "\ue000"
_GLUED = re.compile(r"(?<=\d) (?=%)|(?<=,) (?=[-+.\d e]+\])|(?<=\s[×x]) (?=\d)")


class Page:
    """Lines that grow downwards; every text that is put on it is cleaned first.

    Parameters
    ----------
    width : int
        Columns; no line is wider. Less than 40 is taken as 40.
    encoding : str
        Of the stream that will show the page: what it cannot express is spelled in ASCII.

    Examples
    --------
    >>> page = Page(40)
    >>> page.field("Cost", "a sentence that is longer than the page is wide")
    >>> print(page.render())
      Cost      a sentence that is longer than
                the page is wide
    """

    def __init__(self, width: int = 80, *, encoding: str = "utf-8") -> None:
        self.width = max(width, MIN_WIDTH)
        self.encoding = encoding
        self.ellipsis = clean("…", encoding=encoding)
        self._lines: list[Text] = []
        self._console = Console(
            file=StringIO(), width=self.width, color_system=None, force_terminal=False, force_jupyter=False
        )

    def gap(self) -> None:
        """Add an empty line, unless the last one is empty."""
        if self._lines and self._lines[-1].plain:
            self._lines.append(Text())

    def heading(self, title: str) -> None:
        """Add a section's title, underlined across the page."""
        self.gap()
        line = self._text([(title + " ", "bold")])
        dash = clean("─", encoding=self.encoding)
        line.append(dash * (self.width - line.cell_len), style="dim")
        self._lines.append(_unglued(line))

    def line(self, *parts: Part, indent: int = 0, hang: int | None = None) -> None:
        """Add a paragraph whose later lines start at column `hang` (by default at `indent`)."""
        self._wrapped(Text(" " * indent), parts, indent if hang is None else hang)

    def field(self, label: str, *parts: Part, indent: int = 2, hang: int = 12, style: str = "dim") -> None:
        """Add a paragraph that stands at column `hang`, with a label before it."""
        prefix = Text(" " * indent)
        prefix.append_text(self._text([(label, style)]))
        prefix.append(" " * (hang - prefix.cell_len))
        self._wrapped(prefix, parts, hang)

    def row(self, cells: Sequence[tuple[Part, int]], *, indent: int = 2) -> None:
        """Add one row of a table.

        Parameters
        ----------
        cells : sequence of (part, width)
            A negative width aligns to the right. A first cell that is too long gets a line of its own,
            with the others under it.
        indent : int
        """
        line = Text(" " * indent)
        for position, (part, width) in enumerate(cells):
            text = self._text([part])
            if text.cell_len > abs(width) and position == 0:
                self.line(part, indent=indent)
                text = Text()
            fill = " " * max(abs(width) - text.cell_len, 0)
            line.append("  " if position else "")
            line.append_text(Text(fill) + text if width < 0 else text + Text(fill))
        line.rstrip()
        # A table wider than the page is folded rather than cut: numbers must not be lost.
        hang = 0 if line.cell_len <= self.width else indent + 2
        for position, folded in enumerate(line.wrap(self._console, self.width - hang)):
            folded.rstrip()
            if position:
                folded.pad_left(hang)
            self._lines.append(_unglued(folded))

    def quote(self, text: str, *, indent: int) -> None:
        """Add the start of a foreign text, in quotation marks, on one line."""
        short = self.cut(text, self.width - indent - 2)
        self.line((f'"{short}"' if short else "(empty text)", "dim"), indent=indent)

    def drawn(self, label: str, line: str, *, indent: int = 2, hang: int = 12, style: str = "") -> None:
        """Add a line of our own characters at column `hang`, as it is: its blanks mean something."""
        text = Text(" " * indent) + self._text([(label, "dim")])
        text.append(" " * (hang - text.cell_len))
        text.append(line, style=style)
        text.rstrip()
        self._lines.append(text)

    def cut(self, text: str, cells: int) -> str:
        """Return the start of a foreign text, clean and in at most `cells` columns."""
        return shorten(clean(text, encoding=self.encoding), cells, ellipsis=self.ellipsis)

    def render(self, *, color: bool = False) -> str:
        """Return the page, without a newline at its end."""
        stream = StringIO()
        console = Console(
            file=stream,
            width=self.width,
            color_system="standard" if color else None,
            force_terminal=color,
            no_color=not color,
            force_jupyter=False,
            legacy_windows=False,
        )
        for line in self._lines:
            console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)
        return stream.getvalue().rstrip("\n")

    def _text(self, parts: Sequence[Part]) -> Text:
        text = Text()
        for part in parts:
            words, style = (part, "") if isinstance(part, str) else part
            # Cleaning trims; the blanks at the ends are ours, and part words from each other.
            lead = " " if words[:1] == " " else ""
            tail = " " if words[-1:] == " " and words.strip() else ""
            text.append(lead + _GLUED.sub(_GLUE, clean(words, encoding=self.encoding)) + tail, style=style)
        return text

    def _wrapped(self, prefix: Text, parts: Sequence[Part], hang: int) -> None:
        # The first line may start left of the others; it is not made longer for it.
        start = max(hang, prefix.cell_len)
        for line in self._text(parts).wrap(self._console, self.width - start):
            line.rstrip()
            self._lines.append(_unglued(prefix + line))
            prefix = Text(" " * hang)


def _unglued(line: Text) -> Text:
    line.plain = line.plain.replace(_GLUE, " ")
    return line
