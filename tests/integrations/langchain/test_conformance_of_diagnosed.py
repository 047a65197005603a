"""LangChain's own conformance classes on what `diagnose` returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_tests.integration_tests import (
    EmbeddingsIntegrationTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.unit_tests import EmbeddingsUnitTests
from ragdiag_langchain import diagnose
from ragdiag_langchain.recorded_embeddings import RecordedEmbeddings

from tests.integrations.langchain.live import handbook

STORE, _ = handbook()
QUESTION = "Water under the outdoor unit freezes on my path, what can I do?"


class TestRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> Any:
        def make(k: int = 4) -> BaseRetriever:
            return diagnose(STORE.as_retriever(search_kwargs={"k": k}))

        return make

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {}

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


class _Store(VectorStoreIntegrationTests):
    make: Callable[[Any], VectorStore]

    @pytest.fixture
    def vectorstore(self) -> VectorStore:
        return diagnose(type(self).make(self.get_embeddings()))


class TestInMemoryStore(_Store):
    make = InMemoryVectorStore


class TestEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[RecordedEmbeddings]:
        return RecordedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"embeddings": DeterministicFakeEmbedding(size=6)}


class TestEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[RecordedEmbeddings]:
        return RecordedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"embeddings": DeterministicFakeEmbedding(size=6)}
