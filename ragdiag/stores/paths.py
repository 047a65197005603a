"""Whether what is written lies in the way of what is read."""

from __future__ import annotations

import os

from ragdiag.stores.uri import split_options, split_scheme


def paths_in(source: object) -> list[str]:
    """Return the paths that exist and that a store's URI, or the path of a file, may mean; none for other objects.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     paths_in(f"npy:{file.name}?metric=dot") == [file.name]
    True
    """
    if not isinstance(source, str | os.PathLike):
        return []
    text = os.fsdecode(source)
    bare = split_options(text)[0] if isinstance(source, str) and not os.path.exists(text) else text
    found = {os.path.expanduser(path) for path in {text, bare, split_scheme(bare)[1]} - {""}}
    return sorted(path for path in found if os.path.exists(path))


def lies_in(path: str, folder: str) -> bool:
    """Return whether `path` is the file or folder `folder`, under whatever name, or lies in it."""
    inner, outer = os.path.realpath(path), os.path.realpath(folder)
    if os.path.exists(inner) and os.path.exists(outer) and os.path.samefile(inner, outer):  # a hard link
        return True
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)


def overlap(one: str, other: str) -> bool:
    """Return whether two paths are the same, or one lies in the other."""
    return lies_in(one, other) or lies_in(other, one)
