"""What a `RemediedVectorStore` is put around: a store of mapped vectors, with a model that does not map yet."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ragdiag.artefact import Artefact, FingerprintStep
from ragdiag.engine import LocalEngine
from ragdiag.errors import ArtefactError, RagdiagError, StoreError
from ragdiag.stores import VectorStore as OpenedStore
from ragdiag.stores import open_store
from ragdiag.types import Metric
from ragdiag_langchain.known import is_remedied, metric_of
from ragdiag_langchain.remedied_space import document_length, needed_metric
from ragdiag_langchain.views import record_of_class


def model_of(store: Any) -> Embeddings:
    """Return the embedding model of a store that can be put behind the maps of a fix.

    Raises
    ------
    StoreError
        When it is no store, maps already, is recorded, or does not show its model.
    """
    name = type(store).__name__
    if not isinstance(store, VectorStore):
        raise StoreError(
            f"a {name} is no LangChain vector store", hint="open it first, as with FAISS.load_local(folder, model)"
        )
    if is_remedied(store):
        raise StoreError(
            "a RemediedVectorStore maps already: its vectors would be mapped twice",
            hint="give the store behind: .store",
        )
    if record_of_class(store) is not None:
        raise StoreError(
            f"the {name} is diagnosed, and would record what the maps make of a search",
            hint="put RemediedVectorStore around the store itself, and diagnose that",
        )
    if store.embeddings is None:
        raise StoreError(
            f"the {name} does not show its embedding model",
            hint="give RemediedEmbeddings(model, artefact) to it as its model, which maps as well",
        )
    return store.embeddings


def check_content(store: VectorStore, artefact: Artefact) -> None:
    """Refuse a store whose vectors are not those of the fix, as far as can be seen."""
    name, similarity = type(store).__name__, artefact.similarity.name
    metric = metric_of(store)
    if getattr(store, "_normalize_L2", False):  # whatever its index says, lengths play no part
        metric = Metric.COSINE
    needed = needed_metric(artefact)
    if needed is not None and metric not in (None, needed):
        spoken = "the dot product" if needed is Metric.DOT else needed.value
        raise ArtefactError(
            f"the fix is for a store that ranks by {spoken}, the {name} ranks by {metric.value}",
            hint=f"run ragdiag fix for {similarity} --to a store that ranks as it does, such as faiss:FOLDER",
        )
    info = None
    with suppress(RagdiagError):  # no adapter, or empty
        opened = open_store(store)
        info = opened.info
    if info is None or not info.count:
        return
    width = artefact.documents(np.ones((1, artefact.similarity.dim), dtype=np.float32)).shape[1]
    what = ""
    if info.dim != width:
        what = f"vectors of dimension {info.dim}, not {width}"
    elif artefact.target and (_are_original(opened, artefact) or _have_another_length(store, opened, artefact)):
        what = "the vectors from before the fix, or others that were not mapped by it"
    if what:
        raise ArtefactError(
            f"the {name} holds {what}",
            hint="open the store that ragdiag fix wrote, or add the documents to an empty store through this one",
        )


def _are_original(opened: OpenedStore, artefact: Artefact) -> bool:
    if opened.info.count != artefact.source.get("count"):
        return False
    step = FingerprintStep()
    LocalEngine().run(opened, [step])
    prints = (artefact.source["fingerprint"], artefact.target["fingerprint"])
    return bool(prints[0] != prints[1] and step.result() == prints[0])


def _have_another_length(store: VectorStore, opened: OpenedStore, artefact: Artefact) -> bool:
    """Whether most of the first vectors are not as long as mapped documents are; whatever their ids, and how many."""
    needed = document_length(artefact)
    if needed is None or getattr(store, "_normalize_L2", False):
        return False
    lengths = np.linalg.norm(next(iter(opened.scan())).vectors, axis=1)
    return abs(float(np.median(lengths)) - needed) > 0.01 * needed  # as in fewer bits they may come out
