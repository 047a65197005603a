"""What is counted over every document: ids, lengths, zeros, repeats, texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragdiag.engine.base import Block
from ragdiag.types import Float32, Float64, IntArray

_SPACE = re.compile(r"\s+")


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
        key = np.random.Generator(np.random.PCG64(0)).integers(1, 2**63, size=dim, dtype=np.uint64)
        self._key = key * np.uint64(2) + np.uint64(1)

    def step(self, block: Block) -> None:
        """Take in one block."""
        vectors = block.batch.vectors
        self._ids.extend(block.batch.ids)
        self._norms.append(block.norms)
        self._usable.append(block.usable)
        self._hashes.append(_hash_rows(vectors, self._key))
        if block.usable.any():
            usable = vectors[block.usable]
            np.minimum(self._smallest, usable.min(axis=0), out=self._smallest)
            np.maximum(self._largest, usable.max(axis=0), out=self._largest)
        texts = block.batch.texts or [None] * len(block.batch)
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


def _hash_rows(vectors: Float32, key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a multilinear 64-bit hash of the bits of each row; −0 and 0 are one."""
    with np.errstate(invalid="ignore"):  # a signalling NaN
        bits = (vectors + np.float32(0)).view(np.uint32).astype(np.uint64)
    # The product is mixed before the sum, since its low bits depend on the low bits of the input alone.
    product = bits * key
    return np.asarray((product ^ (product >> np.uint64(29))).sum(axis=1, dtype=np.uint64))


def hash_text(text: str | None) -> int:
    """Return a 64-bit hash, equal for texts that differ in case and white space only; 0 for no text."""
    if text is None:
        return 0
    plain = _SPACE.sub(" ", text).strip().casefold().encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest(), "little")
