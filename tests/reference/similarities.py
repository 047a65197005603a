"""Similarities by the direct formula: one pair at a time or one document at a time, in float64, no maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ragdiag.similarities.base import Training
from ragdiag.types import Float64

Formula = Callable[[Float64, Float64, Training], Float64]


def cosines(Q: Float64, X: Float64) -> Float64:
    scores = np.zeros((len(Q), len(X)))
    for i, q in enumerate(Q):
        for j, x in enumerate(X):
            lengths = np.sqrt(np.sum(q * q)) * np.sqrt(np.sum(x * x))
            scores[i, j] = np.sum(q * x) / lengths if lengths > 0 else 0.0
    return scores


def units(X: Float64) -> Float64:
    directions: Float64 = X / np.linalg.norm(X, axis=1, keepdims=True)
    return directions


def means(training: Training) -> tuple[Float64, Float64]:
    assert training.queries is not None
    return training.documents.astype(np.float64).mean(axis=0), training.queries.astype(np.float64).mean(axis=0)


def dot(Q: Float64, X: Float64, training: Training) -> Float64:
    return np.asarray(Q @ X.T)


def l2(Q: Float64, X: Float64, training: Training) -> Float64:
    return np.array([[-np.sum((q - x) ** 2) for x in X] for q in Q])


def cosine(Q: Float64, X: Float64, training: Training) -> Float64:
    return cosines(Q, X)


def centred(Q: Float64, X: Float64, training: Training) -> Float64:
    mean, _ = means(training)
    return cosines(Q - mean, X - mean)


def centred_dot(Q: Float64, X: Float64, training: Training) -> Float64:
    mean, _ = means(training)
    return (Q - mean) @ (X - mean).T


def query_centred(Q: Float64, X: Float64, training: Training) -> Float64:
    mean, query_mean = means(training)
    return cosines(Q - query_mean, X - mean)


def mean_direction(Q: Float64, X: Float64, training: Training) -> Float64:
    mean, _ = means(training)
    mean /= np.linalg.norm(mean)
    return cosines(*(V - np.outer([v @ mean for v in V], mean) for V in (Q, X)))


def z_score(Q: Float64, X: Float64, training: Training) -> Float64:
    documents = training.documents.astype(np.float64)
    mean = documents.mean(axis=0)
    deviation = np.sqrt(np.mean((documents - mean) ** 2, axis=0))
    floored = np.maximum(deviation, 0.01 * np.sqrt(np.mean(deviation**2)))
    return cosines((Q - mean) / floored, (X - mean) / floored)


def axes(documents: Float64) -> tuple[Float64, Float64]:
    """Principal axes as rows, and variances, by singular values: the live ones."""
    _, s, vt = np.linalg.svd(documents - documents.mean(axis=0), full_matrices=False)
    alive = s > 1e-5 * s[0]
    return vt[alive], s[alive] ** 2 / (len(documents) - 1)


def abtt(d: int) -> Formula:
    def scores(Q: Float64, X: Float64, training: Training) -> Float64:
        documents = training.documents.astype(np.float64)
        mean, (found, _) = documents.mean(axis=0), axes(documents)

        def rest(V: Float64) -> Float64:
            moved: Float64 = V - mean
            for axis in found[:d]:
                moved = moved - np.outer(moved @ axis, axis)
            return moved

        return cosines(rest(Q), rest(X))

    return scores


def pca(k: int) -> Formula:
    def scores(Q: Float64, X: Float64, training: Training) -> Float64:
        documents = training.documents.astype(np.float64)
        mean, (found, _) = documents.mean(axis=0), axes(documents)
        return cosines((Q - mean) @ found[:k].T, (X - mean) @ found[:k].T)

    return scores


def whitened(gamma: float, weight: float = 0.0, k: int | None = None) -> Formula:
    """`weight` mixes the variances with their mean over all dimensions, dead ones among them."""

    def scores(Q: Float64, X: Float64, training: Training) -> Float64:
        documents = training.documents.astype(np.float64)
        mean, (found, variances) = documents.mean(axis=0), axes(documents)
        shrunk = (1 - weight) * variances + weight * variances.sum() / documents.shape[1]
        return cosines(*(((V - mean) @ found.T / shrunk ** (gamma / 2))[:, :k] for V in (Q, X)))

    return scores


def layer_norm(Q: Float64, X: Float64, training: Training) -> Float64:
    return np.array([[np.corrcoef(q, x)[0, 1] for x in X] for q in Q])


def truncated(k: int) -> Formula:
    return lambda Q, X, training: cosines(Q[:, :k], X[:, :k])


def soft_cosine(S: Float64) -> Formula:
    def scores(Q: Float64, X: Float64, training: Training) -> Float64:
        return np.array([[q @ S @ x / np.sqrt(q @ S @ q) / np.sqrt(x @ S @ x) for x in X] for q in Q])

    return scores


def csls(k: int, alpha: float) -> Formula:
    def scores(Q: Float64, X: Float64, training: Training) -> Float64:
        assert training.queries is not None
        to_bank = cosines(X, training.queries.astype(np.float64))
        return cosines(Q, X) - alpha * np.array([np.mean(sorted(row)[-k:]) for row in to_bank])

    return scores


def inverted_softmax(beta: float) -> Formula:
    """The share of a query in the sum over the bank; a logarithm, for its range alone."""

    def scores(Q: Float64, X: Float64, training: Training) -> Float64:
        assert training.queries is not None
        sums = np.exp(beta * cosines(X, training.queries.astype(np.float64))).sum(axis=1)
        shares: Float64 = np.log(np.exp(beta * cosines(Q, X)) / sums)
        return shares

    return scores


def neighbourhood(x: Float64, documents: Float64, k: int) -> Float64:
    """The k unit vectors nearest to the direction of x, one that equals it left out."""
    directions = units(documents)
    away = np.linalg.norm(directions - x / np.linalg.norm(x), axis=1)
    order = np.argsort(away, kind="stable")
    first = 1 if away[order[0]] < 1e-5 else 0
    return directions[order[first : first + k]]


def local_scaling(k: int) -> Formula:
    """NICDM, squared."""

    def scores(Q: Float64, X: Float64, training: Training) -> Float64:
        documents = training.documents.astype(np.float64)

        def radius(x: Float64) -> float:
            around = neighbourhood(x, documents, k)
            return float(np.mean(np.linalg.norm(around - x / np.linalg.norm(x), axis=1)))

        floor = 0.05 * np.mean([radius(x) for x in documents])
        radii = np.maximum([radius(x) for x in X], floor)
        return np.array([[-np.sum((q - x) ** 2) / r for x, r in zip(units(X), radii, strict=True)] for q in units(Q)])

    return scores


def dis_sim_local(k: int) -> Formula:
    def scores(Q: Float64, X: Float64, training: Training) -> Float64:
        documents = training.documents.astype(np.float64)

        def off_centre(v: Float64) -> float:
            return float(np.sum((v / np.linalg.norm(v) - neighbourhood(v, documents, k).mean(axis=0)) ** 2))

        bonus = [off_centre(x) for x in X]
        return np.array(
            [
                [-np.sum((q - x) ** 2) + off_centre(q) + b for x, b in zip(units(X), bonus, strict=True)]
                for q in units(Q)
            ]
        )

    return scores


def int8(Q: Float64, X: Float64, training: Training) -> Float64:
    directions = units(training.documents.astype(np.float64))
    low, high = directions.min(axis=0), directions.max(axis=0)
    levels = [np.linspace(a, b, 256) for a, b in zip(low, high, strict=True)]
    near = np.array(
        [[level[np.argmin(np.abs(level - v))] for v, level in zip(x, levels, strict=True)] for x in units(X)]
    )
    return np.asarray(units(Q) @ near.T)


def binary(Q: Float64, X: Float64, training: Training) -> Float64:
    mean = units(training.documents.astype(np.float64)).mean(axis=0)
    return np.asarray(units(Q) @ np.sign(units(X) - mean).T)


def hamming(Q: Float64, X: Float64, training: Training) -> Float64:
    mean = units(training.documents.astype(np.float64)).mean(axis=0)
    bits, asked = units(X) > mean, units(Q) > mean
    return np.array([[-float(np.sum(q != x)) for x in bits] for q in asked])


def pq(centroids: Float64) -> Formula:
    """Nearest centroid of each piece, given the centroids."""

    def scores(Q: Float64, X: Float64, training: Training) -> Float64:
        pieces = units(X).reshape(len(X), len(centroids), -1)
        near = [
            [own[np.argmin(np.sum((own - piece) ** 2, axis=1))] for own, piece in zip(centroids, row, strict=True)]
            for row in pieces
        ]
        return np.asarray(units(Q) @ np.array(near).reshape(len(X), -1).T)

    return scores
