"""How an audit is done: the options, and where chance comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from ragdiag.errors import ConfigError

SAMPLE_QUERIES = 2000


@dataclass(frozen=True)
class Plan:
    """How an audit is done.

    Attributes
    ----------
    sample_queries : int or None
        Documents drawn as queries for document→document statistics; all documents are searched. None means 2,000, or
        with `max_seconds` all. With it, so many at most.
    sample_documents : int
        Documents drawn for statistics of rows and pairs.
    k : int
        Length of the lists in which hubs are counted.
    seed : int
        Of every draw: the same store, plan and version give the same report.
    select, ignore : tuple of str
        Rule codes or prefixes; an empty `select` means all rules.
    min_effect : float
        Smallest difference of nDCG@10 that counts.
    ann_queries : int
        Queries, and as many of the drawn documents, for which the store's own search is held to exact search.
    ann_target : float or None
        Recall that the store's own search should have, above 0 and below 1; its settings are tried then. None tries
        none and looks for .95 at the present one.
    group_by : str
        Key of the metadata by which the pictures group the documents; "" guesses one by its name.
    max_seconds : float or None
        Time for the audit, in seconds: documents are drawn as queries until it is used. What was reached decides the
        report, so that two runs may differ. None sets no limit.
    """

    sample_queries: int | None = None
    sample_documents: int = 10_000
    k: int = 10
    seed: int = 0
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    min_effect: float = 0.01
    ann_queries: int = 200
    ann_target: float | None = None
    group_by: str = ""
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("sample_queries", "sample_documents", "k", "seed", "ann_queries"):
            value, least = getattr(self, name), 0 if name == "seed" else 1
            if name == "sample_queries" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"{name} is {value!r}", hint=f"give a whole number, at least {least}")
        for name in ("select", "ignore"):
            codes = getattr(self, name)
            if isinstance(codes, str) or not all(isinstance(code, str) for code in codes):
                raise ConfigError(f"{name} is {codes!r}", hint='give a tuple of rule codes, such as ("HUB", "IDX001")')
        effect = self.min_effect
        if isinstance(effect, bool) or not isinstance(effect, int | float) or not 0 <= effect <= 1:
            raise ConfigError(f"min_effect is {self.min_effect!r}", hint="give a number from 0 to 1")
        target = self.ann_target
        if target is not None and (
            isinstance(target, bool) or not isinstance(target, int | float) or not 0 < target < 1
        ):
            raise ConfigError(f"ann_target is {target!r}", hint="give a number above 0 and below 1")
        seconds = self.max_seconds
        if seconds is not None and (
            isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf
        ):
            raise ConfigError(f"max_seconds is {seconds!r}", hint="give a number of seconds above 0")

    def most_queries(self, n: int) -> int:
        """Return how many of n documents may be drawn as queries."""
        return self.sample_queries or (SAMPLE_QUERIES if self.max_seconds is None else n)

    def rng(self, purpose: str) -> np.random.Generator:
        """Return the generator of one purpose; adding another purpose changes no other draw."""
        return np.random.default_rng([self.seed, crc32(purpose.encode())])
