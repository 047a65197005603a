"""A saved similarity comes back as it was; a folder that a stranger wrote is read without harm, or refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag.errors import RagdiagError, SimilarityError
from ragdiag.similarities import FittedSimilarity, Training, load, parse, save
from ragdiag.similarities.saved import arrays_bytes
from ragdiag.similarities.soft_cosine import SoftCosine
from ragdiag.testing import worlds
from ragdiag.types import Float32


def vectors(n: int, seed: int = 0) -> Float32:
    return worlds.decaying(np.random.default_rng(seed), n, 6)


def fitted(name: str = "query-centred | whitened(gamma=0.5)") -> FittedSimilarity:
    return parse(name).fit(Training(vectors(80), vectors(40, seed=1)))


def test_the_card_says_what_it_is(tmp_path: Path) -> None:
    save(fitted(), tmp_path / "deep" / "er")
    card = json.loads((tmp_path / "deep" / "er" / "similarity.json").read_text())
    content = (tmp_path / "deep" / "er" / "arrays.npz").read_bytes()
    assert card == {
        "format": 1,
        "name": "query-centred | whitened(gamma=0.5)",
        "dim": 6,
        "n_documents": 80,
        "n_queries": 40,
        "arrays_sha256": hashlib.sha256(content).hexdigest(),
    }
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        assert sorted(arrays) == [
            "0.document_mean",
            "0.query_mean",
            "1.document_mean",
            "1.matrix",
            "1.query_mean",
        ]


def test_saving_again_replaces_it_and_leaves_the_rest(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("mine")
    save(fitted("csls"), tmp_path)
    save(fitted("cosine"), tmp_path)
    assert load(tmp_path).name == "cosine"
    assert (tmp_path / "card.json").read_text() == "mine"


def test_the_bytes_depend_on_neither_time_nor_order_nor_layout() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3, dtype=np.float32)
    one = arrays_bytes({"0.a": a, "0.b": b})
    other = arrays_bytes({"0.b": b.astype(">f4"), "0.a": np.asfortranarray(a)})
    assert one == other
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_soft_cosine_does_not_need_its_file_again(tmp_path: Path) -> None:
    np.save(tmp_path / "S.npy", np.eye(6) + 0.3)
    similarity = parse(f"soft-cosine(matrix='{tmp_path / 'S.npy'}')").fit(Training(vectors(5)))
    save(similarity, tmp_path / "saved")
    (tmp_path / "S.npy").unlink()
    again = load(tmp_path / "saved")
    assert isinstance(again.recipes[0], SoftCosine)
    np.testing.assert_array_equal(again.documents(vectors(5)), similarity.documents(vectors(5)))


def write(folder: Path, arrays: bytes | None = None, **changes: Any) -> None:
    """Save a similarity, then change entries of its card (None takes one out) or its arrays, with the right sum."""
    save(fitted(), folder)
    card = json.loads((folder / "similarity.json").read_text())
    if arrays is not None:
        (folder / "arrays.npz").write_bytes(arrays)
        card["arrays_sha256"] = hashlib.sha256(arrays).hexdigest()
    card = {name: value for name, value in {**card, **changes}.items() if value is not None}
    (folder / "similarity.json").write_text(json.dumps(card))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(RagdiagError, match=re.escape(message)) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "has the format 2, not 1"),
        ({"format": True}, "has the format True"),
        ({"format": None}, "has the format None"),
        ({"name": None}, "lacks an entry"),
        ({"name": 3}, "lacks an entry"),
        ({"name": "whitend"}, "did you mean 'whitened'"),
        ({"name": "cosine"}, "does not hold what 'cosine' needs"),
        ({"name": "query-centred | csls"}, "the array 'bank' is missing"),
        ({"name": "query-centred | soft-cosine(matrix='/etc/passwd') | dot"}, ""),
        ({"name": "x" * 5000}, "5,000 characters"),
        ({"name": "\ud800"}, "not the name of a similarity"),
        ({"dim": None}, "lacks an entry"),
        ({"dim": 6.0}, "lacks an entry"),
        ({"dim": True}, "lacks an entry"),
        ({"dim": 0}, "has the dimension 0"),
        ({"dim": 2**40}, "has the dimension"),
        ({"dim": 7}, "for vectors of 6 dimensions, these have 7"),
        ({"dim": 1}, "for vectors of 6 dimensions, these have 1"),
        ({"n_documents": -1}, "lacks an entry"),
        ({"n_queries": "many"}, "lacks an entry"),
        ({"arrays_sha256": None}, "lacks an entry"),
        ({"arrays_sha256": "0" * 64}, "not the file that was saved"),
    ],
)
def test_a_card_that_does_not_fit(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, **changes)
    if message:
        refused(tmp_path, message)
    else:  # as good a name as the other: the file is not read
        assert load(tmp_path).dim == 6


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, '{"format": 1', "\x00", " " * 2**21])
def test_a_card_that_is_none(tmp_path: Path, text: str) -> None:
    write(tmp_path)
    (tmp_path / "similarity.json").write_text(text)
    refused(tmp_path, "similarity.json")


def test_a_card_that_is_no_text(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "similarity.json").write_bytes(b"\xff\xfe{}")
    refused(tmp_path, "is no JSON")


def good() -> dict[str, Any]:
    return dict(fitted().arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.document_mean": None}, "the array 'document_mean' is missing"),
        ({"2.extra": np.zeros(3)}, "does not hold what"),
        ({"0.extra": np.zeros(3)}, "does not hold what"),
        ({"0.document_mean": np.zeros((6, 1))}, "has not 1 axes"),
        ({"0.document_mean": np.zeros(1)}, "disagree on its dimension"),
        ({"0.document_mean": np.zeros(1), "0.query_mean": np.zeros(1)}, "for vectors of 1 dimensions"),
        ({"1.matrix": np.zeros((5, 6))}, "disagree on its dimension"),
        ({"1.matrix": np.zeros((6, 0))}, "shape of an array"),
        ({"1.matrix": np.full((6, 6), np.nan)}, "not finite"),
        ({"0.document_mean": np.full(6, np.inf)}, "not finite"),
        ({"0.document_mean": np.zeros(6, dtype=np.float32)}, "does not hold what"),
        ({"0.document_mean": np.zeros(6, dtype=np.int64)}, "has the type <i8"),
        ({"0.document_mean": np.zeros(6, dtype=np.complex128)}, "has the type <c16"),
        ({"../../0.document_mean": np.zeros(6)}, "does not belong there"),
        ({"/etc/x": np.zeros(6)}, "does not belong there"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = {name: array for name, array in {**good(), **change}.items() if array is not None}
    write(tmp_path, arrays_bytes(arrays))
    refused(tmp_path, message)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harm",))


def test_a_pickle_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = io.BytesIO()
    np.savez(whole, allow_pickle=True, **{**good(), "0.document_mean": np.array([Bomb()] * 6, dtype=object)})
    write(tmp_path / "a", whole.getvalue())
    refused(tmp_path / "a", "arrays.npz cannot be read")
    write(tmp_path / "b", pickle.dumps(Bomb()))
    refused(tmp_path / "b", "arrays.npz cannot be read")
    assert not (tmp_path / "harm").exists()


def archive(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", compression) as out:
        for name, content in members:
            out.writestr(name, content)
    return whole.getvalue()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


HOSTILE = {
    "compressed": archive([("0.x.npy", b"\0" * 10**6)], zipfile.ZIP_DEFLATED),
    "folder": archive([("0.x/", b"")]),
    "no array": archive([("0.x.npy", b"")]),
    "version 3": archive([("0.x.npy", b"\x93NUMPY\x03\x00" + bytes(100))]),
    "huge": archive([("0.x.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**9, 10**9)}"))]),
    "huge too": archive([("0.x.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,)}"))]),
    "negative": archive([("0.x.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}") + bytes(8))]),
    "fortran": archive([("0.x.npy", header("{'descr': '<f8', 'fortran_order': True, 'shape': (1,)}") + bytes(8))]),
    "records": archive([("0.x.npy", header("{'descr': [('a','<f8')],'fortran_order':False,'shape':(1,)}") + bytes(8))]),
    "code": archive([("0.x.npy", header("__import__('os').mkdir('harm')"))]),
    "nested": archive([("0.x.npy", header("(" * 5000))]),
    "no header": archive([("0.x.npy", b"\x93NUMPY\x01\x00\xff\xff{")]),
    "no zip": b"PK\x03\x04" + bytes(50),
    "empty": b"",
}


@pytest.mark.parametrize("content", list(HOSTILE.values()), ids=list(HOSTILE))
def test_an_archive_that_is_none(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)
    refused(tmp_path, "arrays.npz cannot be read")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(arrays_bytes(good()))) as saved:
        member = saved.read("0.query_mean.npy")
    write(tmp_path, archive([("0.query_mean.npy", member)] * 2))
    refused(tmp_path, "does not belong there")


def test_every_cut_and_flip_of_the_arrays_is_noticed(tmp_path: Path) -> None:
    """With the sum of the damaged file in the card: a map of other numbers at most, never a crash."""
    content = arrays_bytes(good())
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        damaged[int(rng.integers(len(content)))] ^= int(rng.integers(1, 256))
        write(tmp_path, bytes(damaged[: int(rng.integers(1, len(content))) if rng.random() < 0.3 else None]))
        try:
            load(tmp_path)
        except SimilarityError as error:
            assert "arrays" in str(error) or "array" in str(error)  # noqa: PT017


def test_files_that_are_not_there_or_are_no_files(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "is not there")
    (tmp_path / "similarity.json").mkdir()
    refused(tmp_path, "is no file")
    write(tmp_path / "a")
    (tmp_path / "a" / "arrays.npz").unlink()
    refused(tmp_path / "a", "arrays.npz is not there")
    (tmp_path / "a" / "arrays.npz").symlink_to("/dev/zero")
    refused(tmp_path / "a", "is no file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a" / "arrays.npz").unlink()
    (tmp_path / "pipe").rename(tmp_path / "a" / "arrays.npz")
    refused(tmp_path / "a", "is no file")
