"""Store URIs, ``scheme:rest?option=value&…``: taken apart, checked, and shown without credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, urlencode

from ragdiag.errors import ConfigError, StoreNotFoundError
from ragdiag.types import Metric

# Two letters at least, so that a Windows drive is a path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")
# Rather too much is hidden: a password that was not escaped may hold @ / ? and #, and the // may have been forgotten.
_USERINFO = (
    (re.compile(r"//(?:[^\s:/?#@\[]*:(?!\d{1,5}(?:[/?#]|$))\S*|[^/?#\s]*)@"), "//"),  # not from a port on
    (re.compile(r"(?<![\w+.\-:/])([A-Za-z][A-Za-z0-9+.\-]+:)[^\s:/?#@]*:(?![/\\])\S*@"), r"\1"),
    (re.compile(r"(?<![^\s'\"(])[^\s:/?#@'\"(]+:(?!//)\S*@(?=localhost\b|(?:[\w.\-]+|\[[\da-fA-F:.]+\]):\d)"), ""),
)
_SECRETS = re.compile(r"([?&](?:[^=&#]*(?:key|token|password|secret)[^=&#]*)=)[^&#]*", re.IGNORECASE)
# An address without http://, with a user or a port; what is shown of it comes after the last @.
_BARE_SERVER = re.compile(
    r"(?!https?://|[./~\\](?!/))(?=.*:.*@|[^/\\]*:\d+(?:/|$))(?:.*@)?([^@]*)", re.DOTALL | re.IGNORECASE
)


def without_credentials(text: str) -> str:
    """Return a URI or path as it may be shown: no ``user:password@``, no keys or tokens among its options.

    Examples
    --------
    >>> without_credentials("pgvector:postgresql://me:s3cret@host/db?api_key=abc&table=docs")
    'pgvector:postgresql://host/db?api_key=***&table=docs'
    """
    for userinfo, kept in _USERINFO:
        text = userinfo.sub(kept, text)
    return _SECRETS.sub(r"\1***", text)


def missing_path(text: str) -> str:
    """Return as it may be shown what was given for a path and is none: ``user:password@`` of any form is left out.

    Examples
    --------
    >>> missing_path("me:s3cret@host/db"), missing_path("./mail@home.npy")
    ('host/db', './mail@home.npy')
    """
    head, at, tail = without_credentials(text).rpartition("@")
    return tail if at and ":" in head else head + at + tail


def split_scheme(text: str) -> tuple[str, str]:
    """Return the scheme, ``""`` when there is none, and the rest.

    Examples
    --------
    >>> split_scheme("faiss:./index"), split_scheme("C:/vectors.npy")
    (('faiss', './index'), ('', 'C:/vectors.npy'))
    """
    match = _SCHEME.match(text)
    return (match[1].lower(), text[match.end() :]) if match else ("", text)


def split_options(text: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the first ``?``, and the options after it.

    Examples
    --------
    >>> split_options("v.parquet?vector=emb&id=key")
    ('v.parquet', {'vector': 'emb', 'id': 'key'})
    """
    rest, mark, query = text.partition("?")
    if not mark:
        return text, {}
    shown = without_credentials(text)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ConfigError(f"the options of {shown} cannot be read", hint="write ?name=value&name=value") from None
    options = dict(pairs)
    if len(options) != len(pairs):
        raise ConfigError(f"an option of {shown} is given twice", hint="give each option once")
    return rest, options


def moved(to: str, path: str) -> str:
    """Return the URI `to` with another path.

    Examples
    --------
    >>> moved("faiss:old?index_name=a", "/new")
    'faiss:/new?index_name=a'
    """
    plain = split_options(to)[0]
    scheme, _ = split_scheme(plain)
    return (f"{scheme}:" if scheme else "") + path + to[len(plain) :]


def with_option(uri: str, name: str, value: str) -> str:
    """Return the URI with this option, in the place of the one of that name.

    Examples
    --------
    >>> with_option("chroma:./db?collection=old&x=1", "collection", "a new")
    'chroma:./db?x=1&collection=a+new'
    """
    rest, options = split_options(uri)
    options.pop(name, None)
    return f"{rest}?{urlencode({**options, name: value})}"


def check_options(options: Mapping[str, str], known: Collection[str], *, scheme: str) -> None:
    """Raise a `ConfigError` that names the known options when one is unknown."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        hint = f"the options are {', '.join(sorted(known))}" if known else "there are no options"
        raise ConfigError(f"{scheme}: stores have no option {unknown[0]!r}", hint=hint)


def as_metric(value: Metric | str | None) -> Metric | None:
    """Return the metric of this name; None stays None."""
    if value is None or isinstance(value, Metric):
        return value
    try:
        return Metric(value.lower())
    except ValueError:
        names = ", ".join(metric.value for metric in Metric)
        raise ConfigError(f"there is no metric {value!r}", hint=f"one of {names}") from None


def refuse_bare_server(rest: str, scheme: str) -> None:
    """Raise a `ConfigError` for the address of a server that lacks its ``http://``, of which no password is shown.

    Examples
    --------
    >>> refuse_bare_server("me:pw@host:80", "chroma")
    Traceback (most recent call last):
    ragdiag.errors.ConfigError: chroma: 'host:80' is no folder: for a server write chroma:http://host:80?…
    """
    server = _BARE_SERVER.fullmatch(rest)
    if server and not os.path.exists(os.path.expanduser(rest)):
        raise ConfigError(
            f"{scheme}: {server[1]!r} is no folder", hint=f"for a server write {scheme}:http://{server[1]}?…"
        )


def existing_path(rest: str, *, folder: bool | None = False) -> str:
    """Return a path with ``~`` expanded, or raise a `StoreNotFoundError`.

    Parameters
    ----------
    rest : str
        What stands after the scheme.
    folder : bool or None
        Whether it must be a folder (True), a file (False) or may be either (None).
    """
    if not rest:
        raise StoreNotFoundError("the store has no path", hint="write it after the colon, as in npy:./vectors.npy")
    path, shown = os.path.expanduser(rest), missing_path(rest)
    if not os.path.exists(path):
        raise StoreNotFoundError(f"there is no {shown!r}", hint="check the path, relative to where you are")
    if folder is not None and os.path.isdir(path) != folder:
        found, wanted = ("a file", "a folder") if folder else ("a folder", "a file")
        raise StoreNotFoundError(f"{shown!r} is {found}", hint=f"give the path of {wanted}")
    if not os.path.isdir(path) and not os.path.isfile(path):  # reading a pipe would wait for ever
        raise StoreNotFoundError(
            f"{shown!r} is no regular file", hint="a pipe or device cannot be read twice; write a file"
        )
    return path
