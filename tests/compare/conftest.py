from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.handbook import build


@pytest.fixture(scope="package")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The LangChain FAISS folder of the example."""
    return build(tmp_path_factory.mktemp("handbook") / "store")
