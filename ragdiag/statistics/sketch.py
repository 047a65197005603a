"""A small sketch of a store, from which a later audit can tell whether its vectors drifted; holds no text."""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine.base import Block
from ragdiag.statistics.census import hash_text
from ragdiag.types import Float32
from ragdiag.vectors import unit

SIZE = 384  # documents: a share has an interval of ±5 %, and a fifth of replaced vectors cannot hide
WIDTH = 128  # coordinates of a projected direction: a cosine is off by (1 − c²)/√128
LEVELS = 127  # of an 8-bit coordinate

UInt64 = NDArray[np.uint64]


@dataclass(frozen=True)
class Sketch:
    """A sample of the documents that is the same sample wherever the ids are the same.

    The documents whose hashed ids are smallest: of two stores, the sketches hold the same ids as far as both have
    them (coordinated sampling; Broder 1997, doi:10.1109/SEQUEN.1997.666900), and neither the order nor the seed of an
    audit plays a part.

    Attributes
    ----------
    ids : ndarray of uint64, shape (s,)
        Hashes of the ids, ascending; at most `SIZE` of them, all documents where there are no more.
    texts : ndarray of uint64, shape (s,)
        Hashes of their texts, equal for texts that differ in case and white space only; 0 without a text.
    vectors : ndarray of float32, shape (s, r)
        Directions projected to r = min(d, `WIDTH`) coordinates and rounded to 8 bits a coordinate, so that equal
        vectors have equal rows; zero rows for vectors that are zero or not finite.
    numbered : bool
        Whether the ids are row numbers: then a document that is inserted or removed renames all that follow.
    """

    ids: UInt64
    texts: UInt64
    vectors: Float32
    numbered: bool = False

    def __len__(self) -> int:
        return len(self.ids)


def projection(dim: int) -> Float32 | None:
    """Return the matrix, shape (dim, WIDTH), of random signs that every store of this dimension is projected by.

    It depends on the dimension alone: its signs are the bits of a generator whose stream NumPy keeps. Inner products
    of projected directions are those of the directions up to 1/√WIDTH. None where there is nothing to shorten.

    Source: Achlioptas 2003, doi:10.1016/S0022-0000(03)00025-4.
    """
    if dim <= WIDTH:
        return None
    words = np.random.PCG64(dim).random_raw(dim * WIDTH // 64)
    bits = np.unpackbits(np.asarray(words, dtype="<u8").view(np.uint8))
    signs: Float32 = (bits.reshape(dim, WIDTH).astype(np.float32) * 2 - 1) / np.float32(math.sqrt(WIDTH))
    return signs


class SketchStep:
    """Takes the sketch block by block."""

    def __init__(self, dim: int) -> None:
        signs = projection(dim)
        # In float64, so that a vector has the same 8 bits whatever it was multiplied beside.
        self._projection = None if signs is None else signs.astype(np.float64)
        width = min(dim, WIDTH)
        self._ids = np.empty(0, dtype=np.uint64)
        self._texts = np.empty(0, dtype=np.uint64)
        self._vectors = np.empty((0, width), dtype=np.float32)
        self._numbered = True

    def step(self, block: Block) -> None:
        """Take in one block."""
        batch = block.batch
        ids = _hash_ids(batch.ids)
        if self._numbered:
            numbers = map(str, range(block.start, block.start + len(batch)))
            self._numbered = all(map(operator.eq, batch.ids, numbers))
        limit = self._ids[-1] if len(self._ids) == SIZE else np.uint64(2**64 - 1)
        rows = np.flatnonzero(ids <= limit)
        rows = rows[np.argsort(ids[rows], kind="stable")][:SIZE]
        if len(rows) == 0:
            return
        texts = [None if batch.texts is None else batch.texts[int(i)] for i in rows]
        live = (block.usable[rows] & (block.norms[rows] > 0))[:, None]
        directions = unit(np.where(live, batch.vectors[rows], np.float32(0)))
        found = np.concatenate([self._ids, ids[rows]])
        order = np.argsort(found, kind="stable")[:SIZE]
        self._ids = found[order]
        self._texts = np.concatenate([self._texts, np.array([hash_text(t) for t in texts], dtype=np.uint64)])[order]
        self._vectors = np.concatenate([self._vectors, rounded(self._shorten(directions))])[order]

    def _shorten(self, directions: Float32) -> Float32:
        if self._projection is None:
            return directions
        return (directions.astype(np.float64) @ self._projection).astype(np.float32)

    def result(self) -> Sketch:
        """Return the sketch of the blocks seen so far."""
        return Sketch(self._ids, self._texts, self._vectors, self._numbered)


def codes(vectors: Float32) -> tuple[NDArray[np.int8], Float32]:
    """Return the 8-bit coordinates of rows, and the scale of each row, shape (s,)."""
    scale = np.abs(vectors).max(axis=1, initial=0.0).astype(np.float32) / np.float32(LEVELS)
    whole = np.rint(vectors / np.where(scale == 0, np.float32(1), scale)[:, None])
    return whole.astype(np.int8), scale


def rounded(vectors: Float32) -> Float32:
    """Return rows as they are when they were written with 8 bits a coordinate and read again.

    Examples
    --------
    >>> X = np.float32([[1.0, 0.5], [0.0, 0.0]])
    >>> rounded(X)[0].round(2).tolist(), bool((rounded(rounded(X)) == rounded(X)).all())
    ([1.0, 0.5], True)
    """
    whole, scale = codes(vectors)
    return decoded(whole, scale)


def decoded(whole: NDArray[np.int8], scale: Float32) -> Float32:
    """Return the rows that 8-bit coordinates and a scale for each row stand for."""
    return (whole.astype(np.float32) * scale[:, None]).astype(np.float32)


def _hash_ids(ids: Sequence[str]) -> UInt64:
    hashes = [hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8).digest() for id_ in ids]
    return np.frombuffer(b"".join(hashes), dtype="<u8").astype(np.uint64)
