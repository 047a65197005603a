"""The store adapters that are installed here: ours and other people's, all by entry point."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import TYPE_CHECKING

from ragdiag.errors import PluginError

if TYPE_CHECKING:  # the package `ragdiag.stores` opens stores with what is loaded here
    from ragdiag.stores.base import Opener

GROUP = "ragdiag.stores"


@dataclass(frozen=True)
class BrokenPlugin:
    """An adapter that could not be loaded.

    Attributes
    ----------
    name : str
        Of the entry point.
    distribution : str
        The package that registers it, ``""`` when unknown.
    error : str
        What went wrong, in one line.
    """

    name: str
    distribution: str
    error: str


@dataclass(frozen=True)
class Openers:
    """All adapters of this installation.

    Attributes
    ----------
    openers : tuple of (str, Opener)
        By the name of the entry point, sorted.
    broken : tuple of BrokenPlugin
        Those that could not be loaded; they harm nothing else.
    """

    openers: tuple[tuple[str, Opener], ...]
    broken: tuple[BrokenPlugin, ...] = ()

    @property
    def schemes(self) -> dict[str, Opener]:
        """The opener of each URI scheme."""
        return {scheme: opener for _, opener in self.openers for scheme in opener.schemes}

    @property
    def suffixes(self) -> dict[str, Opener]:
        """The opener of each file suffix."""
        return {suffix: opener for _, opener in self.openers for suffix in opener.suffixes}


def load_openers() -> Openers:
    """Load every adapter that is registered in the entry point group ``ragdiag.stores``.

    Returns
    -------
    Openers
        With the adapters that could not be loaded set aside.

    Raises
    ------
    PluginError
        When two adapters claim one name, one URI scheme or one file suffix: which of them opens
        a store must not depend on the order of installation.

    Examples
    --------
    >>> sorted(load_openers().suffixes)
    ['.faiss', '.index', '.npy', '.npz', '.parquet']
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        known = found.setdefault(point.name, point)
        # One distribution may be listed twice, as when it was installed anew over an editable copy.
        if (known.value, _distribution(known)) != (point.value, _distribution(point)):
            raise PluginError(
                f"two adapters are called {point.name!r}: {known.value} of {_distribution(known)}"
                f" and {point.value} of {_distribution(point)}",
                hint="uninstall one of the two packages",
            )
    openers, broken = [], []
    for name, point in sorted(found.items()):
        loaded = _load_or_explain(point)
        if isinstance(loaded, BrokenPlugin):
            broken.append(loaded)
        else:
            openers.append((name, loaded))
    _refuse_clashes(openers)
    return Openers(tuple(openers), tuple(broken))


def missing_extras() -> dict[str, str]:
    """Return how to install what an adapter needs and is not here, by the name of its entry point.

    An adapter needs the extra of its package that is called as its entry point is, if there is one.

    Examples
    --------
    >>> missing_extras().get("npy", "needs nothing")
    'needs nothing'
    """
    missing = {}
    for point in entry_points(group=GROUP):
        extra = re.compile(rf"extra\s*==\s*['\"]{re.escape(point.name)}['\"]")
        needs = [text for text in (point.dist.requires if point.dist is not None else None) or () if extra.search(text)]
        if not all(_is_installed(text) for text in needs):
            missing[point.name] = f'pip install "{_distribution(point)}[{point.name}]"'
    return missing


def _is_installed(requirement: str) -> bool:
    name = re.match(r"[\w.\-]+", requirement)
    try:
        version(name[0] if name is not None else requirement)
    except PackageNotFoundError:
        return False
    return True


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else ""


def _load_or_explain(point: EntryPoint) -> Opener | BrokenPlugin:
    try:
        return _load(point)
    except (Exception, SystemExit) as error:  # other people's code may fail in any way
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return BrokenPlugin(point.name, _distribution(point), text)


def _load(point: EntryPoint) -> Opener:
    from ragdiag.stores.base import Opener

    opener = point.load()
    if not isinstance(opener, Opener):
        raise PluginError(f"{point.value} is {type(opener).__name__}, not a ragdiag.stores.Opener")
    for what, names in (("schemes", opener.schemes), ("suffixes", opener.suffixes)):
        # A lone string would be taken apart into letters, and claim each of them.
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            raise PluginError(f"{point.value} has {what} {names!r}", hint="give a tuple of str")
    return opener


def _refuse_clashes(openers: list[tuple[str, Opener]]) -> None:
    owners: dict[str, str] = {}
    for name, opener in openers:
        claims = [f"scheme {s}:" for s in opener.schemes] + [f"suffix {s}" for s in opener.suffixes]
        for claim in claims:
            owner = owners.setdefault(claim, name)
            if owner != name:
                raise PluginError(
                    f"the adapters {owner!r} and {name!r} both claim the {claim}",
                    hint="uninstall one of the two packages",
                )
