"""Recipes that are wrong in one way each: the contract has to notice every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from ragdiag.similarities import FittedSimilarity, Pipeline, Recipe, Training, registry
from ragdiag.similarities.affine import Affine, centred_on_documents
from ragdiag.similarities.centred import Centred
from ragdiag.testing import SimilarityContract
from ragdiag.types import Float32, Float64, FloatArray
from tests.reference.similarities import centred


class Contract(SimilarityContract):
    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def direct(self, queries: Float64, documents: Float64, training: Training) -> Float64:
        return centred(queries, documents, training)


Check = Callable[[Contract, Path], None]
CHECKS: dict[str, Check] = {
    "formula": lambda contract, folder: contract.test_ranks_as_the_direct_formula(1.0),
    "scale": lambda contract, folder: contract.test_ranks_as_the_direct_formula(1e-20),
    "fit": lambda contract, folder: contract.test_fits_alike_each_time(folder),
    "saved": lambda contract, folder: contract.test_comes_back_as_it_was_saved(folder),
    "name": lambda contract, folder: contract.test_its_name_parses_to_it(),
    "company": lambda contract, folder: contract.test_a_vector_is_mapped_alike_in_any_company(),
    "alone": lambda contract, folder: contract.test_mapping_leaves_the_vectors_alone(),
    "zero": lambda contract, folder: contract.test_a_zero_vector_harms_nobody(),
    "empty": lambda contract, folder: contract.test_one_vector_or_none_can_be_mapped(),
    "queries": lambda contract, folder: contract.test_the_queries_do_not_matter_where_they_are_not_used(),
    "no queries": lambda contract, folder: contract.test_no_queries_are_refused_where_they_are_needed(None),
    "few": lambda contract, folder: contract.test_too_few_documents_are_refused_or_served(1),
}
DRAWS = iter(range(10**6))


@dataclass(frozen=True)
class Right(Centred):
    kind: ClassVar[str] = "case"
    option: int = 1

    def fit(self, training: Training) -> Affine:
        return centred_on_documents(training.documents.mean(axis=0, dtype=np.float64))


class WrongFormula(Right):
    def fit(self, training: Training) -> Affine:
        return centred_on_documents(training.documents.mean(axis=0, dtype=np.float64) * 0.9)


class NotForSmallVectors(Right):
    def fit(self, training: Training) -> Affine:
        return centred_on_documents(training.documents.mean(axis=0, dtype=np.float64) + 1e-12)


class AnotherEachTime(Right):
    def fit(self, training: Training) -> Affine:
        mean = training.documents.mean(axis=0, dtype=np.float64)
        return centred_on_documents(mean + 1e-12 * next(DRAWS))


class ForgetsPart(Right):
    def restore(self, arrays: Mapping[str, FloatArray]) -> Affine:
        return centred_on_documents(np.zeros(len(arrays["document_mean"])))


@dataclass(frozen=True)
class HidesAnOption(Right):
    hidden: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", next(DRAWS))


@dataclass(frozen=True)
class OnTheBatch(Affine):
    def documents(self, X: Float32) -> Float32:
        return X - X.mean(axis=0, dtype=np.float64).astype(np.float32) if len(X) else X


class LooksAtTheBatch(Right):
    def fit(self, training: Training) -> Affine:
        return OnTheBatch(*(training.documents.mean(axis=0, dtype=np.float64),) * 2)


@dataclass(frozen=True)
class InPlace(Affine):
    def documents(self, X: Float32) -> Float32:
        X -= self.document_mean.astype(np.float32)
        return X


class WritesIntoTheVectors(Right):
    def fit(self, training: Training) -> Affine:
        return InPlace(*(training.documents.mean(axis=0, dtype=np.float64),) * 2)


@dataclass(frozen=True)
class Divides(Affine):
    def documents(self, X: Float32) -> Float32:
        with np.errstate(invalid="ignore"):
            divisor = X.any(axis=1, keepdims=True).astype(np.float32)
            return super().documents(X) / divisor


class DividesByZero(Right):
    def fit(self, training: Training) -> Affine:
        return Divides(*(training.documents.mean(axis=0, dtype=np.float64),) * 2)


@dataclass(frozen=True)
class Never(Affine):
    def documents(self, X: Float32) -> Float32:
        assert X.max() < 10**6
        return super().documents(X)


class FailsOnNothing(Right):
    def fit(self, training: Training) -> Affine:
        return Never(*(training.documents.mean(axis=0, dtype=np.float64),) * 2)


class LearnsFromQueriesInSecret(Right):
    def fit(self, training: Training) -> Affine:
        mean = training.documents.mean(axis=0, dtype=np.float64)
        return mean_of(mean if training.queries is None else training.queries.mean(axis=0, dtype=np.float64))


class DoesWithoutQueries(Right):
    uses_queries: ClassVar[bool] = True


class NotANumberForOne(Right):
    def fit(self, training: Training) -> Affine:
        mean = training.documents.mean(axis=0, dtype=np.float64)
        return centred_on_documents(mean if len(training.documents) > 1 else mean * np.nan)


def mean_of(mean: Float64) -> Affine:
    return centred_on_documents(mean)


WRONG: dict[str, type[Right]] = {
    "formula": WrongFormula,
    "scale": NotForSmallVectors,
    "fit": AnotherEachTime,
    "saved": ForgetsPart,
    "name": HidesAnOption,
    "company": LooksAtTheBatch,
    "alone": WritesIntoTheVectors,
    "zero": DividesByZero,
    "empty": FailsOnNothing,
    "queries": LearnsFromQueriesInSecret,
    "no queries": DoesWithoutQueries,
    "few": NotANumberForOne,
}


def as_installed(recipe: type[Right], monkeypatch: pytest.MonkeyPatch) -> Contract:
    installed: tuple[dict[str, type[Recipe]], dict[str, str]] = ({**registry.kinds(), "case": recipe}, {})
    monkeypatch.setattr(registry, "_installed", lambda: installed)
    return Contract(recipe())


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_right_passes(check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CHECKS[check](as_installed(Right, monkeypatch), tmp_path)


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_wrong_is_noticed(check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):
        CHECKS[check](as_installed(WRONG[check], monkeypatch), tmp_path)


def test_another_dimension_has_to_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = as_installed(Right, monkeypatch)
    contract.test_another_dimension_is_refused()
    monkeypatch.setattr(FittedSimilarity, "documents", lambda self, X: X)
    with pytest.raises(pytest.fail.Exception):
        contract.test_another_dimension_is_refused()


def test_a_recipe_is_a_pipeline_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_installed(Right, monkeypatch)._pipeline() == Pipeline((Right(),))
