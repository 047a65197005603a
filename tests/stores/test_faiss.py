from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from ragdiag.errors import ConfigError, StoreError, StoreNotFoundError
from ragdiag.stores import FaissStore, open_store
from ragdiag.stores.child import run_in_child
from ragdiag.types import Float32, Metric

DIM = 8
X: Float32 = np.random.default_rng(0).normal(size=(400, DIM)).astype(np.float32)


def built(factory: str, metric: int = faiss.METRIC_L2, ids: Any = None) -> Any:
    index = faiss.index_factory(DIM, factory, metric)
    index.train(X)
    if ids is None:
        index.add(X)
    else:
        index.add_with_ids(X, np.asarray(ids, dtype=np.int64))
    return index


def saved(path: Path, index: Any) -> Path:
    faiss.write_index(index, str(path))
    return path


def everything(store: Any) -> tuple[list[str], Float32]:
    batches = list(store.scan(batch_size=150))
    return [id_ for b in batches for id_ in b.ids], np.concatenate([b.vectors for b in batches])


@pytest.mark.parametrize(
    ("factory", "kind", "error"),
    [
        ("Flat", "IndexFlatL2", 0),
        ("HNSW8,Flat", "IndexHNSWFlat", 0),
        ("HNSW8,SQ8", "IndexHNSWSQ", 0.02),
        ("IVF8,Flat", "IndexIVFFlat", 0),
        ("IVF8,SQ8", "IndexIVFScalarQuantizer", 0.02),
        ("IVF8,PQ4x4", "IndexIVFPQ", 0.6),
        ("SQ8", "IndexScalarQuantizer", 0.02),
        ("SQbf16", "IndexScalarQuantizer", 0.005),
        ("PQ4x4", "IndexPQ", 0.6),
        ("LSH", "IndexLSH", 1.0),
        ("NSG8,Flat", "IndexNSGFlat", 0),
        ("PQ4x4,RFlat", "IndexRefineFlat", 0),
        ("Pad16,Flat", "IndexPreTransform(IndexFlatL2)", 0),
        ("PCA4,Flat", "IndexPreTransform(IndexFlatL2)", 0.9),
    ],
)
def test_files_of_many_kinds(tmp_path: Path, factory: str, kind: str, error: float) -> None:
    store = open_store(saved(tmp_path / "x.index", built(factory)))
    ids, vectors = everything(store)
    assert ids == [str(at) for at in range(400)]
    assert np.linalg.norm(vectors - X) <= error * np.linalg.norm(X)
    assert (store.info.kind, store.info.index) == ("faiss", kind)
    assert bool(store.info.loss) == (error > 0)
    assert store.info.metric is Metric.L2
    assert not store.info.has_texts


def test_a_rotation_is_no_loss(tmp_path: Path) -> None:
    store = open_store(saved(tmp_path / "x.faiss", built("RR8,Flat")))
    np.testing.assert_allclose(everything(store)[1], X, atol=1e-5)
    assert store.info.loss == ""


@pytest.mark.parametrize("factory", ["IDMap,Flat", "IDMap2,HNSW8,Flat", "IVF4,Flat", "IDMap,SQ8"])
def test_ids_given_to_the_index(tmp_path: Path, factory: str) -> None:
    ids = np.random.default_rng(1).permutation(400) * 1000 + 2**40
    store = open_store(saved(tmp_path / "x.faiss", built(factory, ids=ids)))
    seen, vectors = everything(store)
    assert sorted(seen) == sorted(map(str, ids))
    by_id = dict(zip(seen, vectors, strict=True))
    np.testing.assert_allclose([by_id[str(id_)] for id_ in ids], X, atol=0.05)
    batch = store.fetch([str(ids[7]), str(ids[3])])
    np.testing.assert_allclose(batch.vectors, X[[7, 3]], atol=0.05)
    with pytest.raises(StoreError, match="no document with id '1'"):
        store.fetch(["1"])


def test_ids_given_twice(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.faiss", built("IDMap,Flat", ids=[5, 5, *range(10, 408)]))
    with pytest.raises(StoreError, match="1 row repeats an id that another row has, such as '5'"):
        open_store(path)


@pytest.mark.parametrize(
    ("number", "metric"),
    [(faiss.METRIC_INNER_PRODUCT, Metric.DOT), (faiss.METRIC_L2, Metric.L2), (faiss.METRIC_L1, None)],
)
def test_the_metric_is_the_index_s(tmp_path: Path, number: int, metric: Metric | None) -> None:
    for factory in ("Flat", "HNSW8,Flat"):
        assert open_store(saved(tmp_path / "x.faiss", built(factory, number))).info.metric is metric


@pytest.mark.parametrize("factory", ["IVF8,PQ4x4fs", "PQ4x4fs", "ITQ,LSH"])
def test_kinds_that_keep_nothing_to_read(tmp_path: Path, factory: str) -> None:
    with pytest.raises(StoreError, match=r"cannot be read back from a Index.*: audit the vectors") as caught:
        open_store(saved(tmp_path / "x.faiss", built(factory)))
    assert str(caught.value).count("\n") == 0


def test_empty_indexes(tmp_path: Path) -> None:
    for index in (faiss.IndexFlatL2(3), faiss.IndexHNSWFlat(3, 4), faiss.IndexIDMap(faiss.IndexFlatL2(3))):
        with pytest.raises(StoreError, match="holds no vectors"):
            open_store(saved(tmp_path / "x.faiss", index))


def test_a_binary_index_and_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x.faiss"
    faiss.write_index_binary(faiss.IndexBinaryFlat(16), str(path))
    for content in (path.read_bytes(), b"", b"0.1 0.2\n" * 20, b"\x93NUMPY" + b"\0" * 99, b"IxFI"):
        path.write_bytes(content)
        with pytest.raises(StoreError, match="truncated or corrupt"):
            open_store(path)


def test_a_live_index_that_grows() -> None:
    index = faiss.IndexFlatL2(DIM)
    index.add(X[:100])
    store = FaissStore(index)
    scan = store.scan(batch_size=50)
    next(scan)
    index.add(np.concatenate([X] * 50))  # moves the vectors in memory
    np.testing.assert_array_equal(next(scan).vectors, X[50:100])
    index.reset()
    with pytest.raises(StoreError, match="do not fit together"):
        list(store.scan())


def test_a_live_index_outlives_its_name() -> None:
    store = FaissStore(built("IDMap,HNSW8,Flat", ids=range(400)))
    np.testing.assert_array_equal(everything(store)[1], X)


def mutations(whole: bytes, rng: np.random.Generator, count: int) -> list[bytes]:
    made = [whole[: int(at)] for at in np.linspace(0, len(whole) - 1, count // 3)]
    while len(made) < count:
        damaged = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 250), size=rng.integers(1, 4)):
            damaged[at] = rng.choice([0, 255, damaged[at] ^ (1 << rng.integers(8))])
        made.append(bytes(damaged))
    return made


@pytest.mark.parametrize(
    ("factory", "count"), [("Flat", 300), ("IDMap,Flat", 12), ("HNSW8,SQ8", 12), ("IVF8,PQ4x4", 12)]
)
def test_damaged_files_never_harm(tmp_path: Path, factory: str, count: int) -> None:
    ids = range(400) if factory.startswith("IDMap") else None
    path = saved(tmp_path / "x.faiss", built(factory, ids=ids))
    for content in mutations(path.read_bytes(), np.random.default_rng(0), count):
        path.write_bytes(content)
        try:
            store = open_store(path)
            assert sum(len(batch) for batch in store.scan()) == store.info.count
        except StoreError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_a_count_beyond_memory_is_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.faiss", built("SQ8"))
    whole = bytearray(path.read_bytes())
    whole[8:16] = (2**40).to_bytes(8, "little")
    path.write_bytes(whole)
    start = time.monotonic()
    with pytest.raises(StoreError, match="truncated or corrupt"):
        open_store(path)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("function", ["crash", "missing"])
def test_a_child_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    (tmp_path / "deadly.py").write_text("import os\ndef crash(path): os.abort()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StoreError, match=r"deadly\.py is broken: write it again"):
        run_in_child("deadly", function, str(tmp_path / "deadly.py"), unreadable="is broken", memory_factor=1)


def test_the_working_folder_is_no_place_for_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.faiss", built("SQ8"))
    for module in ("faiss", "json", "numpy"):
        (tmp_path / f"{module}.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    assert open_store("x.faiss").info.name == "x.faiss"
    assert path.exists()
    assert not (tmp_path / "ran").exists()


def test_memory_stays_bounded(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    count, dim = 200_000, 256  # 205 MB
    path = tmp_path / "big.faiss"
    index = faiss.IndexFlatIP(dim)
    index.add(np.ones((1, dim), dtype=np.float32))
    faiss.write_index(index, str(path))
    head = bytearray(path.read_bytes()[:45])
    head[8:16] = count.to_bytes(8, "little")
    head[37:45] = (count * dim).to_bytes(8, "little")
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(45 + 4 * count * dim)
    store = open_store(path)
    list(store.scan())  # warm
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(len(batch) for batch in store.scan()) == count
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_options_and_missing_files(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.faiss", built("Flat"))
    with pytest.raises(StoreError, match="index_name is for folders"):
        open_store(f"faiss:{path}?index_name=x")
    with pytest.raises(ConfigError, match="the options are index_name"):
        open_store(f"faiss:{path}?metric=dot")
    with pytest.raises(StoreNotFoundError, match=r"there is no index\.faiss in .*index_name=x"):
        open_store(f"faiss:{tmp_path}")
    assert open_store(f"faiss:{tmp_path}?index_name=x").info.kind == "faiss"  # no pickle beside it
    with pytest.raises(StoreNotFoundError, match="there is no"):
        open_store(f"faiss:{tmp_path / 'y.faiss'}")
