"""A fix keeps its promise, never touches its source, and appears whole or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ragdiag import fix, load_artefact, open_store
from ragdiag.artefact import FILES
from ragdiag.engine import LocalEngine
from ragdiag.errors import (
    ArtefactError,
    ConfigError,
    NothingProvenError,
    PromiseError,
    RagdiagError,
    SimilarityError,
    StoreError,
    TargetExistsError,
)
from ragdiag.retrieval.judgements import Judgements
from ragdiag.stores import ArrayStore
from ragdiag.types import Float32, Metric
from tests.reference.neighbors import direct_scores

DIM, N, M = 12, 240, 80


@dataclass(frozen=True)
class World:
    """Documents and queries shifted apart: what query-centring is for."""

    documents: Float32
    queries: Float32
    labels: Judgements

    def store(self, metric: Metric | None = None) -> ArrayStore:
        ids = [f"d{i}" for i in range(N)]
        texts = [f"text {i}" for i in range(N)]
        return ArrayStore(self.documents, ids=ids, texts=texts, metadata=[{"n": i} for i in range(N)], metric=metric)


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(0)
    content = rng.standard_normal((N, DIM)).astype(np.float32)
    shift = 3 * rng.standard_normal(DIM).astype(np.float32)
    queries = content[:M] + 0.5 * rng.standard_normal((M, DIM)).astype(np.float32) + shift
    ids = tuple(f"q{i}" for i in range(M))
    labels = Judgements("labels", ids, ids, tuple({f"d{i}": 1} for i in range(M)))
    return World(content, queries, labels)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", ["faiss:{}/new", "{}/new.faiss", "{}/new.npz", "{}/new.parquet?metric=dot"])
@pytest.mark.parametrize(
    "remedy", ["query-centred", "dot", "l2", "query-centred | whitened(gamma=0.5)", "csls(k=10)", "binary"]
)
def test_what_is_delivered_is_what_was_promised(world: World, tmp_path: Path, kind: str, remedy: str) -> None:
    to = kind.format(tmp_path)
    lossy = ".faiss" in kind or ".npz" in kind
    fixed = fix(world.store(), remedy, to=to, judgements=world.labels, query_vectors=world.queries, lossy=lossy)
    assert fixed.promised.keys() == {"nDCG@10", "R@10", "RR@10"}
    for name, value in fixed.promised.items():
        assert fixed.delivered[name] == pytest.approx(value, abs=1e-6)
    again = open_store(to)
    assert again.info.count == N
    batch = next(iter(again.scan()))
    artefact = load_artefact(fixed.artefact, dim=DIM)
    assert np.array_equal(batch.vectors, artefact.documents(world.documents))
    if not kind.endswith("new.faiss"):
        assert list(batch.ids) == [f"d{i}" for i in range(N)]
        assert batch.texts is not None
        assert list(batch.texts)[:2] == ["text 0", "text 1"]
    # By the formula of the store's own metric, the relevant document of query i is document i.
    scores = direct_scores(artefact.queries(world.queries), batch.vectors, again.info.metric or fixed.metric)
    ranks = (scores > scores[np.arange(M), np.arange(M)][:, None]).sum(axis=1)
    recall = float(np.mean(ranks < 10))
    assert recall == pytest.approx(fixed.delivered["R@10"], abs=1 / M if remedy == "binary" else 1e-9)


def test_the_best_is_what_won_and_the_card_says_how(world: World, tmp_path: Path) -> None:
    fixed = fix(world.store(), "best", to=f"faiss:{tmp_path}/new", judgements=world.labels, query_vectors=world.queries)
    assert fixed.comparison is not None
    assert fixed.similarity == fixed.comparison.winner
    assert "query-centred" in fixed.similarity
    card = json.loads((Path(fixed.artefact) / "fix.json").read_text())
    assert card["similarity"] == fixed.similarity
    assert card["evidence"]["comparison"]["winner"] == fixed.similarity
    assert card["source"]["count"] == card["target"]["count"] == N
    assert card["source"]["fingerprint"] != card["target"]["fingerprint"]
    assert sorted(path.name for path in Path(fixed.artefact).iterdir()) == sorted(FILES)


def test_the_best_is_refused_with_the_numbers_when_nothing_won(world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    queries = world.documents[:M] + 0.1 * rng.standard_normal((M, DIM)).astype(np.float32)
    with pytest.raises(NothingProvenError, match=r"^no similarity is proven better than cosine \(best: .* nDCG@10\)"):
        fix(world.store(), "best", to=f"faiss:{tmp_path}/new", judgements=world.labels, query_vectors=queries)
    assert list(tmp_path.iterdir()) == []


def test_under_the_inner_product_the_index_stays(world: World, tmp_path: Path) -> None:
    fixed = fix(
        world.store(Metric.DOT),
        "query-centred | dot",
        to=f"{tmp_path}/new.npz",
        judgements=world.labels,
        query_vectors=world.queries,
    )
    assert fixed.target is None
    assert [path.name for path in tmp_path.iterdir()] == ["new.npz.ragdiag"]
    assert fixed.delivered == pytest.approx(fixed.promised, abs=1e-6)
    artefact = load_artefact(fixed.artefact)
    assert np.array_equal(artefact.documents(world.documents), world.documents)
    mean = world.queries.astype(np.float64).mean(axis=0)
    assert np.allclose(artefact.queries(world.queries), world.queries - mean, atol=1e-5)


def test_without_labels_the_lists_of_documents_are_held_to_each_other(world: World, tmp_path: Path) -> None:
    fixed = fix(world.store(), "abtt(d=2)", to=f"faiss:{tmp_path}/new")
    assert fixed.promised == fixed.delivered == {"same top 10": 1.0}


def test_zero_documents_keep_their_score_under_l2(world: World, tmp_path: Path) -> None:
    holed = world.documents.copy()
    holed[100:104] = 0
    store = ArrayStore(holed, ids=[f"d{i}" for i in range(N)])
    fixed = fix(
        store, "query-centred", to=f"faiss:{tmp_path}/new", judgements=world.labels, query_vectors=world.queries
    )
    assert fixed.target is not None
    assert fixed.target.dim == DIM + 1  # zero vectors would be near every query
    assert fixed.delivered == pytest.approx(fixed.promised, abs=1e-6)


def test_the_same_seed_writes_the_same_bytes(world: World, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        fix(
            world.store(),
            "best",
            to=f"faiss:{tmp_path}/{name}/new",
            judgements=world.labels,
            query_vectors=world.queries,
        )
    first, second = snapshot(tmp_path / "a"), snapshot(tmp_path / "b")
    card = "new.ragdiag/fix.json"
    assert first.pop(card).replace(b"/a/", b"/b/") == second.pop(card)
    assert first == second


def test_what_exists_stays_unless_it_may_be_replaced(world: World, tmp_path: Path) -> None:
    to = f"faiss:{tmp_path}/new"
    fix(world.store(), "abtt(d=2)", to=to)
    before = snapshot(tmp_path)
    with pytest.raises(TargetExistsError, match="--overwrite"):
        fix(world.store(), "abtt(d=3)", to=to)
    assert snapshot(tmp_path) == before
    fix(world.store(), "abtt(d=3)", to=to, overwrite=True)
    assert load_artefact(f"{tmp_path}/new.ragdiag").similarity.name == "abtt(d=3)"


def test_an_artefact_that_exists_is_not_lost(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(RagdiagError, match=r"mine"):
        fix(world.store(), "abtt(d=2)", to=f"faiss:{tmp_path}/new", artefact=tmp_path / "mine")
    assert snapshot(tmp_path) == {"mine/notes.txt": b"mine"}
    with pytest.raises(RagdiagError, match=r"notes.txt"):
        fix(world.store(), "abtt(d=2)", to=f"faiss:{tmp_path}/new", artefact=tmp_path / "mine", overwrite=True)
    with pytest.raises(ConfigError, match="and the new store lie in each other"):
        fix(world.store(), "abtt(d=2)", to=f"faiss:{tmp_path}/new", artefact=tmp_path / "new" / "maps")
    assert snapshot(tmp_path) == {"mine/notes.txt": b"mine"}


def test_the_source_is_never_written(world: World, tmp_path: Path) -> None:
    source = tmp_path / "source.npy"
    np.save(source, world.documents)
    before = source.read_bytes()
    for to in (str(source), f"{tmp_path}/./source.npy"):
        with pytest.raises(ConfigError, match="belongs to the store that is read"):
            fix(str(source), "abtt(d=2)", to=to, overwrite=True)
    fix(str(source), "abtt(d=2)", to=f"{tmp_path}/new.npy")
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("remedy", "error", "message"),
    [
        ("whitend", SimilarityError, "did you mean 'whitened'"),
        ("best", ConfigError, "labelled queries"),
        ("query-centred", SimilarityError, "needs? queries|queries"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    world: World, tmp_path: Path, remedy: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fix(world.store(), remedy, to=f"faiss:{tmp_path}/new")
    assert list(tmp_path.iterdir()) == []


def test_vectors_that_are_not_finite_are_not_mapped(world: World, tmp_path: Path) -> None:
    broken = world.documents.copy()
    broken[3, 2] = np.nan
    with pytest.raises(StoreError, match="holds 1 vectors that are not finite"):
        fix(broken, "abtt(d=2)", to=f"{tmp_path}/new.npy")
    assert list(tmp_path.iterdir()) == []


def test_an_artefact_is_for_its_own_vectors(world: World, tmp_path: Path) -> None:
    fixed = fix(world.store(), "abtt(d=2)", to=f"faiss:{tmp_path}/new")
    card = json.loads((Path(fixed.artefact) / "fix.json").read_text())
    loaded = load_artefact(fixed.artefact, dim=DIM, fingerprint=card["target"]["fingerprint"])
    assert np.array_equal(loaded.queries(world.queries), load_artefact(fixed.artefact).queries(world.queries))
    with pytest.raises(ArtefactError, match="maps vectors of dimension 12, these have 13"):
        load_artefact(fixed.artefact, dim=13)
    with pytest.raises(ArtefactError, match="other documents than this store holds"):
        load_artefact(fixed.artefact, fingerprint="0" * 32 + "-240")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "not of the schema"),
        ('{"schema": "ragdiag.fix/1"}', "lacks an entry"),
        ('{"schema": "ragdiag.fix/2"}', "not of the schema"),
    ],
)
def test_a_hostile_card_is_one_line(world: World, tmp_path: Path, content: str, message: str) -> None:
    fixed = fix(world.store(), "abtt(d=2)", to=f"faiss:{tmp_path}/new")
    (Path(fixed.artefact) / "fix.json").write_text(content)
    with pytest.raises(ArtefactError, match=message):
        load_artefact(fixed.artefact)
    (Path(fixed.artefact) / "fix.json").unlink()
    with pytest.raises(ArtefactError, match="cannot be read"):
        load_artefact(fixed.artefact)


def test_the_fingerprint_knows_documents_and_not_their_order(world: World) -> None:
    from ragdiag.artefact import FingerprintStep

    def of(store: ArrayStore) -> str:
        step = FingerprintStep()
        LocalEngine(batch_size=7).run(store, [step])
        return step.result()

    ids = [f"d{i}" for i in range(N)]
    turned = ArrayStore(world.documents[::-1].copy(), ids=ids[::-1])
    assert of(world.store()) == of(turned)
    swapped = ArrayStore(world.documents, ids=[ids[1], ids[0], *ids[2:]])
    assert of(world.store()) != of(swapped)


def test_what_is_read_is_not_written_over(world: World, tmp_path: Path) -> None:
    np.save(tmp_path / "q.npy", world.queries)
    (tmp_path / "src").mkdir()
    np.savez(tmp_path / "src" / "arrays.npz", vectors=world.documents)
    before = snapshot(tmp_path)
    source = f"{tmp_path}/src/arrays.npz"
    with pytest.raises(ConfigError, match="which is read"):
        fix(
            source,
            "query-centred",
            to=f"{tmp_path}/q.npy",
            query_vectors=f"{tmp_path}/q.npy",
            overwrite=True,
            lossy=True,
        )
    with pytest.raises(RagdiagError, match=r"which is read|no part of the store"):
        fix(source, "abtt(d=2)", to=f"{tmp_path}/o.npy", artefact=tmp_path / "src", overwrite=True)
    with pytest.raises(ConfigError, match="lie in each other"):
        fix(source, "abtt(d=2)", to=f"{tmp_path}/art/arrays.npz", artefact=tmp_path / "art", overwrite=True)
    with pytest.raises(ConfigError, match="there is no folder"):
        fix(source, "abtt(d=2)", to=f"{tmp_path}/o.npy", artefact=tmp_path / "no" / "art")
    assert snapshot(tmp_path) == before


def test_near_copies_may_change_places(world: World, tmp_path: Path) -> None:
    """Texts embedded twice differ in the eighth digit: float32 cannot keep their order, and nobody needs it."""
    rng = np.random.default_rng(3)
    copies = world.documents[:M] * (1 + 2e-8 * rng.standard_normal((M, DIM)).astype(np.float32))
    store = ArrayStore(np.concatenate([world.documents, copies * np.float32(3)]), ids=[f"d{i}" for i in range(N + M)])
    for i, remedy in enumerate(["cosine", "query-centred | whitened(gamma=0.5)"]):
        fixed = fix(store, remedy, to=f"faiss:{tmp_path}/{i}", judgements=world.labels, query_vectors=world.queries)
        assert fixed.target is not None


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_distances_of_long_vectors_stay_distances(world: World, tmp_path: Path, scale: float) -> None:
    """A store that ranks by L2 gets the vectors as they are, not a coordinate that drowns them."""
    long = world.documents * np.float32(scale)
    long[7] *= 30
    store = ArrayStore(long, ids=[f"d{i}" for i in range(N)])
    queries = world.queries * np.float32(scale)
    fixed = fix(store, "l2", to=f"faiss:{tmp_path}/new", judgements=world.labels, query_vectors=queries)
    assert fixed.target is not None
    assert fixed.target.dim == DIM
    assert np.array_equal(next(iter(open_store(f"faiss:{tmp_path}/new").scan())).vectors, long)
    assert fixed.delivered == fixed.promised


def test_a_promise_that_float32_cannot_keep_is_not_written(world: World, tmp_path: Path) -> None:
    long = world.documents.copy()
    long[7] *= 1e6
    store = ArrayStore(long, ids=[f"d{i}" for i in range(N)])
    (tmp_path / "new.npy").write_bytes(b"old")
    with pytest.raises(PromiseError, match=r"would rank by l2 otherwise than dot does: .* promised"):
        fix(store, "dot", to=f"{tmp_path}/new.npy?metric=l2", overwrite=True, lossy=True)
    assert snapshot(tmp_path) == {"new.npy": b"old"}


def test_zero_documents_of_a_dot_store_are_written_anew(world: World, tmp_path: Path) -> None:
    holed = world.documents.copy()
    holed[100:104] = 0
    store = ArrayStore(holed, ids=[f"d{i}" for i in range(N)], metric=Metric.DOT)
    fixed = fix(
        store, "centred | dot", to=f"faiss:{tmp_path}/new", judgements=world.labels, query_vectors=world.queries
    )
    assert fixed.target is not None
    assert fixed.delivered == pytest.approx(fixed.promised, abs=1e-6)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        (("source", "fingerprint"), ["x"]),
        (("source", "name"), 3),
        (("target",), {}),
        (("equal_norm",), float("inf")),
        (("equal_norm",), 1e300),
        (("equal_norm",), 10**400),
        (("metric",), "manhattan"),
    ],
)
def test_a_damaged_card_is_an_artefact_error(
    world: World, tmp_path: Path, entry: tuple[str, ...], value: object
) -> None:
    fixed = fix(world.store(), "abtt(d=2)", to=f"faiss:{tmp_path}/new")
    path = Path(fixed.artefact) / "fix.json"
    card = json.loads(path.read_text())
    place = card
    for key in entry[:-1]:
        place = place[key]
    place[entry[-1]] = value
    path.write_text(json.dumps(card))
    with pytest.raises(ArtefactError):
        load_artefact(fixed.artefact)
