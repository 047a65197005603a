"""The notebook runs from top to bottom, and prints what is stored in it."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest


def test_the_notebook_prints_what_it_stores(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((examples / "compare_similarities.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    monkeypatch.chdir(examples)
    names: dict[str, Any] = {}
    printed = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        stored = "".join(line for output in cell["outputs"] for line in output["text"])
        assert all(output["output_type"] == "stream" for output in cell["outputs"])
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            exec(compile("".join(cell["source"]), "compare_similarities.ipynb", "exec"), names)
        assert stdout.getvalue() == stored
        printed.append(stored)
    assert "winner: cosine | query-centred" in printed[1]
    assert "promised 0.6050, delivered 0.6050 nDCG@10" in printed[-1]
