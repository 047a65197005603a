"""Audit a live LangChain store from Python: the handbook's chunks in an ``InMemoryVectorStore``.

Run ``python audit_in_python.py``; it needs the core install of ragdiag only.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

import ragdiag

HANDBOOK = Path(__file__).resolve().parent / "handbook"


class CommittedVectors(Embeddings):
    """Stands in for the model: gives the vectors that were computed with it, in the order of the chunks."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of all chunks."""
        vectors: list[list[float]] = np.load(HANDBOOK / "vectors" / "docs.minilm.npy").tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Refuse: the vectors of the questions are committed too."""
        raise NotImplementedError


rows = [json.loads(line) for line in (HANDBOOK / "corpus.jsonl").read_text("utf-8").splitlines()]
store = InMemoryVectorStore(CommittedVectors())
store.add_documents([Document(id=row["_id"], page_content=f"{row['title']} {row['text']}") for row in rows])

opened = ragdiag.open_store(store)  # what the audit sees; takes a URI such as "faiss:./my_index" just as well
print(f"{opened.info.count} vectors × {opened.info.dim}, {opened.info.kind}")
for text in opened.fetch(["hb-0001"]).texts or []:
    print(f"hb-0001: {text}"[:79])

report = ragdiag.audit(store, judgements=HANDBOOK, query_vectors=HANDBOOK / "vectors" / "queries.minilm.npy")
for finding in report.findings:
    print(f"{finding.severity.label:8} {finding.code} {finding.message}")
    for document in finding.documents[:2]:
        print(f"{'':17}{document.id}: {document.note}")

largest = report.measures["hubness.query.largest"]
print(f"largest hub: {largest.value:.3f} [{largest.low:.3f}, {largest.high:.3f}], chance {largest.null:.3f}")
if report.comparison:
    for run in report.comparison.runs:
        print(f"{run.similarity:7} nDCG@10 {run.scores['nDCG@10'].mean.value:.3f}")
