"""Write a whole new store under a URI, by whichever adapter can."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ragdiag.checks import as_vectors
from ragdiag.errors import ConfigError, RagdiagError, StoreError, TargetExistsError, UnknownStoreError
from ragdiag.plugins import load_openers
from ragdiag.stores.base import IDS, METADATA, TEXTS, NewStore, Opener, Target
from ragdiag.stores.ids import duplicate_ids
from ragdiag.stores.open import open_store, unknown_scheme
from ragdiag.stores.rows import clean_text
from ragdiag.stores.same_store import refuse_source
from ragdiag.stores.uri import as_metric, missing_path, split_options, split_scheme
from ragdiag.types import Batch, Metric, StoreInfo

_LOSS = "name a store that keeps them, such as NAME.parquet or faiss:FOLDER, or allow the loss (--lossy)"


def write_store(
    uri: str | os.PathLike[str],
    batches: Iterable[Batch],
    *,
    dim: int,
    metric: Metric | str | None,
    count: int | None = None,
    overwrite: bool = False,
    lossy: bool = False,
    source: object = None,
) -> StoreInfo:
    """Write documents to a new store: all of them, or none.

    Parameters
    ----------
    uri : str or os.PathLike
        As for `open_store`, which opens the new store under it: ``NAME.npy``, ``NAME.npz``,
        ``NAME.parquet``, ``faiss:NAME.faiss``, ``faiss:FOLDER``, or what another adapter writes.
        An `os.PathLike` is never taken apart.
    batches : iterable of Batch
        The documents in the order in which they are to be read back; ids are unique. They are
        taken one batch at a time; besides, the ids are held, and what the format cannot append.
    dim : int
        Dimension of every vector.
    metric : Metric, str or None
        By which the new store is to rank. A store that knows another one only is an error: the
        vectors are written as they are. Files that do not say how they rank take any, and it has
        to be told when they are opened (``?metric=``).
    count : int, optional
        How many documents there are; another number of them is an error.
    overwrite : bool
        Whether what is at the target may be replaced: at once, when the new store is whole.
    lossy : bool
        Whether ids, texts and metadata that the new store cannot keep may be dropped, or changed to
        text. Vectors are never changed.
    source : str, os.PathLike or object, optional
        The store that the documents come from, as given to `open_store`, or opened; it is never
        written to. What may be the same store, as far as one can tell, is refused too.

    Returns
    -------
    StoreInfo
        Of the new store, opened again.

    Raises
    ------
    TargetExistsError
        When there is something and `overwrite` is false.
    UnknownStoreError
        When no adapter writes there.
    ConfigError
        When the target cannot rank by `metric`, is the source, or cannot be written.
    StoreError, VectorsError
        When a document cannot be kept, an id is there twice, a vector has another dimension, there
        are no documents, or writing fails. In all of these nothing has changed.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> batch = Batch(["a", "b"], np.eye(2, dtype=np.float32), ["one", None])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_store(f"{folder}/new.npz", [batch], dim=2, metric=None).count
    ...     open_store(f"{folder}/new.npz").fetch(["b", "a"]).texts
    2
    ['', 'one']
    """
    new = NewStore(dim, as_metric(metric), count, overwrite, lossy)
    target = check_target(uri, metric=metric, overwrite=overwrite, source=source)
    target.write(_checked(iter(batches), target, new), new)
    return open_store(uri).info


def check_target(
    uri: str | os.PathLike[str], *, metric: Metric | str | None, overwrite: bool = False, source: object = None
) -> Target:
    """Return where a store would be written, or raise as `write_store` would; before the work, not after it.

    Parameters are those of `write_store`. Nothing is written, and of a live source nothing is read.
    """
    opener, rest, options = _dispatch(uri)
    assert opener.target is not None
    target = opener.target(rest, options)
    wanted, asked = as_metric(metric), as_metric(options.get("metric"))
    if wanted not in target.metrics:
        known = " or ".join(sorted(one.value for one in target.metrics if one is not None))
        said = "nothing was said" if wanted is None else f"not by {wanted.value}"
        raise ConfigError(f"{target.name} would rank by {known}, {said}", hint="choose one of them for the new store")
    if asked is not None and wanted is not None and asked is not wanted:
        raise ConfigError(
            f"{target.name} is to be opened with metric={asked.value}, its vectors are for {wanted.value}",
            hint=f"write ?metric={wanted.value}",
        )
    refuse_source(target, source, same=isinstance(source, str) and target.path is None and _same_place(target, source))
    if not overwrite and target.exists():
        raise TargetExistsError(f"{target.name} exists", hint="name another target, or replace it with --overwrite")
    return target


def metric_of_target(uri: str | os.PathLike[str], wanted: Metric) -> Metric:
    """Return how a new store would rank: as its URI says, else by `wanted` where it can, else by what it knows.

    Examples
    --------
    >>> metric_of_target("new.npy", Metric.COSINE).value, metric_of_target("faiss:new", Metric.COSINE).value
    ('cosine', 'l2')
    """
    opener, rest, options = _dispatch(uri)
    assert opener.target is not None
    asked = as_metric(options.get("metric"))
    if asked is not None:
        return asked
    known = opener.target(rest, options).metrics
    return next((metric for metric in (wanted, Metric.L2, Metric.DOT) if metric in known), wanted)


def _dispatch(uri: str | os.PathLike[str]) -> tuple[Opener, str, dict[str, str]]:
    openers = load_openers()
    writing = [opener for _, opener in openers.openers if opener.target is not None]
    schemes = ", ".join(f"{scheme}:" for opener in writing for scheme in opener.schemes)
    suffixes = ", ".join(suffix for opener in writing for suffix in opener.suffixes)
    known = f"can be written here: {schemes}; files {suffixes}"
    text = os.fspath(uri)
    plain, options = split_options(text) if isinstance(uri, str) else (text, {})
    scheme, rest = split_scheme(plain) if isinstance(uri, str) else ("", text)
    if scheme:
        opener = openers.schemes.get(scheme)
        if opener is None or opener.open_uri is None:
            raise unknown_scheme(scheme, text, openers)
    else:
        opener = openers.suffixes.get(os.path.splitext(plain)[1].lower())
        if opener is None:
            raise UnknownStoreError(f"{missing_path(plain)!r} does not say what kind of store to write", hint=known)
    if opener.target is None:
        raise UnknownStoreError(f"{scheme or plain}: stores of this kind are only read", hint=known)
    return opener, rest if scheme else plain, options


def _same_place(target: Target, source: str) -> bool:
    """Whether a store of an engine is where another is to be written."""
    try:
        opener, rest, options = _dispatch(source)
        assert opener.target is not None
        return opener.target(rest, options).name == target.name
    except RagdiagError:  # it is read by an adapter that writes nothing, or its URI does not name a collection
        return False


def _checked(batches: Iterator[Batch], target: Target, new: NewStore) -> Iterator[Batch]:
    """Yield the batches as a `Target` may rely on them."""
    rows = 0
    seen: set[str] = set()
    for batch in batches:
        if not len(batch):
            continue
        vectors = as_vectors(batch.vectors, what="a batch of the new store", dim=new.dim)
        if len(vectors) != len(batch):
            raise StoreError(f"{len(batch)} ids came with {len(vectors)} vectors", hint="one vector per id")
        if IDS in target.keeps:
            _check_ids(batch, seen, target.name)
        elif not new.lossy:
            _check_row_numbers(batch, rows, target.name)
        texts, metadata = batch.texts, batch.metadata
        for what, values in ((TEXTS, texts), (METADATA, metadata)):
            if values is not None and what not in target.keeps and not new.lossy and any(values):
                raise StoreError(f"{target.name} keeps no {what}", hint=_LOSS)
        yield Batch(
            list(batch.ids),
            vectors,
            [clean_text(text) for text in texts] if texts is not None and TEXTS in target.keeps else None,
            metadata if METADATA in target.keeps else None,
        )
        rows += len(batch)
    if rows == 0:
        raise StoreError(f"there is nothing to write to {target.name}", hint="a store holds at least one vector")
    if new.count is not None and rows != new.count:
        raise StoreError(
            f"{rows:,} documents came where {new.count:,} were announced",
            hint="the store that is read changed meanwhile: try again",
        )


def _check_ids(batch: Batch, seen: set[str], name: str) -> None:
    for id_ in batch.ids:
        if not isinstance(id_, str) or clean_text(id_) != id_:
            raise StoreError(f"{name}: the id {id_!r} is no text that can be written as UTF-8", hint="give another id")
        if id_ in seen:
            raise duplicate_ids(name, id_, 1)
        seen.add(id_)


def _check_row_numbers(batch: Batch, first: int, name: str) -> None:
    for row, id_ in enumerate(batch.ids, start=first):
        if id_ != str(row):
            raise StoreError(f"{name} keeps no ids, {id_!r} would become {str(row)!r}", hint=_LOSS)
