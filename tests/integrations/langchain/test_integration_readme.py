"""The code of the integration's README runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from ragdiag import Report, fix
from ragdiag.stores import ArrayStore

README = Path(__file__).parents[3] / "integrations" / "ragdiag_langchain" / "README.md"


def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("langchain_community.vectorstores.faiss")
    monkeypatch.chdir(tmp_path)
    model = DeterministicFakeEmbedding(size=8)
    texts = [f"old {i}" for i in range(40)]
    X = np.array(model.embed_documents(texts), dtype=np.float32)
    fix(ArrayStore(X, texts=texts, metadata=[{} for _ in texts]), "abtt(d=1)", to="faiss:fixed")
    documents = [Document(id=f"new-{i}", page_content=f"new {i}") for i in range(30)]
    (tmp_path / "my_index").symlink_to("fixed")
    chain = InMemoryVectorStore.from_documents(documents, model).as_retriever()
    names: dict[str, Any] = {"model": model, "documents": documents, "chain": chain}
    for block in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), flags=re.DOTALL):
        # Our own text; the application's traffic is the part that it leaves out.
        exec(block.replace("...  # traffic", "[chain.invoke(f'old {i}') for i in range(20)]"), names)
    assert len(names["retriever"].invoke("new 3")) == 4
    assert isinstance(names["report"], Report)
    assert names["report"].store.name == "RemediedVectorStore (30 documents embedded again)"
