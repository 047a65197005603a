"""The dense vector of a collection that a store reads: its name, its dimension, how it ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ragdiag.errors import StoreError
from ragdiag.types import Metric

DISTANCES = {"Cosine": Metric.COSINE, "Dot": Metric.DOT, "Euclid": Metric.L2}


@dataclass(frozen=True)
class Dense:
    """One dense vector of the points of a collection.

    Attributes
    ----------
    name : str
        "" for the one without a name.
    dim : int
    metric : Metric
    index : str
        The kind of index a server makes, in its words.
    ef : int or None
        Candidates that a search of it keeps when nothing is said.
    loss : str
        Why it is not read back as it was added.
    """

    name: str
    dim: int
    metric: Metric
    index: str = ""
    ef: int | None = None
    loss: str = ""

    def filter(self) -> Any:
        """Return the filter for points that have it: those of a named vector may lack it."""
        if not self.name:
            return None
        from qdrant_client import models

        return models.Filter(must=[models.HasVectorCondition(has_vector=self.name)])

    def of(self, record: Any) -> list[float] | None:
        """Return the vector of a point that was read."""
        found = record.vector
        if isinstance(found, dict):
            found = found.get(self.name)
        return found if isinstance(found, list) else None


def dense(
    client: Any, collection: str, wanted: str | None, name: str, hint: str = "name one with &vector=NAME"
) -> Dense:
    """Return the vector that is called `wanted`, or, when that is None, the only one.

    Raises
    ------
    StoreError
        When there is none, or several, or it ranks in a way that has no counterpart here.
    """
    config = client.get_collection(collection).config
    vectors = config.params.vectors or {}
    named = vectors if isinstance(vectors, dict) else {"": vectors}
    known = {at: params for at, params in named.items() if params.multivector_config is None}
    shown = ", ".join(repr(at) if at else "one without a name" for at in sorted(known))
    if not known:
        kinds = "multivectors" if named else "sparse vectors"
        raise StoreError(f"{name} holds {kinds} only", hint="one dense vector per point is needed")
    if wanted is None and len(known) > 1:
        raise StoreError(f"{name} holds several vectors: {shown}", hint=hint)
    at = next(iter(known)) if wanted is None else wanted
    if at not in known:
        raise StoreError(f"{name} has no dense vector {at!r}", hint=f"there is {shown}")
    params = known[at]
    metric = DISTANCES.get(params.distance.value)
    if metric is None:
        raise StoreError(
            f"{name} ranks by {params.distance.value} distance, which ragdiag does not measure",
            hint="it reads collections for cosine, dot product and Euclidean distance",
        )
    m, ef = (_setting(part, params.hnsw_config, config.hnsw_config) for part in ("m", "ef_construct"))
    quantised = params.quantization_config or config.quantization_config
    index = f"HNSW (m={m}, ef_construct={ef})" + (", quantised" if quantised else "")
    datatype = getattr(params.datatype, "value", None)
    loss = "" if datatype in (None, "float32") else f"Qdrant keeps them as {datatype}"
    return Dense(at, params.size, metric, index, ef, loss)


def _setting(name: str, *configs: Any) -> int | None:
    found = (getattr(config, name, None) for config in configs)
    return next((value for value in found if value is not None), None)
