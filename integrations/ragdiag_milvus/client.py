"""Milvus's client: how it is loaded and asked, and how its collections and values are written down."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ragdiag.errors import MissingExtraError
from ragdiag.stores import told, without_credentials
from ragdiag.stores.uri import with_option
from ragdiag.types import Metric

OPTIONS = ("collection", "vector", "text", "token", "database")
PK, TEXT, VECTOR = "pk", "text", "vector"  # as LangChain calls them
METRICS = {"L2": Metric.L2, "COSINE": Metric.COSINE, "IP": Metric.DOT}
_LOGGERS = ("pymilvus", "milvus_lite", "grpc")
_lock, _inside = threading.Lock(), 0
_levels: dict[str, int] = {}
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def load_pymilvus() -> Any:
    """Return the client, or name the extra that brings it."""
    try:
        import pymilvus
    except ImportError:
        raise MissingExtraError("Milvus needs its client", hint="pip install 'ragdiag[milvus]'") from None
    return pymilvus


@contextmanager
def asked(name: str, *, hint: str = "", secrets: Iterable[str] = ()) -> Iterator[None]:
    """Turn what Milvus raises into one `StoreError`, and keep it from logging a traceback beside it."""
    with told(name, hint=hint, secrets=secrets), quiet():
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Milvus from logging errors that it raises as well."""
    global _inside
    with _lock:  # the first one in keeps the levels, the last one out gives them back
        if not _inside:
            for logger in map(logging.getLogger, _LOGGERS):
                _levels[logger.name] = logger.level
                logger.setLevel(logging.CRITICAL + 1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for name, level in _levels.items():
                    logging.getLogger(name).setLevel(level)


def shown(place: str, collection: str, database: str = "") -> str:
    """Return the canonical URI of a collection, without credentials.

    Examples
    --------
    >>> shown("http://me:s3cret@host:19530", "docs")
    'milvus:http://host:19530?collection=docs'
    """
    uri = f"milvus:{place}"
    if database:
        uri = with_option(uri, "database", database)
    return without_credentials(with_option(uri, "collection", collection))


def literal(value: str | int) -> str:
    r"""Return a primary key as an expression holds it; the client's own `get` does not escape it.

    Examples
    --------
    >>> print(literal(7), literal('a"\\ or true'))
    7 "a\"\\ or true"
    """
    return str(value) if isinstance(value, int) else '"' + value.translate(_ESCAPED) + '"'


def secrets_of(place: str, token: str) -> tuple[str, ...]:
    """Return what must not be shown of a place and a token, each part of it too."""
    userinfo = place.partition("://")[2].rpartition("@")[0]
    return tuple({part for text in (token, userinfo) for part in (text, *text.split(":")[1:]) if part})
