"""The vectors inside a faiss index, read back by row whatever the kind of index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragdiag.errors import StoreError
from ragdiag.types import Float32, IntArray, Metric

Codes = NDArray[np.uint8]

_LOSSY = "the index keeps {codes}, so the vectors read back are approximations and the geometry is theirs"
_SCALAR = {
    "QT_fp16": "16-bit floats",
    "QT_bf16": "bfloat16 numbers",
    "QT_8bit": "8-bit codes",
    "QT_4bit": "4-bit codes",
    "QT_6bit": "6-bit codes",
}


@dataclass(frozen=True)
class IndexRows:
    """How to read vectors back from an index; the index has to outlive it.

    Attributes
    ----------
    kind : str
        The index in faiss's words, such as ``"IndexIDMap(IndexHNSWFlat)"``.
    count, dim : int
        Vectors, and their dimension.
    metric : Metric or None
        None for a metric beyond inner product and L2.
    read : callable
        From row numbers to vectors.
    labels : ndarray of int64 or None
        What a search of the index returns for each row; None when that is the row number.
    loss : str
        Why the vectors differ from those that were added, "" when they do not.
    """

    kind: str
    count: int
    dim: int
    metric: Metric | None
    read: Callable[[IntArray], Float32]
    labels: IntArray | None = None
    loss: str = ""


def load_faiss() -> Any:
    """Return the faiss module, imported where it is used."""
    import faiss

    return faiss


def index_rows(index: Any) -> IndexRows:
    """Return how to read the vectors of a faiss index.

    Parameters
    ----------
    index : faiss.Index
        In memory or mapped. It must stay alive: faiss hands out inner parts that do not own it.

    Raises
    ------
    StoreError
        When the index keeps no vectors that can be read back, or its parts do not fit together.
    """
    faiss = load_faiss()
    index = faiss.downcast_index(index)
    kind = type(index).__name__
    if isinstance(index, faiss.IndexIDMap):
        rows = _id_map(index, faiss)
    elif isinstance(index, faiss.IndexPreTransform):
        rows = _transformed(index, faiss)
    elif isinstance(index, (faiss.IndexHNSW, faiss.IndexNSG)):
        rows = replace(_inner(index.storage, kind), kind=kind)
    elif isinstance(index, faiss.IndexRefine):
        rows = replace(_inner(index.refine_index, kind), kind=kind)
    elif isinstance(index, faiss.IndexIVF):
        rows = _inverted(index, faiss)
    elif isinstance(index, faiss.IndexFlatCodes):
        rows = _flat_codes(index, faiss)
    else:
        raise _no_way_back(kind)
    _fit(rows.count == index.ntotal and rows.dim == index.d, kind)
    return replace(rows, metric=_metric(index, faiss))


def _metric(index: Any, faiss: Any) -> Metric | None:
    known = {faiss.METRIC_L2: Metric.L2, faiss.METRIC_INNER_PRODUCT: Metric.DOT}
    return known.get(index.metric_type)


def _no_way_back(kind: str) -> StoreError:
    return StoreError(f"vectors cannot be read back from a {kind}", hint="audit the vectors it was built from, as .npy")


def _fit(condition: bool, kind: str) -> None:
    """Raise a `StoreError` unless `condition`: reading on would leave the index's memory."""
    if not condition:
        raise StoreError(f"the parts of this {kind} do not fit together", hint="write the index again")


def _inner(index: Any, kind: str) -> IndexRows:
    _fit(index is not None, kind)
    return index_rows(index)


def _decode(index: Any, codes: Codes) -> Float32:
    if not len(codes):
        return np.empty((0, index.d), dtype=np.float32)
    vectors: Float32 = index.sa_decode(np.ascontiguousarray(codes))
    return vectors


def _flat_codes(index: Any, faiss: Any) -> IndexRows:
    count, width, kind = int(index.ntotal), int(index.code_size), type(index).__name__
    _fit(width > 0 and width == index.sa_code_size(), kind)
    _fit(index.codes.size() >= count * width, kind)
    if isinstance(index, faiss.IndexFlat):
        _fit(width == 4 * index.d, kind)
    loss = _check_codec(index, kind, faiss)

    def read(rows: IntArray) -> Float32:
        # The pointer is taken anew each time: adding to a live index moves its codes.
        if not len(rows):
            return np.empty((0, index.d), dtype=np.float32)
        _fit(index.codes.size() >= (int(rows.max()) + 1) * width, kind)
        codes = faiss.rev_swig_ptr(index.codes.data(), int(index.ntotal) * width).reshape(-1, width)
        return _decode(index, codes[rows])

    return IndexRows(kind, count, int(index.d), None, read, loss=loss)


def _check_codec(index: Any, kind: str, faiss: Any) -> str:
    """Return what a codec loses, after checking the tables that decoding reads."""
    if isinstance(index, (faiss.IndexFlat, faiss.IndexIVFFlat)):
        return ""
    pq = getattr(index, "pq", None)
    if pq is not None:
        _fit(0 < pq.nbits <= 24 and pq.M > 0 and pq.M * pq.dsub == pq.d == index.d, kind)
        _fit(pq.ksub == 1 << pq.nbits and pq.centroids.size() == pq.d * pq.ksub, kind)
        return _LOSSY.format(codes=f"product codes of {pq.code_size} bytes")
    sq = getattr(index, "sq", None)
    if sq is not None:
        _fit(sq.d == index.d and sq.code_size == index.code_size, kind)
        names = {getattr(faiss.ScalarQuantizer, name, None): text for name, text in _SCALAR.items()}
        return _LOSSY.format(codes=names.get(sq.qtype, "scalar codes"))
    return _LOSSY.format(codes=f"codes of {index.code_size} bytes ({kind})")


def _id_map(index: Any, faiss: Any) -> IndexRows:
    # Through the inner index: reconstructing a batch from an IDMap aborts the process.
    kind = type(index).__name__
    inner = _inner(index.index, kind)
    ids: IntArray = np.array(faiss.vector_to_array(index.id_map), dtype=np.int64)
    _fit(len(ids) == inner.count, kind)
    if inner.labels is not None:
        _fit(not len(ids) or (inner.labels.min() >= 0 and inner.labels.max() < len(ids)), kind)
        ids = ids[inner.labels]
    return replace(inner, kind=f"{kind}({inner.kind})", labels=ids)


def _transformed(index: Any, faiss: Any) -> IndexRows:
    kind = type(index).__name__
    inner = _inner(index.index, kind)
    chain = [faiss.downcast_VectorTransform(index.chain.at(at)) for at in range(index.chain.size())]
    dims = [index.d, *(step.d_out for step in chain)]
    _fit(dims[-1] == inner.dim and dims[:-1] == [step.d_in for step in chain], kind)
    lost = [inner.loss] if inner.loss else []
    for step in chain:
        if isinstance(step, faiss.LinearTransform):
            _fit(step.A.size() == step.d_in * step.d_out, kind)
            _fit(not step.have_bias or step.b.size() == step.d_out, kind)
        if step.d_out < step.d_in:
            lost.append(f"{type(step).__name__} keeps {step.d_out} of {step.d_in} dimensions")
        if isinstance(step, faiss.NormalizationTransform):
            lost.append("vectors were normalised before they were stored")

    def read(rows: IntArray) -> Float32:
        vectors = inner.read(rows)
        try:
            for step in reversed(chain):
                vectors = step.reverse_transform(vectors)
        except RuntimeError:
            names = ", ".join(type(step).__name__ for step in chain)
            raise _no_way_back(f"{kind} with {names}") from None
        return vectors

    if inner.count:
        read(np.zeros(1, dtype=np.int64))  # says now whether the chain can be undone
    return replace(inner, kind=f"{kind}({inner.kind})", dim=int(index.d), read=read, loss="; ".join(lost))


def _inverted(index: Any, faiss: Any) -> IndexRows:
    kind = type(index).__name__
    plain = (faiss.IndexIVFFlat, faiss.IndexIVFPQ, faiss.IndexIVFScalarQuantizer)
    if type(index) not in plain:
        raise _no_way_back(kind)
    lists, width = index.invlists, int(index.code_size)
    prefix = int(index.sa_code_size()) - width
    _fit(lists is not None and lists.nlist == index.nlist and lists.code_size == width > 0, kind)
    _fit(prefix == index.coarse_code_size() >= 0, kind)
    quantizer = index.quantizer
    _fit(quantizer is not None and quantizer.ntotal == index.nlist and quantizer.d == index.d, kind)
    loss = _check_codec(index, kind, faiss)
    sizes = [int(lists.list_size(at)) for at in range(index.nlist)]
    _fit(sum(sizes) == index.ntotal, kind)
    found = [faiss.rev_swig_ptr(lists.get_ids(at), size).copy() for at, size in enumerate(sizes) if size]
    labels = np.concatenate(found).astype(np.int64) if found else np.empty(0, dtype=np.int64)
    # By label, as a flat index would have them: the same store whatever the training did.
    order = np.argsort(labels, kind="stable")
    owner = np.repeat(np.arange(index.nlist), sizes)[order]
    offset = np.concatenate([np.arange(size) for size in sizes])[order] if sizes else order

    def read(rows: IntArray) -> Float32:
        codes = np.empty((len(rows), prefix + width), dtype=np.uint8)
        owners = owner[rows]
        by_list = np.argsort(owners, kind="stable")
        edges = np.flatnonzero(np.diff(owners[by_list])) + 1
        for part in np.split(by_list, edges) if len(rows) else []:
            number = int(owners[part[0]])
            size = int(lists.list_size(number))
            _fit(int(offset[rows[part]].max()) < size, kind)
            inside = faiss.rev_swig_ptr(lists.get_codes(number), size * width).reshape(size, width)
            codes[part, prefix:] = inside[offset[rows[part]]]
            codes[part, :prefix] = np.frombuffer(number.to_bytes(8, "little"), dtype=np.uint8)[:prefix]
        return _decode(index, codes)

    return IndexRows(kind, len(labels), int(index.d), None, read, labels=labels[order], loss=loss)
