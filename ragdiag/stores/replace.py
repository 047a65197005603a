"""Put a new file or folder in its place: whole or not at all, also when the process is killed."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ragdiag.errors import ConfigError, RagdiagError, StoreError, TargetExistsError
from ragdiag.stores.uri import missing_path

if sys.platform != "win32":
    import fcntl

# What is being written lies as `draft` in a hidden folder beside the target, under a name that no
# adapter takes for a store. A folder of the two-step exchange below lies there as `old`.
_PREFIX, _SUFFIX = ".ragdiag-", ".part"
_DRAFT, _OLD, _LOCK = "draft", "old", "lock"

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def replacing(
    path: str, *, folder: bool, overwrite: bool, belongs: Callable[[str], bool] = lambda name: False
) -> Iterator[str]:
    """Yield a path to write to; what lies there when the block ends takes the place of `path`.

    Whenever the process ends, `path` is what it was before or the whole new store. A file, and on
    Linux a folder, is replaced in one step. Elsewhere a folder takes two; killed between them, the
    old one is put back when the next store is written there. What killed runs leave beside `path`
    is removed then, too.

    Parameters
    ----------
    path : str
        Of the file or folder; links are followed, and stay.
    folder : bool
        Which of the two it will be; the folder to write into is there already.
    overwrite : bool
        Whether what is at `path` may be replaced. An empty folder may be in any case.
    belongs : callable
        Whether a name inside a folder that is replaced belongs to the store there: a folder that
        holds anything else is left alone.

    Raises
    ------
    TargetExistsError
        When there is something and `overwrite` is false.
    ConfigError
        When it cannot be replaced, or there is no folder to write in.
    StoreError
        When writing fails, such as on a full disk.
    """
    with staging(path) as work:
        check_replaceable(path, folder=folder, overwrite=overwrite, belongs=belongs)
        draft = os.path.join(work, _DRAFT)
        if folder:
            os.mkdir(draft)
        yield draft
        put(draft, path, folder=folder, overwrite=overwrite)


@contextmanager
def staging(path: str) -> Iterator[str]:
    """Yield a hidden folder beside `path`, on its file system; it is gone when the block, or the next run, ends.

    Raises
    ------
    ConfigError
        When there is no folder to write in.
    """
    target = os.path.realpath(path)
    parent, name = os.path.split(target)
    if not os.path.isdir(parent):
        raise _no_folder(path)
    work, lock = "", -1
    try:
        _tidy(parent, name)
        work, lock = _workplace(parent, name)
        yield work
    except RagdiagError:
        raise
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror or error})") from error
    finally:
        if work:
            _clear(work, target)
        if lock >= 0:
            os.close(lock)


def put(draft: str, path: str, *, folder: bool, overwrite: bool) -> None:
    """Give what lies whole at `draft`, in a `staging` folder, its place at `path`.

    Raises
    ------
    TargetExistsError
        When there is something by now, and `overwrite` is false.
    """
    target = os.path.realpath(path)
    _sync(draft)
    try:
        _put(draft, target, folder=folder, overwrite=overwrite)
    except FileExistsError:
        raise _exists(path) from None
    with suppress(OSError):  # it is there, whatever the file system says of its folder
        _sync_one(os.path.dirname(target))


def is_taken(path: str, *, folder: bool) -> bool:
    """Whether there is something at `path` that a new store would replace; an empty folder is nothing."""
    return os.path.exists(path) and not (folder and os.path.isdir(path) and not os.listdir(path))


def _exists(path: str) -> TargetExistsError:
    return TargetExistsError(f"{path} exists", hint="name another target, or replace it with --overwrite")


def _no_folder(path: str) -> ConfigError:
    """Say so; what was meant for a URL, and is no path, is shown without its password."""
    name = missing_path(path)
    parent = os.path.dirname(os.path.realpath(path) if name == path else name)
    return ConfigError(f"cannot write {name}", hint=f"there is no folder {parent}")


def check_replaceable(
    path: str, *, folder: bool, overwrite: bool, belongs: Callable[[str], bool] = lambda name: False
) -> None:
    """Raise as `replacing` would; before the work, not after it."""
    target = os.path.realpath(path)
    if not os.path.isdir(os.path.dirname(target)):
        raise _no_folder(path)
    if not is_taken(target, folder=folder):
        return
    if not overwrite:
        raise _exists(path)
    if folder != os.path.isdir(target) or not (folder or os.path.isfile(target)):
        wanted = "a folder" if folder else "a file"
        raise ConfigError(f"cannot replace {path} by {wanted}, it is none", hint="name another target")
    strange = sorted(entry for entry in os.listdir(target) if not belongs(entry)) if folder else []
    if strange:
        raise ConfigError(
            f"cannot replace {path}, it holds {strange[0]!r} which is no part of the store",
            hint="name another folder",
        )


def _workplace(parent: str, name: str) -> tuple[str, int]:
    """Make a hidden folder beside the target, locked as long as this process lives."""
    while True:
        work = tempfile.mkdtemp(_SUFFIX, f".{name}{_PREFIX}", parent)
        try:
            lock = _lock(work)
        except FileNotFoundError:  # another run has tidied it away before it was locked
            continue
        except OSError:  # a file system without locks, where nothing is tidied away
            return work, -1
        if os.path.isdir(work):
            return work, lock
        os.close(lock)


def _lock(work: str, *, wait: bool = True) -> int:
    """Lock a workplace and return the handle that holds the lock; OSError when that cannot be."""
    if sys.platform == "win32":
        raise OSError("no such locks")
    handle = os.open(os.path.join(work, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _tidy(parent: str, name: str) -> None:
    """Remove what killed runs left."""
    for entry in os.listdir(parent):
        work = os.path.join(parent, entry)
        if not (entry.startswith(f".{name}{_PREFIX}") and entry.endswith(_SUFFIX)) or os.path.islink(work):
            continue
        try:
            lock = _lock(work, wait=False)
        except OSError:  # another run is writing there, or it has just gone
            continue
        _clear(work, os.path.join(parent, name))
        os.close(lock)


def _clear(work: str, target: str) -> None:
    """Remove a workplace, after putting back an old folder whose place is still empty."""
    old = os.path.join(work, _OLD)
    if os.path.isdir(old) and not os.path.lexists(target):
        with suppress(OSError):
            os.rename(old, target)
    if not os.path.isdir(old) or os.path.lexists(target):
        shutil.rmtree(work, ignore_errors=True)


def _put(draft: str, target: str, *, folder: bool, overwrite: bool) -> None:
    """Give `draft` the name of `target`; FileExistsError when it came into being meanwhile."""
    if folder:
        if not is_taken(target, folder=True):
            os.rename(draft, target)  # also over an empty folder, and over nothing else
        elif not overwrite:
            raise FileExistsError(target)
        elif not _exchange(draft, target):
            os.rename(target, os.path.join(os.path.dirname(draft), _OLD))
            os.rename(draft, target)
    elif overwrite or not _link(draft, target):
        os.replace(draft, target)


def _link(draft: str, target: str) -> bool:
    """Give a file a second name unless that is taken; False where the file system has no links."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        return False
    return True


def _exchange(one: str, other: str) -> bool:
    """Swap two names in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):  # an old or another libc
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _sync(path: str) -> None:
    """Bring a file, or a folder with all it holds, to the disk."""
    if os.path.isdir(path):
        for entry in os.listdir(path):
            _sync(os.path.join(path, entry))
    _sync_one(path)


def _sync_one(path: str) -> None:
    if sys.platform == "win32" and os.path.isdir(path):
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
