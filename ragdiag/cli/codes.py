"""Rule codes as people write them: whole, or only their beginning."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from ragdiag.errors import ConfigError


def check_codes(prefixes: Iterable[str], codes: Sequence[str], *, option: str) -> None:
    """Raise a `ConfigError` that names near codes when a prefix begins no rule's code.

    Parameters
    ----------
    prefixes : iterable of str
        As given, in upper case.
    codes : sequence of str
        Of all rules.
    option : str
        How the setting is called in the error.

    Examples
    --------
    >>> check_codes(["HUB"], ["HUB001"], option="--select")
    >>> check_codes(["HBU001"], ["HUB001"], option="--select")
    Traceback (most recent call last):
    ragdiag.errors.ConfigError: --select: no rule's code begins with 'HBU001': did you mean HUB001?
    """
    for prefix in prefixes:
        if not any(code.startswith(prefix) for code in codes):
            raise ConfigError(f"{option}: no rule's code begins with {prefix!r}", hint=nearest(prefix, codes))


def nearest(code: str, codes: Sequence[str]) -> str:
    """Return what may have been meant by an unknown code, in words.

    Examples
    --------
    >>> nearest("HUB01", ["HUB001", "IDX001"]), nearest("x", ["HUB001"])
    ('did you mean HUB001?', "'ragdiag rule' lists them all")
    """
    families = list(dict.fromkeys(known.rstrip("0123456789") for known in codes))
    # A family only when no code is near: HUB01 is HUB001 mistyped, not HUB.
    # In three letters, two that changed places leave two thirds.
    for candidates, cutoff in ((codes, 0.7), (families, 0.6)):
        near = difflib.get_close_matches(code.upper(), candidates, n=3, cutoff=cutoff)
        if near:
            return f"did you mean {' or '.join(near)}?"
    return "'ragdiag rule' lists them all"
