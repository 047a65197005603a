"""What the remedies are for: hubs lose slots, codes keep the ranking, and a shift of queries is undone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skew

from ragdiag.similarities import Training, parse
from ragdiag.testing import worlds
from ragdiag.types import Float32

D = 64


def fitted_scores(name: str, training: Training, Q: Float32) -> np.ndarray:
    fitted = parse(name).fit(training)
    return fitted.queries(Q) @ fitted.documents(training.documents).T


def top(scores: np.ndarray, k: int = 10) -> np.ndarray:
    return np.argpartition(-scores, k, axis=1)[:, :k]


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("csls", 0.5),
        ("csls(alpha=1)", 0.2),
        ("nnn", 0.25),
        ("inverted-softmax", 0.15),
        ("local-scaling", 0.25),
        ("dis-sim-local", 0.6),
    ],
)
def test_hubs_lose_slots(name: str, most: float) -> None:
    """Documents scatter along the mean of the queries: those far out are near to all of them (skew above 5)."""
    rng = np.random.default_rng(0)
    X = worlds.normal(rng, 2000, D)
    X[:, 0] += 2 * rng.exponential(size=2000).astype(np.float32)
    Q = worlds.normal(rng, 2000, D)
    Q[:, 0] += 4
    training = Training(X, Q[:1000])

    def skewness(name: str) -> float:
        return float(skew(np.bincount(top(fitted_scores(name, training, Q[1000:])).ravel(), minlength=2000)))

    before = skewness("cosine")
    assert before > 5
    assert skewness(name) < most * before


def overlap(name: str, training: Training, Q: Float32, of: str = "cosine") -> float:
    pairs = zip(top(fitted_scores(name, training, Q)), top(fitted_scores(of, training, Q)), strict=True)
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in pairs]))


def test_codes_keep_the_ranking_the_better_the_more_bytes() -> None:
    """And raw int8 codes under cosine do not: an offset per coordinate is no direction."""
    rng = np.random.default_rng(0)
    X = worlds.decaying(rng, 3000, D, 0.7) + np.float32(0.3)
    training = Training(X)
    Q = X[:200] + worlds.normal(rng, 200, D) * np.float32(0.2)
    share = {
        name: overlap(name, training, Q) for name in ("int8", "pq(m=16, bits=6)", "binary", "binary(rescore=false)")
    }
    assert share["int8"] > 0.97
    assert share["int8"] > share["pq(m=16, bits=6)"] > share["binary"] > share["binary(rescore=false)"] > 0.15
    # The codes themselves, 0 … 255, as a store without their ranges would rank them.
    ranges = parse("int8").fit(training).arrays
    low, step = ranges["0.low"], ranges["0.step"]
    codes = (parse("int8").fit(training).documents(X) - low) / step
    raw = top((Q / np.linalg.norm(Q, axis=1, keepdims=True)) @ (codes / np.linalg.norm(codes, axis=1, keepdims=True)).T)
    exact = top(fitted_scores("cosine", training, Q))
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(raw, exact, strict=True)]) < 0.6


def test_centring_comes_before_the_sign() -> None:
    """In a cone most coordinates have one sign in all documents; about the mean they are told apart."""
    rng = np.random.default_rng(1)
    X = worlds.normal(rng, 2000, 256) + np.float32(3)
    Q = X[:200] + worlds.normal(rng, 200, 256) * np.float32(0.3)
    ours = fitted_scores("binary", Training(X), Q)
    raw = Q @ np.sign(X).T
    recall = [float(np.mean(scores.argmax(axis=1) == np.arange(200))) for scores in (ours, raw)]
    assert recall[0] > 0.99
    assert recall[1] < 0.5


def test_pca_keeps_more_than_a_cut_where_the_model_was_not_trained_for_it() -> None:
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.normal(size=(D, D)))[0].astype(np.float32)
    X = worlds.decaying(rng, 2000, D, 1.5) @ turned
    training, Q = Training(X), X[:200] + worlds.normal(rng, 200, D) * np.float32(0.02)
    assert overlap("pca(k=16)", training, Q) > overlap("truncated(k=16)", training, Q) + 0.2


def test_a_shift_of_the_queries_is_undone() -> None:
    rng = np.random.default_rng(0)
    X = worlds.normal(rng, 2000, D)
    shift = 3 * worlds.isotropic(rng, 1, D) * np.float32(np.sqrt(D))
    Q = X[:400] + worlds.normal(rng, 400, D) * np.float32(1.5)
    training = Training(X, Q[200:] + shift)

    def recall(name: str, asked: Float32) -> float:
        return float(np.mean(fitted_scores(name, training, asked).argmax(axis=1) == np.arange(200)))

    # Under cosine a constant in every query is a bias towards some documents.
    unshifted, shifted = recall("cosine", Q[:200]), recall("cosine", Q[:200] + shift)
    assert shifted < unshifted - 0.1
    assert recall("query-centred", Q[:200] + shift) == pytest.approx(unshifted, abs=0.03)
    assert recall("centred", Q[:200] + shift) < unshifted - 0.1
