"""BM25 straight from its formula, one document and one word at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def bm25(documents: Mapping[int, Sequence[str]], query: Sequence[str], *, k1: float, b: float) -> dict[int, float]:
    """Score of each document with a word of the query; documents without any word do not count."""
    kept = {position: words for position, words in documents.items() if words}
    n = len(kept)
    average = sum(len(words) for words in kept.values()) / n if n else 0.0
    scores: dict[int, float] = {}
    for position, words in kept.items():
        total = 0.0
        for word in query:
            df = sum(word in other for other in kept.values())
            tf = words.count(word)
            idf = math.log(1 + (n - df + 0.5) / (df + 0.5))
            total += idf * tf / (tf + k1 * (1 - b + b * len(words) / average))
        if total > 0:
            scores[position] = total
    return scores
