"""Pseudo-labelled queries as a BEIR folder that says what they are."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ragdiag.errors import ConfigError, JudgementsError
from ragdiag.retrieval.judgements import read_beir
from ragdiag.retrieval.pseudo import PseudoQuery

_FILES = {"README.md", "queries.jsonl", "qrels", "qrels/test.tsv"}
_README = """\
# Pseudo-labelled queries, not what users ask

`ragdiag queries` made these {number} queries of the texts of a store: {kinds}. The documents a text was taken
from are relevant to it, and no others are known. A chunk's own words find it too easily: scores read high,
and a search by words, such as BM25, finds nearly all, which says nothing about it. They compare rankings of vectors
where there is nothing better. Replace them by what people asked as soon as you can.

- store: {store}
- made with: --kind {kind} --count {count} --seed {seed}
"""


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise a `ConfigError` when queries cannot be written to `folder`: before the work, not after it.

    What is there is replaced only when it is pseudo-labelled queries and nothing else: labels are dear.
    """
    where = f"cannot write {folder}"
    target = folder.resolve()
    if not target.parent.is_dir():
        raise ConfigError(where, hint=f"there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise ConfigError(where, hint=f"no permission to write in {target.parent}")
    if not target.exists():
        return
    if not target.is_dir():
        raise ConfigError(where, hint="it is a file; give the path of a folder")
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise ConfigError(f"{folder} is not empty", hint="give another folder, or --overwrite")
    held = (path.relative_to(target).as_posix() for path in target.rglob("*"))
    other = next((name for name in held if name not in _FILES), None)
    if other is not None:
        raise ConfigError(f"{folder} holds {other!r}, which is not of queries", hint="give another folder")
    try:
        pseudo = read_beir(target).pseudo
    except JudgementsError as error:
        raise ConfigError(f"{folder} holds no queries that can be read", hint="give another folder") from error
    if not pseudo:
        raise ConfigError(f"{folder} holds queries that were not made of texts", hint="give another folder")


def write_folder(
    folder: Path,
    queries: Sequence[PseudoQuery],
    *,
    store: str,
    kind: str,
    count: int,
    seed: int,
    overwrite: bool = False,
) -> None:
    """Write queries as a BEIR folder, whole or not at all.

    Parameters
    ----------
    folder : Path
        Made; its parent must exist.
    queries : sequence of PseudoQuery
    store : str
        How the store is called.
    kind, count, seed
        With which they were made, for the README.
    overwrite : bool
        Whether to replace pseudo-labelled queries that are there.

    Raises
    ------
    ConfigError
        When it cannot be written; what was there before is still there.
    """
    check_folder(folder, overwrite=overwrite)
    target = folder.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        (draft / "qrels").mkdir(parents=True)
        rows = [{"_id": q.id, "text": q.text, "metadata": {"pseudo": q.kind}} for q in queries]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        _write(draft / "queries.jsonl", lines)
        relevant = "".join(f"{q.id}\t{id_}\t1\n" for q in queries for id_ in q.relevant)
        _write(draft / "qrels" / "test.tsv", f"query-id\tcorpus-id\tscore\n{relevant}")
        # As JSON, so that a store's name is no Markdown and nothing that a terminal obeys.
        about = {"number": len(queries), "kinds": kinds_of(queries), "store": json.dumps(store)}
        _write(draft / "README.md", _README.format(**about, kind=kind, count=count, seed=seed))
        if target.exists():
            target.rename(old)
        draft.rename(target)
    except OSError as error:
        raise ConfigError(f"cannot write {folder}", hint=str(error.strerror)) from error
    finally:
        # Also after Ctrl-C between the two: what was there comes back.
        if old.exists() and not target.exists():
            old.rename(target)
        for left in (draft, old):
            with suppress(OSError):
                shutil.rmtree(left)


def kinds_of(queries: Sequence[PseudoQuery]) -> str:
    """Return how many there are of each kind, in words.

    Examples
    --------
    >>> kinds_of([PseudoQuery("a", "title", "A title", ("d1",))])
    '1 title'
    """
    counts = Counter(query.kind for query in queries)
    return ", ".join(f"{number:,} {kind}" for kind, number in sorted(counts.items()))


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
