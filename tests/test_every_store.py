"""The same vectors give the same numbers, whatever store they lie in, and a fix goes from any into any."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import tests.sqlite_vec_engine  # noqa: F401  gives sqlite-vec to a Python that loads no extensions
from ragdiag import Report, audit, fix, read_judgements
from ragdiag.plan import Plan
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import opened_store, write_store
from ragdiag.types import Batch, Float32
from tests.engines import PLACES, ordered_id, place
from tests.postgres import Postgres, postgres
from tests.shared import DATA, corpus, needs_shared_data

__all__ = ["postgres"]

DIM, COUNT = 32, 500


def vectors() -> Float32:
    rng = np.random.default_rng(5)
    return (rng.normal(size=(COUNT, DIM)) * rng.uniform(0.5, 2, size=(COUNT, 1)) + 0.5).astype(np.float32)


def documents() -> Iterator[Batch]:
    X, ids = vectors(), [ordered_id(row) for row in range(COUNT)]
    for start in range(0, COUNT, 100):
        part = slice(start, start + 100)
        numbers = range(start, start + 100)
        yield Batch(
            ids[part],
            X[part],
            [f"Größe {row} 文档 🦜" for row in numbers],
            [{"page": row, "source": f"файл {row % 7}"} for row in numbers],
        )


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> dict[str, str]:
    """Return a store of every kind, by scheme."""
    found = {}
    for kind in PLACES:
        found[kind] = place(kind, tmp_path_factory.mktemp(kind), postgres, metric="l2")
        write_store(found[kind], documents(), dim=DIM, metric="l2", count=COUNT, lossy=kind == "npz")
    return found


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("source", PLACES)
def test_a_fix_goes_from_every_store_into_every_other(
    source: str, target: str, sources: dict[str, str], tmp_path: Path, postgres: Postgres
) -> None:
    to = place(target, tmp_path, postgres, metric="l2")
    lossy = target == "npz"  # it keeps no metadata
    asked = vectors()[:40] + np.float32(0.1)
    done = fix(sources[source], "centred", to=to, artefact=tmp_path / "maps", query_vectors=asked, lossy=lossy)
    assert done.promised == done.delivered == {"same top 10": 1.0}
    assert done.target is not None
    assert done.target.count == COUNT
    with opened_store(to) as store:
        batch = store.fetch([ordered_id(row) for row in (3, 0, COUNT - 1)])
    assert batch.texts == [f"Größe {row} 文档 🦜" for row in (3, 0, COUNT - 1)]
    if "npz" not in (source, target):
        assert batch.metadata == [{"page": row, "source": f"файл {row % 7}"} for row in (3, 0, COUNT - 1)]


@cache
def scifact() -> tuple[Float32, Float32, list[str], Judgements]:
    ids, texts = corpus("scifact")
    row = {id_: ordered_id(at) for at, id_ in enumerate(ids)}
    labels = read_judgements(DATA / "scifact")
    relevant = tuple({row[id_]: grade for id_, grade in graded.items() if id_ in row} for graded in labels.relevant)
    folder = DATA / "scifact" / "vectors"
    renamed = Judgements(labels.name, labels.query_ids, labels.texts, relevant)
    return np.load(folder / "docs.minilm.npy"), np.load(folder / "queries.minilm.npy"), texts, renamed


def report(uri: str) -> Report:
    X, Q, texts, labels = scifact()
    write_store(uri, [Batch([ordered_id(row) for row in range(len(X))], X, texts)], dim=X.shape[1], metric="l2")
    return audit(uri, judgements=labels, query_vectors=Q, plan=Plan(sample_queries=500))


@cache
def expected(folder: Path) -> Report:
    return report(f"npz:{folder}/every.npz?metric=l2")


@needs_shared_data
@pytest.mark.parametrize("kind", [kind for kind in PLACES if kind != "npz"])
def test_the_same_vectors_measure_the_same_everywhere(
    kind: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> None:
    reference = expected(tmp_path_factory.getbasetemp())
    found = report(place(kind, tmp_path, postgres, metric="l2"))
    assert found.measures.keys() == reference.measures.keys()
    shared = {name: measure for name, measure in reference.measures.items() if not name.startswith("ann.")}
    for name, measure in shared.items():
        value = found.measures[name].value
        assert (value is None) == (measure.value is None), name
        if value is not None and measure.value is not None:
            assert math.isclose(value, measure.value, rel_tol=1e-5, abs_tol=1e-5), name
    assert found.comparison is not None
    assert reference.comparison is not None
    for run, other in zip(found.comparison.runs, reference.comparison.runs, strict=True):
        assert math.isclose(
            run.scores["nDCG@10"].mean.value or 0, other.scores["nDCG@10"].mean.value or 0, abs_tol=1e-5
        )
