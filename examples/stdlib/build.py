"""Build a vector store with labelled queries from the docstrings of the Python that runs this.

Run ``python build.py OUT_DIR``; it needs the core install of ragdiag only, and no network. The store has one
chunk per docstring of a public function, class or method. Its summary line is taken out of the text and becomes
a query whose relevant document is that chunk. The vectors are a latent semantic analysis of the chunks (TF-IDF,
then a truncated SVD); ``--model NAME-or-folder`` embeds with a sentence-transformers model instead.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import logging
import os
import platform
import re
import shutil
import sys
import sysconfig
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Embedder = Callable[[Sequence[str], Sequence[str]], tuple[Vectors, Vectors]]

MADE_BY = "ragdiag examples/stdlib/build.py"
FILES = {"about.json", "corpus.jsonl", "queries.jsonl", "qrels", "docs.npy", "queries.npy", "store.npz"}
SKIPPED = {"antigravity", "idle_test", "idlelib", "lib2to3", "test", "tests", "this", "turtledemo"}
# Modules whose names come from C, where there is no source to read; importing them does nothing else.
# fmt: off
COMPILED = [
    "array", "binascii", "builtins", "cmath", "collections", "functools", "gc", "io", "itertools", "math", "mmap",
    "os", "re", "select", "socket", "struct", "sys", "time", "unicodedata", "zlib",
]
# fmt: on
SHORTEST, LONGEST = 40, 1200  # characters of a text; a small model reads no more than about 1,200
FEWEST = 50  # chunks that an embedding can be fitted to
DIM = 256


class UsageError(Exception):
    """What was asked for cannot be done; the message is one line."""


class Chunk(NamedTuple):
    """One document; `query` is empty where the summary line is no question of its own."""

    id: str
    query: str
    text: str

    @property
    def stored(self) -> str:
        """What is embedded and stored."""
        return f"{self.id} {self.text}"


def public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def sources() -> Iterator[tuple[str, Path]]:
    """Yield module names and files of the public standard library; nothing is imported."""
    root = Path(sysconfig.get_path("stdlib"))
    for top in sorted(sys.stdlib_module_names - SKIPPED):
        single = root / f"{top}.py"
        for path in [single] if single.is_file() else sorted((root / top).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if not SKIPPED & set(parts) and all(map(public, parts)):
                yield ".".join(parts), path


def from_source(body: Sequence[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the docstring of the public functions, classes and methods in `body`."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}"
            if public(node.name):
                yield name, ast.get_docstring(node) or ""
                if isinstance(node, ast.ClassDef):
                    yield from from_source(node.body, name)
        elif isinstance(node, ast.If | ast.Try):
            yield from from_source([*node.body, *node.orelse], prefix)


def from_compiled(owner: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the same from a module or class that was written in C; aliases and guests are left out."""
    for name, value in sorted(vars(owner).items()):
        is_class = inspect.isclass(value)
        if not public(name) or not (is_class or inspect.isroutine(value)) or inspect.isfunction(value):
            continue
        home = str(getattr(value, "__module__", None) or prefix).partition(".")[0].lstrip("_")
        home = "os" if home in ("nt", "posix") else home
        if getattr(value, "__name__", name) != name or home != prefix.partition(".")[0]:
            continue
        yield f"{prefix}.{name}", inspect.cleandoc(getattr(value, "__doc__", None) or "")
        if is_class and inspect.ismodule(owner) and value is not type:
            yield from from_compiled(value, f"{prefix}.{name}")


def docstrings() -> dict[str, str]:
    """Return all docstrings by dotted name, in the order of the names."""
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old modules hold escapes that newer Pythons warn of
        for module, path in sources():
            try:
                body = ast.parse(path.read_bytes()).body
            except (OSError, SyntaxError, ValueError):
                continue
            for name, doc in from_source(body, module):
                found.setdefault(name, doc)
        for module in COMPILED:
            for name, doc in from_compiled(import_module(module), module):
                found.setdefault(name, doc)
    return dict(sorted(found.items()))


def as_chunk(name: str, doc: str) -> Chunk | None:
    """Split a docstring into its summary line and the rest, None when the rest is too short."""
    paragraph, _, rest = doc.strip().partition("\n\n")
    summary, *more = re.split(r"(?<=[.!?])\s+", paragraph, maxsplit=1)
    text = " ".join(" ".join([*more, rest]).split())
    if len(text) < SHORTEST:
        return None
    if len(text) > LONGEST:
        text = text[:LONGEST].rsplit(" ", 1)[0]
    query = " ".join(summary.split())
    is_sentence = len(query.split()) >= 3 and len(query) <= 200 and not re.match(r"[\w.]+\(|.* -+> ", query)
    return Chunk(name, query if is_sentence else "", text)


def chunks(limit: int | None) -> list[Chunk]:
    """Return the chunks, `limit` of them spread evenly over the library; a repeated query is no query."""
    found = [chunk for name, doc in docstrings().items() if (chunk := as_chunk(name, doc))]
    if limit is not None and limit < len(found):
        found = [found[i * len(found) // limit] for i in range(limit)]
    if len(found) < FEWEST:
        raise UsageError("this Python has no source files of its standard library; run it with another one")
    times = Counter(chunk.query.casefold() for chunk in found)
    return [chunk if times[chunk.query.casefold()] == 1 else chunk._replace(query="") for chunk in found]


def words(text: str) -> list[str]:
    """Return the words of a text; ``JSONDecoder.raw_decode`` has four."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)]


def unit(X: NDArray[Any]) -> Vectors:
    """Scale rows to length 1; a row of zeros stays one."""
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    scaled: Vectors = np.divide(X, norms, out=np.zeros_like(X), where=norms > 0).astype(np.float32)
    return scaled


def latent_semantic(documents: Sequence[str], queries: Sequence[str]) -> tuple[Vectors, Vectors]:
    """Embed by TF-IDF and a truncated SVD, both fitted to the documents alone."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    tfidf = TfidfVectorizer(tokenizer=words, token_pattern=None, lowercase=False, sublinear_tf=True)
    counted = tfidf.fit_transform(documents)
    svd = TruncatedSVD(min(DIM, len(documents) - 1, counted.shape[1] - 1), random_state=0).fit(counted)
    return unit(svd.transform(counted)), unit(svd.transform(tfidf.transform(queries)))


def sentence_transformer(name: str) -> Embedder:
    """Return a function that embeds with a model, by name or from a folder."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise UsageError("--model needs sentence-transformers: pip install 'ragdiag[sentence-transformers]'") from None
    logging.disable(logging.WARNING)  # the model hub has much to say of a wrong name; the error says it once
    try:
        model = SentenceTransformer(name)
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"the model {name!r} could not be loaded: {first}") from None
    finally:
        logging.disable(logging.NOTSET)

    def encode(texts: Sequence[str], what: str) -> Vectors:
        parts = []
        for start in range(0, len(texts), 256):
            parts.append(model.encode(list(texts[start : start + 256]), show_progress_bar=False))
            print(f"embedded {min(start + 256, len(texts)):,} of {len(texts):,} {what}", file=sys.stderr)
        return unit(np.concatenate(parts))

    return lambda documents, queries: (encode(documents, "chunks"), encode(queries, "queries"))


def write_store(folder: Path, limit: int | None, model: str | None) -> str:
    """Write all files into `folder` and return what was written, in words."""
    embed = latent_semantic if model is None else sentence_transformer(model)
    rows = chunks(limit)
    asked = [chunk for chunk in rows if chunk.query]
    print(f"{len(rows):,} chunks, {len(asked):,} summary lines; embedding", file=sys.stderr)
    documents, queries = embed([chunk.stored for chunk in rows], [chunk.query for chunk in asked])
    seen = np.flatnonzero(queries.any(axis=1))  # a query without any known word has no direction to search in
    asked, queries = [asked[i] for i in seen], queries[seen]

    np.save(folder / "docs.npy", documents)
    np.save(folder / "queries.npy", queries)
    ids, texts = np.array([chunk.id for chunk in rows]), np.array([chunk.stored for chunk in rows])
    np.savez_compressed(folder / "store.npz", vectors=documents, ids=ids, texts=texts)
    lines(folder / "corpus.jsonl", (json.dumps({"_id": c.id, "title": c.id, "text": c.text}) for c in rows))
    lines(folder / "queries.jsonl", (json.dumps({"_id": f"q:{c.id}", "text": c.query}) for c in asked))
    (folder / "qrels").mkdir()
    lines(folder / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *(f"q:{c.id}\t{c.id}\t1" for c in asked)])
    about = {
        "made_by": MADE_BY,
        "python": platform.python_version(),
        "model": model or f"TF-IDF and truncated SVD, {documents.shape[1]} dimensions",
        "chunks": len(rows),
        "queries": len(asked),
    }
    lines(folder / "about.json", [json.dumps(about, indent=1)])
    return f"{len(rows):,} chunks × {documents.shape[1]} and {len(asked):,} queries"


def lines(path: Path, rows: Sequence[str] | Iterator[str]) -> None:
    path.write_text("".join(f"{row}\n" for row in rows), "utf-8", newline="\n")


def may_write(out: Path) -> bool:
    """Say whether `out` is new, an empty folder, or what an earlier run made."""
    if not out.exists():
        return True
    if not out.is_dir():
        return False
    held = {path.name for path in out.iterdir()}
    if held != FILES:
        return not held
    try:
        about = json.loads((out / "about.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and about.get("made_by") == MADE_BY


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong and how it is called."""
        raise UsageError(f"{message}; usage: python build.py OUT_DIR [--model NAME-or-folder] [--limit N]")


def build(argv: list[str]) -> str:
    parser = Parser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", metavar="OUT_DIR", type=Path, help="a new folder, or one that this script made")
    parser.add_argument("--model", metavar="NAME-or-folder", help="embed with a sentence-transformers model")
    parser.add_argument("--limit", metavar="N", type=int, help="take N chunks, spread evenly over the library")
    given = parser.parse_args(argv)
    if given.limit is not None and given.limit < FEWEST:
        raise UsageError(f"--limit is {given.limit}; give {FEWEST} or more")
    out = given.out.resolve()
    if not may_write(out):
        raise UsageError(f"{out} exists and is not a store made by this script; name another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temp:
        new = Path(temp) / "store"
        new.mkdir()
        written = write_store(new, given.limit, given.model)
        if out.exists():
            shutil.move(out, Path(temp) / "old")
        new.rename(out)
    return f"{written} in {out}"


def main(argv: list[str]) -> int:
    try:
        print(build(argv))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or 'the folder'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
