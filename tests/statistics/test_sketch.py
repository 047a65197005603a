from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from ragdiag import audit
from ragdiag.engine import LocalEngine
from ragdiag.report.json import to_dict
from ragdiag.report.json_sketch import read_sketch, sketch_json
from ragdiag.statistics.sketch import SIZE, WIDTH, Sketch, SketchStep, projection, rounded
from ragdiag.stores import ArrayStore
from ragdiag.testing.worlds import isotropic
from ragdiag.types import Float32
from ragdiag.vectors import unit


def taken(X: Float32, ids: list[str] | None = None, texts: list[str | None] | None = None, batch: int = 4096) -> Sketch:
    step = SketchStep(X.shape[1])
    LocalEngine(batch_size=batch).run(ArrayStore(X, ids=ids, texts=texts), [step])
    return step.result()


def blake(id_: str) -> int:
    return int.from_bytes(hashlib.blake2b(id_.encode(), digest_size=8).digest(), "little")


def test_it_holds_the_smallest_hashes_in_order() -> None:
    ids = [f"doc-{i}" for i in range(3000)]
    sketch = taken(isotropic(np.random.default_rng(0), 3000, 8), ids)
    assert sketch.ids.tolist() == sorted(map(blake, ids))[:SIZE]


def test_order_and_batches_play_no_part() -> None:
    rng = np.random.default_rng(0)
    X = isotropic(rng, 1000, 200)
    ids = [f"d{i}" for i in range(1000)]
    texts: list[str | None] = [f"text {i}" for i in range(1000)]
    order = rng.permutation(1000)
    one = taken(X, ids, texts)
    other = taken(X[order], [ids[i] for i in order], [texts[i] for i in order], batch=37)
    assert sketch_json(one) == sketch_json(other)


def test_two_stores_are_sampled_at_the_same_ids() -> None:
    X = isotropic(np.random.default_rng(0), 5000, 8)
    ids = [f"d{i}" for i in range(5000)]
    one, other = taken(X, ids), taken(X[:4500], ids[:4500])
    shared = len(np.intersect1d(one.ids, other.ids))
    assert shared / len(one) == pytest.approx(0.9, abs=0.05)


def test_the_projection_depends_on_the_dimension_alone() -> None:
    signs = projection(384)
    assert signs is not None
    assert signs.shape == (384, WIDTH)
    assert np.unique(np.abs(signs)).tolist() == [np.float32(1 / np.sqrt(WIDTH))]
    # Another stream would make sketches of today useless to the audits of tomorrow.
    digest = hashlib.sha256(np.packbits(signs > 0).tobytes()).hexdigest()
    assert digest == PROJECTION_384
    assert projection(WIDTH) is None


PROJECTION_384 = "87d07a5d46f7752043178d2e57c7b716f7368b9573d6c6e11a6a9ef0d176eb8d"


def test_cosines_survive() -> None:
    rng = np.random.default_rng(0)
    X = isotropic(rng, 300, 768)
    for noise, cosine in ((0.0, 1.0), (0.3, 0.958), (1.0, 0.707), (50.0, 0.02)):
        Y = (X + noise * isotropic(rng, 300, 768)).astype(np.float32)
        rows = [np.asarray(taken(Z).vectors, dtype=np.float64) for Z in (X, Y)]
        found = np.einsum("ij,ij->i", *rows) / np.prod([np.linalg.norm(Z, axis=1) for Z in rows], axis=0)
        assert found.mean() == pytest.approx(cosine, abs=0.02)
        assert found.std() <= 1.2 * (1 - cosine**2) / np.sqrt(WIDTH) + 1e-3


def test_eight_bits_lose_less_than_a_percent_and_nothing_twice() -> None:
    X = unit(isotropic(np.random.default_rng(0), 100, WIDTH))
    once = rounded(X)
    assert float(np.linalg.norm(once - X, axis=1).max()) < 0.015
    assert np.array_equal(rounded(once), once)


def test_vectors_without_a_direction_are_zero_rows() -> None:
    X = isotropic(np.random.default_rng(0), 10, 4)
    X[3], X[5, 0] = 0, np.nan
    sketch = taken(X, [str(i) for i in range(10)])
    assert {int(sketch.ids[i]) for i in np.flatnonzero(~sketch.vectors.any(axis=1))} == {blake("3"), blake("5")}


def test_row_numbers_are_known_as_such() -> None:
    X = isotropic(np.random.default_rng(0), 10, 4)
    assert taken(X, batch=3).numbered
    assert not taken(X, [str(i + 1) for i in range(10)]).numbered
    assert not taken(X, [*map(str, range(9)), "last"], batch=3).numbered


def test_the_audit_keeps_it_small_and_without_a_text() -> None:
    X = isotropic(np.random.default_rng(0), 600, 1536)
    store = ArrayStore(X, ids=[f"secret-id-{i}" for i in range(600)], texts=[f"secret text {i}" for i in range(600)])
    shown = to_dict(audit(store))["sketch"]
    text = json.dumps(shown, indent=2)
    assert "secret" not in text
    assert len(text) < 80_000
    again = read_sketch(shown)
    assert sketch_json(again) == shown


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("ids", "AAAA", "ids does not hold 3 numbers"),
        ("vectors", "no base64!", "vectors does not hold 12 numbers"),
        ("texts", None, "texts does not hold 3 numbers"),
        ("documents", True, "documents or width is out of range"),
        ("width", 10**9, "documents or width is out of range"),
        ("numbered", "no", "numbered is neither true nor false"),
        ("scales", "AADAfwAAwH8AAMB/", "scales are not between 0 and 1"),
    ],
)
def test_what_is_no_sketch_is_refused(key: str, value: object, complaint: str) -> None:
    shown = sketch_json(taken(isotropic(np.random.default_rng(0), 3, 4)))
    with pytest.raises(ValueError, match=complaint):
        read_sketch(shown | {key: value})


def test_ids_out_of_order_are_refused() -> None:
    sketch = taken(isotropic(np.random.default_rng(0), 3, 4))
    backwards = Sketch(sketch.ids[::-1], sketch.texts, sketch.vectors)
    with pytest.raises(ValueError, match="ascending"):
        read_sketch(sketch_json(backwards))
