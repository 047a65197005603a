"""The example store and what was planted in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HANDBOOK = Path(__file__).resolve().parents[2] / "examples" / "handbook"
QUERY_VECTORS = HANDBOOK / "vectors" / "queries.minilm.npy"


def build(folder: Path) -> Path:
    """Build the store as its README says, and return its folder."""
    subprocess.run([sys.executable, str(HANDBOOK / "build.py"), str(folder)], check=True, capture_output=True)
    return folder


def planted() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((HANDBOOK / "planted.json").read_text("utf-8"))
    return loaded


def corpus() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HANDBOOK / "corpus.jsonl").read_text("utf-8").splitlines()]
