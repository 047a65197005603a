"""Vectors among which a search goes wrong when it can, and how exact an exact score is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ragdiag.types import Float32, Float64

World = Callable[[np.random.Generator, int, int], Float32]
"""(rng, n, d) → vectors."""


def normal(rng: np.random.Generator, n: int, d: int) -> Float32:
    return rng.standard_normal((n, d)).astype(np.float32)


def duplicates(rng: np.random.Generator, n: int, d: int) -> Float32:
    return normal(rng, max(n // 5, 1), d)[rng.integers(max(n // 5, 1), size=n)]


def collinear(rng: np.random.Generator, n: int, d: int) -> Float32:
    return normal(rng, 1, d) * rng.standard_normal((n, 1)).astype(np.float32)


def huge(rng: np.random.Generator, n: int, d: int) -> Float32:
    return normal(rng, n, d) * np.float32(1e15)


def tiny(rng: np.random.Generator, n: int, d: int) -> Float32:
    return normal(rng, n, d) * np.float32(1e-20)


def all_sizes(rng: np.random.Generator, n: int, d: int) -> Float32:
    return normal(rng, n, d) * (10.0 ** rng.uniform(-20, 15, size=(n, 1))).astype(np.float32)


def zeros(rng: np.random.Generator, n: int, d: int) -> Float32:
    return normal(rng, n, d) * (rng.random((n, 1)) < 0.5).astype(np.float32)


def only_zeros(rng: np.random.Generator, n: int, d: int) -> Float32:
    return np.zeros((n, d), dtype=np.float32)


def one_direction(rng: np.random.Generator, n: int, d: int) -> Float32:
    X = normal(rng, n, d) * np.float32(1e-4)
    X[:, 0] += 1
    return X


def one_large_coordinate(rng: np.random.Generator, n: int, d: int) -> Float32:
    X = normal(rng, n, d)
    X[:, -1] *= np.float32(1e6)
    return X


def equal(rng: np.random.Generator, n: int, d: int) -> Float32:
    return np.repeat(normal(rng, 1, d), n, axis=0)


def nearly_equal(rng: np.random.Generator, n: int, d: int) -> Float32:
    return np.nextafter(equal(rng, n, d), rng.choice([-9, 9], size=(n, d)).astype(np.float32))


def signs(rng: np.random.Generator, n: int, d: int) -> Float32:
    return rng.choice(np.array([-1, 0, 1], dtype=np.float32), size=(n, d))


def one_long(rng: np.random.Generator, n: int, d: int) -> Float32:
    X = normal(rng, n, d)
    X[rng.integers(n)] *= np.float32(1e6)
    return X


WORLDS: list[World] = [
    normal,
    duplicates,
    collinear,
    huge,
    tiny,
    all_sizes,
    zeros,
    only_zeros,
    one_direction,
    one_large_coordinate,
    equal,
    nearly_equal,
    signs,
    one_long,
]


def tolerance_of(mapped_queries: Float32, mapped_documents: Float32, scores: Float64) -> Float64:
    """Ties: a relative 2⁻⁴⁰, and what summing in float64 loses. One per query."""
    p = mapped_queries.shape[1]
    bound = np.abs(mapped_queries.astype(np.float64)) @ np.abs(mapped_documents.astype(np.float64)).T
    tolerance: Float64 = (np.abs(scores) * 2.0**-39 + bound * 2 * p * 2.0**-53).max(axis=1)
    return tolerance
