"""Every similarity by its name: ours, and those of other packages by entry point."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import re
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from ragdiag.errors import PluginError, SimilarityError
from ragdiag.similarities.abtt import ABTT
from ragdiag.similarities.base import Recipe
from ragdiag.similarities.centred import Centred, QueryCentred
from ragdiag.similarities.cosine import Cosine
from ragdiag.similarities.dot import Dot
from ragdiag.similarities.l2 import L2
from ragdiag.similarities.pipeline import Pipeline
from ragdiag.similarities.whitened import Whitened
from ragdiag.types import Metric, Similarity

GROUP = "ragdiag.similarities"
OURS: tuple[type[Recipe], ...] = (Cosine, Dot, L2, Centred, QueryCentred, ABTT, Whitened)
_BY_METRIC: dict[Metric, Similarity] = {Metric.COSINE: Cosine(), Metric.DOT: Dot(), Metric.L2: L2()}
_STAGE = re.compile(r"(?P<kind>[a-z][a-z0-9-]*)\s*(?:\((?P<options>.*)\))?", re.DOTALL)
_OPTION = re.compile(r"\s*(?P<name>[a-z_]\w*)\s*=\s*(?P<value>'[^']*'|\"[^\"]*\"|[^,'\"]+?)\s*(?:,|$)")


def for_metric(metric: Metric | None) -> Similarity:
    """Return the similarity that a store with this metric ranks by; cosine where it does not say.

    Examples
    --------
    >>> for_metric(Metric.L2).name
    'l2'
    """
    return _BY_METRIC[metric or Metric.COSINE]


@cache
def kinds() -> dict[str, type[Recipe]]:
    """Return every recipe that is installed, by the name of its kind.

    Raises
    ------
    PluginError
        When another package's recipe cannot be loaded, or takes a name that is taken.
    """
    found = {recipe.kind: recipe for recipe in OURS}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            recipe = point.load()
        except (Exception, SystemExit) as error:  # other people's code may fail in any way
            raise PluginError(
                f"the similarity {point.name!r} ({point.value}) cannot be loaded: {error}",
                hint="repair or uninstall its package",
            ) from error
        if point.name in found or getattr(recipe, "kind", None) != point.name:
            raise PluginError(
                f"the similarity {point.name!r} ({point.value}) clashes with another or calls itself otherwise",
                hint="its entry point and its `kind` must be one name, and new",
            )
        found[point.name] = recipe
    return found


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

    Examples
    --------
    >>> parse("query-centred | whitened( gamma=.5 )").name
    'query-centred | whitened(gamma=0.5)'
    >>> parse("whitend")
    Traceback (most recent call last):
    ragdiag.errors.SimilarityError: unknown similarity 'whitend': did you mean 'whitened'?
    """
    return Pipeline(tuple(_recipe(part.strip(), name) for part in name.split("|")))


def _recipe(text: str, whole: str) -> Recipe:
    match = _STAGE.fullmatch(text)
    if match is None:
        raise SimilarityError(
            f"{whole!r} is not the name of a similarity", hint='write it like "whitened(k=128, gamma=0.5)"'
        )
    known, kind = kinds(), match["kind"]
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
    """Read a number, a quoted string, or a bare word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
