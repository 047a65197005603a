"""Real corpora with real vectors, which may lie in ../shared/data, beside the checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"

needs_shared_data = pytest.mark.skipif(
    not (DATA / "README.md").is_file(), reason="../shared/data is not beside this checkout"
)


def corpus(name: str) -> tuple[list[str], list[str]]:
    """Return the ids and the texts of a set, in file order."""
    rows = [json.loads(line) for line in (DATA / name / "corpus.jsonl").read_text("utf-8").splitlines()]
    return [row["_id"] for row in rows], [f"{row.get('title', '')} {row['text']}".strip() for row in rows]
