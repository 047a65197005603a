"""Texts that say nothing of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ragdiag.geometry.intervals import wilson
from ragdiag.types import Measure

WORDS = 5  # of a shingle
CHARACTERS = 10  # of a shingle where words are not spaced: about as much text
COMMON = 5  # texts that share a shingle before it counts as page furniture
HALF = 0.5
# Thai, Lao, Burmese, Khmer, kana and Han: scripts that put no space between words.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_CHARACTER = re.compile(f"[{_UNSPACED}]")


def boilerplate(texts: Sequence[str | None]) -> tuple[Measure, NDArray[np.bool_]]:
    """Share of texts more than half of whose shingles stand in at least five other texts.

    A shingle is five words in a row, or ten characters of a text mostly in a script without spaces.

    0 … 1, null 0. Texts that equal another count once, as duplicates do not make page furniture. Interval:
    Wilson over the sampled texts. Undefined where the store keeps no texts. It sees furniture that is
    repeated word by word; a generic text that stands once is left to the hub rules.

    Returns
    -------
    Measure
    ndarray of bool, shape (s,)
        Which of `texts` they are.
    """
    shingles = [_shingles(text) if text else frozenset[int]() for text in texts]
    counts = Counter(s for parts in set(shingles) for s in parts)
    share = np.array([sum(counts[s] > COMMON for s in p) / len(p) if p else 0.0 for p in shingles])
    if not any(text is not None for text in texts):
        return Measure.missing("the store keeps no texts", null=0.0), np.zeros(len(texts), dtype=bool)
    return wilson(int(np.sum(share > HALF)), len(texts), null=0.0), share > HALF


def _shingles(text: str) -> frozenset[int]:
    words = [word.casefold() for word in _WORD.findall(text)]
    unspaced = sum(_CHARACTER.match(word) is not None for word in words)
    size = CHARACTERS if 2 * unspaced > len(words) else WORDS
    # A crc, since hash() differs from run to run.
    return frozenset(crc32(" ".join(words[i : i + size]).encode()) for i in range(max(len(words) - size + 1, 1)))
