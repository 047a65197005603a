from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag.errors import ConfigError, StoreError, VectorsError
from ragdiag.stores import ArrayStore, open_store
from ragdiag.types import Shard


def test_ids_default_to_row_numbers_made_on_demand() -> None:
    store = ArrayStore(np.broadcast_to(np.ones(2, dtype=np.float32), (10**12, 2)))
    assert store.info.count == 10**12
    assert store.fetch(["999999999999"]).ids == ["999999999999"]
    assert next(store.scan(batch_size=2, shard=Shard(3, 4))).ids == ["750000000000", "750000000001"]


def test_duplicate_ids_are_counted_and_named() -> None:
    with pytest.raises(StoreError, match="x: 2 rows repeat an id that another row has, such as 'b'"):
        ArrayStore(np.eye(5), ids=["a", "b", "b", "c", "c"], name="x")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (np.ones(3), "shape"),
        (np.empty((0, 3)), "holds no vectors"),
        (np.empty((3, 0)), "dimension 0"),
        (np.array([["a"]]), "not numbers"),
        (np.array([[1j]]), "not numbers"),
        (np.array([[None]]), "not numbers"),
        (np.array([[True]]), "not numbers"),
        ([[1.0]], "is list, not a numpy array"),
    ],
)
def test_what_is_no_matrix(values: Any, error: str) -> None:
    with pytest.raises((VectorsError, StoreError), match=error):
        ArrayStore(values)


def test_lengths_have_to_agree() -> None:
    with pytest.raises(StoreError, match="2 vectors but 1 ids"):
        ArrayStore(np.eye(2), ids=["a"])
    with pytest.raises(StoreError, match="2 vectors but 3 texts"):
        ArrayStore(np.eye(2), texts=["a"] * 3)
    with pytest.raises(StoreError, match="2 vectors but 0 metadata"):
        ArrayStore(np.eye(2), metadata=[])
    with pytest.raises(StoreError, match="the id of row 1 is int"):
        ArrayStore(np.eye(2), ids=["a", 1])  # type: ignore[list-item]


def test_bad_sizes_and_shards() -> None:
    store = ArrayStore(np.eye(2))
    with pytest.raises(ConfigError, match="batch_size is 0"):
        store.scan(batch_size=0)
    for shard in (Shard(2, 2), Shard(-1, 2), Shard(0, 0)):
        with pytest.raises(ConfigError, match="no shard"):
            store.scan(shard=shard)


def test_half_a_surrogate_pair_can_be_written() -> None:
    (batch,) = ArrayStore(np.eye(2), texts=["a\ud83e", None]).scan()
    assert batch.texts == ["a\ufffd", None]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i1", "u2", "i8"])
def test_npy_of_any_number_type(tmp_path: Path, dtype: str) -> None:
    values = np.arange(12).reshape(4, 3).astype(dtype)
    np.save(tmp_path / "v.npy", values)
    store = open_store(tmp_path / "v.npy")
    (batch,) = store.scan()
    np.testing.assert_array_equal(batch.vectors, values.astype(np.float32))
    assert store.info.kind == "npy"
    assert store.info.metric is None


def test_odd_numbers_come_back_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([[np.nan, np.inf], [0, 0], [1e300, -1]]))
    (batch,) = open_store(tmp_path / "v.npy").scan()
    np.testing.assert_array_equal(batch.vectors, np.array([[np.nan, np.inf], [0, 0], [np.inf, -1]]))


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "is not a numpy array file"),
        (b"0.1 0.2\n0.3 0.4\n", "is not a numpy array file"),
        (b"\x93NUMPY\x09\x00", "is not a numpy array file"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "is not a numpy array file"),
        (header("(2, 3)"), "is truncated: 24 bytes are missing"),
        (header("(2, 3)") + b"\0" * 23, "is truncated: 1 bytes are missing"),
        (header("(99999999999, 99999999999)") + b"\0" * 64, "is truncated"),
        (header("(-2, -3)") + b"\0" * 64, "holds no vectors"),
        (header("(0, 3)"), "holds no vectors"),
        (header("(3, 0)"), "holds no vectors"),
        (header("(3,)") + b"\0" * 12, r"has shape \(3,\)"),
        (header("()") + b"\0" * 4, r"has shape \(\)"),
        (header("(1, 1)", "'|O'") + b"\0" * 8, "Python objects"),
        (header("(1, 1)", "'<U4'") + b"\0" * 16, "not numbers"),
        (header("(1, 1)", "'|b1'") + b"\0", "bool values, not numbers"),
        (header("(1, 1)", "__import__('os')") + b"\0" * 8, "is not a numpy array file"),
        (header("(" * 80 + ")" * 20), "is not a numpy array file"),
    ],
)
def test_npy_files_that_cannot_be_used(tmp_path: Path, content: bytes, error: str) -> None:
    path = tmp_path / "v.npy"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=error) as caught:
        open_store(path)
    assert "\n" not in str(caught.value)


def test_every_truncation_of_an_npy_is_noticed(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((4, 3), dtype=np.float32))
    whole = (tmp_path / "v.npy").read_bytes()
    for size in range(len(whole)):
        (tmp_path / "v.npy").write_bytes(whole[:size])
        with pytest.raises(StoreError):
            open_store(tmp_path / "v.npy")


def test_an_npy_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((1000, 8)))
    store = open_store(tmp_path / "v.npy")
    scan = store.scan(batch_size=500)
    next(scan)
    os.truncate(tmp_path / "v.npy", 1000)
    with pytest.raises(StoreError, match="changed while it was read"):
        next(scan)


def test_npz_finds_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    np.savez(path, vectors=np.eye(2), other=np.eye(3), ids=np.array([7, 8]), texts=np.array(["x", "é"]))
    store = open_store(f"{path}?metric=cosine")
    assert (store.info.count, store.info.has_texts) == (2, True)
    batch = store.fetch(["8"])
    assert (batch.ids, batch.texts, batch.vectors.tolist()) == (["8"], ["é"], [[0, 1]])
    with pytest.raises(StoreError, match="3 vectors but 2 texts"):
        open_store(f"npz:{path}?vector=other")
    with pytest.raises(StoreError, match="no array 'vec': it holds vectors, other, ids, texts"):
        open_store(f"{path}?vector=vec")
    with pytest.raises(StoreError, match="no array 'key'"):
        open_store(f"{path}?id=key")


def test_npz_takes_the_only_matrix(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", emb=np.eye(2), name=np.array(["a", "b"]))
    assert open_store(f"{tmp_path / 'v.npz'}?id=name").fetch(["b"]).vectors.tolist() == [[0, 1]]
    np.savez(tmp_path / "w.npz", a=np.eye(2), b=np.eye(2))
    with pytest.raises(StoreError, match=r"holds 2 matrices \(a, b\): name the vectors: \?vector=NAME"):
        open_store(tmp_path / "w.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_with_what_cannot_be_used(tmp_path: Path, save: Any) -> None:
    path = tmp_path / "v.npz"
    save(path, vectors=np.eye(2), ids=np.array(["a", None], dtype=object))
    with pytest.raises(StoreError, match="cannot be read"):
        open_store(path)
    save(path, vectors=np.eye(2), texts=np.array([b"a", b"\xff"]))
    with pytest.raises(StoreError, match="store it as a list of str"):
        open_store(path)
    save(path, vectors=np.eye(2), ids=np.array(["a", "a"]))
    with pytest.raises(StoreError, match="1 row repeats an id"):
        open_store(path)
    save(path, vectors=np.array([[None]], dtype=object))
    with pytest.raises(StoreError, match=r"Python objects|cannot be read"):
        open_store(path)
    save(path, vectors=np.ones(3))
    with pytest.raises(StoreError, match="shape"):
        open_store(path)
    np.save(tmp_path / "renamed.npy", np.eye(2))
    (tmp_path / "renamed.npy").rename(path)
    with pytest.raises(StoreError, match=r"cannot be read as \.npz"):
        open_store(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_npz_files_never_surprise(tmp_path: Path, save: Any) -> None:
    path = tmp_path / "v.npz"
    save(path, vectors=np.eye(4), ids=np.array(list("abcd")))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole[: rng.integers(len(whole))] if rng.random() < 0.3 else whole)
        for at in rng.integers(0, max(len(damaged), 1), size=2) if damaged else ():
            damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            assert sum(len(batch) for batch in open_store(path).scan()) >= 1
        except (StoreError, VectorsError) as error:
            assert "\n" not in str(error)  # noqa: PT017
