"""No interval leaves the range that its quantity has."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ragdiag import audit
from ragdiag.types import Float32

RANGES = {
    "anisotropy.mean_cosine": (-1, 1),
    "anisotropy.rogue_dimension": (0, 1),
    "spectrum.participation_ratio": (1, math.inf),
    "spectrum.isoscore": (0, 1),
    "spectrum.effective_rank": (1, math.inf),
    "spectrum.top_share": (0, 1),
    "spectrum.partition_isotropy": (0, 1),
    "uniformity.document": (-8, 0),
    "uniformity.query": (-8, 0),
    "uniformity.cross": (-8, 0),
    "uniformity.w2": (0, math.sqrt(2)),
    "gap.mean_distance": (0, 2),
    "gap.ratio": (0, math.inf),
    "gap.probe_auc": (0, 1),
    "hubness.document.orphans": (0, 1),
    "hubness.document.largest": (0, 1),
    "hubness.query.gini": (0, 1),
    "duplicates.near": (0, 1),
    "outliers.far": (0, 1),
}


def worlds() -> list[tuple[str, Float32]]:
    rng = np.random.default_rng(0)
    drawn = [
        (f"normal {n} × {dim}", rng.standard_normal((n, dim), dtype=np.float32))
        for dim in (1, 2, 3, 40)
        for n in (5, 12, 60, 300)
    ]
    return [*drawn, ("equal", np.ones((60, 4), dtype=np.float32))]


@pytest.mark.parametrize(("name", "X"), worlds(), ids=lambda value: value if isinstance(value, str) else "")
def test_ends_stay_in_range(name: str, X: Float32) -> None:
    Q = np.random.default_rng(1).standard_normal((40, X.shape[1]), dtype=np.float32)
    measures = audit(X, query_vectors=Q).measures
    for key, (least, most) in RANGES.items():
        measure = measures[key]
        if measure.value is None:
            assert measure.undefined
            continue
        assert measure.low is not None
        assert measure.high is not None
        assert least - 1e-9 <= measure.low <= measure.value + 1e-9, key
        assert measure.value - 1e-9 <= measure.high <= most + 1e-9, key
        assert measure.null is None or least <= measure.null <= most + 1e-9, key


@pytest.mark.parametrize("seed", range(6))
def test_equal_vectors_that_are_not_round_come_to_an_end(seed: int) -> None:
    v = np.random.default_rng(seed).standard_normal(384).astype(np.float32)
    measures = audit(np.tile(v / np.linalg.norm(v), (800, 1))).measures
    assert measures["anisotropy.mean_cosine"].value == pytest.approx(1.0, abs=1e-6)
    assert measures["spectrum.effective_rank"].undefined == "all vectors are equal"
    assert measures["spectrum.participation_ratio"].undefined == "all vectors are equal"
