from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from ragdiag import Severity
from ragdiag.geometry.intervals import wilson
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import cone
from ragdiag.types import Float32
from tests.findings.planted import DIM, N, check, fired, healthy, listed, sentences, silent


def test_idx004_empty_texts() -> None:
    texts = sentences()
    silent("IDX004", ArrayStore(healthy(), texts=texts))
    texts[4], texts[5], texts[99] = "", " \n\t", "  "
    finding = fired("IDX004", ArrayStore(healthy(), texts=texts))
    assert finding.severity is Severity.WARNING
    share = finding.evidence["texts.empty"]
    assert (share.value, share.low, share.high, share.n) == (3 / N, 3 / N, 3 / N, N)
    assert listed(finding) == ["4", "5", "99"]


def test_idx004_needs_texts() -> None:
    assert check("IDX004", healthy()).skipped == {"IDX004": "the store keeps no texts"}


FURNITURE = "this page was last updated by the team please tell us whether it was helpful to you"


def test_idx005_boilerplate_texts() -> None:
    texts = sentences()
    for i in range(5):  # not more than five: not yet furniture
        texts[i] = f"{FURNITURE} {texts[i][:12]}"
    silent("IDX005", ArrayStore(healthy(), texts=texts))
    for i in range(5, 12):
        texts[i] = f"{FURNITURE} {texts[i][:12]}"
    texts[300] = f"{FURNITURE[:40]} {texts[300]} {texts[301]}"  # mostly its own words
    finding = fired("IDX005", ArrayStore(healthy(), texts=texts))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["texts.boilerplate"] == wilson(12, N, null=0.0)
    assert listed(finding) == [str(i) for i in range(10)]
    assert finding.documents[0].text == texts[0]


def chinese(n: int = N) -> list[str]:
    """Return texts in which no ten characters stand twice."""
    rng = np.random.default_rng(4)
    return ["".join(chr(0x4E00 + c) for c in rng.integers(0, 5000, size=60)) for _ in range(n)]


def test_idx005_sees_furniture_where_words_are_not_spaced() -> None:
    texts = chinese()
    silent("IDX005", ArrayStore(healthy(), texts=texts))
    footer = "版权所有，未经许可不得转载。如有任何疑问，请联系客户服务中心，我们将竭诚为您服务。"
    for i in range(12):
        texts[i] = f"{footer}{texts[i][:9]}"
    texts[300] = f"{footer[:20]}{texts[300]}"  # mostly its own words
    finding = fired("IDX005", ArrayStore(healthy(), texts=texts))
    assert finding.evidence["texts.boilerplate"] == wilson(12, N, null=0.0)
    assert listed(finding) == [str(i) for i in range(10)]


def test_idx006_equal_vectors() -> None:
    X = healthy()
    silent("IDX006", X)
    X[1] = X[0]
    few = fired("IDX006", X)
    assert (few.severity, few.evidence["duplicates.vectors"].value) == (Severity.INFO, 1 / N)
    X[590:600] = X[20:30]
    X[589] = X[20]
    many = fired("IDX006", X)
    assert (many.severity, many.evidence["duplicates.vectors"].value) == (Severity.WARNING, 12 / N)
    assert listed(many)[:3] == ["20", "0", "21"]
    assert [document.note for document in many.documents[:2]] == ["there 3 times", "there 2 times"]


def test_idx006_equal_texts() -> None:
    texts = sentences()
    texts[10:20] = [f"  {text.upper()}\n" for text in texts[30:40]]
    texts[50:60] = [""] * 10  # IDX004's
    finding = fired("IDX006", ArrayStore(healthy(), texts=texts))
    assert finding.evidence["duplicates.texts"].value == 10 / N
    assert finding.evidence["duplicates.vectors"].value == 0.0
    assert listed(finding) == [str(i) for i in range(10, 20)]


def near(X: Float32, row: int, cosine: float) -> Float32:
    """Return a unit vector at this cosine to a row of X."""
    other = X[row - 1] - (X[row - 1] @ X[row]) * X[row]
    turned = cosine * X[row] + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
    return np.asarray(turned, dtype=np.float32)


def test_idx007_near_duplicates() -> None:
    X = healthy()
    silent("IDX007", X)
    X[100], X[101] = near(X, 500, 0.995), near(X, 510, 0.985)
    X[102] = near(X, 520, 0.96)  # not near enough
    few = fired("IDX007", X)
    assert (few.severity, few.evidence["duplicates.near"].value) == (Severity.INFO, 4 / N)
    named = {frozenset((document.id, document.note.split()[-1])) for document in few.documents}
    assert named == {frozenset(("100", "500")), frozenset(("101", "510"))}  # each pair once
    assert few.documents[0].note.startswith("cosine 0.995 to ")
    X[100] = near(X, 500, 0.9998)
    assert fired("IDX007", X).documents[0].note.startswith("cosine > .9995 to ")
    X[100] = near(X, 500, 0.995)
    for i in range(10):
        X[i] = near(X, 400 + i, 0.99)
    many = fired("IDX007", X)
    assert (many.severity, many.evidence["duplicates.near"].value) == (Severity.WARNING, 24 / N)
    assert len(listed(many)) == 10


def test_idx007_is_silent_in_a_narrow_cone() -> None:
    X = cone(np.random.default_rng(0), N, DIM, rho=0.985)
    assert np.sort(X @ X.T, axis=1)[:, -2].min() > 0.98
    silent("IDX007", X)


class Model:
    """An embedding model that knows its texts by heart."""

    def __init__(self, vectors: Mapping[str, Float32]) -> None:
        self._vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._vectors[text].tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_idx012_stored_vectors_of_another_model() -> None:
    n, texts = 150, sentences(150)
    X = healthy(n=n)
    model = Model(dict(zip(texts, X, strict=True)))
    silent("IDX012", ArrayStore(X * np.float32(7), texts=texts), embeddings=model)  # lengths play no part
    stored = X.copy()
    stored[20:26] = healthy(seed=1, n=6)
    finding = fired("IDX012", ArrayStore(stored, texts=texts), embeddings=model)
    assert finding.severity is Severity.ERROR
    assert finding.evidence["embedder.mismatch"] == wilson(6, n, null=0.0)
    assert finding.evidence["embedder.cosine"].value == pytest.approx(1.0, abs=1e-6)
    assert finding.evidence["embedder.cosine"].null == pytest.approx(0.0, abs=0.05)
    assert set(listed(finding)) == {str(i) for i in range(20, 26)}  # and none that fits


def test_idx012_the_same_model_and_another_text() -> None:
    n, texts = 150, sentences(150)
    X = healthy(n=n)
    prepared = np.stack([near(X, i, 0.95) for i in range(n)])
    finding = fired("IDX012", ArrayStore(X, texts=texts), embeddings=Model(dict(zip(texts, prepared, strict=True))))
    assert finding.severity is Severity.INFO
    assert finding.evidence["embedder.cosine"].value == pytest.approx(0.95, abs=1e-6)
    assert finding.evidence["embedder.mismatch"].value == 0.0


def test_idx012_needs_a_model_and_texts() -> None:
    X = healthy(n=50)
    assert check("IDX012", X).skipped == {"IDX012": "no embedding model was given"}
    skipped = check("IDX012", X, embeddings=Model({})).skipped
    assert skipped == {"IDX012": "no sampled document has a text to embed again"}


def test_idx013_documents_far_from_all_others() -> None:
    X = cone(np.random.default_rng(0), N, DIM, rho=0.8)
    silent("IDX013", X)
    X[[17, 400], 0] *= -1  # the other way round
    finding = fired("IDX013", X)
    assert finding.severity is Severity.INFO
    assert finding.evidence["outliers.far"].value == 2 / N
    assert listed(finding) == ["17", "400"]
