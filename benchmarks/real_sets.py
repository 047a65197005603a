"""Four public sets of queries with known answers, each with two embeddings, for the benchmarks beside this file.

The sets are not part of the project; the benchmarks that use them stop with a line where they are absent.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ragdiag import read_judgements
from ragdiag.retrieval.clusters import query_clusters
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import ArrayStore
from ragdiag.types import Float32, IntArray

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = ("scifact", "xquad-en", "xquad-de", "xquad-zh")
EMBEDDINGS = ("minilm", "wordavg")


@dataclass(frozen=True)
class RealSet:
    """One set with one embedding."""

    name: str
    embedding: str

    def __str__(self) -> str:
        return f"{self.name} × {self.embedding}"

    @cached_property
    def documents(self) -> Float32:
        """Shape (n, d)."""
        X: Float32 = np.load(DATA / self.name / "vectors" / f"docs.{self.embedding}.npy")
        return X

    @cached_property
    def queries(self) -> Float32:
        """Shape (m, d), as in `labels`."""
        Q: Float32 = np.load(DATA / self.name / "vectors" / f"queries.{self.embedding}.npy")
        return Q

    @cached_property
    def labels(self) -> Judgements:
        return read_judgements(DATA / self.name)

    @cached_property
    def _corpus(self) -> tuple[list[str], list[str]]:
        rows = [json.loads(line) for line in (DATA / self.name / "corpus.jsonl").read_text("utf-8").splitlines()]
        return [row["_id"] for row in rows], [f"{row.get('title', '')} {row['text']}".strip() for row in rows]

    def store(self, *, texts: bool) -> ArrayStore:
        """Return a store that ranks by cosine."""
        ids, stored = self._corpus
        return ArrayStore(self.documents, ids=ids, texts=stored if texts else None, metric="cosine", name=self.name)

    @cached_property
    def relevant(self) -> list[dict[int, int]]:
        """Position to grade, of each query."""
        where = {id_: position for position, id_ in enumerate(self._corpus[0])}
        return [{where[id_]: grade for id_, grade in graded.items()} for graded in self.labels.relevant]

    @cached_property
    def clusters(self) -> IntArray:
        """The cluster of each query; see `query_clusters`."""
        return query_clusters(self.relevant)

    def labelled(self, rows: IntArray) -> Judgements:
        """Return the judgements of some queries, as a user who labelled only those has them."""
        ids, texts, relevant = self.labels.query_ids, self.labels.texts, self.labels.relevant
        few = rows.tolist()
        return Judgements(
            str(self), tuple(ids[i] for i in few), tuple(texts[i] for i in few), tuple(relevant[i] for i in few)
        )


def real_sets() -> tuple[RealSet, ...]:
    """Return all of them, or stop with the reason."""
    if not DATA.is_dir():
        print("skipped: the public sets are not beside this checkout", file=sys.stderr)
        sys.exit(0)
    return tuple(RealSet(name, embedding) for name in SETS for embedding in EMBEDDINGS)
