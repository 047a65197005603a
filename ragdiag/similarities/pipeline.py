"""Several recipes one after the other, and what is left to use when they are fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ragdiag.errors import SimilarityError
from ragdiag.similarities.affine import Affine
from ragdiag.similarities.base import Fitted, Recipe, Training, refuse_other_width, spelled
from ragdiag.similarities.cosine import Cosine
from ragdiag.similarities.dot import Dot
from ragdiag.types import Float32, FloatArray, Similarity


@dataclass(frozen=True)
class FittedSimilarity:
    """A similarity ready to rank: the maps of its stages, in order.

    Attributes
    ----------
    recipes : tuple of Recipe
        As they are written.
    stages : tuple of Fitted
        One for each recipe; a last one, cosine, where the last recipe does not score.
    dim : int
        Of the vectors it takes.
    n_documents, n_queries : int
        What it was fitted on.
    """

    recipes: tuple[Recipe, ...]
    stages: tuple[Fitted, ...]
    dim: int
    n_documents: int
    n_queries: int

    @property
    def name(self) -> str:
        """The name it parses from."""
        return " | ".join(spelled(recipe) for recipe in self.recipes)

    def documents(self, X: Float32) -> Float32:
        """Map documents, shape (n, d), to shape (n, p)."""
        refuse_other_width(X, self.dim)
        for stage in self.stages:
            X = stage.documents(X)
        return X

    def queries(self, Q: Float32) -> Float32:
        """Map queries, shape (m, d), to shape (m, p)."""
        refuse_other_width(Q, self.dim)
        for stage in self.stages:
            Q = stage.queries(Q)
        return Q

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """What was fitted, keyed by ``"stage.name"``."""
        return {f"{i}.{name}": array for i, stage in enumerate(self.stages) for name, array in stage.arrays.items()}

    @property
    def bytes_per_vector(self) -> float:
        """What a store needs for one mapped vector: codes, else 4 per coordinate."""
        for stage in reversed(self.stages):
            coded = getattr(stage, "bytes_per_vector", None)
            if coded is not None:
                return float(coded)
        width: int = self.documents(np.ones((1, self.dim), dtype=np.float32)).shape[1]
        return 4.0 * width

    def before_scoring(self) -> Similarity:
        """Return the maps without the last stage, for a store that scores as that stage does."""
        return _Chain(self.name, self.stages[:-1])

    def folded(self) -> Similarity | None:
        """Return an equal similarity that leaves documents as they are, or None where there is none.

        Under the inner product ``(q − μ_q)A · (d − μ_d)A`` ranks as ``(q − μ_q)AAᵀ · d``: the index stays.
        Zero documents apart, which score 0 on either side, but not among the same scores.
        """
        affine = [stage for stage in self.stages[:-1] if isinstance(stage, Affine)]
        if not isinstance(self.stages[-1], Dot) or len(affine) < len(self.stages) - 1:
            return None
        return _Folded(self.name, tuple(affine))


@dataclass(frozen=True)
class _Chain:
    """Stages in order, whatever ranks what comes out of them."""

    name: str
    stages: tuple[Fitted, ...]

    def documents(self, X: Float32) -> Float32:
        for stage in self.stages:
            X = stage.documents(X)
        return X

    def queries(self, Q: Float32) -> Float32:
        for stage in self.stages:
            Q = stage.queries(Q)
        return Q


@dataclass(frozen=True)
class _Folded:
    """Affine stages under the inner product, moved to the query."""

    name: str
    stages: tuple[Affine, ...]

    def documents(self, X: Float32) -> Float32:
        return X

    def queries(self, Q: Float32) -> Float32:
        for stage in self.stages:
            Q = stage.queries(Q)
        for stage in reversed(self.stages):
            if stage.matrix is not None:
                Q = (Q @ stage.matrix.T).astype(np.float32)
        return Q


@dataclass(frozen=True)
class Pipeline:
    """Recipes in order, such as ``query-centred | whitened(gamma=0.5)``; cosine scores unless the last one does.

    Examples
    --------
    >>> from ragdiag.similarities.centred import Centred
    >>> Pipeline((Centred(),)).name
    'centred'
    """

    recipes: tuple[Recipe, ...]

    def __post_init__(self) -> None:
        for recipe in self.recipes[:-1]:
            if recipe.last:
                raise SimilarityError(
                    f"{self.name!r}: nothing can follow {recipe.kind}, whose output is a score",
                    hint=f"put {recipe.kind} last",
                )

    @property
    def name(self) -> str:
        """The name that parses to it."""
        return " | ".join(spelled(recipe) for recipe in self.recipes)

    @property
    def uses_queries(self) -> bool:
        """Whether it has to be judged on other queries than it is fitted on."""
        return any(recipe.uses_queries for recipe in self.recipes)

    def fit(self, training: Training) -> FittedSimilarity:
        """Fit each recipe on what the ones before it made of the training vectors."""
        n_documents, dim = training.documents.shape
        n_queries = 0 if training.queries is None else len(training.queries)
        if training.queries is not None:
            refuse_other_width(training.queries, dim)
        stages: list[Fitted] = []
        for i, recipe in enumerate(self.recipes):
            stages.append(recipe.fit(training))
            if i + 1 < len(self.recipes):
                training = training.mapped(stages[-1])
        return self._scored(stages, dim, n_documents, n_queries)

    def restore(
        self, arrays: Mapping[str, FloatArray], *, dim: int, n_documents: int, n_queries: int
    ) -> FittedSimilarity:
        """Rebuild what `fit` returned from its arrays."""
        stages = []
        for i, recipe in enumerate(self.recipes):
            own = {name.split(".", 1)[1]: a for name, a in arrays.items() if name.split(".", 1)[0] == str(i)}
            stages.append(recipe.restore(own))
        return self._scored(stages, dim, n_documents, n_queries)

    def _scored(self, stages: list[Fitted], dim: int, n_documents: int, n_queries: int) -> FittedSimilarity:
        if not self.recipes[-1].scores:
            stages = [*stages, Cosine()]
        return FittedSimilarity(self.recipes, tuple(stages), dim, n_documents, n_queries)
