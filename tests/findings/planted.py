"""A healthy world, and the means to plant one flaw in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ragdiag import Plan, Report, audit
from ragdiag.findings.finding import Finding
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import ArrayStore, ScannedStore
from ragdiag.testing.worlds import isotropic
from ragdiag.types import Batch, Float32, Float64, IntArray, Shard, StoreInfo

N, DIM = 600, 32


def healthy(seed: int = 0, n: int = N, dim: int = DIM) -> Float32:
    """Return vectors with nothing to find."""
    return isotropic(np.random.default_rng(seed), n, dim)


def sentences(n: int = N, seed: int = 0, words: int = 12) -> list[str]:
    """Return texts that share no five words in a row."""
    rng = np.random.default_rng(seed)
    return [" ".join(f"word{word}" for word in rng.integers(0, 10_000, size=words)) for _ in range(n)]


def names(n: int = N) -> list[str]:
    return [f"d{i}" for i in range(n)]


def check(code: str, store: Any, **options: Any) -> Report:
    """Audit a store with one rule alone."""
    plan = replace(options.pop("plan", Plan()), select=(code,))
    return audit(store, plan=plan, **options)


def fired(code: str, store: Any, **options: Any) -> Finding:
    """Return the one finding of a rule."""
    found = check(code, store, **options).findings
    assert [finding.code for finding in found] == [code]
    return found[0]


def silent(code: str, store: Any, **options: Any) -> None:
    """Make sure that a rule has looked and found nothing."""
    report = check(code, store, **options)
    assert report.findings == ()
    assert report.passed == (code,), report.skipped


def listed(finding: Finding) -> list[str]:
    return [document.id for document in finding.documents]


def judgements(relevant: Sequence[Mapping[str, int]]) -> Judgements:
    m = len(relevant)
    return Judgements("labels", tuple(f"q{i}" for i in range(m)), tuple(sentences(m, seed=9)), tuple(relevant))


def ranked(scores: Float64, k: int) -> IntArray:
    """Return the k best columns of each row, by sorting."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int64)


def counts(lists: IntArray, n: int) -> IntArray:
    return np.bincount(lists.ravel(), minlength=n).astype(np.int64)


class Told(ScannedStore):
    """A store that says something else of itself than what it holds."""

    def __init__(self, store: ArrayStore, **said: Any) -> None:
        self._store = store
        self._info = replace(store.info, **said)

    @property
    def info(self) -> StoreInfo:
        return self._info

    def scan(self, *, batch_size: int = 4096, shard: Shard = Shard(0, 1)) -> Iterator[Batch]:  # noqa: B008
        return self._store.scan(batch_size=batch_size, shard=shard)

    def fetch(self, ids: Sequence[str]) -> Batch:
        return self._store.fetch(ids)
