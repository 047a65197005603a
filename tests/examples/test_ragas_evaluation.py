from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.examples.conftest import Run

pytestmark = pytest.mark.skipif(find_spec("ragas") is None, reason="Ragas is not installed")


def test_it_prints_scores_and_causes(run: Run) -> None:
    done = run("ragas_evaluation.py")
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.splitlines()
    assert "l2      nDCG@10                     0.505" in printed
    assert any(line.startswith("cosine  nDCG@10                     0.538  +0.034, p ") for line in printed)
    assert "l2      hub_exposure@10             0.189" in printed
    worst = printed.index("worst queries:")
    assert printed[worst + 1] == "q-003 Why does steam come out of the Larkfield unit in winter?"
    assert printed[worst + 2].startswith("      found by BM25 only; hubs hold 50% of the list, margin 0.0")
    assert printed[-1] == "220 samples for Ragas; nDCG@10 of the first: 0.387"
