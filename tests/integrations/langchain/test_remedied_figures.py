"""A store behind a fix reaches what the comparison promised, on real vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from ragdiag_langchain import RemediedEmbeddings, RemediedVectorStore

from ragdiag import Plan, fix, read_judgements
from ragdiag.fixing import Fixed
from ragdiag.retrieval.metrics import per_query
from ragdiag.stores import ArrayStore
from ragdiag.types import Metric
from tests.integrations.langchain.model_by_text import ModelByText
from tests.shared import DATA, corpus, needs_shared_data

HANDBOOK = Path(__file__).parents[3] / "examples" / "handbook"
DEPTH = 10


class Corpus:
    """A labelled set with its vectors, and a model that gives them."""

    def __init__(self, folder: Path, ids: list[str], texts: list[str], metric: Metric) -> None:
        self.ids, self.texts, self.folder, self.metric = ids, texts, folder, metric
        self.X, self.Q = (np.load(folder / "vectors" / f"{side}.minilm.npy") for side in ("docs", "queries"))
        self.labels = read_judgements(folder)
        # A text that is there twice would be looked up wrongly: the id makes each its own.
        self.documents = [Document(id=i, page_content=f"{i} {text}") for i, text in zip(ids, texts, strict=True)]
        self.model = ModelByText.of([d.page_content for d in self.documents], self.X, self.labels.texts, self.Q)

    def fix(self, folder: Path, remedy: str) -> Fixed:
        texts = [document.page_content for document in self.documents]
        metadata: list[dict[str, str]] = [{} for _ in self.ids]
        store = ArrayStore(self.X, ids=self.ids, texts=texts, metadata=metadata, metric=self.metric)
        to = f"faiss:{folder}/new"
        return fix(store, remedy, to=to, judgements=self.labels, query_vectors=self.Q, plan=Plan(seed=0))

    def scores(self, store: VectorStore) -> dict[str, float]:
        """Search by the texts of all queries that have labels, and score what comes back."""
        row = {id_: at for at, id_ in enumerate(self.ids)}
        positions, relevant = [], []
        for text, graded in zip(self.labels.texts, self.labels.relevant, strict=True):
            found = [row[str(document.id)] for document in store.similarity_search(text, k=DEPTH)]
            positions.append(found)
            relevant.append({row[id_]: grade for id_, grade in graded.items()})
        values = per_query(np.array(positions, dtype=np.int64), relevant, ["nDCG@10", "R@10"])
        return {name: float(of_all.mean()) for name, of_all in values.items()}


@needs_shared_data
def test_chinese_in_memory_reaches_what_was_promised(tmp_path: Path) -> None:
    data = Corpus(DATA / "xquad-zh", *corpus("xquad-zh"), Metric.COSINE)
    fixed = data.fix(tmp_path, "best")
    assert fixed.comparison is not None
    assert fixed.comparison.winner == fixed.similarity
    in_memory = InMemoryVectorStore(data.model)
    in_memory.add_documents(data.documents)
    assert data.scores(in_memory)["nDCG@10"] == pytest.approx(0.24225, abs=5e-4)  # as published
    store = RemediedVectorStore(InMemoryVectorStore(data.model), fixed.artefact)
    store.add_documents(data.documents)
    scores = data.scores(store)
    assert scores["nDCG@10"] == pytest.approx(fixed.promised["nDCG@10"], abs=1e-6)
    assert scores["R@10"] == pytest.approx(fixed.promised["R@10"], abs=1e-6)
    assert scores["nDCG@10"] > 0.40


def test_the_handbook_behind_its_fix(tmp_path: Path) -> None:
    community = pytest.importorskip("langchain_community.vectorstores.faiss")
    rows = [json.loads(line) for line in (HANDBOOK / "corpus.jsonl").read_text("utf-8").splitlines()]
    texts = [f"{row['title']} {row['text']}" for row in rows]
    data = Corpus(HANDBOOK, [row["_id"] for row in rows], texts, Metric.L2)
    fixed = data.fix(tmp_path, "best")
    remedied = RemediedEmbeddings(data.model, fixed.artefact)
    folder = community.FAISS.load_local(str(tmp_path / "new"), remedied, allow_dangerous_deserialization=True)
    filled = RemediedVectorStore(InMemoryVectorStore(data.model), fixed.artefact)
    filled.add_documents(data.documents)
    # Ten pages are there twice: equal scores may stand in either order, and labels name one of the two.
    similarity = remedied.artefact.similarity
    scores = similarity.queries(data.Q).astype(np.float64) @ similarity.documents(data.X).T
    row = {id_: at for at, id_ in enumerate(data.ids)}
    for store in (folder, RemediedVectorStore(folder, fixed.artefact), filled):
        for at in range(0, len(data.labels.texts), 4):
            found = [row[str(document.id)] for document in store.similarity_search(data.labels.texts[at], k=DEPTH)]
            np.testing.assert_allclose(scores[at, found], np.sort(scores[at])[::-1][:DEPTH], atol=1e-6)
    assert data.scores(folder)["nDCG@10"] == pytest.approx(fixed.promised["nDCG@10"], abs=5e-4)
    assert data.scores(filled)["nDCG@10"] == pytest.approx(fixed.promised["nDCG@10"], abs=5e-4)
