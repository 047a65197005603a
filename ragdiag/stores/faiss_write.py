"""Write FAISS: a flat index file, or the folder that LangChain's ``FAISS.load_local`` opens.

Both hold a flat index, which faiss keeps as one matrix, so it is written a batch at a time; faiss
itself loads it whole. It ranks by inner product or L2: for cosine, normalise the vectors first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ragdiag.stores.base import EVERYTHING, NewStore
from ragdiag.stores.faiss_file import flat_header
from ragdiag.stores.langchain_pickle_write import DocstoreWriter
from ragdiag.stores.path_target import PathTarget
from ragdiag.stores.uri import check_options
from ragdiag.types import Batch, Metric

INDEX_SUFFIXES = (".faiss", ".index")


class FlatTarget(PathTarget):
    """A new index file, byte for byte as ``faiss.write_index`` writes it. Ids that are not row numbers are lost."""

    keeps: ClassVar[frozenset[str]] = frozenset()
    metrics: ClassVar[frozenset[Metric | None]] = frozenset({Metric.DOT, Metric.L2})

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        _write_flat(draft, batches, new)


@dataclass(frozen=True)
class FolderTarget(PathTarget):
    """A new folder as LangChain's ``FAISS.save_local`` writes it; a document without a text gets an empty one."""

    stem: str = "index"
    folder: ClassVar[bool] = True
    keeps: ClassVar[frozenset[str]] = EVERYTHING
    metrics: ClassVar[frozenset[Metric | None]] = FlatTarget.metrics

    def _belongs(self, name: str) -> bool:
        return name in (f"{self.stem}.faiss", f"{self.stem}.pkl")

    def _fill(self, draft: str, batches: Iterator[Batch], new: NewStore) -> None:
        with open(os.path.join(draft, f"{self.stem}.pkl"), "wb") as file:
            docstore = DocstoreWriter(file, store=self.name, lossy=new.lossy)
            _write_flat(os.path.join(draft, f"{self.stem}.faiss"), map(docstore.add, batches), new)
            docstore.finish()


def _write_flat(path: str, batches: Iterator[Batch], new: NewStore) -> None:
    """Write the vectors of all batches as a flat index; the header comes last, until then it is none."""
    metric = Metric.DOT if new.metric is Metric.DOT else Metric.L2
    count = 0
    with open(path, "wb") as file:
        file.write(bytes(len(flat_header(0, new.dim, metric))))
        for batch in batches:
            file.write(batch.vectors.astype("<f4", copy=False).tobytes())
            count += len(batch)
        file.seek(0)
        file.write(flat_header(count, new.dim, metric))


def faiss_target(rest: str, options: dict[str, str]) -> FlatTarget | FolderTarget:
    """Return where ``faiss:FOLDER?index_name=index`` or ``faiss:FILE.faiss`` would be written."""
    if rest.lower().endswith(INDEX_SUFFIXES) and not os.path.isdir(os.path.expanduser(rest)):
        check_options(options, (), scheme="faiss")
        return FlatTarget(rest)
    check_options(options, ("index_name",), scheme="faiss")
    return FolderTarget(rest, options.get("index_name", "index"))
