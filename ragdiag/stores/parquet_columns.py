"""Columns of a Parquet file as vectors, ids, texts and plain Python values. Needs pyarrow."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ragdiag.checks import as_vectors
from ragdiag.errors import MissingExtraError, StoreError
from ragdiag.stores.ids import duplicate_ids
from ragdiag.types import Float32

# In the schema, on a column of text that holds the metadata of each row as a JSON object.
JSON_MARK = {b"ragdiag": b"json"}


def load_pyarrow() -> Any:
    """Return pyarrow with the modules used here, or name the extra that brings it."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("reading Parquet needs pyarrow", hint="pip install 'ragdiag[parquet]'") from None
    return pyarrow


def is_vector_type(kind: Any, *, integers: bool) -> bool:
    """Whether a column type is a list of floats, or of `integers` too."""
    types = load_pyarrow().types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_floating(kind.value_type) or (integers and types.is_integer(kind.value_type)))


def vector_column(schema: Any, asked: str | None, name: str) -> str:
    """Return the column of vectors: the one asked for, or the only list of floats."""
    listed = f"the columns are {', '.join(schema.names)}"
    if asked is not None:
        known_column(schema, asked, name)
        kind = schema.field(asked).type
        if not is_vector_type(kind, integers=True):
            raise StoreError(f"{name}: column {asked!r} is {kind}, not a list of numbers", hint=listed)
        return asked
    found: list[str] = [field.name for field in schema if is_vector_type(field.type, integers=False)]
    if not found:
        raise StoreError(f"{name} has no column of lists of floats", hint=f"{listed}; name one: ?vector=NAME")
    if len(found) > 1:
        raise StoreError(f"{name} has {len(found)} columns of vectors: {', '.join(found)}", hint=f"?vector={found[0]}")
    return found[0]


def known_column(schema: Any, column: str, name: str) -> None:
    """Raise a `StoreError` that lists the columns unless `column` is one, and only one."""
    found = schema.names.count(column)
    if found != 1:
        what = "has no column" if not found else f"has {found} columns called"
        raise StoreError(f"{name} {what} {column!r}", hint=f"the columns are {', '.join(schema.names)}")


def to_vectors(column: Any, *, name: str, row: int, dim: int | None) -> Float32:
    """Return a column of lists as a matrix.

    Parameters
    ----------
    column : pyarrow.Array
        Of a list type.
    name : str
        How the store is called in errors.
    row : int
        Number of the first row, for errors.
    dim : int or None
        The length every list must have; that of the first one when None.
    """
    pa = load_pyarrow()
    if column.null_count:
        at = row + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise StoreError(f"{name}: row {at} has no vector", hint="drop the rows without one")
    lengths = pa.compute.list_value_length(column).to_numpy(zero_copy_only=False)
    wanted = int(lengths[0]) if dim is None else dim
    ragged = np.flatnonzero(lengths != wanted)
    if len(ragged):
        at = int(ragged[0])
        raise StoreError(
            f"{name}: row {row + at} has dimension {lengths[at]} where the others have {wanted}",
            hint="embed all documents with one model",
        )
    if wanted == 0:
        raise StoreError(f"{name}: row {row} has a vector of dimension 0", hint="store the embeddings")
    values = column.flatten()
    if values.null_count:
        at = row + int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]) // wanted
        raise StoreError(f"{name}: the vector of row {at} has a null in it", hint="store numbers")
    numbers = values.to_numpy(zero_copy_only=False).reshape(len(column), wanted)
    return as_vectors(np.array(numbers), what=name)


def to_python(column: Any, *, name: str) -> list[Any]:
    """Return a column as Python values; bytes that are no UTF-8 become the replacement character."""
    pa = load_pyarrow()
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise StoreError(f"{name} has nested text that is no UTF-8", hint="write it again") from None
        wide = pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()
        values = column.cast(wide).to_pylist()
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]


def is_json(field: Any) -> bool:
    """Whether a column was written by us and holds JSON objects."""
    types = load_pyarrow().types
    marks = (field.metadata or {}).items()
    return types.is_string(field.type) and all(mark in marks for mark in JSON_MARK.items())


def to_objects(column: Any, *, name: str, row: int) -> list[dict[str, Any]]:
    """Return a column of JSON objects as mappings; an empty one for null."""
    objects = []
    for at, text in enumerate(to_python(column, name=name), start=row):
        try:
            value = {} if text is None else json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise StoreError(f"{name}: the metadata of row {at} is no JSON object", hint="write it again")
        objects.append(value)
    return objects


def to_ids(column: Any, *, name: str, row: int = 0) -> Any:
    """Return a column of ids (text or whole numbers) as an array of strings, or say what is wrong with it."""
    pa = load_pyarrow()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not text and not pa.types.is_integer(column.type):
        raise StoreError(f"{name}: ids are {column.type}", hint="ids must be text or whole numbers")
    if column.null_count:
        at = row + int(np.flatnonzero(np.asarray(column.is_null()))[0])
        raise StoreError(f"{name}: row {at} has no id", hint="give every row an id")
    return column if text else column.cast(pa.string())


def check_unique(ids: Any, *, name: str) -> None:
    """Raise a `StoreError` with an example when an id is there twice, or is no UTF-8."""
    pa = load_pyarrow()
    try:
        ids.validate(full=True)
    except pa.ArrowInvalid:
        raise StoreError(f"{name} has ids that are no UTF-8 text", hint="write the ids again") from None
    distinct = len(ids.unique())
    if distinct < len(ids):
        for entry in ids.value_counts():
            if entry["counts"].as_py() > 1:
                raise duplicate_ids(name, entry["values"].as_py(), len(ids) - distinct)
