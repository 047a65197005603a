"""A histogram in one line of characters, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ragdiag.types import Float64, IntArray

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = ".:-=+*#@"
_BETWEEN = 2  # blanks after a label of the axis, at least
_EVERY = 10  # columns from label to label


def has_blocks(encoding: str) -> bool:
    """Return whether a stream of this encoding can show the blocks.

    Examples
    --------
    >>> has_blocks("utf-8"), has_blocks("latin-1")
    (True, False)
    """
    try:
        _BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def fitted(bins: int, width: int) -> IntArray:
    """Return where the bins begin that are left when neighbours are joined until at most `width` remain.

    Examples
    --------
    >>> fitted(5, 3).tolist()
    [0, 2, 4]
    """
    starts: IntArray = np.arange(0, bins, -(-bins // width), dtype=np.int64)
    return starts


def spark(counts: Float64 | IntArray, width: int, *, blocks: bool) -> str:
    """Return one character for each bin, or for some that are joined: eighths of the highest one.

    Parameters
    ----------
    counts : ndarray, shape (b,)
        Not negative.
    width : int
        Columns, at least 1; neighbouring bins are joined until they fit.
    blocks : bool
        Unicode blocks, or ASCII of growing weight.

    Returns
    -------
    str
        Without blanks at the end. Blank where less than half a count is; what is more is never blank.

    Examples
    --------
    >>> print(spark(np.array([8, 4, 1, 0, 2, 0]), 6, blocks=True))
    █▄▁ ▂
    >>> print(spark(np.array([8, 4, 1, 0, 2, 0]), 6, blocks=False))
    @=. :
    >>> print(spark(np.array([8, 4, 1, 0, 2, 0]), 3, blocks=True))
    █▁▁
    """
    joined = np.add.reduceat(np.asarray(counts, dtype=np.float64), fitted(len(counts), width)).tolist()
    glyphs = _BLOCKS if blocks else _ASCII
    top = max(joined)
    return "".join(glyphs[max(round(8 * one / top), 1) - 1] if one >= 0.5 else " " for one in joined).rstrip()


def axis(labels: Sequence[str], width: int, *, blocks: bool) -> str:
    """Return a line of ticks with their labels, each standing at the lower edge of its bin.

    Parameters
    ----------
    labels : sequence of str
        One for each bin; every tenth is shown, and the last, as far as there is room.
    width : int
        Columns; no label reaches beyond.
    blocks : bool
        As in `spark`.

    Examples
    --------
    >>> print(axis([str(i) for i in range(18)], 20, blocks=True))
    ╵0        ╵10    ╵17
    """
    tick = "╵" if blocks else "|"
    line = ""
    for at, label in enumerate(labels):
        wanted = at % _EVERY == 0 or at == len(labels) - 1
        room = at >= len(line) + (_BETWEEN if line else 0) and at + 1 + len(label) <= width
        if wanted and room:
            line += " " * (at - len(line)) + tick + label
    return line
