"""Retrieval metrics per query, by ir-measures."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

import ir_measures
import numpy as np

from ragdiag.errors import ConfigError
from ragdiag.types import Float64, IntArray

DEPTH = 100  # documents per query in a labelled run
_CUT = {"nDCG", "R", "RR", "P"}  # with a cutoff alone, these see nothing below it


def deepest(metrics: Sequence[str], n: int) -> int:
    """Return how long lists have to be for these metrics, at least ten documents, at most n.

    The largest cutoff; `DEPTH` for a metric without one, such as AP.

    Raises
    ------
    ConfigError
        For a name that ir-measures does not know or cannot compute here, or a cutoff beyond the n documents of the
        store.
    """
    if not metrics:
        raise ConfigError("no metric was named", hint="such as nDCG@10")
    depth = 10
    for name in metrics:
        try:
            measure = ir_measures.parse_measure(name)
            cutoff = measure.params.get("cutoff")
            if cutoff is not None and cutoff < 1:
                raise ValueError("trec_eval would end the process")
            list(ir_measures.iter_calc([measure], {"q": {"d": 1}}, {"q": {"d": 1.0}}))  # some need other packages
        except Exception as error:  # each provider fails in its own way
            raise ConfigError(
                f"unknown metric {name!r}",
                hint="such as nDCG@10, R@100, AP, RR@10, P@5",
            ) from error
        if cutoff is not None and cutoff > n:
            raise ConfigError(f"{name} looks at {cutoff} documents of a store of {n}", hint="lower the cutoff")
        depth = max(depth, cutoff or DEPTH)
    return min(depth, n)


def per_query(positions: IntArray, relevant: Sequence[Mapping[int, int]], metrics: Sequence[str]) -> dict[str, Float64]:
    """Score ranked lists against judgements.

    Parameters
    ----------
    positions : ndarray of int64, shape (m, k)
        Document positions, best first; −1 ends a list.
    relevant : sequence of mappings, length m
        Position to grade, of each query. A relevant document that is not in the store has a negative
        key: it cannot be found, but it counts.
    metrics : sequence of str
        ir-measures names, such as ``"nDCG@10"``, ``"R@10"``, ``"RR@10"``.

    Returns
    -------
    dict of str to ndarray, shape (m,)
        A query without a hit scores 0; it is never dropped from the mean.

    Examples
    --------
    >>> per_query(np.array([[7, 3]]), [{3: 1}], ["RR@10"])["RR@10"].tolist()
    [0.5]
    """
    parsed = [ir_measures.parse_measure(name) for name in metrics]
    if all(measure.NAME in _CUT and set(measure.params) == {"cutoff"} for measure in parsed):
        positions = positions[:, : max(measure.params["cutoff"] for measure in parsed)]
    qrels = {str(i): {str(doc): grade for doc, grade in graded.items()} for i, graded in enumerate(relevant)}
    # The rank is the score, so that ties stay as the search has broken them.
    run = {
        str(i): {str(doc): float(-rank) for rank, doc in enumerate(row[row >= 0].tolist())}
        for i, row in enumerate(positions)
    }
    scores = {name: np.zeros(len(relevant)) for name in metrics}
    names = dict(zip(parsed, metrics, strict=True))
    try:
        for result in ir_measures.iter_calc(parsed, qrels, run):
            scores[names[result.measure]][int(result.query_id)] = result.value
    except (OSError, subprocess.SubprocessError) as error:  # some metrics run a program that may be missing
        raise ConfigError(f"{' or '.join(metrics)} cannot be computed here", hint="choose another metric") from error
    return scores
