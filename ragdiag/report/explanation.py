"""What `ragdiag.explain` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ragdiag.types import Measure, StoreInfo


@dataclass(frozen=True)
class Hit:
    """One of the documents that come back for a query.

    Attributes
    ----------
    rank : int
        From 1.
    id : str
    text : str or None
    score : float
        As the store counts it: cosine, inner product, or squared L2 distance (where less is nearer).
    margin : float or None
        How much better it scores than the next document of the store, at least 0; None without a next.
    ranks : mapping of str to (int or None)
        Its rank under each other similarity; None when it is below the `depth` of the explanation.
    listed : Measure
        Share of the sampled documents that have it among their k nearest, 0 … 1, with its Wilson
        interval; the null is an even share, k/n.
    hub : bool
        Whether that is far more than chance brings any document, as the rule HUB001 has it.
    repeats : int or None
        Rank of the first hit that it is a near-duplicate of.
    length : float
        Of its vector.
    relative_length : float
        To the median length in the store; 1 is ordinary.
    words : tuple of str
        Words of the query that are in its text, the rarest first; those that most texts hold are left out.
    """

    rank: int
    id: str
    text: str | None
    score: float
    margin: float | None
    ranks: Mapping[str, int | None]
    listed: Measure
    hub: bool
    repeats: int | None
    length: float
    relative_length: float
    words: tuple[str, ...]


@dataclass(frozen=True)
class QueryFacts:
    """Where the query lies among the documents.

    Attributes
    ----------
    length : float
        Of its vector.
    mean_cosine : Measure
        Its cosine to the mean direction of the documents, −1 … 1; low and high are None. Null: the median of
        the same for the sampled documents.
    mean_cosine_range : (float, float)
        The middle 90 % of the documents.
    kth_cosine : Measure
        Its cosine to its k-th nearest document, −1 … 1; low and high are None. Null: the median of the same
        for the sampled documents.
    farther_than : Measure
        Share of the sampled documents whose k-th nearest is nearer than that of the query, 0 … 1, with its
        Wilson interval. Null .5: a query drawn as the documents are. Most models put questions
        farther from the documents than documents are from each other.
    far : bool
        Whether that share is at least .99, of 100 documents or more. Of real questions 0 to 5 % are, with
        sentence models that know the language; with averaged word vectors most are.
    """

    length: float
    mean_cosine: Measure
    mean_cosine_range: tuple[float, float]
    kth_cosine: Measure
    farther_than: Measure
    far: bool


@dataclass(frozen=True)
class LexicalBest:
    """What BM25 would put first.

    Attributes
    ----------
    id : str
    text : str or None
    rank : int or None
        Under the similarity of the store; None when below `depth`.
    relative_length : float
        Of its vector, to the median length in the store.
    """

    id: str
    text: str | None
    rank: int | None
    relative_length: float


@dataclass(frozen=True)
class Explanation:
    """Why these documents come back for a query.

    Attributes
    ----------
    query : str
    store : StoreInfo
    similarity : str
        That the hits are ranked by.
    k : int
    hits : tuple of Hit
        Best first, found by exact search.
    others : tuple of str
        Names of the similarities in `Hit.ranks`; ``"bm25"`` among them when the store keeps texts.
    instead : mapping of str to tuple of str
        Under each of them: the ids of its k best that are no hits here, best first.
    depth : int
        Ranks below it are not known.
    facts : QueryFacts
    lexical : LexicalBest or None
        None when the store has no texts, or none holds a word of the query.
    sampled : int
        Documents that were searched for, to see how often each hit is listed.
    seed : int
    notes : tuple of str
        What a reader has to know about how this was found.
    """

    query: str
    store: StoreInfo
    similarity: str
    k: int
    hits: tuple[Hit, ...]
    others: tuple[str, ...]
    instead: Mapping[str, tuple[str, ...]]
    depth: int
    facts: QueryFacts
    lexical: LexicalBest | None
    sampled: int
    seed: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        from ragdiag.report.terminal_explanation import to_text

        return to_text(self)

    __repr__ = __str__
