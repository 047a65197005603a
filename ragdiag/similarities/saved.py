"""A fitted similarity as two files: a card in JSON and its arrays, without pickle; read as if a stranger wrote them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.pipeline import FittedSimilarity
from ragdiag.similarities.registry import parse
from ragdiag.types import FloatArray

FORMAT = 1
CARD, ARRAYS = "similarity.json", "arrays.npz"
_MEMBER = re.compile(r"(?P<name>\d{1,3}\.[a-z_][a-z0-9_]{0,60})\.npy", re.ASCII)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold: the same bytes at any time
_LARGEST_CARD = 2**20
_LARGEST_DIM = 2**20
_AGAIN = "fit and save it again"


def arrays_bytes(arrays: Mapping[str, FloatArray]) -> bytes:
    """Return arrays as the bytes of an ``.npz`` file, the same for the same arrays.

    Examples
    --------
    >>> np.load(io.BytesIO(arrays_bytes({"0.mean": np.zeros(2)})), allow_pickle=False)["0.mean"].tolist()
    [0.0, 0.0]
    """
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            array = np.asarray(arrays[name])
            little = np.array(array, dtype=array.dtype.newbyteorder("<"), order="C")
            np.lib.format.write_array(member, little, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), member.getvalue())
    return whole.getvalue()


def save(fitted: FittedSimilarity, folder: str | Path) -> None:
    """Write `fitted` into `folder`, which is made when it is not there; the same bytes for the same similarity.

    Parameters
    ----------
    fitted : FittedSimilarity
    folder : path
        ``similarity.json`` and ``arrays.npz`` in it are replaced, other files stay.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = arrays_bytes(fitted.arrays)
    (folder / ARRAYS).write_bytes(content)
    card = {
        "format": FORMAT,
        "name": fitted.name,
        "dim": fitted.dim,
        "n_documents": fitted.n_documents,
        "n_queries": fitted.n_queries,
        "arrays_sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(folder: str | Path) -> FittedSimilarity:
    """Return the similarity that `save` wrote into `folder`; its maps are the same to the last bit.

    Raises
    ------
    SimilarityError
        When a file is missing, damaged, of another format, or does not hold what its name needs. Nothing in
        them is run.
    """
    card = _card(_content(Path(folder) / CARD, _LARGEST_CARD))
    content = _content(Path(folder) / ARRAYS)
    if hashlib.sha256(content).hexdigest() != card["arrays_sha256"]:
        raise SimilarityError(f"{Path(folder) / ARRAYS} is not the file that was saved", hint=_AGAIN)
    arrays = _arrays(content)
    pipeline = parse(card["name"])
    sizes = {name: card[name] for name in ("dim", "n_documents", "n_queries")}
    try:
        fitted = pipeline.restore(arrays, **sizes)
        fits = _fits(fitted, arrays)
    except SimilarityError:
        raise
    except Exception as error:  # each map indexes, slices and multiplies what it is given
        raise SimilarityError(f"{ARRAYS} does not hold what {pipeline.name!r} needs", hint=_AGAIN) from error
    if not fits:
        raise SimilarityError(f"{ARRAYS} does not hold what {pipeline.name!r} needs", hint=_AGAIN)
    return fitted


def _content(path: Path, largest: int | None = None) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise SimilarityError(f"{path} is not there, or is no file", hint="give the folder of a saved similarity")
    if largest is not None and path.stat().st_size > largest:
        raise SimilarityError(f"{path} is too large", hint=_AGAIN)
    try:
        return path.read_bytes()
    except OSError as error:
        raise SimilarityError(f"{path} cannot be read: {error.strerror}", hint="look at its permissions") from error


def _card(content: bytes) -> dict[str, Any]:
    try:
        card = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SimilarityError(f"{CARD} is no JSON", hint=_AGAIN) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT or type(card["format"]) is not int:
        found = card.get("format") if isinstance(card, dict) else None
        raise SimilarityError(
            f"{CARD} has the format {found!r:.40}, not {FORMAT}", hint="update ragdiag, or save again"
        )
    counts = [card.get(name) for name in ("dim", "n_documents", "n_queries")]
    texts = [card.get(name) for name in ("name", "arrays_sha256")]
    if not all(type(count) is int and count >= 0 for count in counts) or not all(
        isinstance(text, str) for text in texts
    ):
        raise SimilarityError(f"{CARD} lacks an entry, or has one of another type", hint=_AGAIN)
    if not 1 <= card["dim"] <= _LARGEST_DIM:
        raise SimilarityError(f"{CARD} has the dimension {card['dim']}", hint=_AGAIN)
    return card


def _arrays(content: bytes) -> dict[str, FloatArray]:
    arrays: dict[str, FloatArray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                match = _MEMBER.fullmatch(member.filename)
                stored = member.compress_type == zipfile.ZIP_STORED and member.file_size <= len(content)
                if match is None or not stored or match["name"] in arrays:
                    raise ValueError(f"the member {member.filename!r:.80} does not belong there")
                arrays[match["name"]] = _array(archive.read(member))
    except Exception as error:  # what a stranger wrote fails to be a zip file in many ways
        raise SimilarityError(f"{ARRAYS} cannot be read: {error}", hint=_AGAIN) from error
    return arrays


def _array(content: bytes) -> FloatArray:
    """Read one array; its header is held to the bytes that are there before memory is taken."""
    member = io.BytesIO(content)
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError("an array is of another version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
    data = content[member.tell() :]
    if fortran or dtype.str not in ("<f4", "<f8") or len(shape) > 3:
        raise ValueError(f"an array has the type {dtype.str:.20} or an unknown layout")
    cells = 1
    for length in shape:
        cells *= length
    if min(shape, default=1) < 1 or cells * dtype.itemsize != len(data):
        raise ValueError("the shape of an array does not fit its bytes")
    array: FloatArray = np.frombuffer(data, dtype=dtype).reshape(shape).copy()
    if not np.isfinite(array).all():
        raise ValueError("an array holds numbers that are not finite")
    return array


def _fits(fitted: FittedSimilarity, arrays: Mapping[str, FloatArray]) -> bool:
    """Hold the arrays to what the similarity makes of them, and map two vectors on each side."""
    again = fitted.arrays
    same = again.keys() == arrays.keys() and all(
        again[name].dtype == array.dtype and np.array_equal(again[name], array) for name, array in arrays.items()
    )
    probe = np.ones((2, fitted.dim), dtype=np.float32)
    documents, queries = fitted.documents(probe), fitted.queries(probe)
    return same and documents.shape == queries.shape and len(documents) == 2
