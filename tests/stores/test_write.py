from __future__ import annotations

import datetime
import decimal
import os
import subprocess
import sys
import tracemalloc
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from ragdiag.errors import ConfigError, RagdiagError, StoreError, TargetExistsError, UnknownStoreError
from ragdiag.stores import Opener, check_target, open_store, write_store
from ragdiag.types import Batch, Metric

X = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
IDS = [f"d{i}" for i in range(40)]
NUMBERS = [str(i) for i in range(40)]
DATES: dict[Any, Any] = {
    "day": datetime.date(2024, 2, 29),
    "at": datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.timezone.utc),
    "price": decimal.Decimal("1.10"),
    "key": uuid.UUID(int=7),
    "tags": {"b", "a", "c"},
    "pair": (1, "x"),
    "raw": b"\x00\xff",
    3: [np.float32(0.5)],
}


def batches(ids: list[str], size: int = 16, **columns: Any) -> Iterator[Batch]:
    for start in range(0, len(ids), size):
        part = slice(start, start + size)
        yield Batch(ids[part], X[part], **{name: values[part] for name, values in columns.items()})


def write(uri: str | Path, ids: list[str] = IDS, **options: Any) -> Any:
    return write_store(uri, batches(ids), **{"dim": 8, "metric": Metric.DOT, **options})


def test_npy_is_what_numpy_saves(tmp_path: Path) -> None:
    write(tmp_path / "v.npy", NUMBERS)
    np.save(tmp_path / "w.npy", X)
    assert (tmp_path / "v.npy").read_bytes() == (tmp_path / "w.npy").read_bytes()


@pytest.mark.parametrize(("metric", "index"), [("dot", faiss.IndexFlatIP(8)), ("l2", faiss.IndexFlatL2(8))])
def test_an_index_file_is_what_faiss_writes(tmp_path: Path, metric: str, index: Any) -> None:
    index.add(X)
    faiss.write_index(index, str(tmp_path / "theirs.faiss"))
    info = write(f"faiss:{tmp_path}/ours.faiss", NUMBERS, metric=metric)
    assert (tmp_path / "ours.faiss").read_bytes() == (tmp_path / "theirs.faiss").read_bytes()
    assert (info.metric, info.index) == (Metric(metric), type(index).__name__)


def test_npz_is_read_by_numpy(tmp_path: Path) -> None:
    texts = ["ein Text", *[None] * 38, "文本"]
    write_store(tmp_path / "v.npz", batches(IDS, texts=texts), dim=8, metric=None)
    with np.load(tmp_path / "v.npz") as archive:
        assert sorted(archive) == ["ids", "texts", "vectors"]
        np.testing.assert_array_equal(archive["vectors"], X)
        assert archive["ids"].tolist() == IDS
        assert archive["texts"].tolist() == [text or "" for text in texts]


def test_npz_refuses_what_numpy_would_change(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="numpy drops the NUL"):
        write(tmp_path / "v.npz", [*IDS[:-1], "d39\0"])
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_a_table_of_row_groups(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    ids = [str(i) for i in range(20_000)]
    many = (
        Batch(ids[at : at + 900], np.ones((len(ids[at : at + 900]), 2), np.float32)) for at in range(0, 20_000, 900)
    )
    write_store(tmp_path / "v.parquet", many, dim=2, metric=None)
    with parquet.ParquetFile(tmp_path / "v.parquet") as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert groups == [8192, 8192, 3616]
        assert file.schema_arrow.names == ["id", "vector"]
        assert file.read(columns=["id"]).column(0).to_pylist() == ids


def test_parquet_keeps_fields_of_its_own_beside_the_metadata(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    metadata = [{"page": i, "metadata": {"x": [i]}} for i in range(40)]
    write_store(tmp_path / "v.parquet", batches(IDS, metadata=metadata), dim=8, metric=None)
    table = parquet.read_table(tmp_path / "v.parquet")
    parquet.write_table(table.append_column("lang", pa.array(["de"] * 40)), tmp_path / "w.parquet")
    assert open_store(tmp_path / "w.parquet").fetch(["d3"]).metadata == [{**metadata[3], "lang": "de"}]


@pytest.mark.parametrize("text", ["{", "[1]", "3", "[" * 100_000])
def test_marked_json_that_is_none(tmp_path: Path, text: str) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    field = pa.field("metadata", pa.string(), metadata={b"ragdiag": b"json"})
    schema = pa.schema([pa.field("vector", pa.list_(pa.float32())), field])
    table = pa.table({"vector": [[1.0], [2.0]], "metadata": ["{}", text]}, schema=schema)
    parquet.write_table(table, tmp_path / "v.parquet")
    with pytest.raises(StoreError, match="the metadata of row 1 is no JSON object"):
        list(open_store(tmp_path / "v.parquet").scan())


@pytest.mark.parametrize("value", [datetime.date(2024, 1, 1), float("nan"), (1, 2), {1: 2}, {"a"}, object()])
def test_what_json_cannot_keep(tmp_path: Path, value: Any) -> None:
    pytest.importorskip("pyarrow")
    batch = Batch(["a"], X[:1], None, [{"x": value}])
    with pytest.raises(StoreError, match="the metadata of 'a' holds values that JSON cannot keep"):
        write_store(tmp_path / "v.parquet", [batch], dim=8, metric=None)
    assert list(tmp_path.iterdir()) == []
    assert write_store(tmp_path / "v.parquet", [batch], dim=8, metric=None, lossy=True).count == 1


def test_a_langchain_folder_keeps_every_plain_value(tmp_path: Path) -> None:
    write_store(f"faiss:{tmp_path}/s", batches(IDS, metadata=[DATES] * 40), dim=8, metric="l2")
    found: Any = (open_store(tmp_path / "s").fetch(["d5"]).metadata or [])[0]
    assert found == DATES
    assert type(found[3][0]) is float


def test_a_langchain_folder_refuses_what_it_could_not_read_back(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(40):
        deep = [deep]
    loop: list[Any] = []
    loop.append(loop)
    for value in (object(), tmp_path, deep, loop, np.ones(3), print):
        batch = Batch(["a"], X[:1], None, [{"x": value}])
        with pytest.raises(StoreError, match="the metadata of 'a' holds values"):
            write_store(f"faiss:{tmp_path}/s", [batch], dim=8, metric="dot")
        assert list(tmp_path.iterdir()) == []
    batch = Batch(["a"], X[:1], None, [{"x": Path("a/b"), "y": 1}])
    write_store(f"faiss:{tmp_path}/s", [batch], dim=8, metric="dot", lossy=True)
    assert open_store(tmp_path / "s").fetch(["a"]).metadata == [{"x": "a/b", "y": 1}]


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_langchain_opens_the_folder_and_answers(tmp_path: Path, metric: str) -> None:
    pytest.importorskip("langchain_community")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # langchain_community says that it is sunset
        from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document
    from langchain_core.embeddings import DeterministicFakeEmbedding

    texts = [f"text {i}" for i in range(40)]
    metadata = [{"page": i, "größe": {"x": [i, None]}} for i in range(40)]
    write_store(f"faiss:{tmp_path}/s", batches(IDS, texts=texts, metadata=metadata), dim=8, metric=metric)
    store = FAISS.load_local(
        str(tmp_path / "s"), DeterministicFakeEmbedding(size=8), allow_dangerous_deserialization=True
    )
    scores = X @ X.T if metric == "dot" else -((X[:, None] - X) ** 2).sum(axis=2)
    for row in (0, 17, 39):
        answers = store.similarity_search_with_score_by_vector(X[row].tolist(), k=5)
        wanted = np.argsort(-scores[row])[:5]
        assert [document.id for document, _ in answers] == [f"d{i}" for i in wanted]
        at = int(wanted[0])
        expected = Document(id=IDS[at], page_content=texts[at], metadata=metadata[at])
        assert answers[0][0] == expected
        assert answers[0][0].model_fields_set == expected.model_fields_set
        assert abs(answers[0][1]) == pytest.approx(abs(scores[row, at]), abs=1e-5)
    store.add_documents([Document(id="new", page_content="new")])
    store.delete(["d3"])
    assert store.index.ntotal == len(store.docstore._dict) == 40


def test_the_bytes_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np; from ragdiag.stores import write_store; from ragdiag.types import Batch\n"
        "meta = {'tags': set('abcdefgh'), 'b': frozenset('xyz'), 'a': 1}\n"
        "batch = Batch(['a', 'b'], np.eye(2, dtype=np.float32), ['x', 'y'], [meta, meta])\n"
        "write_store('faiss:' + sys.argv[1], [batch], dim=2, metric='dot')"
    )
    found = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", script, str(tmp_path / seed)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        found.append([(tmp_path / seed / name).read_bytes() for name in ("index.faiss", "index.pkl")])
    assert found[0] == found[1]


@pytest.mark.parametrize("uri", ["{}/v.npy", "faiss:{}/v.faiss", "faiss:{}/folder"])
def test_memory_is_that_of_a_batch(tmp_path: Path, uri: str) -> None:
    """50,000 × 64 float32 are 12.8 MB; ids are held for a folder, at about 60 bytes each."""
    ids = [str(i) for i in range(50_000)]
    block = np.ones((1000, 64), dtype=np.float32)
    tracemalloc.start()
    try:
        many = (Batch(ids[at : at + 1000], block) for at in range(0, 50_000, 1000))
        check_target(uri.format(tmp_path), metric="dot").write(many, _new(64))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8e6 if "folder" in uri else peak < 2e6


def _new(dim: int) -> Any:
    from ragdiag.stores import NewStore

    return NewStore(dim, Metric.DOT)


# What cannot be written.


@pytest.mark.parametrize(
    ("uri", "options", "error", "message"),
    [
        ("{}/v.txt", {}, UnknownStoreError, "does not say what kind of store to write: can be written here: chroma:"),
        ("{}/folder", {}, UnknownStoreError, "does not say what kind of store to write"),
        ("pinecone:{}/x", {}, UnknownStoreError, "no adapter for pinecone is installed here"),
        ("", {}, UnknownStoreError, "does not say what kind"),
        ("faiss:", {}, ConfigError, "the new store has no path"),
        ("{}/no/v.npz", {}, ConfigError, "there is no folder {}/no"),
        ("{}/v.npz?metric=l2", {}, ConfigError, "write ?metric=dot"),
        ("{}/v.npz?metric=x", {}, ConfigError, "there is no metric 'x'"),
        ("{}/v.npz?foo=x", {}, ConfigError, "npz: stores have no option 'foo'"),
        ("{}/v.npy?id=x", {}, ConfigError, "npy: stores have no option 'id'"),
        ("{}/v.npy", {}, StoreError, "keeps no ids, 'd0' would become '0': name a store that keeps them"),
        ("faiss:{}/v.faiss", {}, StoreError, "keeps no ids, 'd0' would become '0': name a store that keeps them"),
        ("faiss:{}/s", {"metric": "cosine"}, ConfigError, "would rank by dot or l2, not by cosine"),
        ("faiss:{}/s", {"metric": None}, ConfigError, "would rank by dot or l2, nothing was said"),
        ("{}/v.npz", {"metric": "x"}, ConfigError, "there is no metric 'x'"),
        ("{}/v.npz", {"dim": 9}, RagdiagError, "has dimension 8 where the store has 9"),
        ("{}/v.npz", {"count": 41}, StoreError, "40 documents came where 41 were announced"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, uri: str, options: dict[str, Any], error: type[RagdiagError], message: str
) -> None:
    with pytest.raises(error) as raised:
        write(uri.format(tmp_path), **options)
    assert message.replace("{}", str(tmp_path)) in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_kind_that_is_only_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from ragdiag import plugins
    from ragdiag.stores import write as module

    found = plugins.Openers(
        (("mine", Opener(("mine",), (".mine",), "mine", open_uri=lambda rest, options: open_store(X))),)
    )
    monkeypatch.setattr(module, "load_openers", lambda: found)
    for uri in ("mine:a", "a.mine"):
        with pytest.raises(UnknownStoreError, match="stores of this kind are only read"):
            write(uri)


def test_nothing_is_written_over_the_source(tmp_path: Path) -> None:
    write(f"faiss:{tmp_path}/s")
    write(tmp_path / "v.npz")
    os.symlink(tmp_path / "s", tmp_path / "link")
    os.symlink(tmp_path / "v.npz", tmp_path / "link.npz")
    os.link(tmp_path / "v.npz", tmp_path / "hard.npz")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for source, target in [
        (f"faiss:{tmp_path}/s", f"faiss:{tmp_path}/s"),
        (str(tmp_path / "s"), f"faiss:{tmp_path}/link"),
        (f"faiss:{tmp_path}/link?index_name=index", f"faiss:{tmp_path}/./s"),
        (f"faiss:{tmp_path}/s", f"faiss:{tmp_path}/s/inside"),
        (f"faiss:{tmp_path}/s", f"{tmp_path}/s/inside.npz"),
        (f"faiss:{tmp_path}/s", f"{tmp_path}/link/inside.npz"),
        (f"faiss:{tmp_path}/s/index.faiss", f"faiss:{tmp_path}/s"),
        (f"{tmp_path}/v.npz", f"{tmp_path}/link.npz"),
        (f"npz:{tmp_path}/v.npz?metric=dot", f"{tmp_path}/hard.npz"),
    ]:
        with pytest.raises(ConfigError, match="it belongs to the store that is read: write elsewhere"):
            write(target, source=source, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert write(tmp_path / "w.npz", source=tmp_path / "v.npz").count == 40
    assert write(tmp_path / "x.npz", source=X).count == 40


def test_a_target_that_exists_is_refused_before_a_batch_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "v.npz")

    def taken() -> Iterator[Batch]:
        raise AssertionError
        yield

    with pytest.raises(TargetExistsError, match=r"v\.npz exists: name another target, or replace it with --overwrite"):
        write_store(tmp_path / "v.npz", taken(), dim=8, metric=None)


def test_a_chain_of_stores_ends_with_the_bytes_it_began_with(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    metadata = [{"page": i, "größe": {"x": [i, None, "🦜"]}} for i in range(40)]
    texts = [f"Text {i}\r\n文本" for i in range(40)]
    first, last = f"faiss:{tmp_path}/first", f"faiss:{tmp_path}/last"
    write_store(first, batches(IDS, texts=texts, metadata=metadata), dim=8, metric="l2")
    for source, target in ((first, f"{tmp_path}/middle.parquet"), (f"{tmp_path}/middle.parquet", last)):
        read = open_store(source)
        write_store(target, read.scan(batch_size=7), dim=8, metric="l2", count=read.info.count, source=source)
    for name in ("index.faiss", "index.pkl"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "last" / name).read_bytes()


class Table:
    """A target of somebody else, in a database."""

    name = "their table"
    path = None
    keeps = frozenset({"ids"})
    metrics = frozenset({Metric.COSINE})

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def exists(self) -> bool:
        return bool(self.rows)

    def draft(self, uri: str, *, overwrite: bool) -> Any:
        raise NotImplementedError

    def write(self, batches: Iterator[Batch], new: Any) -> None:
        self.rows[:] = [(batch.ids, batch.texts, batch.metadata) for batch in batches]


def test_a_third_party_store_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    from ragdiag import plugins
    from ragdiag.stores import ArrayStore
    from ragdiag.stores import open as reading
    from ragdiag.stores import write as writing

    rows: list[Any] = []
    opener = Opener(
        ("db",), (), "db:TABLE", open_uri=lambda rest, options: ArrayStore(X), target=lambda rest, options: Table(rows)
    )
    for module in (reading, writing):
        monkeypatch.setattr(module, "load_openers", lambda: plugins.Openers((("db", opener),)))
    with pytest.raises(StoreError, match="their table keeps no texts"):
        write_store("db:t", batches(IDS, texts=["x"] * 40), dim=8, metric="cosine")
    with pytest.raises(ConfigError, match="their table would rank by cosine, not by dot"):
        write("db:t")
    for source in ("db:t", "db:t?password=x"):
        with pytest.raises(ConfigError, match="cannot write their table, it belongs to the store that is read"):
            write("db:t", metric="cosine", source=source)
    assert rows == []
    options: dict[str, Any] = {"dim": 8, "metric": "cosine", "lossy": True}
    assert write_store("db:t", batches(IDS, texts=["x"] * 40), **options).count == 40
    assert rows == [(IDS[at : at + 16], None, None) for at in (0, 16, 32)]
    with pytest.raises(TargetExistsError, match="their table exists"):
        write("db:t", metric="cosine")
