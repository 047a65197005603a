from __future__ import annotations

import math

import numpy as np
import pytest

from ragdiag import Severity
from ragdiag.geometry.uniformity import sphere
from ragdiag.testing.worlds import clustered, cone, decaying, low_rank
from ragdiag.types import Float32
from ragdiag.vectors import unit
from tests.findings.planted import DIM, N, check, fired, healthy, silent

RNG = np.random.default_rng


def on_the_diagonal(X: Float32) -> Float32:
    """Turn the first axis to (1, …, 1)/√d, by a reflection."""
    d = X.shape[1]
    normal = np.full(d, -1 / math.sqrt(d))
    normal[0] += 1
    normal /= np.linalg.norm(normal)
    return np.asarray(X - 2 * np.outer(X @ normal, normal), dtype=np.float32)


def test_ani001_a_cone() -> None:
    silent("ANI001", healthy())
    silent("ANI001", cone(RNG(0), N, DIM, rho=0.45))
    finding = fired("ANI001", cone(RNG(0), N, DIM, rho=0.6))
    assert finding.severity is Severity.INFO
    rho = finding.evidence["anisotropy.mean_cosine"]
    assert rho.value == pytest.approx(0.6, abs=0.002)
    assert rho.null == 0.0
    assert rho.n == N


def test_ani002_a_rogue_dimension() -> None:
    X = cone(RNG(0), N, DIM, rho=0.3)
    silent("ANI002", on_the_diagonal(X))
    finding = fired("ANI002", np.roll(X, 5, axis=1))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["anisotropy.rogue_dimension"].value == pytest.approx(1.0, abs=0.01)
    null = finding.evidence["anisotropy.rogue_dimension"].null
    squares = RNG(1).standard_normal((20_000, DIM)) ** 2
    largest = np.max(squares / squares.sum(axis=1, keepdims=True), axis=1)
    assert null == pytest.approx(np.median(largest), rel=0.05)
    assert finding.message == (
        "Coordinate 5 alone makes 99.8 % of the mean cosine; the largest of a random direction makes 17 %."
    )


def test_ani003_dimensional_collapse() -> None:
    silent("ANI003", low_rank(RNG(0), N, 64, k=8))
    finding = fired("ANI003", low_rank(RNG(0), N, 64, k=2))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["spectrum.participation_ratio"].value == pytest.approx(2.0, abs=0.02)
    assert finding.evidence["spectrum.isoscore"].value == pytest.approx(1 / 63, abs=5e-4)
    assert finding.message == "The variance would fit in 2 dimensions of 64."


def test_uni001_directions_that_crowd() -> None:
    silent("UNI001", healthy())
    silent("UNI001", cone(RNG(0), N, DIM, rho=0.3))
    silent("UNI001", cone(RNG(0), N, DIM, rho=0.6))  # the cone says it all
    X = unit(clustered(RNG(0), N, np.eye(DIM, dtype=np.float32)[:2], spread=0.1))
    finding = fired("UNI001", X)
    assert finding.severity is Severity.INFO
    u = finding.evidence["uniformity.document"]
    # Half of the pairs at cosine .99, half at 0; a cone of mean cosine .5 would read −2.
    assert u.value == pytest.approx(math.log((math.exp(-0.04) + math.exp(-4)) / 2), abs=0.02)
    assert u.null == sphere(DIM)
    cosines = X.astype(np.float64) @ X.T.astype(np.float64)
    pairs = cosines[np.triu_indices(N, 1)]
    assert u.value == pytest.approx(math.log(np.mean(np.exp(4 * pairs - 4))), abs=1e-6)


def test_ani003_is_no_warning_for_padded_vectors() -> None:
    X = decaying(RNG(0), N, 96, exponent=1.0)  # about 20 dimensions of 96
    silent("ANI003", X)
    padded = np.zeros((N, 1024), dtype=np.float32)
    padded[:, :96] = X
    rotation, _ = np.linalg.qr(RNG(1).standard_normal((1024, 1024)))
    finding = fired("ANI003", (padded @ rotation).astype(np.float32))
    assert finding.severity is Severity.INFO
    assert finding.evidence["spectrum.participation_ratio"].value == pytest.approx(19, abs=3)


def test_ani002_knows_what_a_random_direction_has_in_few_dimensions() -> None:
    fired_for = 0
    for seed in range(40):
        rotation, _ = np.linalg.qr(RNG(seed).standard_normal((24, 24)))
        X = (cone(RNG(seed), N, 24, rho=0.3) @ rotation).astype(np.float32)
        fired_for += bool(check("ANI002", X).findings)
    assert fired_for <= 1  # once in a thousand: two of 40 with probability .0008
