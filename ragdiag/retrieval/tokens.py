"""Text cut into what BM25 counts: words, and pairs of letters where a script writes no spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

# Letters of scripts whose words stand without spaces: Chinese and Japanese, Thai and Lao, Burmese, Khmer.
# Korean has spaces.
UNSPACED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b\u3040-\u30fa\u30fc-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
    "\u0e01-\u0e3a\u0e40-\u0eff\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f\u1780-\u17d3\u17d7-\u17dd"
)

# Above the first plane, the stretches that hold all marks, with letters between them: a class of hundreds of single
# characters up there is slow. Scripts that pile up letters without spaces (cuneiform, Tangut) are outside.
_HIGH_MARKS = "\U000101fd-\U00011f5a\U00013440-\U00013455\U00016af0-\U00016ff1\U0001bc9d-\U0001e94a"
_MOST_MARKS = 30  # on one letter, as in Unicode's stream-safe texts (UAX 15)


def tokens(text: str) -> Iterator[str]:
    """Yield the tokens of a text in order.

    NFKC and case-folded. A run of letters of a script without spaces gives its pairs of neighbours, one letter
    alone gives itself; any other run of letters, marks, digits and underscores is a word. No stemming and no stop
    words: the language is not known.

    Parameters
    ----------
    text : str
        Untrusted: control characters and lone surrogates end a word.

    Yields
    ------
    str

    Examples
    --------
    >>> list(tokens("Wie hoch? 8,849 Ｍeter"))
    ['wie', 'hoch', '8', '849', 'meter']
    >>> list(tokens("东京2020年 iPhone手机"))
    ['东京', '2020', '年', 'iphone', '手机']
    """
    word, unspaced, _ = patterns()
    for run in word.findall(folded(text)):
        for odd, part in enumerate(unspaced.split(run)):
            if odd % 2 and len(part) > 1:
                for i in range(len(part) - 1):
                    yield part[i : i + 2]
            elif part:
                yield part


def folded(text: str) -> str:
    """Return a text without what only looks different: NFKC, case-folded.

    Examples
    --------
    >>> folded("Ｓtraße")
    'strasse'
    """
    # Sorting a pile of n marks takes n² steps, and a hostile text may be nothing else.
    if not text.isascii():
        text = patterns()[2].sub(lambda found: found.group()[:_MOST_MARKS], text)
    return unicodedata.normalize("NFKC", text).casefold()


@cache
def patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    r"""Return what is a run, what in it is unspaced, and what is a pile of marks."""
    # \w leaves out the marks that Hindi, Thai or Hebrew words are written with.
    marks = "".join(c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c).startswith("M"))
    mark = f"[{marks}{_HIGH_MARKS}\uff9e\uff9f]"
    # One mark stands alone before the count, so that the search for it is quick.
    pile = re.compile(f"{mark}{mark}{{{_MOST_MARKS},}}")
    return re.compile(f"[\\w{marks}{_HIGH_MARKS}]+"), re.compile(f"([{UNSPACED}]+)"), pile
