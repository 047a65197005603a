from __future__ import annotations

import numpy as np
import pytest

from ragdiag import audit
from ragdiag.pictures.eigenvalues import SHOWN, SpectrumPicture
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic
from ragdiag.types import Float32
from ragdiag.vectors import unit


def _picture(X: Float32) -> SpectrumPicture:
    pictures = audit(ArrayStore(X, metric="cosine")).pictures
    assert pictures is not None
    assert pictures.spectrum is not None
    return pictures.spectrum


def test_it_is_the_spectrum_of_the_directions() -> None:
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((600, 20)) * np.geomspace(4, 0.5, 20) + 0.5).astype(np.float32)
    shown = _picture(X)
    values = np.linalg.eigvalsh(np.cov(unit(X).astype(np.float64).T))[::-1]
    assert shown.ranks.tolist() == list(range(1, 21))
    assert shown.shares == pytest.approx(values / values.sum(), rel=1e-6)
    assert shown.shares.sum() == pytest.approx(1)
    assert shown.isotropic.sum() == pytest.approx(1)
    assert shown.edge == pytest.approx((1 + np.sqrt(20 / 600)) ** 2 / 20)


def test_the_mean_cosine_alone_is_a_floor_for_the_first_uncentred_eigenvalue() -> None:
    rng = np.random.default_rng(1)
    X = (rng.standard_normal((500, 16)) + 0.4).astype(np.float32)
    report = audit(ArrayStore(X, metric="cosine"))
    assert report.pictures is not None
    shown = report.pictures.spectrum
    assert shown is not None
    rho = report.measures["anisotropy.mean_cosine"].value
    assert rho is not None
    assert shown.floor == pytest.approx((1 + 499 * rho) / 500, rel=1e-9)
    U = unit(X).astype(np.float64)
    assert shown.uncentred == pytest.approx(np.linalg.eigvalsh(U.T @ U)[-1] / 500, rel=1e-6)
    assert shown.uncentred >= shown.floor


def test_isotropic_vectors_stay_at_the_edge() -> None:
    shown = _picture(isotropic(np.random.default_rng(2), 2000, 100))
    assert shown.shares[0] == pytest.approx(shown.edge, rel=0.05)
    assert shown.shares == pytest.approx(shown.isotropic, rel=0.06)


def test_many_dimensions_are_shown_by_rank_evenly_on_a_logarithm() -> None:
    shown = _picture(isotropic(np.random.default_rng(3), 900, 400))
    assert len(shown.ranks) <= SHOWN
    assert (shown.ranks[0], shown.ranks[-1]) == (1, 400)
    assert np.all(np.diff(shown.ranks) > 0)


@pytest.mark.parametrize("constant", [0.0, 0.5])
def test_a_mean_of_exactly_zero_or_along_an_axis_of_its_own_is_no_reason_to_fail(constant: float) -> None:
    half = isotropic(np.random.default_rng(2), 150, 12) * np.geomspace(2, 0.5, 12).astype(np.float32)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    X = np.stack([half, -half], axis=1).reshape(-1, 12)  # each beside its opposite: sums cancel to the last bit
    if constant:
        X = np.concatenate([np.full((len(X), 1), constant, dtype=np.float32), X], axis=1)
    shown = _picture(X)
    directions = unit(X).astype(np.float64)
    top = np.linalg.eigvalsh(directions.T @ directions / len(X))[-1]
    assert shown.uncentred == pytest.approx(top, rel=1e-6)
    assert shown.floor == pytest.approx(constant**2 / (1 + constant**2), abs=1e-6)
