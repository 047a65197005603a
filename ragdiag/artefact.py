"""What a fix leaves beside the new store: how queries and new documents are to be mapped, and the evidence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ragdiag.engine import Block
from ragdiag.errors import ArtefactError, SimilarityError
from ragdiag.similarities.equal_norm import EqualNorm
from ragdiag.similarities.l2 import L2
from ragdiag.similarities.pipeline import FittedSimilarity
from ragdiag.similarities.saved import load as load_similarity
from ragdiag.similarities.saved import save as save_similarity
from ragdiag.stores.replace import replacing
from ragdiag.types import Float32, Metric, Similarity, StoreInfo

SCHEMA = "ragdiag.fix/1"
CARD = "fix.json"
FILES = (CARD, "similarity.json", "arrays.npz")
_LARGEST = 2**24
_LONGEST = 1e18  # a longer vector's square is beyond float32
_AGAIN = "run ragdiag fix again"


class FingerprintStep:
    """Takes the fingerprint of a store: the same whatever the order of its documents."""

    def __init__(self) -> None:
        self._sum, self._count = 0, 0

    def step(self, block: Block) -> None:
        """Take in one block."""
        vectors = np.ascontiguousarray(block.batch.vectors, dtype="<f4")
        for id_, row in zip(block.batch.ids, vectors, strict=True):
            name = id_.encode("utf-8", "surrogatepass")
            digest = hashlib.blake2b(len(name).to_bytes(8, "little") + name + row.tobytes(), digest_size=16).digest()
            self._sum = (self._sum + int.from_bytes(digest, "little")) % 2**128
        self._count += len(vectors)

    def result(self) -> str:
        """Return 32 hexadecimal digits of ids and vectors, and the count."""
        return f"{self._sum:032x}-{self._count}"


@dataclass(frozen=True)
class Artefact:
    """A fix, ready to map.

    Attributes
    ----------
    similarity : FittedSimilarity
    metric : Metric
        By which the mapped documents are ranked for mapped queries.
    length : float or None
        The common length of the stored documents, where one more dimension gives it; None without one.
    source, target : mapping
        Name, kind, count, dimension, metric and fingerprint of the store that was read and of the one that was written.
        `target` is empty when the index stays as it is.
    embedder : str
        The model, as it was named; "" when nobody said.
    evidence : mapping
        What was proven, promised and delivered.
    """

    similarity: FittedSimilarity
    metric: Metric
    length: float | None
    source: Mapping[str, Any]
    target: Mapping[str, Any]
    embedder: str
    evidence: Mapping[str, Any]

    @property
    def maps(self) -> Similarity:
        """The maps of queries and documents into the space of the stored vectors."""
        if not self.target:  # the index stays: only queries are mapped
            folded = self.similarity.folded()
            assert folded is not None
            return folded
        if self.metric is Metric.L2 and isinstance(self.similarity.stages[-1], L2):
            return self.similarity.before_scoring()  # the store scores so itself, and more exactly
        return self.similarity if self.length is None else EqualNorm(self.similarity, self.length)

    def queries(self, Q: Float32) -> Float32:
        """Map query vectors of the embedder, shape (m, d), to what the store is searched with."""
        return self.maps.queries(Q)

    def documents(self, X: Float32) -> Float32:
        """Map document vectors of the embedder, shape (n, d), to what is stored."""
        return self.maps.documents(X)

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the artefact to a folder, whole or not at all; the same bytes for the same fix.

        Raises
        ------
        TargetExistsError
            When there is something, unless `overwrite`; a folder that holds anything else stays.
        """
        card = {
            "schema": SCHEMA,
            "similarity": self.similarity.name,
            "metric": self.metric.value,
            "equal_norm": self.length,
            "source": dict(self.source),
            "target": dict(self.target),
            "embedder": self.embedder,
            "evidence": dict(self.evidence),
        }
        with replacing(str(folder), folder=True, overwrite=overwrite, belongs=lambda name: name in FILES) as draft:
            save_similarity(self.similarity, draft)
            text = json.dumps(card, indent=2, allow_nan=False) + "\n"
            (Path(draft) / CARD).write_text(text, encoding="utf-8")


def describe(info: StoreInfo, fingerprint: str) -> dict[str, Any]:
    """Return what an artefact says of a store."""
    return {
        "name": info.name.encode("utf-8", "replace").decode(),
        "kind": info.kind,
        "count": info.count,
        "dim": info.dim,
        "metric": None if info.metric is None else info.metric.value,
        "fingerprint": fingerprint,
    }


def load_artefact(folder: str | Path, *, dim: int | None = None, fingerprint: str | None = None) -> Artefact:
    """Return the artefact in a folder.

    Parameters
    ----------
    folder : path
    dim : int, optional
        Of the embedder whose vectors it is to map.
    fingerprint : str, optional
        Of the store that it is to be used with.

    Raises
    ------
    ArtefactError
        When it cannot be read, or was made for vectors of another dimension or for another store.
    """
    path = Path(folder) / CARD
    try:
        if path.stat().st_size > _LARGEST:
            raise ArtefactError(f"{path} is too large", hint=_AGAIN)
        card = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read", hint="give the folder that ragdiag fix wrote") from error
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path} is no JSON", hint=_AGAIN) from error
    _check_card(card, path)
    try:
        similarity = load_similarity(folder)
    except SimilarityError as error:
        raise ArtefactError(f"{folder} cannot be used: {error.message}", hint=error.hint) from error
    if similarity.name != card["similarity"]:
        raise ArtefactError(f"{folder} holds two similarities", hint=_AGAIN)
    if dim is not None and dim != similarity.dim:
        raise ArtefactError(
            f"{folder} maps vectors of dimension {similarity.dim}, these have {dim}",
            hint="use the embedding model of the store that was fixed",
        )
    known = {side["fingerprint"]: side["name"] for side in (card["source"], card["target"]) if side}
    if fingerprint is not None and fingerprint not in known:
        raise ArtefactError(
            f"{folder} was made for other documents than this store holds ({' and '.join(known.values())})",
            hint="run ragdiag fix on this store",
        )
    if not card["target"] and similarity.folded() is None:
        raise ArtefactError(f"{folder} names no store, and its map is not one of queries alone", hint=_AGAIN)
    metric, length = Metric(card["metric"]), card["equal_norm"]
    return Artefact(similarity, metric, length, card["source"], card["target"], card["embedder"], card["evidence"])


def _check_card(card: Any, path: Path) -> None:
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        raise ArtefactError(f"{path} is not of the schema {SCHEMA}", hint="update ragdiag, or run ragdiag fix again")
    length = card.get("equal_norm")
    sides = [card.get("source"), card.get("target")]
    known = bool(sides[0]) and all(
        isinstance(side, dict) and (not side or all(isinstance(side.get(key), str) for key in ("name", "fingerprint")))
        for side in sides
    )
    right = (
        isinstance(card.get("similarity"), str)
        and isinstance(card.get("embedder"), str)
        and isinstance(card.get("evidence"), dict)
        and card.get("metric") in [metric.value for metric in Metric]
        and (length is None or (isinstance(length, float) and 0 < length < _LONGEST))
    )
    if not (known and right):
        raise ArtefactError(f"{path} lacks an entry, or has one of another type", hint=_AGAIN)
