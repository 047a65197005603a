"""Relevant texts without ids, found among the stored texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ragdiag.errors import JudgementsError
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.tokens import folded, tokens
from ragdiag.stores import VectorStore
from ragdiag.types import Batch

SIMILAR = 0.8  # Jaccard similarity of the tokens from which two texts are one
SHORTEST = 20  # characters; a shorter text is contained in many by chance
PIECE = 0.1  # share of a context's tokens that a stored piece of it has to have: a heading is no answer
_BLOCK = 512  # texts compared with all contexts at once
_CUT = 4  # tokens that a cut through a text may spoil, two at each end


@dataclass(frozen=True)
class Anchoring:
    """How many different contexts were found in the store, and in which way; each counts once.

    Attributes
    ----------
    exact : int
        As they are, but for blanks at the ends.
    normalised : int
        But for case, blanks and compatibility characters (NFKC).
    contained : int
        Inside a stored text, or with a stored text inside them.
    similar : int
        With a Jaccard similarity of the tokens of at least .8.
    lost : int
        Not at all.
    """

    exact: int
    normalised: int
    contained: int
    similar: int
    lost: int

    @property
    def total(self) -> int:
        """Number of different contexts."""
        return self.exact + self.normalised + self.contained + self.similar + self.lost

    @property
    def unanchored(self) -> float:
        """Share of the contexts that are not in the store, from 0 to 1."""
        return self.lost / self.total

    def __str__(self) -> str:
        ways = {"as they are": self.exact, "but for case and blanks": self.normalised}
        ways |= {"as a part": self.contained, "in similar words": self.similar}
        found = ", ".join(f"{number:,} {way}" for way, number in ways.items() if number)
        kept = self.total - self.lost
        return f"{kept:,} of {self.total:,} reference contexts were found among the stored texts ({found})"


def anchor(judgements: Judgements, store: VectorStore) -> tuple[Judgements, Anchoring]:
    """Find the contexts of judgements among the texts of a store.

    Each context stands for the documents that hold its text, in the first of the ways of
    `Anchoring` that finds any: all equal ones, all that contain it or are a piece of it, or the
    most similar ones. They get grade 1 unless the query grades them already. A context that is
    lost stays as an id that is not in the store, so that it counts as a document that cannot be
    found.

    The texts are read once; again when contexts are left for the last two ways. Memory is that of a
    batch and of the contexts.

    Parameters
    ----------
    judgements : Judgements
        With `contexts`.
    store : VectorStore
        Whose texts are looked through.

    Returns
    -------
    Judgements
        With ids in place of contexts.
    Anchoring

    Raises
    ------
    JudgementsError
        When the store keeps no texts, or none of the contexts is among them.

    Examples
    --------
    >>> from ragdiag.stores import ArrayStore
    >>> store = ArrayStore(np.eye(2), ids=["a", "b"], texts=["The sky is blue.", "Grass is green."])
    >>> labels = Judgements("here", ("q",), ("colour of the sky?",), ({},), (("the  sky is BLUE.",),))
    >>> found, how = anchor(labels, store)
    >>> found.relevant, how.normalised, how.unanchored
    (({'a': 1},), 1, 0.0)
    """
    if not store.info.has_texts:
        raise JudgementsError(
            f"{judgements.name} names relevant texts, {store.info.name} keeps none",
            hint="give reference_context_ids, or a store with texts",
        )
    wanted = _Wanted(judgements)
    for batch in store.scan():
        wanted.look(batch)
    parts = _Parts({at: text for text, at in wanted.numbers.items() if not wanted.ids[at]})
    if parts.contexts:
        for batch in store.scan(batch_size=_BLOCK):
            parts.look(batch)
    found = {at: ids or parts.ids(at) for at, ids in enumerate(wanted.ids)}
    lost = sum(not ids for ids in found.values())
    if lost == len(found):
        raise JudgementsError(
            f"none of the {lost:,} reference contexts of {judgements.name} is among the texts of {store.info.name}",
            hint="they belong to another store, or the documents were cut anew",
        )
    exact = sum(wanted.exact)
    contained = sum(bool(parts.contained[at]) for at in parts.contexts)
    how = Anchoring(
        exact=exact,
        normalised=len(found) - len(parts.contexts) - exact,
        contained=contained,
        similar=len(parts.contexts) - contained - lost,
        lost=lost,
    )
    relevant = tuple(
        _graded(
            graded, [found[at] or [f"lost context {at + 1}: {text[:60]}"] for at, text in wanted.numbered(contexts)]
        )
        for graded, contexts in zip(judgements.relevant, judgements.contexts, strict=True)
    )
    return replace(judgements, relevant=relevant, contexts=(), anchored=str(how)), how


def _graded(graded: Mapping[str, int], contexts: Sequence[Sequence[str]]) -> dict[str, int]:
    return {**dict.fromkeys((id_ for ids in contexts for id_ in ids), 1), **graded}


def _normalised(text: str) -> str:
    return " ".join(folded(text).split())


class _Wanted:
    """The different contexts, and the documents whose text is equal to them."""

    def __init__(self, judgements: Judgements) -> None:
        self.numbers: dict[str, int] = {}
        self._as_given: set[str] = set()
        for contexts in judgements.contexts:
            for text in contexts:
                self.numbers.setdefault(_normalised(text), len(self.numbers))
                self._as_given.add(text.strip())
        self.ids: list[list[str]] = [[] for _ in self.numbers]
        self.exact = [False] * len(self.numbers)

    def numbered(self, contexts: Sequence[str]) -> list[tuple[int, str]]:
        """Return the contexts of a query with their numbers."""
        return [(self.numbers[_normalised(text)], text) for text in contexts]

    def look(self, batch: Batch) -> None:
        for id_, text in zip(batch.ids, batch.texts or (), strict=False):
            at = self.numbers.get(_normalised(text)) if text else None
            if at is not None and text:
                self.ids[at].append(id_)
                self.exact[at] |= text.strip() in self._as_given


class _Parts:
    """The contexts that equal no stored text, and the documents that share most of their words."""

    def __init__(self, contexts: Mapping[int, str]) -> None:
        self.contexts = contexts
        self.contained: dict[int, list[str]] = {at: [] for at in contexts}
        self._similar: dict[int, tuple[float, list[str]]] = {at: (SIMILAR, []) for at in contexts}
        self._order = list(contexts)
        self._words: dict[str, int] = {}
        self._matrix, self._sizes = self._count(list(contexts.values()), grow=True)

    def ids(self, at: int) -> list[str]:
        """Return the documents found for a context."""
        return self.contained[at] or self._similar[at][1]

    def look(self, batch: Batch) -> None:
        given = [(id_, _normalised(text)) for id_, text in zip(batch.ids, batch.texts or (), strict=False) if text]
        if not given:
            return
        matrix, sizes = self._count([text for _, text in given])
        shared = (matrix @ self._matrix.T).toarray()
        smaller = np.minimum(sizes[:, None], self._sizes)
        union = sizes[:, None] + self._sizes - shared
        near = (shared >= smaller - _CUT) | (shared >= SIMILAR * union)
        for row, column in np.argwhere(near & (shared > 0)).tolist():
            id_, text = given[row]
            at = self._order[column]
            if self._holds(text, self.contexts[at], sizes[row], self._sizes[column]):
                self.contained[at].append(id_)
            else:
                self._rank(at, id_, float(shared[row, column] / union[row, column]))

    def _holds(self, text: str, context: str, size: float, wanted: float) -> bool:
        if min(len(text), len(context)) < SHORTEST:
            return False
        return context in text or (size >= PIECE * wanted and text in context)

    def _rank(self, at: int, id_: str, similarity: float) -> None:
        best, ids = self._similar[at]
        if similarity > best:
            self._similar[at] = (similarity, [id_])
        elif similarity == best:
            ids.append(id_)

    def _count(self, texts: Sequence[str], *, grow: bool = False) -> tuple[Any, Any]:
        """Return which of the contexts' words each text has, and how many different words it has in all."""
        from scipy import sparse

        rows: list[int] = []
        columns: list[int] = []
        sizes = np.zeros(len(texts))
        for row, text in enumerate(texts):
            words = set(tokens(text))
            sizes[row] = len(words)
            if grow:
                for word in sorted(words):
                    self._words.setdefault(word, len(self._words))
            known = [self._words[word] for word in words if word in self._words]
            rows += [row] * len(known)
            columns += known
        values = np.ones(len(rows))
        return sparse.csr_matrix((values, (rows, columns)), shape=(len(texts), max(1, len(self._words)))), sizes
