"""Where a fix goes: the new store and the artefact, neither of which may be in the way of what is read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ragdiag.artefact import FILES
from ragdiag.errors import ConfigError
from ragdiag.stores import Target, VectorStore, check_target, metric_of_target
from ragdiag.stores.paths import overlap, paths_in
from ragdiag.stores.replace import check_replaceable
from ragdiag.types import Metric, StoreInfo

SUFFIX = ".ragdiag"  # of the artefact, after the path of the new store


def destination(to: str, store: VectorStore, overwrite: bool, artefact: Any) -> tuple[Target, str]:
    """Return the new store's place and the artefact's, both of which can be written; the open store is neither."""
    target = check_target(to, metric=metric_for(to, store.info), overwrite=overwrite, source=store)
    return target, beside(artefact, target.path, overwrite)


def metric_for(to: str, info: StoreInfo) -> Metric:
    """Return how the new store is to rank: as its URI says, or as the source does where it can."""
    return metric_of_target(to, info.metric or Metric.COSINE)


def beside(artefact: str | os.PathLike[str] | None, path: str | None, overwrite: bool) -> str:
    """Return the folder of the artefact, which can be written."""
    if artefact is None and path is None:
        raise ConfigError("the new store is no file or folder here", hint="say where the maps go with --artefact DIR")
    folder = os.fspath(artefact) if artefact is not None else str(path).rstrip("/") + SUFFIX
    if path is not None and (overlap(path, folder)):
        raise ConfigError(f"{folder} and the new store lie in each other", hint="name another folder for the artefact")
    check_replaceable(folder, folder=True, overwrite=overwrite, belongs=lambda name: name in FILES)
    return folder


def refuse_inputs(written: Iterable[str | None], given: Iterable[Any]) -> None:
    """Raise a `ConfigError` when writing would replace what is read, or a part of it."""
    targets = list(filter(None, written))
    for path in (path for source in given for path in paths_in(source)):
        for target in targets:
            if overlap(path, target):
                raise ConfigError(f"writing {target} would replace {path}, which is read", hint="write elsewhere")
