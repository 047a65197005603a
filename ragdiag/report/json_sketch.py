"""The sketch of a store as it stands in the JSON: numbers as base64, and no text."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from ragdiag.statistics.sketch import SIZE, WIDTH, Sketch, codes, decoded


def sketch_json(sketch: Sketch) -> dict[str, Any]:
    """Return a sketch as it stands under ``sketch``: 148 bytes a document at most, in base64.

    Examples
    --------
    >>> hashes = np.arange(384, dtype=np.uint64)
    >>> shown = sketch_json(Sketch(hashes, hashes, np.ones((384, 128), dtype=np.float32)))
    >>> sum(len(value) for value in shown.values() if isinstance(value, str))
    75776
    """
    whole, scale = codes(sketch.vectors)
    return {
        "documents": len(sketch),
        "width": int(sketch.vectors.shape[1]),
        "numbered": bool(sketch.numbered),
        "ids": _encoded(sketch.ids.astype("<u8")),
        "texts": _encoded(sketch.texts.astype("<u8")),
        "scales": _encoded(scale.astype("<f4")),
        "vectors": _encoded(whole),
    }


def read_sketch(found: dict[str, Any]) -> Sketch:
    """Return the sketch that `sketch_json` wrote.

    Raises
    ------
    ValueError
        When it is none; says which part is wrong.
    """
    size, width = found.get("documents"), found.get("width")
    if type(size) is not int or not 0 <= size <= SIZE or type(width) is not int or not 1 <= width <= WIDTH:
        raise ValueError("documents or width is out of range")
    numbered = found.get("numbered")
    if not isinstance(numbered, bool):
        raise ValueError("numbered is neither true nor false")
    ids, texts = (_decoded(found, key, "<u8", size).astype(np.uint64) for key in ("ids", "texts"))
    scales = _decoded(found, "scales", "<f4", size).astype(np.float32)
    whole = _decoded(found, "vectors", "<i1", size * width).astype(np.int8).reshape(size, width)
    if np.any(ids[1:] <= ids[:-1]):
        raise ValueError("ids are not in ascending order, each once")
    if not np.all((scales >= 0) & (scales <= 1)):
        raise ValueError("scales are not between 0 and 1")
    return Sketch(ids, texts, decoded(whole, scales), numbered)


def _encoded(array: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def _decoded(found: dict[str, Any], key: str, dtype: str, size: int) -> np.ndarray[Any, Any]:
    text = found.get(key)
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != size * np.dtype(dtype).itemsize:
        raise ValueError(f"{key} does not hold {size} numbers")
    return np.frombuffer(data, dtype=dtype)
