"""What `ragdiag_langchain.diagnose` costs per retrieval, on a LangChain FAISS store.

    python benchmarks/recorder_overhead.py [N] [DIM] [QUERIES]

The same questions are asked of a retriever and of its recorded double in turn, so that other work on the machine meets
both. The embedding model costs nothing here: with a real one the share is smaller. Asked for is at most 5 % of a
retrieval or 0.2 ms, whichever is more, at 100,000 × 384.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import faiss
import numpy as np
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores.faiss import FAISS
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from ragdiag_langchain import RetrievalRecord, diagnose, record_of


class Served(Embeddings):
    """Serves vectors drawn beforehand: question i has vector i."""

    def __init__(self, vectors: Any) -> None:
        self._vectors = vectors.tolist()

    def embed_query(self, text: str) -> list[float]:
        return self._vectors[int(text)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError


def make_store(n: int, dim: int, queries: int) -> FAISS:
    """Return a flat L2 store of clustered vectors."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, dim)).astype(np.float32)
    index = faiss.IndexFlatL2(dim)
    for start in range(0, n, 20_000):
        size = min(20_000, n - start)
        index.add(centres[rng.integers(0, 200, size)] + rng.standard_normal((size, dim), dtype=np.float32))
    documents = {str(i): Document(f"text {i}", id=str(i), metadata={"n": i}) for i in range(n)}
    asked = centres[rng.integers(0, 200, queries)] + rng.standard_normal((queries, dim), dtype=np.float32)
    return FAISS(Served(asked), index, InMemoryDocstore(documents), {i: str(i) for i in range(n)})


def main(n: int = 100_000, dim: int = 384, queries: int = 1000) -> None:
    """Measure and print Markdown rows."""
    store = make_store(n, dim, queries)
    print("| k | plain, ms | recorded, ms | more, ms | more, % | kept | verdict |\n|---|---|---|---|---|---|---|")
    for k in (4, 10):
        plain = store.as_retriever(search_kwargs={"k": k})
        # A full reservoir is the usual state of a running application; an empty one copies every vector.
        for what, reservoir in (("all", 10**6), ("1 in 10", queries // 10)):
            recorded = diagnose(plain, record=RetrievalRecord(reservoir=reservoir, rng=np.random.default_rng(0)))
            for warm in range(20):
                plain.invoke(str(warm))
                recorded.invoke(str(warm))
            seconds = np.zeros((2, queries))
            for i in range(queries):
                for which in (0, 1) if i % 2 else (1, 0):
                    start = time.perf_counter()
                    (plain, recorded)[which].invoke(str(i))
                    seconds[which, i] = time.perf_counter() - start
            before, after = np.median(seconds, axis=1) * 1000
            more = float(np.median(seconds[1] - seconds[0])) * 1000  # paired: the same question, one after the other
            allowed = max(0.05 * before, 0.2)
            kept = len(record_of(recorded).retrievals())
            verdict = "within" if more <= allowed else "OVER"
            print(
                f"| {k} | {before:.3f} | {after:.3f} | {more:.3f} | {100 * more / before:.1f} | {what} ({kept:,}) |"
                f" {verdict} {allowed:.3f} ms |"
            )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
