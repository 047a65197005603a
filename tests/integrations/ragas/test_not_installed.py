from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from ragdiag_ragas import evaluate, ragas_metric, read_dataset, to_dataset
from ragdiag_ragas.installed import QUIET, ragas

from ragdiag.errors import MissingExtraError
from ragdiag.retrieval.retrieved import Retrieved

QUERY = Retrieved("q1", "how?", ("a",), relevant={"a": 1})


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "ragas"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Without(), *sys.meta_path])


class Without:
    """A finder that knows no Ragas."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.split(".")[0] == "ragas":
            raise ModuleNotFoundError(f"No module named {name!r}", name="ragas")


@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize("call", [lambda: evaluate([QUERY]), lambda: to_dataset([QUERY]), lambda: ragas_metric("AP")])
def test_the_extra_is_named(call: Callable[[], object]) -> None:
    with pytest.raises(MissingExtraError, match=r"^Ragas is not installed: pip install 'ragdiag\[ragas\]'$"):
        call()


@pytest.mark.usefixtures("absent")
def test_what_works_without_it() -> None:
    assert evaluate([QUERY], ["AP"]).runs[0].scores["AP"].mean.value == 1.0
    rows = [{"user_input": "how?", "reference_context_ids": ["a"]}]
    assert read_dataset(rows).relevant == ({"a": 1},)


def test_one_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ragas.broken", None)
    monkeypatch.setitem(sys.modules, "ragas", type(sys)("ragas"))
    with pytest.raises(MissingExtraError, match="Ragas cannot be imported"):
        ragas("ragas.broken")


def test_no_telemetry_unless_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Analytics:
        cleared = False

        class do_not_track:  # noqa: N801
            @staticmethod
            def cache_clear() -> None:
                Analytics.cleared = True

    monkeypatch.setitem(sys.modules, "ragas._analytics", Analytics)
    monkeypatch.delenv(QUIET, raising=False)
    ragas("json")
    assert os.environ[QUIET] == "true"
    assert Analytics.cleared, "what it remembers is forgotten"
    monkeypatch.setenv(QUIET, "false")
    ragas("json")
    assert os.environ[QUIET] == "false"
