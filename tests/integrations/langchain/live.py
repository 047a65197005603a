"""The handbook behind a LangChain store, with embeddings that count what they are asked."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

HANDBOOK = Path(__file__).parents[3] / "examples" / "handbook"


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HANDBOOK / name).read_text("utf-8").splitlines()]


QUESTIONS: list[str] = [row["text"] for row in lines("queries.jsonl")]
DOCUMENTS = [Document(id=row["_id"], page_content=f"{row['title']} {row['text']}") for row in lines("corpus.jsonl")]
PLANTED: dict[str, list[str]] = json.loads((HANDBOOK / "planted.json").read_text("utf-8"))


class Counting(Embeddings):
    """Serves stored vectors, other texts by a vector drawn from their bytes, and counts the queries embedded."""

    def __init__(self, dim: int | None = None) -> None:
        self._lock = threading.Lock()
        self.asked: list[str] = []
        self.dim = dim or 384
        self._known: dict[str, list[float]] = {}
        if dim is None:
            queries = np.load(HANDBOOK / "vectors" / "queries.minilm.npy").tolist()
            documents = np.load(HANDBOOK / "vectors" / "docs.minilm.npy").tolist()
            self._known = dict(zip(QUESTIONS, queries, strict=True))
            self._known |= {d.page_content: v for d, v in zip(DOCUMENTS, documents, strict=True)}

    def vector(self, text: str) -> list[float]:
        if text in self._known:
            return self._known[text]
        rng = np.random.default_rng(list(text.encode()) or [0])
        drawn: list[float] = rng.standard_normal(self.dim).tolist()
        return drawn

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        with self._lock:
            self.asked.append(text)
        return self.vector(text)


def handbook() -> tuple[InMemoryVectorStore, Counting]:
    embeddings = Counting()
    store = InMemoryVectorStore(embeddings)
    store.add_documents(DOCUMENTS)
    return store, embeddings


def small(n: int = 12, dim: int = 6) -> tuple[InMemoryVectorStore, Counting]:
    embeddings = Counting(dim)
    store = InMemoryVectorStore(embeddings)
    store.add_texts(
        [f"text {at}" for at in range(n)], [{"n": at} for at in range(n)], ids=[f"id-{at}" for at in range(n)]
    )
    return store, embeddings
