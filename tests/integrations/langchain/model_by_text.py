"""A model that looks vectors up, and counts what it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from ragdiag.types import Float32


class ModelByText(Embeddings):
    """Gives each text the vector that was computed for it, as a document or as a query."""

    def __init__(self, documents: Mapping[str, Any], queries: Mapping[str, Any]) -> None:
        self.documents, self.queries = dict(documents), dict(queries)
        self.asked: list[str] = []

    @classmethod
    def of(cls, texts: Sequence[str], X: Float32, asked: Sequence[str], Q: Float32) -> ModelByText:
        return cls(
            dict(zip(texts, X.tolist(), strict=True)),
            dict(zip(asked, Q.tolist(), strict=True)),
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.documents[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        vector: list[float] = self.queries[text]
        return vector


N, M, DIM = 150, 40, 10
TEXTS = [f"text {i}" for i in range(N)]
IDS = [f"d{i}" for i in range(N)]
QUESTIONS = [f"question {i}" for i in range(M)]


def shifted_world() -> tuple[Float32, Float32]:
    """Return documents, shape (N, DIM), and queries, shape (M, DIM), shifted apart and of different lengths."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, DIM)) + 1
    Q = X[:M] + 0.5 * rng.standard_normal((M, DIM)) + 3 * rng.standard_normal(DIM)
    return X.astype(np.float32), Q.astype(np.float32)
