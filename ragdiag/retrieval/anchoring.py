"""Relevant texts without ids, found among the stored texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ragdiag.errors import JudgementsError
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.tokens import tokens
from ragdiag.retrieval.wording import Wording, normalised
from ragdiag.stores import VectorStore
from ragdiag.types import Batch

SIMILAR = 0.8  # Jaccard similarity of the tokens from which two texts are one
SHORTEST = 20  # characters; a shorter text is contained in many by chance
PIECE = 0.1  # share of a context's tokens that a stored piece of it has to have: a heading is no answer
COVERED = 0.5  # share of a context that its stored pieces have to hold together: the closing line alone is no answer
_BLOCK = 512  # texts compared with all contexts at once
_CUT = 2  # tokens that a cut through a text without spaces may spoil, one at each end


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
        Inside a stored text, or with stored texts inside them that hold at least half of them; whole words only.
    similar : int
        With a Jaccard similarity of the tokens of at least .8, the same figures, and as many words that deny.
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


@dataclass(frozen=True)
class Place:
    """Where a text is in the store.

    Attributes
    ----------
    ids : tuple of str
        Of the documents, in the order of the store; of a text that is lost one that no store has.
    way : str
        The attribute of `Anchoring` that counts it.
    """

    ids: tuple[str, ...]
    way: str

    @property
    def equal(self) -> bool:
        """Whether the documents hold the text and nothing else, so that any of them is as good."""
        return self.way in ("exact", "normalised")


def anchor(judgements: Judgements, store: VectorStore) -> tuple[Judgements, Anchoring]:
    """Find the contexts of judgements among the texts of a store.

    Each context stands for the documents where `places` finds it. They get grade 1 unless the query grades them
    already. A context that is lost stays as an id that is not in the store, so that it counts as a document that
    cannot be found.

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
    found = places((text for contexts in judgements.contexts for text in contexts), store, judgements.name)
    return anchored(judgements, found, store)


def anchored(judgements: Judgements, found: Mapping[str, Place], store: VectorStore) -> tuple[Judgements, Anchoring]:
    """Return what `anchor` does, of contexts that `places` has looked for already, maybe among others."""
    own = {text.strip(): found[text.strip()] for contexts in judgements.contexts for text in contexts}
    counts = Counter(place.way for place in own.values())
    refuse_lost(own.values(), f"reference contexts of {judgements.name}", store)
    how = Anchoring(**{way: counts[way] for way in ("exact", "normalised", "contained", "similar", "lost")})
    relevant = tuple(
        {**dict.fromkeys((id_ for text in contexts for id_ in own[text.strip()].ids), 1), **graded}
        for graded, contexts in zip(judgements.relevant, judgements.contexts, strict=True)
    )
    return replace(judgements, relevant=relevant, contexts=(), anchored=str(how)), how


def refuse_lost(found: Iterable[Place], what: str, store: VectorStore) -> None:
    """Raise a `JudgementsError` when none of some texts was found."""
    ways = [place.way for place in found]
    if ways and set(ways) == {"lost"}:
        raise JudgementsError(
            f"none of the {len(ways):,} {what} is among the texts of {store.info.name}",
            hint="they belong to another store, or the documents were cut anew",
        )


def places(texts: Iterable[str], store: VectorStore, name: str) -> dict[str, Place]:
    """Find texts among those of a store, each in the first of these ways that finds it.

    1. All documents with this very text, but for blanks at its ends.
    2. All that are equal but for case, blanks and compatibility characters.
    3. All that contain it, from border to border of words; it has at least 20 characters.
    4. The most similar ones by the Jaccard similarity of the tokens, at least .8, that have the same figures and
       deny as often; a piece of the text, from border to border of words, has no need of that.
    5. All pieces of it with at least 20 characters and a tenth of its tokens, when together they hold half of it.

    The stored texts are read once; again when some are left for the last three ways. Memory is that of a batch and of
    the texts.

    Parameters
    ----------
    texts : iterable of str
    store : VectorStore
    name : str
        Where they come from, for messages.

    Returns
    -------
    dict of str to Place
        By text, without blanks at its ends.

    Raises
    ------
    JudgementsError
        When the store keeps no texts.
    """
    if not store.info.has_texts:
        raise JudgementsError(
            f"{name} names relevant texts, {store.info.name} keeps none",
            hint="give reference_context_ids, or a store with texts",
        )
    plain = {text.strip(): normalised(text) for text in texts}
    exact: dict[str, list[str]] = {text: [] for text in plain}
    equal: dict[str, list[str]] = {text: [] for text in plain.values()}
    for batch in store.scan():
        for id_, text in _texts(batch):
            for known, key in ((exact, text.strip()), (equal, normalised(text))):
                if key in known:
                    known[key].append(id_)
    parts = _Parts([text for text, ids in equal.items() if not ids])
    if parts.contexts:
        for batch in store.scan(batch_size=_BLOCK):
            parts.look(batch)
    found: dict[str, Place] = {}
    for number, (text, key) in enumerate(plain.items(), start=1):
        ids, way = exact[text], "exact"
        if not ids:
            ids, way = equal[key], "normalised"
        if not ids:
            ids, way = parts.contexts[key].found()
        found[text] = Place(tuple(ids) or (f"lost context {number}",), way)
    return found


def _texts(batch: Batch) -> list[tuple[str, str]]:
    return [(id_, text) for id_, text in zip(batch.ids, batch.texts or (), strict=False) if text]


@dataclass
class _Part:
    """A context that equals no stored text, and what shares most of its words."""

    wording: Wording
    holders: list[str] = field(default_factory=list)
    best: float = SIMILAR
    similar: list[str] = field(default_factory=list)
    pieces: list[tuple[int, int, str]] = field(default_factory=list)  # where in the context

    def found(self) -> tuple[list[str], str]:
        """Return the documents, and the way."""
        if self.holders:
            return self.holders, "contained"
        pieces = [id_ for _, _, id_ in self.pieces]
        if self.similar:
            return self.similar, "contained" if set(self.similar) <= set(pieces) else "similar"
        return (pieces, "contained") if self._covered() >= COVERED else ([], "lost")

    def look(self, id_: str, other: Wording, similarity: float, share: float) -> None:
        """Take in a document of which the tokens have this similarity, and as many as this share of the context's."""
        own, theirs = self.wording.spaced, other.spaced
        long = min(len(self.wording.text), len(other.text)) >= SHORTEST
        if long and own in theirs:
            self.holders.append(id_)
            return
        start = own.find(theirs) if long and share >= PIECE else -1
        if start >= 0:
            self.pieces.append((start, start + len(theirs) - 1, id_))
        if similarity >= self.best and (start >= 0 or self.wording.agrees(other)):
            if similarity > self.best:
                self.best, self.similar = similarity, []
            self.similar.append(id_)

    def _covered(self) -> float:
        """Return the share of the context that its pieces hold, what two of them hold counted once."""
        covered = end = 0
        for first, last, _ in sorted(self.pieces):
            covered += max(0, last - max(first, end))
            end = max(end, last)
        return covered / (len(self.wording.spaced) - 1)


class _Parts:
    """The contexts that equal no stored text."""

    def __init__(self, contexts: Sequence[str]) -> None:
        self.contexts = {text: _Part(Wording(text)) for text in contexts}
        self._order = list(self.contexts.values())
        self._words: dict[str, int] = {}
        self._matrix, self._sizes = self._count(contexts, grow=True)

    def look(self, batch: Batch) -> None:
        given = [(id_, Wording(normalised(text))) for id_, text in _texts(batch)]
        if not given:
            return
        matrix, sizes = self._count([wording.text for _, wording in given])
        shared = (matrix @ self._matrix.T).toarray()
        smaller = np.minimum(sizes[:, None], self._sizes)
        union = sizes[:, None] + self._sizes - shared
        near = (shared >= smaller - _CUT) | (shared >= SIMILAR * union)
        for row, column in np.argwhere(near & (shared > 0)).tolist():
            similarity = float(shared[row, column] / union[row, column])
            self._order[column].look(*given[row], similarity, float(sizes[row] / self._sizes[column]))

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
