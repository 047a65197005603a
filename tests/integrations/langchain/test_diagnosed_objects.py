"""What diagnosed objects are to others: to traces, to pickle, to copy, to an audit."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.vectorstores import InMemoryVectorStore
from ragdiag_langchain import diagnose, embed_again, record_of

from ragdiag import audit
from ragdiag.errors import RecordError
from tests.integrations.langchain.live import DOCUMENTS, QUESTIONS, handbook, small
from tests.integrations.langchain.test_diagnose import NoScores


class Traced(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        self.seen.append((kwargs["tags"], kwargs["metadata"], kwargs.get("name")))


@pytest.mark.parametrize("of", ["store", "retriever"])
def test_traces_name_the_classes_of_the_application(of: str) -> None:
    store, _ = small()
    handler, options = Traced(), {"search_kwargs": {"k": 1}}
    recorded = diagnose(store).as_retriever(**options) if of == "store" else diagnose(store.as_retriever(**options))
    for retriever in (store.as_retriever(**options), recorded):
        retriever.invoke("text 1", {"callbacks": [handler]})
    assert handler.seen[0] == handler.seen[1]
    tags, metadata, _ = handler.seen[1]
    assert tags == ["InMemoryVectorStore", "Counting"]
    assert (metadata["ls_vector_store_provider"], metadata["ls_embedding_provider"]) == (tags[0], tags[1])


def test_they_cannot_be_pickled_and_say_so() -> None:
    store, _ = small()
    recorded = diagnose(store)
    for thing, name in (
        (recorded, "InMemoryVectorStore"),
        (recorded.embeddings, "Counting"),
        (diagnose(store.as_retriever()), "VectorStoreRetriever"),
    ):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(RecordError, match=rf"the {name} is diagnosed and cannot be pickled.*in each process"):
                pickle.dumps(thing, protocol)


def test_they_can_be_copied() -> None:
    store, embeddings = small()
    embeddings._lock = None  # type: ignore[assignment]  # a lock cannot be copied
    embeddings.embed_query = embeddings.vector  # type: ignore[method-assign]
    recorded = diagnose(store)
    for how in (copy.copy, copy.deepcopy):
        other = how(recorded)
        assert isinstance(other, InMemoryVectorStore)
        assert other.similarity_search("text 3", k=1)[0].id == "id-3"
        assert how(recorded.embeddings).embed_query("text 3") == embeddings.vector("text 3")
    deep = copy.deepcopy(recorded)
    deep.store.clear()
    assert len(store.store) == 12
    assert [retrieval.ids for retrieval in record_of(recorded).retrievals()] == [("id-3",)] * 2


def test_an_audit_of_a_diagnosed_store_is_that_of_the_store() -> None:
    store, _ = handbook()
    recorded = diagnose(store)
    ours, theirs = audit(recorded), audit(store)
    assert (ours.store, ours.measures, ours.findings) == (theirs.store, theirs.measures, theirs.findings)


def test_an_audit_of_one_without_an_adapter_asks_the_store_and_is_no_traffic() -> None:
    _, embeddings = handbook()
    recorded = diagnose(NoScores(embeddings))
    opened = embed_again(recorded, queries=["heat", "pump"], size=8, embeddings=embeddings)
    assert opened.info.name == "NoScores (4 documents embedded again)"
    assert opened.info.loss is not None
    assert opened.info.loss.endswith("embedded again with Counting")
    assert record_of(recorded).asked == 0
    listed = embed_again(recorded, documents=DOCUMENTS[:5], embeddings=embeddings)
    (batch,) = listed.scan()
    assert np.array_equal(
        batch.vectors, np.array(embeddings.embed_documents([d.page_content for d in DOCUMENTS[:5]]), "f")
    )
    recorded.similarity_search(QUESTIONS[0])
    assert record_of(recorded).asked == 1
