"""What is counted over every document: ids, lengths, zeros, repeats, texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine.base import Block
from ragdiag.statistics.best import mixed
from ragdiag.types import Float32, Float64, IntArray

_ROWS = 256  # hashed at a time, so that they stay in the cache


@dataclass(frozen=True)
class Census:
    """One entry per document, in scan order.

    Attributes
    ----------
    ids : sequence of str, length n
    norms : ndarray of float64, shape (n,)
        0 for zero and for unusable vectors.
    usable : ndarray of bool, shape (n,)
        Finite vectors of a length below 1e18.
    vector_hashes : ndarray of uint64, shape (n,)
        Equal for equal vectors.
    text_lengths : ndarray of int64, shape (n,)
        Characters without surrounding white space; −1 where there is no text.
    text_hashes : ndarray of uint64, shape (n,)
        Equal for texts that differ in case and white space only.
    smallest, largest : ndarray of float32, shape (d,)
        Of every coordinate over the usable vectors.
    """

    ids: Sequence[str]
    norms: Float64
    usable: NDArray[np.bool_]
    vector_hashes: NDArray[np.uint64]
    text_lengths: IntArray
    text_hashes: NDArray[np.uint64]
    smallest: Float32
    largest: Float32

    @property
    def n(self) -> int:
        """Documents in the store."""
        return len(self.norms)

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which vectors are usable and not zero, shape (n,)."""
        return self.usable & (self.norms > 0)


class CensusStep:
    """Takes the census block by block."""

    def __init__(self, dim: int) -> None:
        self._ids: list[str] = []
        self._norms: list[Float64] = []
        self._usable: list[NDArray[np.bool_]] = []
        self._hashes: list[NDArray[np.uint64]] = []
        self._lengths: list[IntArray] = []
        self._text_hashes: list[NDArray[np.uint64]] = []
        self._smallest = np.full(dim, np.inf, dtype=np.float32)
        self._largest = np.full(dim, -np.inf, dtype=np.float32)
        self._hash = _RowHash(dim)

    def step(self, block: Block) -> None:
        """Take in one block."""
        vectors = block.batch.vectors
        self._ids.extend(block.batch.ids)
        self._norms.append(block.norms)
        self._usable.append(block.usable)
        self._hashes.append(self._hash(vectors))
        if block.usable.any():
            usable = vectors if block.usable.all() else vectors[block.usable]
            np.minimum(self._smallest, usable.min(axis=0), out=self._smallest)
            np.maximum(self._largest, usable.max(axis=0), out=self._largest)
        if block.batch.texts is None:
            self._lengths.append(np.full(len(vectors), -1, dtype=np.int64))
            self._text_hashes.append(np.zeros(len(vectors), dtype=np.uint64))
            return
        texts = block.batch.texts
        self._lengths.append(np.array([-1 if t is None else len(t.strip()) for t in texts], dtype=np.int64))
        self._text_hashes.append(np.array([hash_text(t) for t in texts], dtype=np.uint64))

    def result(self) -> Census:
        """Return the census of the blocks seen so far."""
        return Census(
            ids=self._ids,
            norms=np.concatenate(self._norms),
            usable=np.concatenate(self._usable),
            vector_hashes=np.concatenate(self._hashes),
            text_lengths=np.concatenate(self._lengths),
            text_hashes=np.concatenate(self._text_hashes),
            smallest=self._smallest,
            largest=self._largest,
        )


class _RowHash:
    """A 64-bit hash of the bits of each row, equal for equal rows; −0 and 0 are one.

    Two products with random keys modulo 2⁶⁴, of the 64-bit words of a row and of the same with their bytes reversed.
    Words that differ first at bit b give equal products with a probability of 2^(b−64) at most, and the reversed
    ones, which differ first at bit b' or below, of 2^(b'−64): few bits that are high in the one, as in floats of few
    digits, are low in the other. Two rows that differ in one bit alone, such as one sign, fare worst: 2⁻⁵⁸.
    """

    def __init__(self, dim: int) -> None:
        words = (dim + 1) // 2
        self._keys = np.random.Generator(np.random.PCG64(0)).integers(2**64, size=(2, words), dtype=np.uint64)
        self._room = np.zeros((_ROWS, 2 * words), dtype=np.float32)

    def __call__(self, vectors: Float32) -> NDArray[np.uint64]:
        """Return the hashes of the rows, shape (n,)."""
        n, dim = vectors.shape
        forth, back = np.empty((2, n), dtype=np.uint64)
        for start in range(0, n, _ROWS):
            rows = vectors[start : start + _ROWS]
            room = self._room[: len(rows)]
            with np.errstate(invalid="ignore"):  # a signalling NaN
                np.add(rows, np.float32(0), out=room[:, :dim])
            words = room.view(np.uint64)
            np.einsum("ij,j->i", words, self._keys[0], out=forth[start : start + _ROWS])
            words.byteswap(inplace=True)
            np.einsum("ij,j->i", words, self._keys[1], out=back[start : start + _ROWS])
            room[:, dim:] = 0
        # Sums of the two are no hash: one is mixed, one to one.
        hashes: NDArray[np.uint64] = forth ^ mixed(back)
        return hashes


def hash_text(text: str | None) -> int:
    """Return a 64-bit hash, equal for texts that differ in case and white space only; 0 for no text."""
    if text is None:
        return 0
    plain = " ".join(text.split()).casefold().encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest(), "little")
