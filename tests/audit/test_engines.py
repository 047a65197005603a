"""Every engine gives the same report: the JSON apart from `run`, numbers to 1e-6."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragdiag import LocalEngine, Plan, audit
from ragdiag.engine import TorchEngine
from ragdiag.engine.products import HOST, Products
from ragdiag.report.json import to_json
from ragdiag.testing.worlds import offset_normal
from tests.audit.handbook import HANDBOOK, QUERY_VECTORS
from tests.statistics.kernels import PRODUCTS


@dataclass(frozen=True)
class Given(LocalEngine):
    """An engine with the products of one kind."""

    products: Products = field(default=HOST)


ENGINES: dict[str, LocalEngine] = {
    "one thread, small blocks": LocalEngine(64, threads=1),
    "torch": TorchEngine(device="cpu"),
    **{kind: Given(512, None, products) for kind, products in PRODUCTS.items()},
}


def differences(a: Any, b: Any, path: str = "") -> list[str]:
    """Where two JSON values differ by more than a relative 1e-6."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [*a, *(key for key in b if key not in a)]
        return [line for key in keys if key != "run" for line in differences(a.get(key), b.get(key), f"{path}.{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [line for i in range(len(a)) for line in differences(a[i], b[i], f"{path}[{i}]")]
    if isinstance(a, float | int) and isinstance(b, float | int):
        return [] if a == pytest.approx(b, rel=1e-6, abs=1e-9) else [f"{path}: {a} and {b}"]
    return [] if a == b else [f"{path}: {a} and {b}"]


@pytest.mark.parametrize("kind", list(ENGINES))
@pytest.mark.parametrize("everyone", [True, False])
def test_an_engine_changes_nothing(handbook: Path, kind: str, everyone: bool) -> None:
    plan = Plan() if everyone else Plan(sample_queries=100)
    given: dict[str, Any] = {"judgements": HANDBOOK, "query_vectors": QUERY_VECTORS, "plan": plan}
    expected = json.loads(to_json(audit(f"faiss:{handbook}", engine=LocalEngine(), **given)))
    found = json.loads(to_json(audit(f"faiss:{handbook}", engine=ENGINES[kind], **given)))
    assert differences(found, expected) == []


@pytest.mark.parametrize("kind", list(ENGINES))
def test_an_engine_changes_nothing_where_lengths_vary(kind: str) -> None:
    rng = np.random.default_rng(0)
    X = offset_normal(rng, 1200, 32, rho=0.2) * rng.uniform(0.5, 2, (1200, 1)).astype(np.float32)
    expected, found = (json.loads(to_json(audit(X, engine=engine))) for engine in (LocalEngine(), ENGINES[kind]))
    assert differences(found, expected) == []
