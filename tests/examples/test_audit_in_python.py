from __future__ import annotations

import json
from pathlib import Path

from tests.examples.conftest import Run


def test_it_prints_the_store_the_findings_and_the_scores(run: Run, examples: Path) -> None:
    done = run("audit_in_python.py")
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.splitlines()
    assert printed[0] == "427 vectors × 384, langchain-inmemory"
    assert printed[1].startswith("hb-0001: Operating temperature range The heat pump heats")
    codes = {line.split()[1] for line in printed if line.startswith(("error", "warning"))}
    assert codes == {"HUB001", "IDX004", "IDX006", "IDX007", "IDX009", "IDX010"}, "it ranks by cosine: no SIM002"
    assert "largest hub: 0.350 [" in done.stdout
    assert "cosine  nDCG@10 0.538" in printed
    assert "l2      nDCG@10 0.505" in printed
    planted = json.loads((examples / "handbook/planted.json").read_text("utf-8"))
    hubs = [line.split()[0].rstrip(":") for line in printed if "top 10 lists" in line and line.startswith(" ")]
    assert set(hubs) <= set(planted["boilerplate"])


def test_it_is_short(examples: Path) -> None:
    assert len((examples / "audit_in_python.py").read_text("utf-8").splitlines()) <= 60
