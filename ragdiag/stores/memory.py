"""Arrays in memory as a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragdiag.checks import as_vectors
from ragdiag.errors import StoreError, VectorsError
from ragdiag.stores.base import Opener
from ragdiag.stores.ids import NumberIds, Rows, TextIds
from ragdiag.stores.rows import Metadata, RowStore, clean_text, pick
from ragdiag.stores.uri import as_metric
from ragdiag.types import Float32, Metric, StoreInfo


class ArrayStore(RowStore):
    """A matrix in memory, with ids, texts and metadata when there are any.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        One vector per row, of any real type; it is not copied, and batches never share its memory.
    ids : sequence of str, length n, optional
        Unique; the row numbers when not given.
    texts : sequence of (str or None), length n, optional
        What the vectors were made of.
    metadata : sequence of mappings, length n, optional
        What else is known of them.
    metric : Metric or str, optional
        The similarity by which the vectors are meant to be ranked.
    name : str
        How the store is called in reports.

    Raises
    ------
    VectorsError
        When `vectors` is no real matrix.
    StoreError
        When it is empty, lengths differ, or an id is there twice.

    Examples
    --------
    >>> store = ArrayStore(np.eye(3), ids=["a", "b", "c"], metric="cosine")
    >>> store.info.count, store.info.dim, store.info.metric
    (3, 3, <Metric.COSINE: 'cosine'>)
    >>> store.fetch(["c", "a"]).vectors
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """

    def __init__(
        self,
        vectors: NDArray[Any],
        *,
        ids: Sequence[str] | None = None,
        texts: Sequence[str | None] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        metric: Metric | str | None = None,
        name: str = "array",
    ) -> None:
        if not isinstance(vectors, np.ndarray):
            raise VectorsError(f"{name} is {type(vectors).__name__}, not a numpy array", hint="call numpy.asarray")
        as_vectors(vectors[:1], what=name)
        count, dim = vectors.shape
        if count == 0:
            raise StoreError(f"{name} holds no vectors", hint="give at least two rows")
        for what, values in (("texts", texts), ("metadata", metadata)):
            if values is not None and len(values) != count:
                raise StoreError(f"{name} has {count} vectors but {len(values)} {what}", hint="one per vector")
        self._matrix = vectors
        self._all_texts = texts
        self._all_metadata = metadata
        info = StoreInfo(
            name=name,
            kind="array",
            count=count,
            dim=dim,
            metric=as_metric(metric),
            has_texts=texts is not None,
            has_metadata=metadata is not None,
        )
        super().__init__(info, NumberIds(count) if ids is None else TextIds(ids, what=name))

    def _vectors(self, rows: Rows) -> Float32:
        return as_vectors(np.array(self._matrix[rows]), what=self._info.name)

    def _texts(self, rows: Rows, ids: Sequence[str]) -> Sequence[str | None] | None:
        texts = pick(self._all_texts, rows)
        return None if texts is None else [clean_text(text) for text in texts]

    def _metadata(self, rows: Rows, ids: Sequence[str]) -> Metadata | None:
        return pick(self._all_metadata, rows)


opener = Opener(
    schemes=(),
    suffixes=(),
    description="a numpy array in memory, shape (vectors, dimensions)",
    accepts=lambda obj: isinstance(obj, np.ndarray),
    open_object=ArrayStore,
)
