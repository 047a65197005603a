"""Build the handbook as a LangChain FAISS folder from the committed vectors.

Run ``python build.py OUT_DIR``; it needs faiss-cpu, langchain-core and numpy only. OUT_DIR gets the two
files that LangChain's ``FAISS.save_local`` writes: ``index.faiss``, a flat L2 index as LangChain makes by
default, and ``index.pkl``, the pickle of an ``InMemoryDocstore`` and of the list of ids. The text of a
document is what was embedded, the title and the text. The same input gives the same bytes.
"""

from __future__ import annotations

import json
import pickle
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from langchain_core.documents.base import Document

HERE = Path(__file__).resolve().parent
DOCSTORE = "langchain_community.docstore.in_memory"
FILES = {"index.faiss", "index.pkl"}


class FieldNames(set[str]):
    """A set that pickles as a plain set in sorted order: the order of a set differs between processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return set, (sorted(self),)


@contextmanager
def docstore_class() -> Iterator[type[Any]]:
    """Give a class that pickles as LangChain's InMemoryDocstore, whether or not it is installed."""
    cls = type("InMemoryDocstore", (), {"__module__": DOCSTORE})
    parts = DOCSTORE.split(".")
    names = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    before = {name: sys.modules.pop(name, None) for name in names}
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    sys.modules[DOCSTORE].__dict__["InMemoryDocstore"] = cls
    try:
        yield cls
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def write_store(folder: Path) -> int:
    """Write both files into `folder` and return the number of chunks."""
    vectors = np.load(HERE / "vectors" / "docs.minilm.npy")
    rows = [json.loads(line) for line in (HERE / "corpus.jsonl").read_text("utf-8").splitlines()]
    if len(rows) != len(vectors):
        raise SystemExit(f"{len(rows)} chunks but {len(vectors)} vectors: run make_vectors.py")
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors, dtype=np.float32))
    faiss.write_index(index, str(folder / "index.faiss"))
    documents = {
        row["_id"]: Document(
            id=row["_id"],
            page_content=f"{row['title']} {row['text']}",
            metadata={"title": row["title"], **row["metadata"]},
        )
        for row in rows
    }
    for document in documents.values():
        object.__setattr__(document, "__pydantic_fields_set__", FieldNames(document.model_fields_set))
    ids = dict(enumerate(documents))
    with docstore_class() as cls, (folder / "index.pkl").open("wb") as file:
        store = cls()
        store._dict = documents
        # Protocol 4 on every Python, so that the bytes do not depend on the version.
        pickle.dump((store, ids), file, protocol=4)
    return len(rows)


def may_write(out: Path) -> bool:
    """Say whether `out` is new, an empty folder, or a handbook store from an earlier run."""
    if not out.exists():
        return True
    if not out.is_dir():
        return False
    held = {path.name for path in out.iterdir()}
    return not held or (held == FILES and b"hb-0001" in (out / "index.pkl").read_bytes())


def main(argv: list[str]) -> int:
    if len(argv) != 1 or argv[0].startswith("-"):
        print("usage: python build.py OUT_DIR", file=sys.stderr)
        return 2
    out = Path(argv[0]).resolve()
    if not may_write(out):
        print(f"{out} exists and is not a store made by build.py; name another folder", file=sys.stderr)
        return 2
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temp:
        new = Path(temp) / "store"
        new.mkdir()
        count = write_store(new)
        if out.exists():
            shutil.move(out, Path(temp) / "old")
        new.rename(out)
    print(f"{count} chunks in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
