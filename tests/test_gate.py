"""The gate passes equal stores and stops a changed model; `benchmarks/gate.py` counts it over 200 pairs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "gate.py"


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


GATE = benchmark()


@pytest.mark.parametrize("world", GATE.WORLDS, ids=lambda world: str(world.name))
def test_equal_stores_pass_and_a_fifth_of_another_model_does_not(world: object) -> None:
    tally, why = GATE.measure(world, 2, seed=1)
    assert (tally.pairs, tally.false, tally.caught) == (2, 0, 2), why
