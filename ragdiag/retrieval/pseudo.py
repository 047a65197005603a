"""Queries made from the stored texts, for those who have none of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from ragdiag.engine import Block, Engine, LocalEngine, Progress
from ragdiag.errors import ConfigError, StoreError
from ragdiag.retrieval.judgements import PSEUDO_KINDS
from ragdiag.retrieval.sentences import sentences
from ragdiag.retrieval.tokens import tokens
from ragdiag.stores import VectorStore
from ragdiag.types import Float64, IntArray

KINDS = ("auto", *PSEUDO_KINDS)
TITLE_FIELDS = ("title", "heading")
LEAST_WORDS = 5  # of a sentence that asks for something
LEAST_TITLE = 2
LONGEST = 400  # characters of a query
COMMON = 5  # documents with one sentence; in more of them it is page furniture
COMMON_SHARE = 0.05  # of the documents; a title that more of them bear names no topic

_Key = tuple[str, str]


@dataclass(frozen=True)
class PseudoQuery:
    """A text from the store, and the documents it was taken from.

    Attributes
    ----------
    id : str
        Made of the text, so that it is the same in every store and draw.
    kind : str
        ``"title"``, ``"first-sentence"`` or ``"inverse-cloze"``.
    text : str
        One line of printable characters.
    relevant : tuple of str
        Ids of all documents with this title, or with this sentence, in scan order.
    """

    id: str
    kind: str
    text: str
    relevant: tuple[str, ...]


def pseudo_queries(
    store: VectorStore,
    rng: np.random.Generator,
    *,
    kind: str = "auto",
    count: int = 200,
    title_fields: Sequence[str] = TITLE_FIELDS,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> tuple[PseudoQuery, ...]:
    """Draw documents and make a query of each; every document with the same words is relevant to it.

    They are not what users ask: a chunk's own words find it too easily, so that all scores read high, and those of
    similarities that favour shared words more so; BM25 finds nearly all, which says nothing about it. They serve to
    compare rankings of vectors where there is nothing better.

    ``"title"`` takes a title from the metadata; ``"first-sentence"`` the first sentence of the text;
    ``"inverse-cloze"`` one that is neither the first nor the last (Lee, Chang & Toutanova 2019, arXiv:1906.00300;
    the vectors are given here, so that the sentence stays in its chunk). ``"auto"`` takes a title where there is a
    usable one that no other document has given, and else the first sentence.

    Left out are sentences of fewer than 5 words (6 letters, in scripts without spaces) and titles of fewer than 2;
    texts of more than 400 characters, with characters that cannot be printed, or with more than half of the words of
    their document; sentences in more than 5 documents, and titles of more than 5 and of 5 % of the documents.

    The store is read twice.

    Parameters
    ----------
    store : VectorStore
    rng : numpy.random.Generator
    kind : str
        One of `KINDS`.
    count : int
        Queries wanted; there may be fewer.
    title_fields : sequence of str
        Fields of the metadata in which a title is looked for, the first that holds a text.
    engine : Engine, optional
    progress : callable, optional

    Returns
    -------
    tuple of PseudoQuery
        In random order.

    Raises
    ------
    StoreError
        When the store keeps no texts, or none that gives a query.
    ConfigError
        When there is no such kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"there are no queries of kind {kind!r}", hint="the kinds are " + ", ".join(KINDS))
    info, engine = store.info, engine or LocalEngine()
    if not info.has_texts:
        raise StoreError(
            f"{info.name} keeps no texts, and queries are made of them",
            hint="open the store with its texts, or ask people for queries",
        )
    if kind == "title" and not info.has_metadata:
        raise StoreError(f"{info.name} keeps no metadata, so no titles", hint="try --kind inverse-cloze")
    drawn = rng.permutation(info.count)[: 4 * count + 200]
    draw = _Draw(drawn, rng.random(len(drawn)), kind, title_fields)
    engine.run(store, [draw], stage="drawing texts", progress=progress)
    find = _Find({key for offers in draw.offers for key, _, _ in offers}, title_fields)
    engine.run(store, [find], stage="looking for their copies", progress=progress)
    made = tuple(_queries(draw.offers, find.found, max(COMMON, int(COMMON_SHARE * info.count))))
    if not made:
        alike = "texts may be too short, or all alike"
        fields = f"the titles are looked for in {', '.join(title_fields)} (--title-field)"
        raise StoreError(
            f"no document of {info.name} gives a query of kind {kind}", hint=fields if kind == "title" else alike
        )
    return made[:count]


class _Draw:
    """Keeps what each drawn document offers as a query, the best offer first: key, kind, text."""

    def __init__(self, positions: IntArray, chances: Float64, kind: str, fields: Sequence[str]) -> None:
        self._rank = {int(position): rank for rank, position in enumerate(positions)}
        self._chances, self._kind, self._fields = chances, kind, fields
        self.offers: list[list[tuple[_Key, str, str]]] = [[] for _ in positions]

    def step(self, block: Block) -> None:
        for i, (id_, text, metadata) in enumerate(_rows(block)):
            rank = self._rank.get(block.start + i)
            if rank is not None and text and _writable(id_):
                self.offers[rank] = list(self._offers(text, metadata, self._chances[rank]))

    def _offers(self, text: str, metadata: Mapping[str, Any], chance: float) -> Iterator[tuple[_Key, str, str]]:
        most = sum(1 for _ in tokens(text)) // 2
        if self._kind in ("auto", "title"):
            title = _title(metadata, self._fields)
            if _usable(title, LEAST_TITLE, most):
                yield _key("title", title), "title", title
        if self._kind in ("auto", "first-sentence"):
            first = next(sentences(text), "")
            if _usable(first, LEAST_WORDS, most):
                yield _key("sentence", first), "first-sentence", first
        if self._kind == "inverse-cloze":
            inner = [s for s in list(sentences(text))[1:-1] if _usable(s, LEAST_WORDS, most)]
            if inner:
                chosen = inner[int(chance * len(inner))]
                yield _key("sentence", chosen), "inverse-cloze", chosen


class _Find:
    """Notes every document that has one of the titles or sentences."""

    def __init__(self, keys: set[_Key], fields: Sequence[str]) -> None:
        self._fields = fields
        self._titles = any(what == "title" for what, _ in keys)
        self._sentences = any(what == "sentence" for what, _ in keys)
        self.found: dict[_Key, list[str]] = {key: [] for key in keys}

    def step(self, block: Block) -> None:
        for id_, text, metadata in _rows(block):
            keys: dict[_Key, None] = {}
            if self._titles and (title := _title(metadata, self._fields)):
                keys[_key("title", title)] = None
            if self._sentences and text:
                keys |= dict.fromkeys(_key("sentence", s) for s in sentences(text))
            for key in keys:
                if key in self.found:
                    self.found[key].append(id_)


def _queries(
    offers: Sequence[Sequence[tuple[_Key, str, str]]], found: Mapping[_Key, Sequence[str]], common_title: int
) -> Iterator[PseudoQuery]:
    taken: set[_Key] = set()
    for offered in offers:
        for key, kind, text in offered:
            relevant = tuple(filter(_writable, found[key]))
            if key in taken:
                continue
            if 0 < len(found[key]) <= (common_title if kind == "title" else COMMON):
                taken.add(key)
                digest = blake2b("\0".join(key).encode(), digest_size=8).hexdigest()
                yield PseudoQuery(f"{key[0]}-{digest}", kind, text, relevant)
                break


def _rows(block: Block) -> Iterator[tuple[str, str | None, Mapping[str, Any]]]:
    batch = block.batch
    texts = batch.texts or [None] * len(batch)
    metadata = batch.metadata or [{}] * len(batch)
    return zip(batch.ids, texts, metadata, strict=True)


def _title(metadata: Mapping[str, Any], fields: Sequence[str]) -> str:
    for field in fields:
        value = metadata.get(field)
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
    return ""


def _key(what: str, text: str) -> _Key:
    """Return what is equal for texts of the same words."""
    return what, " ".join(tokens(text))


def _usable(text: str, least: int, most: int) -> bool:
    # Persian and emoji need the joiners; the replacement character stands where a text was broken.
    shown = text.replace("\u200c", "").replace("\u200d", "").replace("\ufffd", "\n")
    return len(text) <= LONGEST and shown.isprintable() and least <= sum(1 for _ in tokens(text)) <= most


def _writable(id_: str) -> bool:
    """Whether an id can stand in a line of tab-separated values in UTF-8."""
    try:
        id_.encode()
    except UnicodeEncodeError:
        return False
    return id_ != "" and not set(id_) & set("\t\r\n")
