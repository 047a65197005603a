from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from ragdiag import Severity, open_store
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import clustered, cone, decaying, isotropic
from ragdiag.types import Float32, Measure
from tests.findings.planted import DIM, N, Told, fired, healthy, judgements, listed, names, silent


def test_idx001_vectors_that_are_not_finite() -> None:
    X = healthy()
    silent("IDX001", X)
    X[7], X[8, 3], X[9, 0], X[10, 1] = np.nan, np.inf, -np.inf, 2e18
    X[11, 0] = 1e17  # long, and still usable
    finding = fired("IDX001", X)
    share = finding.evidence["vectors.unusable"]
    assert (share.value, share.low, share.high, share.null, share.n) == (4 / N, 4 / N, 4 / N, 0.0, N)
    assert finding.severity is Severity.ERROR
    assert listed(finding) == ["7", "8", "9", "10"]


def test_idx001_reads_a_signalling_nan_without_a_warning() -> None:
    X = healthy()
    X.view(np.uint32)[5, 3] = 0x7FA00000
    assert listed(fired("IDX001", X)) == ["5"]


def test_idx002_zero_vectors() -> None:
    X = healthy()
    silent("IDX002", X)
    X[[3, 500]] = 0
    X[4] = np.nan  # IDX001's
    X[5] *= 1e-30
    finding = fired("IDX002", X)
    assert finding.evidence["vectors.zero"].value == 2 / N
    assert finding.severity is Severity.ERROR
    assert listed(finding) == ["3", "500"]


def test_idx003_counts_that_disagree() -> None:
    store = ArrayStore(healthy())
    silent("IDX003", Told(store, counts={"index": N, "ids": N, "docstore": N}))
    finding = fired("IDX003", Told(store, counts={"index": N, "ids": N, "docstore": N - 1}))
    assert finding.severity is Severity.ERROR
    assert finding.message == "The store disagrees with itself: index 600, ids 600, docstore 599, vectors read 600."
    assert finding.evidence["store.mismatches"].value == 0
    # Equal numbers, and yet nothing fits.
    lost = {"ids without a document": N, "documents without a vector": N}
    finding = fired("IDX003", Told(store, counts={"index": N, "ids": N, "docstore": N}, mismatches=lost))
    assert "ids without a document 600, documents without a vector 600" in finding.message
    assert finding.evidence["store.mismatches"].value == 2


def test_idx003_and_idx014_part_what_the_store_says_from_what_was_read() -> None:
    store = Told(ArrayStore(healthy()), count=N + 5, counts={"index": N + 5})
    silent("IDX003", store)
    fired("IDX014", store)
    both = Told(ArrayStore(healthy()), counts={"index": N + 5})
    finding = fired("IDX003", both)
    assert finding.message == "The store disagrees with itself: index 605, vectors read 600."
    silent("IDX014", both)


class _Written(Told):
    """A store to which somebody has written since it was opened."""

    now = N

    def count(self) -> int:
        return self.now


def test_idx014_a_store_that_is_written_to_meanwhile() -> None:
    silent("IDX014", ArrayStore(healthy()))
    finding = fired("IDX014", Told(ArrayStore(healthy()), count=N + 5))
    assert finding.severity is Severity.WARNING
    assert finding.message == "605 documents when it was opened, 600 were read, and afterwards 605."
    assert finding.evidence["store.changed"] == Measure.counted(5 / N, n=N, null=0.0)
    later = _Written(ArrayStore(healthy()))
    silent("IDX014", later)
    later.now = N - 12
    finding = fired("IDX014", later)
    assert finding.message == "600 documents when it was opened, 600 were read, and afterwards 588."
    assert finding.evidence["store.changed"].value == 12 / N


def test_idx008_vectors_stored_with_loss(tmp_path: Path) -> None:
    X = healthy()
    for kind, path in (("SQ8", tmp_path / "sq.faiss"), ("Flat", tmp_path / "flat.faiss")):
        index = faiss.index_factory(DIM, kind, faiss.METRIC_INNER_PRODUCT)
        index.train(X)
        index.add(X)
        faiss.write_index(index, str(path))
    silent("IDX008", str(tmp_path / "flat.faiss"))
    finding = fired("IDX008", str(tmp_path / "sq.faiss"))
    assert finding.severity is Severity.INFO
    assert open_store(str(tmp_path / "sq.faiss")).info.loss in finding.message
    assert finding.evidence["store.count"].value == N


def test_idx009_a_part_is_not_normalised() -> None:
    X = healthy()
    silent("IDX009", X)
    silent("IDX009", X * np.float32(3))  # all alike: another matter
    X[100:160] *= 3
    finding = fired("IDX009", X)
    assert finding.evidence["norms.not_normalised"].value == pytest.approx(60 / N)
    # 540 lengths of 1 and 60 of 3: mean 1.2, standard deviation .6
    assert finding.evidence["norms.variation"].value == pytest.approx(0.5, abs=1e-5)
    assert finding.message == "90 % of the vectors have length 1, the others from 3 to 3."
    assert listed(finding) == [str(i) for i in range(100, 110)]
    assert finding.documents[0].note == "length 3"


def test_idx009_carries_what_the_labels_show() -> None:
    X = healthy()
    X[100:160] *= 3
    labels = judgements([{f"d{i}": 1} for i in range(80, 180)])
    asked: dict[str, Any] = {"judgements": labels, "query_vectors": X[80:180].copy()}
    finding = fired("IDX009", ArrayStore(X, ids=names(), metric="l2"), **asked)
    assert finding.severity is Severity.WARNING
    assert finding.remedy.similarity == "cosine"
    assert finding.remedy.tested.startswith("paired over 100 labelled queries, +")
    assert "nDCG@10 to l2; " in finding.remedy.tested
    assert fired("IDX009", ArrayStore(X, ids=names(), metric="l2")).remedy.tested == ""
    unsaid = fired("IDX009", ArrayStore(X, ids=names()), **asked).remedy.tested
    assert unsaid == "the 100 labelled queries were ranked by it, nDCG@10 1.000 [1.000, 1.000]"
    # Ranked by cosine already, the remedy is the other one, and there is nothing to test.
    remedy = fired("IDX009", ArrayStore(X, ids=names(), metric="cosine"), **asked).remedy
    assert (remedy.text, remedy.similarity) == ("Scale all vectors to length 1.", None)


def test_idx009_lists_the_smaller_part() -> None:
    X = healthy() * np.float32(3)
    X[:20] /= 3
    finding = fired("IDX009", X)
    assert finding.evidence["norms.not_normalised"].value == pytest.approx(580 / N)
    assert listed(finding) == [str(i) for i in range(10)]


def turned(X: Float32, seed: int) -> Float32:
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((X.shape[1], X.shape[1])))
    return np.asarray(X @ rotation, dtype=np.float32)


def of_one_model(n: int, seed: int, *, at: float = 0.0, turn: int = 0) -> Float32:
    """Return vectors with a decaying spectrum and spread 1, moved by `at` along a direction of their own."""
    X = decaying(np.random.default_rng(seed), n, 128)
    X /= np.float32(np.sqrt(np.sum(1 / np.arange(1, 129))))
    X[:, 100] += np.float32(at)
    return turned(X, turn)


def test_idx010_two_models() -> None:
    X = of_one_model(N, 0)
    silent("IDX010", X)
    X[200:260] = of_one_model(60, 1, at=2.0, turn=1)
    finding = fired("IDX010", X)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["population.minor_share"].value == 60 / N
    assert finding.evidence["population.kinship"].value == pytest.approx(0, abs=0.1)
    assert listed(finding) == [str(i) for i in range(200, 210)]


def test_idx010_tells_two_genres_under_one_model_for_information() -> None:
    X = of_one_model(N, 0)
    X[200:320] = of_one_model(120, 1, at=2.0)
    finding = fired("IDX010", X)
    assert finding.severity is Severity.INFO
    assert finding.evidence["population.minor_share"].value == 120 / N
    assert finding.evidence["population.kinship"].value == pytest.approx(1, abs=0.15)


def test_idx010_cannot_tell_models_whose_spectra_are_flat() -> None:
    dim = 128
    X = healthy(dim=dim)
    silent("IDX010", X)
    X[200:260] = cone(np.random.default_rng(1), 60, dim, rho=0.9)
    finding = fired("IDX010", X)
    assert finding.severity is Severity.INFO
    assert finding.evidence["population.kinship"].undefined == "the spectra are nearly flat"
    assert finding.evidence["population.minor_share"].value == 60 / N
    # Along the axis: the means are 0 and √.9, the variances 1/128 and 0.
    known = np.sqrt(2) * np.sqrt(0.9) / np.sqrt(1 / dim)
    assert finding.evidence["population.separation"].value == pytest.approx(known, rel=0.05)
    assert finding.evidence["population.separation"].n == N
    assert listed(finding) == [str(i) for i in range(200, 210)]


def test_idx010_is_silent_about_topics_and_copies() -> None:
    rng = np.random.default_rng(2)
    silent("IDX010", clustered(rng, N, isotropic(rng, 20, DIM), spread=0.05))
    X = healthy()
    X[100:200] = X[0]
    silent("IDX010", X)


def test_idx011_constant_coordinates() -> None:
    X = healthy()
    silent("IDX011", X)
    X[:, 5] = 0.25
    few = fired("IDX011", X)
    assert few.severity is Severity.INFO
    assert few.evidence["spectrum.constant_coordinates"].value == 1 / DIM
    X[:, 8:11] = 0
    many = fired("IDX011", X)
    assert many.severity is Severity.WARNING
    assert many.evidence["spectrum.constant_coordinates"].value == 4 / DIM
    assert many.message == "4 coordinates of 32 have the same value in all vectors."


def test_idx011_equal_vectors_are_a_broken_store() -> None:
    found = fired("IDX011", np.ones((50, 8), dtype=np.float32))
    assert (found.severity, found.message) == (
        Severity.ERROR,
        "All vectors are one and the same, in every coordinate.",
    )
    assert found.evidence["duplicates.vectors"].value == 0.98
