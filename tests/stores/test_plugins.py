from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ragdiag.plugins
from ragdiag.errors import PluginError, UnknownStoreError
from ragdiag.plugins import GROUP, Openers, load_openers
from ragdiag.stores import ArrayStore, open_store

Register = Callable[..., None]

MODULE = """
import numpy
from ragdiag.stores import ArrayStore, Opener
def accepts(obj):
    raise RuntimeError("a careless look")
mine = Opener(("mine",), (".mine",), "mine:NAME", open_uri=lambda rest, options: ArrayStore(numpy.eye(2), name=rest),
    accepts=accepts, open_object=ArrayStore, claims_path=accepts)
same_scheme = Opener(("npy",), (), "npy, too")
same_suffix = Opener(("other",), (".npy",), "npy, too")
text = Opener("mine", (), "a lone string")
nothing = 3
"""


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    (tmp_path / "their_stores.py").write_text(MODULE)
    (tmp_path / "their_broken.py").write_text("raise OSError('disk\\n gone')")
    (tmp_path / "their_exit.py").write_text("import sys; sys.exit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    ours = entry_points(group=GROUP)
    theirs: list[EntryPoint] = []

    def add(name: str, value: str, distribution: str = "theirs") -> None:
        point = EntryPoint(name, value, GROUP)
        object.__setattr__(point, "dist", SimpleNamespace(name=distribution))
        theirs.append(point)

    def points(*, group: str) -> list[Any]:
        assert group == GROUP
        return [*ours, *theirs]

    monkeypatch.setattr(ragdiag.plugins, "entry_points", points)
    yield add
    for module in ("their_stores", "their_broken", "their_exit"):
        sys.modules.pop(module, None)


def names(openers: Openers) -> list[str]:
    return [name for name, _ in openers.openers]


def test_ours_are_there() -> None:
    openers = load_openers()
    ours = ["array", "faiss", "langchain-faiss", "langchain-inmemory", "npy", "npz", "parquet"]
    assert [name for name in names(openers) if name in ours] == ours
    assert set(openers.schemes) >= {"faiss", "npy", "npz", "parquet"}


def test_a_third_party_adapter_opens(register: Register) -> None:
    register("mine", "their_stores:mine")
    assert open_store("mine:a").info.name == "a"
    assert open_store("a.mine").info.name == "a.mine"
    assert open_store(np.eye(3)).info.count == 3  # although its `accepts` raises


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("their_broken:x", "OSError: disk gone"),
        ("their_exit:x", "SystemExit: 3"),
        ("no_such_module:x", "ModuleNotFoundError"),
        ("their_stores:missing", "AttributeError"),
        ("their_stores:nothing", "their_stores:nothing is int, not a ragdiag.stores.Opener"),
        ("their_stores:text", "has schemes 'mine'"),
    ],
)
def test_a_broken_adapter_is_set_aside(register: Register, value: str, error: str) -> None:
    register("mine", value)
    openers = load_openers()
    (broken,) = openers.broken
    assert (broken.name, broken.distribution) == ("mine", "theirs")
    assert error in broken.error
    assert "\n" not in broken.error
    assert open_store(np.eye(3)).info.count == 3
    with pytest.raises(UnknownStoreError, match="adapter 'mine' of theirs is broken"):
        open_store("mine:x")


def test_a_name_belongs_to_one_package(register: Register) -> None:
    register("npy", "their_stores:mine")
    with pytest.raises(PluginError, match=r"two adapters are called 'npy': .* of ragdiag and .* of theirs"):
        load_openers()


def test_a_package_listed_twice_is_no_clash(register: Register) -> None:
    register("mine", "their_stores:mine")
    register("mine", "their_stores:mine")
    assert names(load_openers()).count("mine") == 1
    register("mine", "their_stores:mine", "another")
    with pytest.raises(PluginError, match="another"):
        load_openers()


@pytest.mark.parametrize(("value", "claim"), [("same_scheme", "scheme npy:"), ("same_suffix", "suffix .npy")])
def test_a_scheme_and_a_suffix_belong_to_one_adapter(register: Register, value: str, claim: str) -> None:
    register("mine", f"their_stores:{value}")
    with pytest.raises(PluginError, match=f"both claim the {claim}"):
        load_openers()


def test_our_class_is_what_theirs_returns(register: Register) -> None:
    register("mine", "their_stores:mine")
    assert isinstance(open_store("mine:b"), ArrayStore)
