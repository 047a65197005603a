from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag.errors import ConfigError, MissingExtraError, StoreError
from ragdiag.stores import ParquetStore, open_store
from ragdiag.types import Metric, Shard

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROWS = [[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "v.parquet"


def write(path: Path, **columns: Any) -> None:
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize("number", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [-1, 2])
def test_lists_of_any_float(path: Path, number: str, size: int) -> None:
    kind = pa.list_(getattr(pa, number)(), size)
    values = [[np.float16(x) for x in row] for row in ROWS] if number == "float16" else ROWS
    write(path, emb=pa.array(values, kind))
    store = open_store(f"{path}?metric=cosine")
    (batch,) = store.scan()
    assert batch.vectors.dtype == np.float32
    assert batch.vectors.tolist() == ROWS
    assert batch.ids == ["0", "1", "2"]
    assert (store.info.kind, store.info.dim, store.info.metric) == ("parquet", 2, Metric.COSINE)
    assert not store.info.has_texts
    assert batch.metadata is None


def test_columns_are_guessed_and_named(path: Path) -> None:
    write(
        path,
        _id=[10, 11, 12],
        content=["a", None, "c"],
        emb=ROWS,
        page=[1, 2, None],
        tokens=[[1], [2, 3], []],
    )
    (batch,) = open_store(path).scan()
    assert batch.ids == ["10", "11", "12"]
    assert batch.texts == ["a", None, "c"]
    assert batch.metadata is not None
    assert batch.metadata[2] == {"page": None, "tokens": []}
    store = open_store(f"{path}?text=page")
    assert store.fetch(["12", "10"]).texts == [None, "1"]


def test_two_columns_of_vectors(path: Path) -> None:
    write(path, a=ROWS, b=ROWS[::-1])
    with pytest.raises(StoreError, match=r"2 columns of vectors: a, b: \?vector=a"):
        open_store(path)
    store = open_store(f"{path}?vector=b")
    assert store.fetch(["0"]).vectors.tolist() == [[3, 4]]
    assert not store.info.has_metadata  # the other vectors are none


def test_whole_numbers_serve_when_named(path: Path) -> None:
    write(path, emb=[[1, 2], [3, 4]])
    with pytest.raises(StoreError, match="no column of lists of floats"):
        open_store(path)
    assert open_store(f"{path}?vector=emb").fetch(["1"]).vectors.tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("vector=x", "no column 'x': the columns are id, text, emb"),
        ("id=x", "no column 'x'"),
        ("text=x", "no column 'x'"),
        ("vector=text", "column 'text' is string, not a list of numbers"),
    ],
)
def test_unknown_columns_list_those_there(path: Path, query: str, error: str) -> None:
    write(path, id=["a", "b", "c"], text=["x", "y", "z"], emb=ROWS)
    with pytest.raises(StoreError, match=error):
        open_store(f"{path}?{query}")
    with pytest.raises(ConfigError, match="id, metric, text, vector"):
        open_store(f"{path}?column=emb")


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([[1.0, 2.0], [1.0, 2.0], [1.0]], "row 2 has dimension 1 where the others have 2"),
        ([[1.0, 2.0], None, [1.0, 2.0]], "row 1 has no vector"),
        ([[1.0, 2.0], [1.0, 2.0], [1.0, None]], "the vector of row 2 has a null"),
        ([[1.0, 2.0], [], [1.0, 2.0]], "row 1 has dimension 0"),
    ],
)
def test_rows_without_a_proper_vector_are_named(path: Path, rows: Any, error: str) -> None:
    pq.write_table(pa.table({"emb": pa.array(rows, pa.list_(pa.float32()))}), path, row_group_size=2)
    store = open_store(path)
    with pytest.raises(StoreError, match=error):
        list(store.scan(batch_size=1))
    with pytest.raises(StoreError, match=error):
        list(store.scan())


def test_the_first_vector_is_read_when_opening(path: Path) -> None:
    write(path, emb=pa.array([None, [1.0]], pa.list_(pa.float32())))
    with pytest.raises(StoreError, match="row 0 has no vector"):
        open_store(path)
    write(path, emb=pa.array([[], []], pa.list_(pa.float32())))
    with pytest.raises(StoreError, match="dimension 0"):
        open_store(path)
    write(path, emb=pa.array([], pa.list_(pa.float32())))
    with pytest.raises(StoreError, match="holds no rows"):
        open_store(path)


def test_ids_are_unique_and_there(path: Path) -> None:
    write(path, id=["a", "b", "b"], emb=ROWS)
    with pytest.raises(StoreError, match="1 row repeats an id that another row has, such as 'b'"):
        open_store(path)
    write(path, id=["a", None, "b"], emb=ROWS)
    with pytest.raises(StoreError, match="row 1 has no id"):
        open_store(path)
    write(path, id=[0.5, 1.5, 2.5], emb=ROWS)
    with pytest.raises(StoreError, match="ids are double"):
        open_store(path)


def test_bytes_that_are_no_utf8(path: Path) -> None:
    raw = pa.array([b"ok", b"\xffx", b"z"], pa.binary())
    bad = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    write(path, id=["a", "b", "c"], text=bad, source=bad, emb=ROWS)
    (batch,) = open_store(path).scan()
    assert batch.texts == ["ok", "\ufffdx", "z"]
    assert batch.metadata is not None
    assert batch.metadata[1] == {"source": "\ufffdx"}
    write(path, id=bad, emb=ROWS)
    with pytest.raises(StoreError, match="ids that are no UTF-8"):
        open_store(path)


def test_shards_and_fetch_across_row_groups(path: Path) -> None:
    count = 1000
    vectors = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    table = pa.table({"id": [f"d{i}" for i in range(count)], "emb": list(vectors)})
    pq.write_table(table, path, row_group_size=130)
    store = open_store(path)
    parts = [b for at in range(7) for b in store.scan(batch_size=50, shard=Shard(at, 7))]
    assert [id_ for b in parts for id_ in b.ids] == [f"d{i}" for i in range(count)]
    np.testing.assert_array_equal(np.concatenate([b.vectors for b in parts]), vectors)
    rows = np.random.default_rng(1).integers(0, count, 400)
    batch = store.fetch([f"d{i}" for i in rows])
    np.testing.assert_array_equal(batch.vectors, vectors[rows])


def test_files_that_are_no_parquet(path: Path) -> None:
    write(path, emb=ROWS)
    whole = path.read_bytes()
    for content in (b"", b"a,b\n1,2\n", b"PAR1", *(whole[:size] for size in range(4, len(whole), 37))):
        path.write_bytes(content)
        with pytest.raises(StoreError, match="cannot be read as Parquet") as caught:
            open_store(path)
        assert "\n" not in str(caught.value)


def test_damaged_files_never_surprise(path: Path) -> None:
    write(path, id=[f"d{i}" for i in range(40)], emb=np.ones((40, 3)).tolist())
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(damaged), size=2):
            damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            list(open_store(path).scan())
        except StoreError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_without_pyarrow_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ragdiag\[parquet\]'"):
        ParquetStore(str(path))
