from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ragdiag.errors import ConfigError, RagdiagError, StoreNotFoundError, UnknownStoreError
from ragdiag.stores import ArrayStore, ScannedStore, VectorStore, check_target, open_store
from ragdiag.stores.uri import check_options, split_options, split_scheme, without_credentials
from ragdiag.types import Metric


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("v.npy", np.eye(3))
    return tmp_path / "v.npy"


@pytest.mark.parametrize("form", ["v.npy", "./v.npy", "npy:v.npy", "NPY:./v.npy", "npy:v.npy?"])
def test_one_file_has_many_names(vectors: Path, form: str) -> None:
    assert open_store(form).info.count == 3


def test_a_path_object_and_an_absolute_path(vectors: Path) -> None:
    assert open_store(vectors).info.name == str(vectors)
    assert open_store(f"npy:{vectors}?metric=cosine").info.metric is Metric.COSINE
    assert open_store(f"{vectors}?metric=dot").info.metric is Metric.DOT


def test_a_suffix_in_capitals(vectors: Path) -> None:
    vectors.rename("V.NPY")
    assert open_store("V.NPY").info.kind == "npy"


@pytest.mark.parametrize("name", ["qdrant:x.npy", "what?x=1.npy", "faiss:v.npy", "npy:v.npy?metric=no.npy"])
def test_a_path_that_exists_wins(vectors: Path, name: str) -> None:
    vectors.rename(name)
    store = open_store(name)
    assert (store.info.kind, store.info.name) == ("npy", name)


def test_a_path_with_a_colon_and_options(vectors: Path) -> None:
    vectors.rename("a:b.npy")
    vectors.with_name("x").mkdir()
    assert open_store("a:b.npy?metric=l2").info.metric is Metric.L2


def test_a_drive_letter_is_no_scheme(vectors: Path) -> None:
    with pytest.raises(StoreNotFoundError, match=r"there is no 'C:\\\\vectors.npy'"):
        open_store("C:\\vectors.npy")


def test_live_objects() -> None:
    store = ArrayStore(np.eye(3))
    assert open_store(store) is store
    assert open_store(np.eye(4)).info.dim == 4


@pytest.mark.parametrize("target", [None, 3, [[1.0, 2.0]], object(), b"v.npy"])
def test_an_object_that_nobody_opens(target: object) -> None:
    with pytest.raises(UnknownStoreError, match=r"no adapter here opens a builtins.*numpy array"):
        open_store(target)


def test_a_class_of_our_own_is_a_store() -> None:
    class Mine(ScannedStore):
        info = ArrayStore(np.eye(2)).info

        def fetch(self, ids: object) -> None: ...

    store = Mine()
    assert isinstance(store, VectorStore)
    assert open_store(store) is store


def test_an_unknown_scheme_lists_the_known() -> None:
    with pytest.raises(UnknownStoreError, match=r"no adapter opens nosuch:x: .*faiss:.* npy:, npz:, parquet:"):
        open_store("nosuch:x")


@pytest.mark.parametrize("scheme", ["elasticsearch", "pinecone", "weaviate", "OpenSearch", "redis"])
def test_a_known_engine_without_an_adapter(scheme: str) -> None:
    with pytest.raises(UnknownStoreError) as caught:
        open_store(f"{scheme}:http://me:s3cret@host/db?collection=x")
    text = str(caught.value)
    assert f"no adapter for {scheme.lower()} is installed here" in text
    assert "ragdiag.stores" in text
    assert ".npy" in text
    assert "pip" not in text, "there is nothing to install yet"
    assert "s3cret" not in text


def test_a_missing_file_and_a_folder_that_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError, match="there is no"):
        open_store(tmp_path / "v.npy")
    with pytest.raises(StoreNotFoundError, match="there is no"):
        open_store("nowhere/at/all")
    with pytest.raises(StoreNotFoundError, match="is a folder"):
        open_store(f"npy:{tmp_path}")
    with pytest.raises(UnknownStoreError, match="no store that an adapter here recognises"):
        open_store(tmp_path)
    with pytest.raises(UnknownStoreError, match="no name"):
        open_store("")


def test_options_are_checked(vectors: Path) -> None:
    with pytest.raises(ConfigError, match="npy: stores have no option 'metrc': the options are metric"):
        open_store("v.npy?metrc=dot")
    with pytest.raises(ConfigError, match="there is no metric 'euclid': one of cosine, dot, l2"):
        open_store("v.npy?metric=euclid")
    with pytest.raises(ConfigError, match="twice"):
        open_store("v.npy?metric=l2&metric=dot")
    with pytest.raises(ConfigError, match="cannot be read"):
        open_store("v.npy?metric")
    with pytest.raises(ConfigError, match="there are no options"):
        check_options({"a": "b"}, (), scheme="x")


def test_options_are_decoded() -> None:
    assert split_options("x?a=1%262&b=") == ("x", {"a": "1&2", "b": ""})
    assert split_scheme("sqlite-vec:x") == ("sqlite-vec", "x")
    assert split_scheme(":x") == ("", ":x")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pg:postgresql://a:b@h/db", "pg:postgresql://h/db"),
        ("pg:postgresql://a:p@ss@h:1/db", "pg:postgresql://h:1/db"),
        ("q:http://h?api_key=1&x=2", "q:http://h?api_key=***&x=2"),
        ("q:http://h?PASSWORD=1", "q:http://h?PASSWORD=***"),
        ("./mail@home.npy", "./mail@home.npy"),
        ("npy:./mail@home.npy", "npy:./mail@home.npy"),
        ("faiss:my@index", "faiss:my@index"),
        ("lancedb:s3://bucket/dir@v1?table=a", "lancedb:s3://bucket/dir@v1?table=a"),
        ("chroma:http://h:8000?collection=a@b", "chroma:http://h:8000?collection=a@b"),
        ("chroma:http://[::1]:8000/x?collection=a@b", "chroma:http://[::1]:8000/x?collection=a@b"),
        ("duckdb:C:/mail@home.db?table=t", "duckdb:C:/mail@home.db?table=t"),
        ("chroma:HTTP://me:PW@h:8000?collection=x", "chroma:HTTP://h:8000?collection=x"),
        ("chroma:me:PW@localhost:8000?collection=x", "chroma:localhost:8000?collection=x"),
        ("me:PW@localhost:8000", "localhost:8000"),
        ("milvus:root:PW@h", "milvus:h"),
        ("root:PW@10.0.0.5:19530", "10.0.0.5:19530"),
        ("pgvector:postgres://me:pa@ss/w0rd@localhost:1/db", "pgvector:postgres://localhost:1/db"),
        ("pgvector:postgres://me:p?x=1#@h/db?table=t", "pgvector:postgres://h/db?table=t"),
        ("no 'http://me:x1/2#PW@h' and http://a:b@i:1/x", "no 'http://h' and http://i:1/x"),
    ],
)
def test_credentials_are_not_shown(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "npy:me:PW@h/db",
        "npy:me:PW@localhost:8000",
        "npy:HTTP://me:PW@localhost:8000",
        "npy:root:P/W@localhost:19530",
        "me:PW@h/db",
        "1:PW@h",
    ],
)
def test_what_is_no_path_is_shown_without_its_password(text: str) -> None:
    for wrong in (lambda: open_store(text), lambda: check_target(text.removeprefix("npy:"), metric=None)):
        with pytest.raises(RagdiagError) as raised:
            wrong()
        assert "W@" not in str(raised.value)
        assert "me:" not in str(raised.value)


def test_importing_the_stores_is_light() -> None:
    code = (
        "import sys, ragdiag.stores, ragdiag.plugins; ragdiag.plugins.load_openers();"
        "print([m for m in ('faiss', 'pyarrow', 'langchain_core', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
