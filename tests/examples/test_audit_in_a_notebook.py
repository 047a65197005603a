"""The notebook runs from top to bottom, prints what is stored in it, and draws what was measured."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The variables of the notebook, filled by the first test."""
    return {}


def test_the_notebook_prints_what_it_stores(
    examples: Path, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = json.loads((examples / "audit_in_a_notebook.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    monkeypatch.chdir(examples)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            with contextlib.redirect_stdout(io.StringIO()) as stdout:
                exec(compile("".join(cell["source"]), "audit_in_a_notebook.ipynb", "exec"), names)
            assert stdout.getvalue() == "".join(line for output in cell["outputs"] for line in output["text"])


def test_what_it_shows_is_what_was_measured(names: dict[str, Any]) -> None:
    report = names["report"]
    assert "SIM002" in report._repr_html_()
    assert report.findings[0].title in report.findings[0]._repr_html_()
    assert names["hubs"].data[0].x[-1] == round(220 * report.measures["hubness.query.largest"].value)
    assert names["spectrum"].data[0].y[0] == pytest.approx(report.pictures.spectrum.shares[0])
    assert names["the_map"].data[0].name == "Documents"
    cosine = next(run for run in report.comparison.runs if run.similarity == "cosine")
    assert max(names["differences"].data[0].x) == cosine.scores["nDCG@10"].delta.value
    assert "Rank by cosine" in report.comparison._repr_html_()
