"""The tests that every similarity has to pass, shipped so that other people's recipes can run them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ragdiag.errors import SimilarityError
from ragdiag.similarities import FittedSimilarity, Pipeline, Recipe, Training, load, parse, save
from ragdiag.types import Float32, Float64

DIM = 24
MANY = 400
CONSTANT = 5  # the coordinate that is the same in all vectors
SCALES = [1e-20, 1e-3, 1.0, 1e3, 1e15]


class SimilarityContract:
    """Hold a recipe to the contract of `ragdiag.similarities.Recipe`; subclass it in a test file.

    Attributes
    ----------
    recipe : str or Recipe
        The name of the similarity, which may be a pipeline, or the recipe itself. As a name it is found by
        its entry point.
    tolerance : float
        Scores are ties when they are nearer than this share of the range of the query's scores. For
        a rounding to float32, not for an approximation: a quantised similarity has its quantiser in `direct`.
    batch_tolerance : float
        Largest difference of a mapped row from the row mapped alone, as a share of its largest coordinate.

    Examples
    --------
    >>> class TestCosine(SimilarityContract):
    ...     recipe = "cosine"
    ...     def direct(self, queries, documents, training):
    ...         lengths = np.linalg.norm(documents, axis=1)
    ...         return queries @ documents.T / lengths
    """

    recipe: str | Recipe
    tolerance: float = 1e-5
    batch_tolerance: float = 1e-5

    def direct(self, queries: Float64, documents: Float64, training: Training) -> Float64:
        """Return scores from the definition, slowly, shape (m, n); to be given by the subclass.

        Parameters
        ----------
        queries : ndarray of float64, shape (m, d)
        documents : ndarray of float64, shape (n, d)
            Those of `training` and others; no zero rows.
        training : Training
            What the similarity was fitted on.
        """
        raise NotImplementedError

    def training(self) -> Training:
        """Return what to fit on; to be replaced where a recipe needs more than this."""
        return Training(_documents(1, MANY), _queries(2, 120), seed=3)

    @pytest.mark.parametrize("scale", SCALES)
    def test_ranks_as_the_direct_formula(self, scale: float) -> None:
        """The inner product ranks as the formula, ties apart, whatever the unit of the vectors."""
        training, documents, queries = self._scaled(scale)
        fitted = self._pipeline().fit(training)
        mapped_queries, mapped_documents = fitted.queries(queries), fitted.documents(documents)
        assert mapped_queries.dtype == mapped_documents.dtype == np.float32
        assert mapped_documents.shape == (len(documents), mapped_queries.shape[1])
        scores = mapped_queries.astype(np.float64) @ mapped_documents.astype(np.float64).T
        wanted = self.direct(queries.astype(np.float64), documents.astype(np.float64), training)
        assert np.isfinite(scores).all()
        assert wanted.shape == scores.shape
        for row, (found, exact) in enumerate(zip(scores, wanted, strict=True)):
            ranked, best = exact[np.argsort(-found, kind="stable")], np.sort(exact)[::-1]
            off = float(np.abs(ranked - best).max())
            assert off <= self.tolerance * np.ptp(exact), f"query {row}: a rank is off by {off} of {np.ptp(exact)}"

    def test_fits_alike_each_time(self, tmp_path: Path) -> None:
        """Two fits on the same vectors with the same seed save the same bytes."""
        pipeline = self._pipeline()
        save(pipeline.fit(self.training()), tmp_path / "one")
        save(pipeline.fit(self.training()), tmp_path / "other")
        for name in ("similarity.json", "arrays.npz"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()

    def test_comes_back_as_it_was_saved(self, tmp_path: Path) -> None:
        """Saved and loaded, the maps are the same to the last bit."""
        fitted = self._fitted()
        save(fitted, tmp_path)
        again = load(tmp_path)
        assert again.name == fitted.name
        assert (again.dim, again.n_documents, again.n_queries) == (fitted.dim, fitted.n_documents, fitted.n_queries)
        documents, queries = _documents(4, 50), _queries(5, 20)
        np.testing.assert_array_equal(again.documents(documents), fitted.documents(documents))
        np.testing.assert_array_equal(again.queries(queries), fitted.queries(queries))
        assert again.bytes_per_vector == fitted.bytes_per_vector

    def test_its_name_parses_to_it(self) -> None:
        """The name says every option that is not the default."""
        pipeline = self._pipeline()
        assert parse(pipeline.name) == pipeline
        assert parse(pipeline.name).name == pipeline.name

    def test_a_vector_is_mapped_alike_in_any_company(self) -> None:
        """A row alone, or among others, becomes the same, so that a store can be written in batches and grow."""
        fitted = self._fitted()
        for maps, rows in ((fitted.documents, _documents(4, 60)), (fitted.queries, _queries(5, 60))):
            together = maps(rows)
            alone = np.concatenate([maps(rows[at : at + 1]) for at in range(len(rows))])
            backwards = maps(rows[::-1].copy())[::-1]
            for other in (alone, backwards):
                off = np.abs(other - together).max(axis=1)
                assert np.all(off <= self.batch_tolerance * np.abs(together).max(axis=1))

    def test_mapping_leaves_the_vectors_alone(self) -> None:
        """Fitting and mapping write into none of the arrays they are given."""
        training, rows = self.training(), _documents(4, 20)
        before = training.documents.copy(), rows.copy()
        fitted = self._pipeline().fit(training)
        fitted.documents(rows)
        fitted.queries(rows)
        np.testing.assert_array_equal(training.documents, before[0])
        np.testing.assert_array_equal(rows, before[1])

    def test_what_is_mapped_is_nobody_elses(self) -> None:
        """What one call returned is not changed by the next: several threads map at once."""
        fitted = self._fitted()
        for maps, one, other in (
            (fitted.documents, _documents(4, 20), _documents(6, 20)),
            (fitted.queries, _queries(5, 20), _queries(7, 20)),
        ):
            mapped = maps(one)
            before = mapped.copy()
            maps(other)
            np.testing.assert_array_equal(mapped, before)

    def test_a_zero_vector_harms_nobody(self) -> None:
        """A zero document becomes zero or ranks last; a zero query has finite scores; nothing else changes."""
        fitted = self._fitted()
        rows, queries = _documents(4, 30), _queries(5, 20)
        with_zero, zero_query = rows.copy(), queries.copy()
        with_zero[7], zero_query[7] = 0.0, 0.0
        mapped, asked = fitted.documents(with_zero), fitted.queries(zero_query)
        assert np.isfinite(mapped).all()
        assert np.isfinite(asked).all()
        scores = fitted.queries(queries).astype(np.float64) @ mapped.astype(np.float64).T
        last = np.all(scores[:, 7] <= scores.min(axis=1) + self.tolerance * np.ptp(scores, axis=1))
        assert not mapped[7].any() or last, "a vector without a direction outranks others"
        others = np.arange(30) != 7
        limit = self.batch_tolerance * np.abs(mapped[others]).max()
        np.testing.assert_allclose(mapped[others], fitted.documents(rows)[others], rtol=0, atol=limit)

    def test_one_vector_or_none_can_be_mapped(self) -> None:
        """An empty batch keeps its width."""
        fitted = self._fitted()
        width = fitted.documents(_documents(4, 1)).shape[1]
        assert fitted.documents(np.empty((0, DIM), dtype=np.float32)).shape == (0, width)
        assert fitted.queries(np.empty((0, DIM), dtype=np.float32)).shape == (0, width)

    def test_another_dimension_is_refused(self) -> None:
        """Vectors of another dimension are an error, not a broadcast."""
        fitted = self._fitted()
        for width in (1, DIM - 1, DIM + 1):
            with pytest.raises(SimilarityError):
                fitted.documents(np.ones((3, width), dtype=np.float32))
            with pytest.raises(SimilarityError):
                fitted.queries(np.ones((3, width), dtype=np.float32))

    @pytest.mark.parametrize("queries", [None, np.empty((0, DIM), dtype=np.float32)])
    def test_no_queries_are_refused_where_they_are_needed(self, queries: Float32 | None) -> None:
        """What learns from queries says that there are none; what does not, fits without."""
        pipeline, training = self._pipeline(), replace(self.training(), queries=queries)
        if pipeline.uses_queries:
            with pytest.raises(SimilarityError):
                pipeline.fit(training)
        else:
            pipeline.fit(training)

    def test_the_queries_do_not_matter_where_they_are_not_used(self) -> None:
        """What does not say that it learns from queries is the same with others."""
        pipeline, training = self._pipeline(), self.training()
        rows = _documents(4, 20)
        mapped = pipeline.fit(training).documents(rows)
        other = pipeline.fit(replace(training, queries=_queries(8, 120))).documents(rows)
        if not pipeline.uses_queries:
            np.testing.assert_array_equal(mapped, other)

    def test_documents_are_mapped_without_the_arrays_of_queries(self) -> None:
        """Whatever the arrays named ``query_…`` hold, documents become the same, so that one search serves all."""
        pipeline, fitted = self._pipeline(), self._fitted()
        sizes = {"dim": fitted.dim, "n_documents": fitted.n_documents, "n_queries": fitted.n_queries}
        others = {
            name: array + np.ones((), dtype=array.dtype) if name.split(".", 1)[1].startswith("query_") else array
            for name, array in fitted.arrays.items()
        }
        rows = _documents(4, 20)
        np.testing.assert_array_equal(pipeline.restore(others, **sizes).documents(rows), fitted.documents(rows))

    @pytest.mark.parametrize("count", [1, 2])
    def test_too_few_documents_are_refused_or_served(self, count: int) -> None:
        """With one document or two equal ones there is a reason not to fit, or maps that work."""
        training = self.training()
        few = replace(training, documents=np.repeat(training.documents[:1], count, axis=0))
        try:
            fitted = self._pipeline().fit(few)
        except SimilarityError:
            return
        assert np.isfinite(fitted.documents(training.documents)).all()
        assert np.isfinite(fitted.queries(training.documents)).all()

    def _pipeline(self) -> Pipeline:
        return parse(self.recipe) if isinstance(self.recipe, str) else Pipeline((self.recipe,))

    def _fitted(self) -> FittedSimilarity:
        return self._pipeline().fit(self.training())

    def _scaled(self, scale: float) -> tuple[Training, Float32, Float32]:
        training, factor = self.training(), np.float32(scale)
        queries = None if training.queries is None else training.queries * factor
        documents = np.concatenate([training.documents[:50], _documents(4, 40)])
        return (
            Training(training.documents * factor, queries, training.seed),
            documents * factor,
            _queries(5, 20) * factor,
        )


def _documents(seed: int, count: int) -> Float32:
    """Lengths from .3 to 3, a mean that is not zero, a decaying spectrum, one coordinate constant, some rows twice."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, DIM)) * np.arange(1, DIM + 1) ** -0.5
    X[:, 0] += 1.0
    X *= np.exp(rng.normal(size=(count, 1)) / 2)
    X[:, CONSTANT] = 0.25
    twice = count // 20
    X[count - twice :] = X[:twice]
    return X.astype(np.float32)


def _queries(seed: int, count: int) -> Float32:
    """Like documents, with another mean."""
    Q = _documents(seed, count)
    Q[:, 1] += np.float32(0.7)
    return Q
