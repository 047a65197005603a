"""Labelled retrieval before and after, paired by query id."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from ragdiag.findings.drift import PROVEN
from ragdiag.report.changes import LabelledChange
from ragdiag.report.read import Labelled
from ragdiag.retrieval.significance import bootstrap_mean, randomisation_test


def labelled_changes(old: Labelled, new: Labelled, *, min_effect: float, seed: int) -> tuple[LabelledChange, ...]:
    """Compare the scores of the queries that both audits have, the deciding metric of the new one first.

    A regression is a loss of the deciding metric of at least `min_effect` whose 95 % interval excludes 0 and whose
    randomisation test has p < .002. Queries that share relevant documents are resampled whole.

    Parameters
    ----------
    old, new : Labelled
        With the deciding metric of `new` in both.
    min_effect : float
    seed : int
        Of the resampling.
    """
    where = {id_: row for row, id_ in enumerate(old.ids)}
    rows = [row for row, id_ in enumerate(new.ids) if id_ in where]
    others = [where[new.ids[row]] for row in rows]
    groups = np.array([new.groups[row] for row in rows], dtype=np.int64)
    metrics = [new.metric, *(name for name in new.scores if name != new.metric and name in old.scores)]
    changes = []
    for metric in metrics:
        before = np.array(old.scores[metric])[others]
        after = np.array(new.scores[metric])[rows]
        rng = np.random.default_rng([seed, crc32(metric.encode(errors="replace"))])
        delta = bootstrap_mean(after - before, rng, null=0.0, clusters=groups)
        p = randomisation_test(after - before, rng, clusters=groups)
        decides = metric == new.metric
        lost = delta.high is not None and delta.high < 0 and (delta.value or 0.0) <= -min_effect
        changes.append(
            LabelledChange(
                metric, float(before.mean()), float(after.mean()), delta, p, decides, decides and lost and p < PROVEN
            )
        )
    return tuple(changes)
