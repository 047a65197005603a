"""Which setting of a search makes a LanceDB index find more, and what its distances mean."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ragdiag.stores import Tuning
from ragdiag.types import Float32, Float64, Metric

NPROBES = 20  # what LanceDB uses when nothing is said
REFINE, PROBES, EF = "refine_factor", "nprobes", "ef"
_CODES = ("PQ", "SQ", "RQ")
_REFINED = (1, 2, 5, 10, 20, 50, 100)
_PROBED = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_LISTED = (16, 32, 64, 128, 256, 512)
_RANKED = re.compile(r"partitions_ranked=([\d.]+)( K)?")


def is_quantised(kind: str) -> bool:
    """Whether an index holds codes, so that its distances are estimates.

    Examples
    --------
    >>> is_quantised("IVF_HNSW_SQ"), is_quantised("IVF_FLAT")
    (True, False)
    """
    return kind.endswith(_CODES)


def partitions_of(table: Any, vector: str, dim: int) -> int | None:
    """Return the number of partitions of the index, which only the plan of a search tells; None if it does not."""
    query = table.search(np.ones(dim, dtype=np.float32), vector_column_name=vector).nprobes(1_000_000).limit(1)
    found = [float(number) * (1000 if many else 1) for number, many in _RANKED.findall(query.analyze_plan())]
    return round(max(found)) or None if found else None


def tuning_of(kind: str, partitions: int | None) -> Tuning:
    """Return the one knob that lets an index find everything.

    Codes lose what no further partition brings back, but ranking more candidates by their vectors does:
    ``refine_factor``, which makes a graph look at more as well. Without codes it is the number of partitions
    that are searched; of a graph, where all of them are anyway, ``ef``. Beyond 20 partitions, LanceDB's
    default, refining searches all of them too, and the name of the knob says so.

    Examples
    --------
    >>> tuning_of("IVF_PQ", 64).knob, tuning_of("IVF_FLAT", 4).values, tuning_of("IVF_HNSW_FLAT", 1).knob
    ('refine_factor (with nprobes 64)', (1, 2, 4), 'ef')
    """
    within = partitions is not None and partitions <= NPROBES
    if is_quantised(kind):
        beside = "" if within or partitions is None else f" (with nprobes {partitions})"
        return Tuning(exact=True, knob=REFINE + beside, values=_REFINED)
    if within and "HNSW" in kind:
        return Tuning(exact=True, knob=EF, values=_LISTED)
    if partitions is None:
        return Tuning(exact=True, knob=PROBES, value=NPROBES, values=_PROBED)
    values = (*(value for value in _PROBED if value < partitions), partitions)
    return Tuning(exact=True, knob=PROBES, value=min(NPROBES, partitions), values=values)


def tuned(builder: Any, knob: str, effort: int, partitions: int | None, k: int) -> Any:
    """Return a search with the knob set to `effort`."""
    if knob.startswith(REFINE):
        if partitions is not None and partitions > NPROBES:
            builder = builder.nprobes(partitions)
        return builder.refine_factor(effort)
    return builder.ef(max(effort, k)) if knob == EF else builder.nprobes(effort)


def told_scores(distances: Any, metric: Metric) -> Float64:
    """Return what LanceDB's distances mean where they are measured: squared for L2, one minus the others."""
    wide: Float64 = distances.astype(np.float64)
    return -np.sqrt(wide) if metric is Metric.L2 else 1.0 - wide


def true_scores(query: Float32, vectors: Float32, metric: Metric) -> Float64:
    """Return the scores of vectors, shape (n, d), where LanceDB tells only estimates.

    Under cosine those of codes are twice as large, and rows that the index does not hold yet stand among them measured.
    """
    wide, asked = vectors.astype(np.float64), query.astype(np.float64)
    if metric is Metric.L2:
        far: Float64 = np.linalg.norm(wide - asked, axis=1)
        return -far
    scores: Float64 = wide @ asked
    return scores / (np.linalg.norm(wide, axis=1) * np.linalg.norm(asked)) if metric is Metric.COSINE else scores
