"""Every similarity by its name: ours, and those of other packages by entry point."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import re
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from ragdiag.errors import PluginError, SimilarityError
from ragdiag.similarities.abtt import ABTT
from ragdiag.similarities.base import Recipe
from ragdiag.similarities.binary import Binary
from ragdiag.similarities.centred import Centred, QueryCentred
from ragdiag.similarities.cosine import Cosine
from ragdiag.similarities.csls import CSLS
from ragdiag.similarities.dis_sim_local import DisSimLocal
from ragdiag.similarities.dot import Dot
from ragdiag.similarities.int8 import Int8
from ragdiag.similarities.inverted_softmax import InvertedSoftmax
from ragdiag.similarities.l2 import L2
from ragdiag.similarities.layer_norm import LayerNorm
from ragdiag.similarities.local_scaling import LocalScaling
from ragdiag.similarities.mean_direction import MeanDirection
from ragdiag.similarities.nnn import NNN
from ragdiag.similarities.pca import PCA
from ragdiag.similarities.pipeline import Pipeline
from ragdiag.similarities.pq import PQ
from ragdiag.similarities.soft_cosine import SoftCosine
from ragdiag.similarities.truncated import Truncated
from ragdiag.similarities.whitened import Whitened
from ragdiag.similarities.z_score import ZScore
from ragdiag.types import Metric, Similarity

GROUP = "ragdiag.similarities"
OURS: tuple[type[Recipe], ...] = (
    Cosine,
    Dot,
    L2,
    Centred,
    QueryCentred,
    MeanDirection,
    ZScore,
    ABTT,
    PCA,
    Whitened,
    LayerNorm,
    SoftCosine,
    CSLS,
    NNN,
    InvertedSoftmax,
    LocalScaling,
    DisSimLocal,
    Truncated,
    Int8,
    Binary,
    PQ,
)
_BY_METRIC: dict[Metric, Similarity] = {Metric.COSINE: Cosine(), Metric.DOT: Dot(), Metric.L2: L2()}
LONGEST_NAME = 1000
_PART = re.compile(r"""(?:'[^']*'|"[^"]*"|[^|'"])*""")
_STAGE = re.compile(r"(?P<kind>[a-z][a-z0-9-]*)\s*(?:\((?P<options>.*)\))?", re.DOTALL)
_OPTION = re.compile(r"\s*(?P<name>[a-z_]\w*)\s*=\s*(?P<value>'[^']*'|\"[^\"]*\"|[^,'\"\s]+)\s*(?:,|$)")


def for_metric(metric: Metric | None) -> Similarity:
    """Return the similarity that a store with this metric ranks by; cosine where it does not say.

    Examples
    --------
    >>> for_metric(Metric.L2).name
    'l2'
    """
    return _BY_METRIC[metric or Metric.COSINE]


def kinds() -> dict[str, type[Recipe]]:
    """Return every recipe that can be used here, by the name of its kind.

    Recipes of other packages that cannot be loaded, or take a name that is taken, are left out.

    Examples
    --------
    >>> "csls" in kinds()
    True
    """
    return dict(_installed()[0])


@cache
def _installed() -> tuple[dict[str, type[Recipe]], dict[str, str]]:
    """Return the recipes by kind, and why others are set aside: they harm nobody who does not ask for them."""
    found = {recipe.kind: recipe for recipe in OURS}
    theirs: dict[str, EntryPoint] = {}
    broken: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        known = theirs.setdefault(point.name, point)
        if known.value != point.value:
            broken[point.name] = f"two packages call theirs so: {known.value} and {point.value}"
    for name, point in theirs.items():
        if name in found or name in broken:
            continue  # what ragdiag calls so stays what it is
        try:
            found[name] = _loaded(point)
        except (Exception, SystemExit) as error:  # other people's code may fail in any way
            broken[name] = f"{point.value} cannot be loaded: {' '.join(f'{type(error).__name__}: {error}'.split())}"
    return found, broken


def _loaded(point: EntryPoint) -> type[Recipe]:
    recipe = point.load()
    lacking = [name for name in ("scores", "last", "uses_queries", "fit", "restore") if not hasattr(recipe, name)]
    if not isinstance(recipe, type) or not dataclasses.is_dataclass(recipe) or lacking:
        raise PluginError(f"it is no recipe, but a frozen dataclass with {', '.join(lacking) or 'options'} is wanted")
    if getattr(recipe, "kind", None) != point.name or _STAGE.fullmatch(point.name) is None:
        raise PluginError(f"its kind is {getattr(recipe, 'kind', None)!r}, which has to be the name of the entry point")
    return cast("type[Recipe]", recipe)


def parse(name: str) -> Pipeline:
    """Return the similarity that `name` spells.

    Parameters
    ----------
    name : str
        ``kind``, ``kind(option=value, …)``, or several joined by ``|``.

    Raises
    ------
    SimilarityError
        For an unknown kind (with the nearest known one), an unknown option, or a value out of range.
    PluginError
        When another package has this kind, but it cannot be used.

    Examples
    --------
    >>> parse("query-centred | whitened( gamma=.5 )").name
    'query-centred | whitened(gamma=0.5)'
    >>> parse("whitend")
    Traceback (most recent call last):
    ragdiag.errors.SimilarityError: unknown similarity 'whitend': did you mean 'whitened'?
    """
    if len(name) > LONGEST_NAME:
        raise SimilarityError(
            f"the name of a similarity has {len(name):,} characters", hint=f"{LONGEST_NAME} are enough"
        )
    return Pipeline(tuple(_recipe(part.strip(), name) for part in _parts(name)))


def _parts(name: str) -> list[str]:
    """Split at the bars that are not quoted; a quote without an end stays in its part."""
    parts: list[str] = []
    at = 0
    while True:
        match = _PART.match(name, at)
        end = match.end() if match is not None else at
        if end < len(name) and name[end] != "|":
            return [*parts, name[at:]]
        parts.append(name[at:end])
        if end == len(name):
            return parts
        at = end + 1


def _recipe(text: str, whole: str) -> Recipe:
    match = _STAGE.fullmatch(text)
    if match is None:
        raise SimilarityError(
            f"{whole!r} is not the name of a similarity", hint='write it like "whitened(k=128, gamma=0.5)"'
        )
    (known, broken), kind = _installed(), match["kind"]
    if kind in broken:
        raise PluginError(f"the similarity {kind!r} cannot be used: {broken[kind]}", hint="repair or uninstall it")
    if kind not in known:
        close = difflib.get_close_matches(kind, known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known))}"
        raise SimilarityError(f"unknown similarity {kind!r}", hint=hint)
    recipe = known[kind]
    options = _options(match["options"] or "", text)
    fields = [field.name for field in dataclasses.fields(recipe) if field.init]  # type: ignore[arg-type]
    for option in options:
        if option not in fields:
            takes = f"it takes {', '.join(fields)}" if fields else "it takes none"
            raise SimilarityError(f"{kind} has no option {option!r}", hint=takes)
    try:
        return recipe(**options)
    except TypeError as error:
        raise SimilarityError(f"{text!r} lacks an option", hint=f"{kind} takes {', '.join(fields)}") from error


def _options(text: str, stage: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    at = 0
    while at < len(text.rstrip()):
        match = _OPTION.match(text, at)
        if match is None or match["name"] in options:
            raise SimilarityError(f"{stage!r} has options that cannot be read", hint='write "option=value, …"')
        options[match["name"]] = _value(match["value"])
        at = match.end()
    return options


def _value(text: str) -> Any:
    """Read a number, true or false, None, a quoted string, or a bare word."""
    if text[0] in "'\"":
        return text[1:-1]  # as it stands: a backslash belongs to a path
    if text in ("true", "false"):
        return text == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
