"""The workflow of the repository calls what is there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

yaml: Any = import_module("yaml")
ROOT = Path(__file__).parents[1]


def test_its_targets_exist_and_the_screenshots_are_kept() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    called = {step["run"].removeprefix("make ") for step in steps if "run" in step}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert called == {"test", "browser"}
    assert called <= targets
    (kept,) = [step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", "")]
    written = (ROOT / "tests" / "report" / "test_page_in_browser.py").read_text(encoding="utf-8")
    assert "SCREENSHOTS = ROOT / " + " / ".join(f'"{part}"' for part in Path(kept).parts) in written
