"""What a similarity is before and after it is fitted, and what it may be fitted on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from ragdiag.types import Float32, FloatArray

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Training:
    """What a similarity may learn from; never the queries that it is judged on.

    Attributes
    ----------
    documents : ndarray of float32, shape (n, d)
        A uniform sample of the stored vectors, or all of them; finite, no zero rows.
    queries : ndarray of float32, shape (m, d), or None
        Queries without labels; finite, no zero rows.
    seed : int
        Of recipes that draw.
    """

    documents: Float32
    queries: Float32 | None = None
    seed: int = 0

    @property
    def dim(self) -> int:
        """The dimension d."""
        return int(self.documents.shape[1])

    def mapped(self, fitted: Fitted) -> Training:
        """Return what the next recipe of a pipeline is fitted on."""
        queries = None if self.queries is None else fitted.queries(self.queries)
        return Training(fitted.documents(self.documents), queries, self.seed)


class Fitted(Protocol):
    """A pair of maps, ready to use, and the arrays that make it."""

    def documents(self, X: Float32) -> Float32:
        """Map documents, shape (n, d), to shape (n, p); a zero row gives a zero row or one that scores low."""
        ...

    def queries(self, Q: Float32) -> Float32:
        """Map queries, shape (m, d), to shape (m, p)."""
        ...

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """What was fitted, by name; `Recipe.restore` takes it back.

        A name begins with ``query_`` when the array plays no part in the map of the documents.
        """
        ...


@runtime_checkable
class Recipe(Protocol):
    """A similarity, or a step of one, before it is fitted: a frozen dataclass whose fields are its options.

    Attributes
    ----------
    kind : str
        Its name in ``"kind(option=value)"``.
    scores : bool
        Whether the inner product of its output is the score. After a recipe that does not score,
        cosine does.
    last : bool
        Whether nothing may follow, because its output is no vector space any more (a bias coordinate).
    uses_queries : bool
        Whether it learns from queries, and so has to be judged on others.
    """

    kind: ClassVar[str]
    scores: ClassVar[bool]
    last: ClassVar[bool]
    uses_queries: ClassVar[bool]

    def fit(self, training: Training) -> Fitted:
        """Learn the maps; `SimilarityError` with the reason where that must not be done."""
        ...

    def restore(self, arrays: Mapping[str, FloatArray]) -> Fitted:
        """Rebuild what `fit` returned from its arrays."""
        ...


class Given:
    """Base of recipes that have nothing to learn: each is its own pair of maps."""

    uses_queries: ClassVar[bool] = False

    def fit(self, training: Training) -> Self:
        """Return itself."""
        return self

    def restore(self, arrays: Mapping[str, FloatArray]) -> Self:
        """Return itself."""
        return self

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """Nothing was learnt."""
        return {}


def spelled(recipe: Recipe) -> str:
    """Return the name that parses to `recipe`: its kind, and the options that are not the default.

    Examples
    --------
    >>> from ragdiag.similarities.whitened import Whitened
    >>> spelled(Whitened(k=64, gamma=0.5))
    'whitened(k=64, gamma=0.5)'
    """
    options = []
    for field in dataclasses.fields(recipe):  # type: ignore[arg-type]
        value = getattr(recipe, field.name)
        if field.init and value != field.default:
            options.append(f"{field.name}={_spelled_value(value)}")
    return recipe.kind + (f"({', '.join(options)})" if options else "")


def _spelled_value(value: Any) -> str:
    if isinstance(value, str):
        return value if value.replace("-", "").isidentifier() else repr(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
