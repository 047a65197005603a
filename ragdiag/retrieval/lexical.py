"""The baseline that knows no vectors: BM25 over the stored texts."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ragdiag.engine.base import Block, Progress
from ragdiag.retrieval.tokens import tokens
from ragdiag.statistics.best import pair_priority, rounded
from ragdiag.statistics.neighbors import Neighbors

if TYPE_CHECKING:
    from ragdiag.types import Float64, IntArray

NAME = "bm25"
K1 = 1.5
B = 0.75


class LexicalSearch:
    """Ranks the stored texts for each query by BM25, in Lucene's form, with k₁ = 1.5 and b = .75.

    The score of a document is the sum over the words t of the query, repeated ones counted as often,
    of ln(1 + (N − df + ½)/(df + ½))·tf/(tf + k₁·(1 − b + b·l/l̄)); above 0 for every document with a
    word of the query. N documents have a word at all, df of them have t; a document has l words, l̄
    on average. Documents without a word are none of the N, as in Lucene. Scores equal to a relative
    2⁻⁴⁰ are ties, broken by a seeded random priority of the pair.

    Source: Kamphuis, de Vries, Boytsov & Lin 2020, doi:10.1007/978-3-030-45442-5_4; Lù 2024 (bm25s),
    arXiv:2407.03618.

    Memory: the numbers of the words are kept, 5 bytes for each word of the store: 1 GB for 1,000,000
    documents of 200 words. The index takes 12 bytes, and about 45 while it is built, for each different
    word of each document that some query holds.

    Parameters
    ----------
    queries : sequence of str, length m
    k : int
        Documents per query, at least 1.
    seed : int
        Of the tie-breaking.

    Examples
    --------
    >>> search = LexicalSearch(["blue whale"], k=2)
    >>> for position, text in enumerate(["a whale", "the sky is blue", "a blue whale"]):
    ...     search.add(position, text)
    >>> search.result().positions.tolist()
    [[2, 0]]
    """

    def __init__(self, queries: Sequence[str], k: int, *, seed: int = 0) -> None:
        words = [list(tokens(query)) for query in queries]
        # Words that no query holds count in the lengths of documents alone: all are word 0.
        self._vocabulary = {"": 0}
        for word in (word for query in words for word in query):
            self._vocabulary.setdefault(word, len(self._vocabulary))
        self._queries = [[self._vocabulary[word] for word in query] for query in words]
        self._k = k
        self._seed = np.uint64(seed)
        self._positions: list[int] = []
        self._documents: list[array[int]] = []

    def step(self, block: Block) -> None:
        """Take in the texts of one block; vectors play no part, so unusable ones do not hide a text."""
        for i, text in enumerate(block.batch.texts or ()):
            self.add(block.start + i, text)

    def add(self, position: int, text: str | None) -> None:
        """Take in one document; without a word it is no hit."""
        if text is None:
            return
        words = array("i", (self._vocabulary.get(word, 0) for word in tokens(text)))
        if words:
            self._positions.append(position)
            self._documents.append(words)

    def result(self, progress: Progress | None = None) -> Neighbors:
        """Return the best documents of each query among those taken in.

        Parameters
        ----------
        progress : callable, optional
            Called with stage, queries done, queries to do.

        Returns
        -------
        Neighbors
            Of similarity ``"bm25"``; −1 and −∞ where fewer than k documents hold a word of the query.
        """
        m = len(self._queries)
        found = Neighbors(NAME, np.full((m, self._k), -1, dtype=np.int64), np.full((m, self._k), -np.inf))
        if not self._documents:
            return found
        from bm25s import BM25

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to tell everything
        index = BM25(k1=K1, b=B, method="lucene", dtype="float64", backend="numpy")
        index.index((self._documents, self._vocabulary), create_empty_token=False, show_progress=False)
        positions = np.array(self._positions, dtype=np.int64)
        for i, words in enumerate(self._queries):
            scores = index.get_scores_from_ids(words)
            hits = np.flatnonzero(scores > 0)
            self._keep_best(found, i, positions[hits], rounded(scores[hits]))
            if progress is not None:
                progress("searching the words", i + 1, m)
        return found

    def _keep_best(self, found: Neighbors, query: int, positions: IntArray, scores: Float64) -> None:
        if len(scores) > self._k:
            kth = len(scores) - self._k
            kept = scores >= np.partition(scores, kth)[kth]
            positions, scores = positions[kept], scores[kept]
        priority = pair_priority(np.full(len(scores), query), positions, self._seed)
        best = np.lexsort((priority, -scores))[: self._k]
        found.positions[query, : len(best)] = positions[best]
        found.scores[query, : len(best)] = scores[best]


def lexical_run(
    documents: Iterable[tuple[int, str | None]],
    queries: Sequence[str],
    k: int,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Neighbors:
    """Rank texts for each query by BM25; see `LexicalSearch`, which also reads a store block by block.

    Parameters
    ----------
    documents : iterable of (position, text or None)
        Read once.
    queries : sequence of str, length m
    k : int
        Documents per query, at least 1.
    seed : int
        Of the tie-breaking.
    progress : callable, optional

    Returns
    -------
    Neighbors

    Examples
    --------
    >>> found = lexical_run([(7, "东京塔"), (8, None), (9, "大阪城")], ["大阪在哪里"], k=2)
    >>> found.similarity, found.positions.tolist()
    ('bm25', [[9, -1]])
    """
    search = LexicalSearch(queries, k, seed=seed)
    for position, text in documents:
        search.add(position, text)
    return search.result(progress)
