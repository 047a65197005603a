"""A model whose vectors go through the maps of a fix."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor

from ragdiag.artefact import Artefact, load_artefact
from ragdiag.errors import ArtefactError
from ragdiag.retrieval.embedders import Embedder, checked_rows, load_embedder
from ragdiag.types import Float32
from ragdiag_langchain.recorded_embeddings import RecordedEmbeddings


class RemediedEmbeddings(Embeddings):
    """An embedding model for a store that ``ragdiag fix`` wrote: queries and documents through their own maps.

    ``FAISS.load_local("fixed", RemediedEmbeddings(model, "fixed.ragdiag"), allow_dangerous_deserialization=True)``
    maps every query, and every document that is added from now on. After a fix that left the index as it is, only
    queries are mapped. Whatever the model raises comes through as it is.

    Parameters
    ----------
    embeddings : Embeddings or str
        The model that filled the store before the fix, or its name as ``provider:model``. One that maps already is
        refused, unless the fix is of the very store that its own artefact was written with.
    artefact : path or Artefact
        What ``ragdiag fix`` left beside the new store.

    Raises
    ------
    ArtefactError
        When the artefact cannot be read, or the model maps already; with the first vectors, when it is for another
        dimension.
    EmbeddingsError
        When `embeddings` is no model; from the methods, when the model returns NaN, infinite values, or another number
        of vectors than texts. Nothing is stored then.

    Examples
    --------
    >>> import numpy as np, ragdiag, tempfile
    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> model = DeterministicFakeEmbedding(size=4)
    >>> X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fixed = ragdiag.fix(X, "abtt(d=1)", to=f"{folder}/fixed.npy")
    ...     remedied = RemediedEmbeddings(model, fixed.artefact)
    >>> f"{np.linalg.norm(model.embed_query('why?')):.1f}, {np.linalg.norm(remedied.embed_query('why?')):.1f}"
    '1.6, 1.0'
    """

    def __init__(self, embeddings: Embedder | str, artefact: Artefact | str | os.PathLike[str]) -> None:
        self.embeddings = load_embedder(embeddings)
        self.artefact = read_artefact(artefact)
        inner: Any = embeddings._embeddings if isinstance(embeddings, RecordedEmbeddings) else embeddings
        if isinstance(inner, RemediedEmbeddings) and not _follows(self.artefact, inner.artefact):
            raise ArtefactError(
                f"the model maps already, by {inner.artefact.similarity.name}: vectors would be mapped twice",
                hint="give the model that it wraps: .embeddings",
            )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts as what the store holds of them."""
        return self._stored(self.embeddings.embed_documents(texts), len(texts))

    def embed_query(self, text: str) -> list[float]:
        """Embed a query as what the store is searched with."""
        return self.map_query(self.embeddings.embed_query(text))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts as what the store holds of them."""
        return self._stored(await _awaited(self.embeddings, "embed_documents", texts), len(texts))

    async def aembed_query(self, text: str) -> list[float]:
        """Embed a query as what the store is searched with."""
        return self.map_query(await _awaited(self.embeddings, "embed_query", text))

    def map_query(self, vector: list[float]) -> list[float]:
        """Map the vector that the model gives a query, length d, to what the store is searched with."""
        return self._mapped([vector], 1, self.artefact.queries)[0]

    def _stored(self, rows: Any, texts: int) -> list[list[float]]:
        return self._mapped(rows, texts, self.artefact.documents) if texts else []

    def _mapped(self, rows: Any, texts: int, maps: Callable[[Float32], Float32]) -> list[list[float]]:
        dim = self.artefact.similarity.dim
        found = next((len(row) for row in rows if len(row) != dim), dim)
        if found != dim:
            raise ArtefactError(
                f"the artefact maps vectors of dimension {dim}, the embedding model returned one of {found}",
                hint="use the model of the store that was fixed, or run ragdiag fix on the store of this model",
            )
        mapped: list[list[float]] = maps(checked_rows(rows, dim, texts)).tolist()
        return mapped


def read_artefact(artefact: Artefact | str | os.PathLike[str]) -> Artefact:
    """Return an artefact, or the one in a folder.

    Raises
    ------
    ArtefactError
    """
    found = load_artefact(os.fspath(artefact)) if isinstance(artefact, str | os.PathLike) else artefact
    if not isinstance(found, Artefact):
        raise ArtefactError(
            f"a {type(artefact).__name__} is no artefact", hint="give the folder that ragdiag fix wrote"
        )
    return found


def same_maps(one: Artefact, other: Artefact) -> bool:
    """Whether two artefacts map alike, as the same one does when it is read twice."""
    if one.similarity.dim != other.similarity.dim:
        return False
    probes = np.random.default_rng(0).standard_normal((2, one.similarity.dim)).astype(np.float32)
    pairs = ((one.queries, other.queries), (one.documents, other.documents))
    return all(np.array_equal(a(probes), b(probes)) for a, b in pairs)


def _follows(later: Artefact, earlier: Artefact) -> bool:
    """Whether the later fix was made of the store that the earlier one wrote."""
    written = earlier.target.get("fingerprint")
    return written is not None and written == later.source.get("fingerprint")


async def _awaited(embedder: Embedder, method: str, argument: Any) -> Any:
    """Call the model's own coroutine, or else its method in a thread."""
    own = getattr(embedder, f"a{method}", None)
    return await (own(argument) if own is not None else run_in_executor(None, getattr(embedder, method), argument))
