"""LangChain's own conformance classes; they check neither vectors nor scores, the other tests do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_tests.integration_tests import EmbeddingsIntegrationTests, VectorStoreIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from ragdiag_langchain import RemediedEmbeddings, RemediedVectorStore

from ragdiag import Artefact, fix, load_artefact

DIM = 6  # of `VectorStoreIntegrationTests.get_embeddings`


@pytest.fixture(scope="module", params=["query-centred | whitened(gamma=0.5)", "csls(k=5)"])
def artefact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    folder: Path = tmp_path_factory.mktemp("fixed")
    rng = np.random.default_rng(0)
    X, Q = (rng.standard_normal((60, DIM)).astype(np.float32) for _ in range(2))
    return load_artefact(fix(X, request.param, to=f"faiss:{folder}/new", query_vectors=Q).artefact)


class OfRemediedEmbeddings:
    @pytest.fixture(autouse=True)
    def use(self, artefact: Artefact) -> None:
        self.artefact = artefact

    @property
    def embeddings_class(self) -> type[RemediedEmbeddings]:
        return RemediedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"embeddings": DeterministicFakeEmbedding(size=DIM), "artefact": self.artefact}


class TestRemediedEmbeddingsUnit(OfRemediedEmbeddings, EmbeddingsUnitTests): ...


class TestRemediedEmbeddings(OfRemediedEmbeddings, EmbeddingsIntegrationTests): ...


class TestRemediedVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, artefact: Artefact) -> VectorStore:
        return RemediedVectorStore(InMemoryVectorStore(self.get_embeddings()), artefact)
