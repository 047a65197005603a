from __future__ import annotations

import numpy as np
import pytest

from ragdiag import Report, audit
from ragdiag.pictures.map import EMBEDDED, POINTS, QUERIES, MapPicture, tsne
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic
from ragdiag.vectors import unit


def _map(report: Report) -> MapPicture:
    assert report.pictures is not None
    assert report.pictures.map is not None
    return report.pictures.map


def test_points_are_documents_in_their_principal_components() -> None:
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((300, 12)) * np.geomspace(3, 0.3, 12) + 0.3).astype(np.float32)
    picture = _map(audit(ArrayStore(X, metric="cosine")))
    U = unit(X).astype(np.float64)
    centred = U - U.mean(axis=0)
    _, scale, axes = np.linalg.svd(centred, full_matrices=False)
    rows = [int(chunk.id) for chunk in picture.chunks]
    for i in range(2):
        found, wanted = picture.coordinates[:, i], centred[rows] @ axes[i]
        assert found == pytest.approx(wanted * np.sign(wanted @ found), abs=1e-5)
        assert picture.explained[i] == pytest.approx(scale[i] ** 2 / (scale**2).sum(), rel=1e-5)


def test_it_is_bounded_and_its_layers_are_what_they_say() -> None:
    rng = np.random.default_rng(1)
    X = isotropic(rng, 4000, 16)
    X[10:14] = X[9]
    Q = isotropic(rng, 900, 16)
    picture = _map(audit(ArrayStore(X, metric="cosine"), query_vectors=Q))
    assert len(picture.chunks) == len(picture.coordinates) == POINTS
    assert picture.layers["queries"].sum() == QUERIES
    assert picture.documents == 4000
    assert not (picture.layers["queries"] & picture.layers["orphans"]).any()
    ids = np.array([chunk.id for chunk in picture.chunks])
    assert set(ids[picture.layers["duplicates"]]) <= {str(i) for i in range(9, 14)}
    assert picture.layers["duplicates"].sum() == 5
    assert len(set(ids[~picture.layers["queries"]])) == POINTS - QUERIES


def test_tsne_keeps_neighbours_together_and_the_same_seed_gives_the_same_map() -> None:
    rng = np.random.default_rng(2)
    centres = np.eye(20, dtype=np.float32)[:3] * 3
    X = (centres[np.arange(1500) % 3] + 0.2 * rng.standard_normal((1500, 20))).astype(np.float32)
    picture = _map(audit(ArrayStore(X, metric="cosine")))
    first, again = tsne(picture, seed=4), tsne(picture, seed=4)
    assert first is not None
    assert again is not None
    rows, places = first
    assert len(rows) == len(set(rows.tolist())) == EMBEDDED
    assert np.array_equal(rows, again[0])
    assert np.array_equal(places, again[1])
    group = np.array([int(picture.chunks[row].id) % 3 for row in rows])
    distances = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(group[distances.argmin(axis=1)] == group) > 0.99


def test_few_points_have_no_tsne() -> None:
    assert tsne(_map(audit(ArrayStore(isotropic(np.random.default_rng(0), 8, 4), metric="cosine")))) is None
