"""The decomposition of a whole comparison: what is looked into, what is named, and a real corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from ragdiag.comparing import compare
from ragdiag.plan import Plan
from ragdiag.retrieval.comparison import Comparison
from ragdiag.retrieval.decomposition import preferred
from ragdiag.retrieval.judgements import Judgements
from ragdiag.retrieval.losses import Cause, Losses
from ragdiag.statistics.neighbors import Neighbors
from ragdiag.stores import ArrayStore, ScannedStore
from ragdiag.testing.worlds import isotropic
from ragdiag.types import Batch, Float32, Shard, StoreInfo
from tests.shared import DATA, corpus, needs_shared_data

N, DIM, M = 300, 16, 60


def vectors() -> Float32:
    return isotropic(np.random.default_rng(0), N, DIM)


def asked(noise: float = 0.9) -> Float32:
    return vectors()[:M] + np.float32(noise) * isotropic(np.random.default_rng(1), M, DIM)


def labels(relevant: Sequence[dict[str, int]] | None = None) -> Judgements:
    given = relevant or [{f"d{i}": 1} for i in range(M)]
    return Judgements("toy", tuple(f"q{i}" for i in range(M)), tuple(f"where is {i}?" for i in range(M)), tuple(given))


class Watched(ScannedStore):
    """A store that notes how many documents are looked up at once, and which."""

    def __init__(self, store: ArrayStore) -> None:
        self._store = store
        self.fetched: list[list[str]] = []

    @property
    def info(self) -> StoreInfo:
        return self._store.info

    def scan(self, *, batch_size: int = 4096, shard: Shard = Shard(0, 1)) -> Iterator[Batch]:  # noqa: B008
        return self._store.scan(batch_size=batch_size, shard=shard)

    def fetch(self, ids: Sequence[str]) -> Batch:
        self.fetched.append(list(ids))
        return self._store.fetch(ids)


def store() -> Watched:
    texts = [f"document {i} says {'this ' * 80}" for i in range(N)]
    return Watched(ArrayStore(vectors(), ids=[f"d{i}" for i in range(N)], texts=texts, metric="cosine"))


def losses(found: Comparison) -> Losses:
    assert found.losses is not None
    return found.losses


def test_what_is_named_has_the_start_of_its_text_and_the_rest_is_not_fetched() -> None:
    watched = store()
    missing = [{f"d{i}": 1, **({"gone": 1} if i % 2 else {})} for i in range(M)]
    found = losses(compare(watched, labels(missing), query_vectors=asked(), similarities=["abtt(d=1)"]))
    absent = found.causes[0]
    assert (absent.cause, absent.pairs) == (Cause.ABSENT, M // 2)
    assert {offender.document for offender in found.offenders[Cause.ABSENT]} == {"gone"}
    named = {o.document for offenders in found.offenders.values() for o in offenders} - {"gone"}
    named |= {listed.document for offenders in found.offenders.values() for o in offenders for listed in o.instead}
    assert set(found.texts) == named
    assert all(text == f"document {id_[1:]} says {'this ' * 80}"[:200] for id_, text in found.texts.items())
    assert set(watched.fetched[-1]) == named
    # Near-duplicates are looked for among the documents of 64 lists at a time.
    assert [len(set(ids)) for ids in watched.fetched[:-1]] == [N]


def test_a_store_without_texts_is_decomposed_too() -> None:
    found = compare(vectors(), labels([{str(i): 1} for i in range(M)]), query_vectors=asked(), similarities=["l2"])
    assert found.lexical is None
    assert losses(found).untested == (Cause.APPROXIMATE, Cause.LEXICAL)
    assert losses(found).texts == {}
    assert losses(found).score == found.runs[0].scores["nDCG@10"].mean.value


def test_with_the_store_alone_no_other_similarity_is_tested() -> None:
    found = compare(store(), labels(), query_vectors=asked(), similarities=["cosine"], lexical=False)
    assert losses(found).untested == (Cause.APPROXIMATE, Cause.SIMILARITY, Cause.LEXICAL)


def test_copies_of_a_wrong_document_crowd_the_right_one_out() -> None:
    X, Q = vectors(), asked(0.0)
    # Twelve copies of another document lie between each query and its own, for one query of three.
    rows = [Q[i] + np.float32(0.01) * X[M + i] for i in range(0, M, 3) for _ in range(12)]
    X[:M] += np.float32(0.3) * X[M : 2 * M]
    held = ArrayStore(np.concatenate([X, np.array(rows)]), metric="cosine")
    found = compare(held, labels([{str(i): 1} for i in range(M)]), query_vectors=Q, similarities=["abtt(d=1)"])
    duplicates = losses(found).causes[list(Cause).index(Cause.DUPLICATES)]
    assert duplicates.pairs == losses(found).missing == M // 3
    instead = losses(found).offenders[Cause.DUPLICATES][0].instead
    assert all(int(listed.document) >= N for listed in instead)


def test_the_winner_alone_is_looked_into_else_the_two_best() -> None:
    names = ["l2", "abtt(d=1)", "abtt(d=2)", "abtt(d=3)"]
    found = compare(store(), labels(), query_vectors=asked(), similarities=names, plan=Plan(min_effect=1.0))
    assert found.winner is None
    runs = [Neighbors(run.similarity, np.zeros((M, 1), np.int64), np.zeros((M, 1))) for run in found.runs]
    means = {run.similarity: run.scores["nDCG@10"].mean.value or 0.0 for run in found.runs[1:]}
    assert [run.similarity for run in preferred(found, runs)] == sorted(means, key=lambda name: -means[name])[:2]

    X = vectors() + np.float32(0.3)  # a narrow cone, that its mean hides
    Q = vectors()[:M] + np.float32(0.5) * isotropic(np.random.default_rng(1), M, DIM) - np.float32(0.3)
    held = ArrayStore(X, ids=[f"d{i}" for i in range(N)], metric="cosine")
    won = compare(held, labels(), query_vectors=Q, similarities=["abtt(d=1)", "query-centred"])
    assert won.winner == "query-centred"
    via = losses(won).causes[list(Cause).index(Cause.SIMILARITY)].via
    assert via == {"query-centred": 2}


@needs_shared_data
def test_where_the_language_is_foreign_words_find_most_of_what_is_lost() -> None:
    ids, texts = corpus("xquad-zh")
    folder = DATA / "xquad-zh"
    held = ArrayStore(np.load(folder / "vectors" / "docs.minilm.npy"), ids=ids, texts=texts, metric="cosine")
    queries = folder / "vectors" / "queries.minilm.npy"
    winner = "query-centred | whitened(gamma=0.5)"
    comparison = compare(held, folder, query_vectors=queries, similarities=["query-centred", winner])
    found = losses(comparison)
    assert comparison.winner == winner
    assert found.score == pytest.approx(0.24225, abs=5e-4)
    assert (found.pairs, found.missing) == (1181, 740)
    shares = {cause.cause: found.share(cause.loss) for cause in found.causes}
    assert shares[Cause.HUBS] == pytest.approx(0.10, abs=0.005)
    assert shares[Cause.SIMILARITY] == pytest.approx(0.25, abs=0.01)
    assert shares[Cause.LEXICAL] == pytest.approx(0.47, abs=0.01)
    assert shares[Cause.HARD] < 0.02
    hub = found.hubs[0]
    assert hub.lists == 711
    assert found.texts[hub.document] == texts[ids.index(hub.document)][:200]
