from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ragdiag_ragas.installed import ragas as import_ragas

import ragdiag
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.retrieved import Retrieved
from tests.audit.handbook import HANDBOOK, QUERY_VECTORS, build

os.environ["RAGAS_DO_NOT_TRACK"] = "true"


@pytest.fixture(scope="session")
def ragas(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What imports a module of Ragas."""
    if find_spec("ragas") is None:
        pytest.skip("Ragas is not installed: pip install 'ragdiag[ragas]'")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # it leaves the file open that it keeps in the user's folder
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
        import_ragas("ragas._analytics").get_userid()
    return import_ragas


@pytest.fixture(scope="session")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("ragas") / "store")


@pytest.fixture(scope="session")
def comparison(handbook: Path) -> Comparison:
    return ragdiag.compare(
        handbook, HANDBOOK, query_vectors=QUERY_VECTORS, similarities=["cosine", "abtt(d=2)"], keep=10
    )


@pytest.fixture(scope="session")
def graded() -> tuple[Retrieved, ...]:
    """200 queries with grades up to 3, lists of 0 … 15 documents, hubs, near-duplicates and BM25's lists."""
    rng = np.random.default_rng(7)
    documents = [f"d{i}" for i in range(60)]
    queries = []
    for number in range(200):
        wanted = rng.permutation(documents)[: rng.integers(1, 8)].tolist()
        ids = tuple(rng.permutation(documents)[: rng.integers(0, 16)].tolist())
        queries.append(
            Retrieved(
                query_id=f"q{number}",
                text=f"question {number}",
                ids=ids,
                relevant={id_: int(grade) for id_, grade in zip(wanted, rng.integers(1, 4, len(wanted)), strict=True)},
                hubs=frozenset(id_ for id_ in ids if int(id_[1:]) % 7 == 0),
                groups={id_: f"d{int(id_[1:]) // 5}" for id_ in ids},
                lexical=tuple(rng.permutation(documents)[:12].tolist()),
            )
        )
    return tuple(queries)
