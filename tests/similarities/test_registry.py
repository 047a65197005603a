"""Recipes of other packages are found by entry point; a broken one harms nobody who does not ask for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from ragdiag.errors import PluginError, SimilarityError
from ragdiag.similarities import Training, load, parse, registry, save
from ragdiag.similarities.cosine import Cosine
from ragdiag.types import Float32

Register = Callable[[str, str], None]

MODULE = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from ragdiag.errors import SimilarityError
from ragdiag.similarities.base import Given

@dataclass(frozen=True)
class Power(Given):
    p: float = 0.5
    kind: ClassVar[str] = "power"
    scores: ClassVar[bool] = False
    last: ClassVar[bool] = False
    def documents(self, X):
        return (np.sign(X) * np.abs(X) ** self.p).astype(np.float32)
    queries = documents

@dataclass(frozen=True)
class Rival(Power):
    pass

@dataclass(frozen=True)
class TheirCosine(Power):
    kind: ClassVar[str] = "cosine"

class NoDataclass:
    kind = "plain"; scores = last = uses_queries = False
    def fit(self, training): ...
    def restore(self, arrays): ...

@dataclass(frozen=True)
class Half:
    kind: ClassVar[str] = "half"

instance = Power()
"""


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    (tmp_path / "their_recipes.py").write_text(MODULE)
    (tmp_path / "their_broken_recipe.py").write_text("raise OSError('disk\\n gone')")
    (tmp_path / "their_exit_recipe.py").write_text("import sys; sys.exit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    points: list[EntryPoint] = []

    def found(*, group: str) -> list[EntryPoint]:
        assert group == "ragdiag.similarities"
        return points

    def add(name: str, value: str) -> None:
        points.append(EntryPoint(name, value, group=registry.GROUP))
        registry._installed.cache_clear()

    monkeypatch.setattr(registry, "entry_points", found)
    registry._installed.cache_clear()
    yield add
    registry._installed.cache_clear()
    for module in ("their_recipes", "their_broken_recipe", "their_exit_recipe"):
        sys.modules.pop(module, None)


def vectors(n: int = 40, d: int = 4) -> Float32:
    return np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)


def test_theirs_is_a_recipe_like_ours(register: Register, tmp_path: Path) -> None:
    register("power", "their_recipes:Power")
    pipeline = parse("centred | power(p=2) | whitened(gamma=0.5)")
    assert pipeline.name == "centred | power(p=2) | whitened(gamma=0.5)"
    fitted = pipeline.fit(Training(vectors()))
    save(fitted, tmp_path)
    np.testing.assert_array_equal(load(tmp_path).documents(vectors()), fitted.documents(vectors()))
    assert set(registry.kinds()) == {recipe.kind for recipe in registry.OURS} | {"power"}


def test_it_is_suggested_by_its_name(register: Register) -> None:
    register("power", "their_recipes:Power")
    with pytest.raises(SimilarityError, match=r"did you mean 'power'"):
        parse("powr")


def test_saved_with_it_and_read_without(register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register("power", "their_recipes:Power")
    save(parse("power").fit(Training(vectors())), tmp_path)
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    registry._installed.cache_clear()
    with pytest.raises(SimilarityError, match=r"unknown similarity 'power'"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("mine", "their_broken_recipe:Power", "their_broken_recipe:Power cannot be loaded: OSError: disk gone"),
        ("mine", "their_exit_recipe:Power", "SystemExit: 3"),
        ("mine", "their_missing_module:Power", "ModuleNotFoundError"),
        ("mine", "their_recipes:Missing", "AttributeError"),
        ("mine", "their_recipes:Power", "its kind is 'power'"),
        ("plain", "their_recipes:NoDataclass", "it is no recipe"),
        ("half", "their_recipes:Half", "scores, last, uses_queries, fit, restore"),
        ("instance", "their_recipes:instance", "it is no recipe"),
    ],
)
def test_a_broken_one_is_named_when_it_is_asked_for(register: Register, name: str, value: str, reason: str) -> None:
    register(name, value)
    register("power", "their_recipes:Power")
    assert parse("power | csls").name == "power | csls"
    assert name not in registry.kinds()
    with pytest.raises(PluginError, match=reason) as caught:
        parse(f"centred | {name}(k=3)")
    assert "\n" not in str(caught.value)


def test_two_of_one_name_are_both_set_aside(register: Register) -> None:
    register("power", "their_recipes:Rival")
    register("power", "their_recipes:Power")
    assert parse("cosine").recipes == (Cosine(),)
    with pytest.raises(PluginError, match=r"their_recipes:Power and their_recipes:Rival"):
        parse("power")


def test_one_that_is_listed_twice_is_one(register: Register) -> None:
    register("power", "their_recipes:Power")
    register("power", "their_recipes:Power")
    assert parse("power").name == "power"


def test_a_name_of_ours_stays_ours(register: Register) -> None:
    register("cosine", "their_recipes:TheirCosine")
    assert parse("cosine").recipes == (Cosine(),)
    assert registry.kinds()["cosine"] is Cosine
