"""What flows between the parts: batches, store facts, measured numbers, and the contract of a similarity."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Metric(enum.Enum):
    """How a store ranks its documents."""

    COSINE = "cosine"
    DOT = "dot"
    L2 = "l2"


class Severity(enum.IntEnum):
    """How bad a finding is; a larger number is worse."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @property
    def label(self) -> str:
        """The name used in reports and options: ``info``, ``warning`` or ``error``."""
        return self.name.lower()


@dataclass(frozen=True)
class Shard:
    """One of `count` disjoint parts that together are the whole store."""

    index: int = 0
    count: int = 1


@dataclass(frozen=True)
class Batch:
    """Some documents of a store.

    Attributes
    ----------
    ids : sequence of str, length b
        Unique in the store.
    vectors : ndarray of float32, shape (b, d)
        As stored; rows may hold zeros or non-finite values.
    texts : sequence of (str or None), length b, or None
        None when the store keeps no texts; an entry is None when that document has none.
    metadata : sequence of mappings, length b, or None
        None when the store keeps no metadata.
    """

    ids: Sequence[str]
    vectors: Float32
    texts: Sequence[str | None] | None = None
    metadata: Sequence[Mapping[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class StoreInfo:
    """What is known of a store before its vectors are read.

    Attributes
    ----------
    name : str
        How the store is called in reports; never holds credentials.
    kind : str
        The engine or file format, such as ``"faiss"``, ``"langchain-faiss"``, ``"npy"``.
    count, dim : int
        Vectors that a scan yields, and their dimension.
    metric : Metric or None
        The similarity by which the store ranks; None when the store does not say (a bare array).
    index : str
        The kind of index in the engine's words (``"IndexHNSWFlat"``), "" when there is none.
    loss : str
        Why the vectors read back differ from the ones that were added; "" when they are exact.
    counts : mapping of str to int
        Counts that ought to agree with each other, such as ``{"index": 100, "docstore": 99}``.
    mismatches : mapping of str to int
        Entries without a counterpart, such as ``{"ids without a document": 1}``; empty when all is well.
    has_texts, has_metadata : bool
        Whether batches carry them.
    index_metric : Metric or None
        What the index was built for, where the engine lets a query ask by another one; else None.
    """

    name: str
    kind: str
    count: int
    dim: int
    metric: Metric | None
    index: str = ""
    loss: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    mismatches: Mapping[str, int] = field(default_factory=dict)
    has_texts: bool = False
    has_metadata: bool = False
    index_metric: Metric | None = None


@dataclass(frozen=True)
class Measure:
    """A measured number with the interval and the null without which it would say nothing.

    Attributes
    ----------
    value : float or None
        None when the measure is undefined here; `undefined` then says why.
    low, high : float or None
        Ends of the 95 % interval; equal to `value` for something counted, not estimated.
    null : float or None
        What the measure reads when there is nothing to find, matched on n, d, k and m.
        None where no such number exists (a dimension, a norm).
    n : int
        Documents, queries or pairs that the value rests on.
    undefined : str
        The reason why `value`, or its interval, is None, else "".

    Examples
    --------
    >>> Measure.counted(0.25, n=8, null=0.0)
    Measure(value=0.25, low=0.25, high=0.25, null=0.0, n=8, undefined='')
    >>> Measure.missing("no queries were given").value is None
    True
    """

    value: float | None
    low: float | None
    high: float | None
    null: float | None
    n: int
    undefined: str = ""

    @classmethod
    def counted(cls, value: float, *, n: int, null: float | None = None) -> Measure:
        """Return a measure that was counted over everything, so that its interval has no width."""
        return cls(value=value, low=value, high=value, null=null, n=n)

    @classmethod
    def missing(cls, why: str, *, n: int = 0, null: float | None = None) -> Measure:
        """Return an undefined measure with the reason."""
        return cls(value=None, low=None, high=None, null=null, n=n, undefined=why)


class Similarity(Protocol):
    """A way to rank documents for a query.

    Whatever the formula, it is written as ``queries(q) · documents(d)``, so that one exact search
    serves every similarity and a remedy is nothing but storing the mapped documents.
    """

    @property
    def name(self) -> str:
        """The name under which it is reported and parsed, such as ``"cosine"``."""
        ...

    def documents(self, X: Float32) -> Float32:
        """Map documents, shape (n, d), to shape (n, p)."""
        ...

    def queries(self, Q: Float32) -> Float32:
        """Map queries, shape (m, d), to shape (m, p)."""
        ...
