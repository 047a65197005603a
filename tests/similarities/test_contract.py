"""Every similarity of ours, and combinations of them, by the contract that other people's recipes are held to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ragdiag.similarities import Training, parse
from ragdiag.similarities.registry import OURS
from ragdiag.similarities.soft_cosine import SoftCosine
from ragdiag.testing import SimilarityContract
from ragdiag.testing.similarity_contract import DIM
from ragdiag.types import Float64
from tests.reference import similarities as direct


class ByFormula(SimilarityContract):
    formula: tuple[direct.Formula]  # in a tuple, so that it is no method

    def direct(self, queries: Float64, documents: Float64, training: Training) -> Float64:
        return self.formula[0](queries, documents, training)


class TestCosine(ByFormula):
    recipe = "cosine"
    formula = (direct.cosine,)


class TestDot(ByFormula):
    recipe = "dot"
    formula = (direct.dot,)


class TestL2(ByFormula):
    recipe = "l2"
    formula = (direct.l2,)


class TestCentred(ByFormula):
    recipe = "centred"
    formula = (direct.centred,)


class TestQueryCentred(ByFormula):
    recipe = "query-centred"
    formula = (direct.query_centred,)


class TestMeanDirection(ByFormula):
    recipe = "mean-direction"
    formula = (direct.mean_direction,)


class TestZScore(ByFormula):
    recipe = "z-score"
    formula = (direct.z_score,)


class TestABTT(ByFormula):
    recipe = "abtt(d=3)"
    formula = (direct.abtt(3),)


class TestPCA(ByFormula):
    recipe = "pca(k=7)"
    formula = (direct.pca(7),)


class TestWhitened(ByFormula):
    recipe = "whitened"
    formula = (direct.whitened(1.0),)


class TestPartlyWhitened(ByFormula):
    recipe = "whitened(k=9, gamma=0.5)"
    formula = (direct.whitened(0.5, k=9),)


class TestShrunkWhitened(ByFormula):
    recipe = "whitened(shrinkage=0.3)"
    formula = (direct.whitened(1.0, 0.3),)


class TestLayerNorm(ByFormula):
    recipe = "layer-norm"
    formula = (direct.layer_norm,)


class TestCSLS(ByFormula):
    recipe = "csls(k=5, alpha=0.4)"
    formula = (direct.csls(5, 0.4),)


class TestNNN(ByFormula):
    recipe = "nnn"
    formula = (direct.csls(16, 0.75),)


class TestInvertedSoftmax(ByFormula):
    recipe = "inverted-softmax(beta=30)"
    formula = (direct.inverted_softmax(30),)


class TestLocalScaling(ByFormula):
    recipe = "local-scaling(k=6)"
    formula = (direct.local_scaling(6),)


class TestDisSimLocal(ByFormula):
    recipe = "dis-sim-local(k=6)"
    formula = (direct.dis_sim_local(6),)


class TestTruncated(ByFormula):
    recipe = "truncated(k=11)"
    formula = (direct.truncated(11),)


class TestInt8(ByFormula):
    recipe = "int8"
    formula = (direct.int8,)


class TestBinary(ByFormula):
    recipe = "binary"
    formula = (direct.binary,)


class TestHamming(ByFormula):
    recipe = "binary(rescore=false)"
    formula = (direct.hamming,)


class TestPQ(SimilarityContract):
    recipe = "pq(m=4, bits=3)"

    def direct(self, queries: Float64, documents: Float64, training: Training) -> Float64:
        centroids = parse("pq(m=4, bits=3)").fit(training).arrays["0.centroids"]
        return direct.pq(centroids.astype(np.float64))(queries, documents, training)


class TestSoftCosine(SimilarityContract):
    @pytest.fixture(autouse=True)
    def _write(self, tmp_path: Path) -> None:
        # Of rank 20 of 24: positive semidefinite, and no more.
        A = np.random.default_rng(0).normal(size=(DIM, 20))
        self.S = A @ A.T
        np.save(tmp_path / "S.npy", self.S)
        self.recipe = SoftCosine(str(tmp_path / "S.npy"))

    def direct(self, queries: Float64, documents: Float64, training: Training) -> Float64:
        return direct.soft_cosine(self.S)(queries, documents, training)


class TestCentredDot(ByFormula):
    recipe = "centred | dot"
    formula = (direct.centred_dot,)


class TestQueryCentredAbtt(ByFormula):
    recipe = "query-centred | abtt(d=2)"

    def direct(self, queries: Float64, documents: Float64, training: Training) -> Float64:
        mean, query_mean = direct.means(training)
        moved = _moved(training, mean, query_mean)
        return direct.abtt(2)(queries - query_mean, documents - mean, moved)


class TestCosineQueryCentredWhitened(ByFormula):
    recipe = "cosine | query-centred | whitened(gamma=0.5)"

    def direct(self, queries: Float64, documents: Float64, training: Training) -> Float64:
        assert training.queries is not None
        short = Training(_32(direct.units(_64(training.documents))), _32(direct.units(_64(training.queries))))
        mean, query_mean = direct.means(short)
        moved = _moved(short, mean, query_mean)
        unit_queries, unit_documents = direct.units(queries), direct.units(documents)
        return direct.whitened(0.5)(unit_queries - query_mean, unit_documents - mean, moved)


class TestTruncatedInt8(ByFormula):
    recipe = "truncated(k=16) | int8"

    def direct(self, queries: Float64, documents: Float64, training: Training) -> Float64:
        return direct.int8(queries[:, :16], documents[:, :16], Training(training.documents[:, :16]))


class TestQueryCentredCsls(ByFormula):
    recipe = "query-centred | csls(k=10)"

    def direct(self, queries: Float64, documents: Float64, training: Training) -> Float64:
        mean, query_mean = direct.means(training)
        moved = _moved(training, mean, query_mean)
        return direct.csls(10, 0.5)(queries - query_mean, documents - mean, moved)


def _64(X: np.ndarray) -> Float64:
    return X.astype(np.float64)


def _32(X: Float64) -> np.ndarray:
    return X.astype(np.float32)


def _moved(training: Training, mean: Float64, query_mean: Float64) -> Training:
    assert training.queries is not None
    return Training(_32(training.documents - mean), _32(training.queries - query_mean))


def test_every_kind_of_ours_is_held_to_the_contract() -> None:
    contracts = [case for name, case in globals().items() if name.startswith("Test")]
    named = {kind for case in contracts for kind in _kinds(case)}
    assert named == {recipe.kind for recipe in OURS}


def _kinds(case: type[SimilarityContract]) -> set[str]:
    recipe = getattr(case, "recipe", None)
    return {one.kind for one in parse(recipe).recipes} if isinstance(recipe, str) else {SoftCosine.kind}
