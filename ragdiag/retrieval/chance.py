"""What a run scores by chance: the judgements dealt to the queries at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ragdiag.retrieval.metrics import per_query
from ragdiag.statistics.neighbors import Neighbors

DEALS = 5
PAIRS = 5000  # lists scored against judgements that are not theirs


def dealt_at_random(
    run: Neighbors, relevant: Sequence[Mapping[int, int]], metrics: Sequence[str], *, rng: np.random.Generator
) -> dict[str, float]:
    """Return the mean score of a run whose queries have each other's judgements: the null of that mean.

    Each judgement set stays whole, and a single random cycle through all queries says who gets it, so that no
    query keeps its own. What queries have in common (relevant documents that many share, hubs that
    are in every list) is kept, and so the null is that of this store and these labels, matched on n, k and m.

    Parameters
    ----------
    run : Neighbors
        Lists of m queries.
    relevant : sequence of mappings, length m
        Position to grade; see `per_query`.
    rng : numpy.random.Generator
        Draws at least five cycles, more for few queries, and at most 1,000 queries of each.

    Returns
    -------
    dict of str to float
        By metric; empty for fewer than two queries.

    Examples
    --------
    >>> run = Neighbors("cosine", np.array([[0], [1]]), np.ones((2, 1)))
    >>> dealt_at_random(run, [{0: 1}, {1: 1}], ["RR@1"], rng=np.random.default_rng(0))
    {'RR@1': 0.0}
    """
    m = len(relevant)
    if m < 2:
        return {}
    takers, owners = [], []
    for _ in range(min(max(DEALS, PAIRS // (2 * m)), 50)):
        cycle = rng.permutation(m)
        takers.append(cycle[: PAIRS // DEALS])
        owners.append(np.roll(cycle, -1)[: PAIRS // DEALS])
    rows = np.concatenate(takers)
    dealt = [relevant[owner] for owner in np.concatenate(owners).tolist()]
    scores = per_query(run.positions[rows], dealt, metrics)
    return {name: float(values.mean()) for name, values in scores.items()}
