"""What a similarity is before and after it is fitted, and what it may be fitted on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from ragdiag.errors import SimilarityError
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
    """A pair of maps, ready to use, and the arrays that make it.

    Several threads map at once: a map keeps nothing between calls, and what it returns is nobody else's.
    """

    def documents(self, X: Float32) -> Float32:
        """Map documents, shape (n, d), to shape (n, p); a zero row gives a zero row or one that scores low."""
        ...

    def queries(self, Q: Float32) -> Float32:
        """Map queries, shape (m, d), to shape (m, p)."""
        ...

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """What was fitted, by name, in float32 or float64; `Recipe.restore` takes it back.

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


def whole(value: object, what: str, least: int = 1) -> None:
    """Refuse an option that is no whole number, or smaller than `least`.

    Examples
    --------
    >>> whole(2.5, "pca has k")
    Traceback (most recent call last):
    ragdiag.errors.SimilarityError: pca has k=2.5: give a whole number, at least 1
    """
    if type(value) is not int or value < least:
        raise SimilarityError(f"{what}={value}", hint=f"give a whole number, at least {least}")


def number(value: object, what: str, low: float, high: float) -> None:
    """Refuse an option that is no number above `low` and up to `high`."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not low < value <= high:
        raise SimilarityError(f"{what}={value}", hint=f"give a number above {low:g} and up to {high:g}")


def refuse_few(training: Training, kind: str, fewest: int = 2) -> None:
    """Refuse to learn from fewer documents than `fewest`."""
    n = len(training.documents)
    if n < fewest:
        raise SimilarityError(f"{kind} has {n:,} documents to learn from", hint=f"give at least {fewest:,}")


def refuse_other_width(X: FloatArray, width: int) -> None:
    """Refuse vectors of another dimension than the one a map was fitted on."""
    if X.shape[1] != width:
        raise SimilarityError(
            f"the similarity is for vectors of {width} dimensions, these have {X.shape[1]}",
            hint="use the embedding model that it was fitted with",
        )


def array_of(arrays: Mapping[str, FloatArray], name: str, ndim: int) -> FloatArray:
    """Return one of the arrays that a map is rebuilt from."""
    if name not in arrays or arrays[name].ndim != ndim:
        raise SimilarityError(f"the array {name!r} is missing or has not {ndim} axes", hint="fit and save it again")
    return arrays[name]


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
        bare = value.replace("-", "").isidentifier() and value not in ("true", "false", "True", "False", "None")
        quote = '"' if "'" in value else "'"
        return value if bare else f"{quote}{value}{quote}"
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"  # 1.0 as 1: one similarity has one name
    return str(value).lower() if isinstance(value, bool) else str(value)
