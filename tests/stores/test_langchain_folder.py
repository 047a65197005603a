from __future__ import annotations

import datetime
import decimal
import os
import pickle
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import faiss
import numpy as np
import pytest

from ragdiag.errors import StoreError
from ragdiag.stores import open_store
from ragdiag.types import Metric

X = np.eye(4, dtype=np.float32)
Write = Callable[..., Path]


def folder(path: Path, pickled: bytes, vectors: Any = X) -> Path:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(path / "index.faiss"))
    (path / "index.pkl").write_bytes(pickled)
    return path


@pytest.fixture
def classes(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], type]:
    """Make classes under LangChain's module paths, to write pickles without LangChain."""

    def make(module: str, name: str) -> type:
        made = type(name, (), {"__module__": module, "__qualname__": name})
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(".".join(parts[:end])))
        monkeypatch.setattr(sys.modules[module], name, made, raising=False)
        return made

    return make


def docstore_pickle(
    make: Callable[[str, str], type],
    documents: dict[Any, Any],
    positions: Any,
    *,
    docstore: str = "langchain_community.docstore.in_memory",
    document: str = "langchain_core.documents.base",
    protocol: int = 4,
) -> bytes:
    store = make(docstore, "InMemoryDocstore")()
    kind = make(document, "Document")
    store._dict = {}
    for id_, state in documents.items():
        made = kind()
        made.__dict__.update(state)
        store._dict[id_] = made
    return pickle.dumps((store, positions), protocol=protocol)


def plain(count: int) -> dict[str, Any]:
    return {f"d{at}": {"page_content": f"text {at}", "metadata": {"page": at}} for at in range(count)}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("docstore", "document"),
    [
        ("langchain_community.docstore.in_memory", "langchain_core.documents.base"),
        ("langchain.docstore.in_memory", "langchain.schema"),
        ("langchain_classic.docstore.in_memory", "langchain_classic.docstore.document"),
    ],
)
def test_pickles_of_every_age(tmp_path: Path, classes: Any, protocol: int, docstore: str, document: str) -> None:
    if docstore.startswith("langchain.") and protocol > 3:
        document = "langchain.docstore.document"
    pickled = docstore_pickle(
        classes,
        plain(4),
        {at: f"d{at}" for at in range(4)},
        docstore=docstore,
        document=document,
        protocol=protocol,
    )
    store = open_store(folder(tmp_path, pickled))
    assert store.info.kind == "langchain-faiss"
    assert store.info.metric is Metric.DOT
    assert store.info.counts == {"index": 4, "ids": 4, "docstore": 4}
    batch = store.fetch(["d3", "d1"])
    assert batch.texts == ["text 3", "text 1"]
    assert batch.metadata == [{"page": 3}, {"page": 1}]
    np.testing.assert_array_equal(batch.vectors, X[[3, 1]])


def test_a_state_as_pydantic_keeps_it(tmp_path: Path, classes: Any) -> None:
    state = {
        "__dict__": {"id": "a", "page_content": "é", "metadata": {"k": [1, {"x": None}]}, "type": "Document"},
        "__pydantic_fields_set__": {"page_content"},
        "__pydantic_extra__": None,
        "__pydantic_private__": None,
    }

    class Stateful:
        def __reduce__(self) -> Any:
            kind = classes("langchain_core.documents.base", "Document")
            return (kind, (), state)

    store = classes("langchain_community.docstore.in_memory", "InMemoryDocstore")()
    store._dict = {"a": Stateful()}
    pickled = pickle.dumps((store, {0: "a"}), protocol=2)
    (batch,) = open_store(folder(tmp_path, pickled, X[:1])).scan()
    assert batch.texts == ["é"]
    assert batch.metadata == [{"k": [1, {"x": None}]}]


class Gadget:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.made = (function, args)

    def __reduce__(self) -> Any:
        return self.made


@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (os.system, ("touch {mark}",), "system"),
        (eval, ("open({mark!r}, 'w')",), "eval"),
        (open, ("{mark}", "w"), "open"),
        (getattr, (os, "system"), "getattr"),
    ],
)
def test_a_gadget_does_not_run(tmp_path: Path, classes: Any, function: Any, args: Any, name: str) -> None:
    mark = tmp_path / "ran"
    args = tuple(arg.format(mark=str(mark)) if isinstance(arg, str) else 0 for arg in args)
    for positions in (Gadget(function, *args), {0: Gadget(function, *args)}):
        pickled = docstore_pickle(classes, plain(1), positions)
        with pytest.raises(StoreError, match=rf"index\.pkl: the pickle asks for \w+\.{name}.*was not run") as caught:
            open_store(folder(tmp_path, pickled))
        assert "\n" not in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    "pickled",
    [
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b'c__builtin__\nexec\n(S\'open("ran","w")\'\ntR.',
        b"\x80\x04\x8c\x08builtins\x8c\x0cset.__init__\x93.",  # a dotted name
        b"cragdiag.stores.langchain_pickle\nStoredDocument\n.",
        b"clangchain_core.documents.base\nBaseModel\n.",
    ],
)
def test_hand_made_gadgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pickled: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="the pickle asks for"):
        open_store(folder(tmp_path, pickled))
    assert not (tmp_path / "ran").exists()


DOCUMENT = b"clangchain_core.documents.base\nDocument\n"


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"text, not a pickle",
        b"\x80\x04.",
        b"N.",
        b"(NNt.",
        b"\x80\x04X\x02\x00\x00\x00\xff\xfe.",  # no UTF-8
        b"\x80\x04N" + b"\x85" * 300_000 + b"}\x8c\x01a\x86.",  # nested
        b"\x80\x04Nr\xff\xff\xff\x7f.",  # a memo of 16 GiB
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.",  # bytes without end
        DOCUMENT + b"}(S'__setstate__'\nI1\nsb.",  # changes our class
        DOCUMENT + b"(N}S'page_content'\nI1\nstb.",
        b"ccopyreg\n_reconstructor\n}S'a'\nI1\nsb.",
        b"c__builtin__\nset\n}S'a'\nI1\nsb.",
        b"ccopyreg\n_reconstructor\n(c__builtin__\nset\nc__builtin__\nobject\nNtR.",
        b"P1\n.",
    ],
)
def test_pickles_that_make_no_sense(tmp_path: Path, pickled: bytes) -> None:
    with pytest.raises(StoreError, match=r"index\.pkl (could not be read|holds no|maps no)") as caught:
        open_store(folder(tmp_path, pickled))
    assert "\n" not in str(caught.value)


def test_values_that_make_no_sense(tmp_path: Path, classes: Any) -> None:
    cyclic: dict[str, Any] = {}
    cyclic["self"] = cyclic
    wide: Any = [0] * 10
    for _ in range(20):
        wide = [wide] * 10
    for metadata in (cyclic, {"x": wide}):
        documents = {"a": {"page_content": "t", "metadata": metadata}}
        with pytest.raises(StoreError, match="the metadata of 'a' is nested too deeply"):
            open_store(folder(tmp_path, docstore_pickle(classes, documents, {0: "a"})))
    for positions, error in (
        ([], "maps no positions"),
        ({"0": "a"}, "no row number"),
        ({-1: "a"}, "no row number"),
        ({0: 1.5}, "an id that is float"),
        ({0: 10**5000}, "an id that is int"),
    ):
        with pytest.raises(StoreError, match=error):
            open_store(folder(tmp_path, docstore_pickle(classes, plain(1), positions)))


def test_documents_without_usable_fields(tmp_path: Path, classes: Any) -> None:
    documents = {"a": {}, "b": {"page_content": 3, "metadata": "x"}, 7: {"page_content": "\ud800"}}
    pickled = docstore_pickle(classes, documents, {0: "a", 1: "b", 2: 7})
    (batch,) = open_store(folder(tmp_path, pickled, X[:3])).scan()
    assert batch.ids == ["a", "b", "7"]
    assert batch.texts == [None, None, "\ufffd"]
    assert batch.metadata == [{}, {}, {}]


def test_truncated_pickles(tmp_path: Path, classes: Any) -> None:
    whole = docstore_pickle(classes, plain(4), {at: f"d{at}" for at in range(4)})
    for size in range(0, len(whole), len(whole) // 12):
        with pytest.raises(StoreError, match="truncated or corrupt"):
            open_store(folder(tmp_path, whole[:size]))


def test_what_disagrees_is_counted_and_still_opens(tmp_path: Path, classes: Any) -> None:
    positions = {0: "d0", 1: "d0", 3: "gone", 9: "d1"}
    store = open_store(folder(tmp_path, docstore_pickle(classes, {**plain(3), "#1": {}}, positions)))
    assert store.info.counts == {"index": 4, "ids": 4, "docstore": 4}
    assert store.info.mismatches == {
        "ids without a document": 1,  # gone
        "documents without a vector": 3,  # d1, d2, #1
        "vectors without an id": 1,  # position 2
        "ids without a vector": 1,  # position 9
        "ids used twice": 1,  # d0
    }
    (batch,) = store.scan()
    assert batch.ids == ["d0", "#1", "#2", "gone"]
    assert batch.texts == ["text 0", None, None, None]
    np.testing.assert_array_equal(batch.vectors, X)
    assert store.fetch(["#2"]).vectors.tolist() == [[0, 0, 1, 0]]


def test_another_name(tmp_path: Path, classes: Any) -> None:
    folder(tmp_path, docstore_pickle(classes, plain(4), {at: f"d{at}" for at in range(4)}))
    for suffix in ("faiss", "pkl"):
        (tmp_path / f"index.{suffix}").rename(tmp_path / f"other.{suffix}")
    assert open_store(f"faiss:{tmp_path}?index_name=other").fetch(["d1"]).texts == ["text 1"]


def test_plain_values_in_metadata_are_read(tmp_path: Path) -> None:
    langchain = pytest.importorskip("langchain_community.docstore.in_memory")
    from langchain_core.documents import Document

    values = {
        "when": datetime.datetime(2024, 5, 1, 12, 30, tzinfo=datetime.timezone.utc),
        "day": datetime.date(2024, 5, 1),
        "price": decimal.Decimal("9.90"),
        "key": uuid.UUID(int=7),
    }
    documents = {f"d{i}": Document(page_content=f"text {i}", metadata=values) for i in range(len(X))}
    pickled = pickle.dumps((langchain.InMemoryDocstore(documents), {i: f"d{i}" for i in range(len(X))}))
    batch = open_store(folder(tmp_path, pickled)).fetch(["d1"])
    assert batch.metadata is not None
    assert dict(batch.metadata[0]) == values


@pytest.mark.parametrize("name", [b"uuid\nUUID", b"datetime\ndatetime", b"decimal\nDecimal"])
def test_classes_of_plain_values_cannot_be_changed(tmp_path: Path, name: bytes) -> None:
    # BUILD with a state on the class itself, which would set attributes of it.
    pickled = b"\x80\x02c" + name + b"\n}X\x05\x00\x00\x00ownedK\x01sb."
    with pytest.raises(StoreError):
        open_store(folder(tmp_path, pickled))
    assert not any(hasattr(kind, "owned") for kind in (uuid.UUID, datetime.datetime, decimal.Decimal))
