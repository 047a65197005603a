"""What must not be named, fitted or combined is refused with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ragdiag.errors import SimilarityError
from ragdiag.similarities import Training, parse
from ragdiag.similarities.base import spelled
from ragdiag.similarities.soft_cosine import SoftCosine
from ragdiag.testing import worlds
from ragdiag.types import Float32


def some(n: int = 60, d: int = 8, seed: int = 0) -> Float32:
    return worlds.decaying(np.random.default_rng(seed), n, d)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whitend", "did you mean 'whitened'"),
        ("", "not the name of a similarity"),
        ("cosine |", "not the name of a similarity"),
        ("Cosine", "not the name of a similarity"),
        ("cosine(", "not the name of a similarity"),
        ("cosine(k=1)", "it takes none"),
        ("abtt(k=1)", "it takes d"),
        ("abtt(1)", "options that cannot be read"),
        ("abtt(d=1, d=2)", "options that cannot be read"),
        ("abtt(d=1 2)", "options that cannot be read"),
        ("abtt(d='1)", "options that cannot be read"),
        ("pca", "lacks an option"),
        ("pq", "lacks an option"),
        ("truncated", "lacks an option"),
        ("soft-cosine", "lacks an option"),
        ("pca(k=0)", "whole number, at least 1"),
        ("pca(k=2.0)", "whole number, at least 1"),
        ("pca(k=true)", "whole number, at least 1"),
        ("truncated(k=-3)", "whole number, at least 1"),
        ("abtt(d=0)", "at least 1"),
        ("csls(k=0)", "csls has k=0"),
        ("nnn(k=0)", "nnn has k=0"),
        ("csls(alpha=0)", "csls has alpha=0"),
        ("nnn(alpha=-1)", "nnn has alpha=-1"),
        ("csls(alpha=1e999)", "csls has alpha=inf"),
        ("csls(alpha=nan)", "csls has alpha=nan"),
        ("csls(alpha=1j)", "csls has alpha=1j"),
        ("csls(alpha=true)", "csls has alpha=True"),
        ("inverted-softmax(beta=0)", "above 0"),
        ("inverted-softmax(beta=1001)", "up to 1000"),
        ("local-scaling(k=0)", "at least 1"),
        ("dis-sim-local(k=x)", "at least 1"),
        ("whitened(gamma=1.5)", "from 0 to 1"),
        ("whitened(shrinkage=2)", "from 0 to 1"),
        ("binary(rescore=1)", "true or false"),
        ("pq(m=2, bits=13)", "at most 12"),
        ("soft-cosine(matrix=3)", "path of a .npy file"),
        ("csls | int8", "nothing can follow csls"),
        ("dot | centred", "nothing can follow dot"),
        ("int8 | csls", "nothing can follow int8"),
        ("local-scaling | cosine", "nothing can follow local-scaling"),
        ("a" * 1001, "1,001 characters"),
        ("pca(k=" + "(" * 900 + ")", "pca has k="),
        ("pca(k=" + "-" * 900 + "1)", "pca has k="),
    ],
)
def test_a_name_that_makes_no_sense(name: str, message: str) -> None:
    with pytest.raises(SimilarityError, match=re.escape(message)):
        parse(name)


@pytest.mark.parametrize(
    ("name", "documents", "queries", "message"),
    [
        ("centred", 1, 0, "1 documents to learn from"),
        ("query-centred", 60, 9, "9 queries to learn their mean from"),
        ("query-centred", 60, 0, "0 queries"),
        ("z-score", 29, 0, "give at least 30"),
        ("abtt(d=3)", 29, 0, "29 documents"),
        ("abtt(d=8)", 600, 0, "would remove all 8 dimensions"),
        ("pca(k=9)", 60, 0, "more than all 8 dimensions"),
        ("pca(k=8)", 8, 0, "give at least 9"),
        ("whitened", 15, 0, "fewer than 2 per dimension"),
        ("truncated(k=9)", 60, 0, "vectors of 8 dimensions"),
        ("csls", 60, 19, "bank of 19 queries: give at least 20"),
        ("csls(k=20)", 60, 39, "bank of 39 queries: give at least 40"),
        ("csls(k=60)", 60, 60, "give at least 120"),
        ("nnn", 60, 31, "bank of 31 queries: give at least 32"),
        ("inverted-softmax", 60, 19, "bank of 19 queries"),
        ("local-scaling", 20, 0, "give at least 21"),
        ("dis-sim-local(k=30)", 60, 0, "give at least 61"),
        ("int8", 1, 0, "1 documents"),
        ("binary", 1, 0, "1 documents"),
        ("pq(m=3, bits=1)", 600, 0, "try m=2"),
        ("pq(m=4, bits=4)", 600, 0, "give 624, or bits=3"),
        ("pq(m=4)", 38, 0, "give 9,984"),
        ("centred | mean-direction", 60, 0, "no mean direction"),
        ("abtt(d=2) | csls", 60, 0, "bank of 0 queries"),
    ],
)
def test_too_little_to_learn_from(name: str, documents: int, queries: int, message: str) -> None:
    training = Training(some(documents) + np.float32(0.3), some(queries, seed=1) if queries else None)
    with pytest.raises(SimilarityError, match=re.escape(message)):
        parse(name).fit(training)


@pytest.mark.parametrize("name", ["abtt", "pca(k=2)", "whitened", "z-score", "local-scaling", "binary"])
def test_equal_documents_teach_nothing(name: str) -> None:
    with pytest.raises(SimilarityError, match=r"same"):
        parse(name).fit(Training(np.repeat(some(1), 60, axis=0)))


@pytest.mark.parametrize("name", ["abtt", "pca(k=2)", "whitened(gamma=0.5)", "z-score", "local-scaling", "binary"])
def test_nor_do_documents_that_differ_in_length_alone(name: str) -> None:
    """At unit length they differ by rounding, which is no direction."""
    lengths = np.exp(np.random.default_rng(0).normal(size=(60, 1))).astype(np.float32)
    with pytest.raises(SimilarityError, match=r"same"):
        parse(f"cosine | {name}").fit(Training(some(1) * lengths))


def test_queries_of_another_dimension() -> None:
    with pytest.raises(SimilarityError, match=r"vectors of 8 dimensions, these have 5"):
        parse("cosine").fit(Training(some(), some(d=5)))


def matrix(path: Path, S: object) -> SoftCosine:
    np.save(path / "S.npy", np.asarray(S), allow_pickle=True)
    return SoftCosine(str(path / "S.npy"))


@pytest.mark.parametrize(
    ("S", "message"),
    [
        (np.eye(7), "has shape (7, 7), the vectors have 8 dimensions"),
        (np.eye(8)[:, :7], "has shape (8, 7)"),
        (np.eye(8)[0], "no square table of numbers"),
        (np.eye(8) == 1, "no square table of numbers"),
        (np.eye(8) + 1j, "no square table of numbers"),
        (np.eye(8).astype(object), "cannot be read"),
        (np.eye(8) + np.eye(8, k=1), "not finite and symmetric"),
        (np.eye(8) * np.nan, "not finite and symmetric"),
        (np.diag([1.0] * 7 + [-0.01]), "has the eigenvalue -0.01"),
        (np.zeros((8, 8)), "eigenvalue 0"),
        (np.empty((0, 0)), "has shape (0, 0)"),
    ],
)
def test_a_matrix_that_is_no_inner_product(tmp_path: Path, S: object, message: str) -> None:
    with pytest.raises(SimilarityError, match=re.escape(message)):
        matrix(tmp_path, S).fit(Training(some()))


def test_a_file_that_is_no_matrix(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("1 0\n0 1\n")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "many.npz", S=np.eye(8))
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999, 99999999), }"
    (tmp_path / "promise.npy").write_bytes(header.ljust(127) + b"\n")
    for name in ("text.npy", "empty.npy", "many.npz", "missing.npy", "promise.npy", "."):
        with pytest.raises(SimilarityError, match=r"cannot be read|is an archive"):
            SoftCosine(str(tmp_path / name)).fit(Training(some()))
    with pytest.raises(SimilarityError, match=r"path of a \.npy file"):
        SoftCosine('it\'s "so".npy')


@pytest.mark.parametrize("path", ["a b|c, (d).npy", "it's.npy", "C:\\new\\table.npy", "plain", "true", "1"])
def test_any_path_is_spelled_so_that_it_parses(path: str) -> None:
    (recipe,) = parse(spelled(SoftCosine(path))).recipes
    assert isinstance(recipe, SoftCosine)
    assert recipe.matrix == path


def SoftCosineName(path: str) -> str:  # noqa: N802
    from ragdiag.similarities.base import spelled

    return spelled(SoftCosine(path))
