"""Nearest neighbour normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ragdiag.similarities.csls import CSLS


@dataclass(frozen=True)
class NNN(CSLS):
    """``cos(q, d) − α · r(d)`` as in `CSLS`, with the wider neighbourhood and heavier penalty of retrieval.

    Its authors choose both on held-out pairs; so should you.
    Source: Chowdhury et al. 2024, arXiv:2410.24114.

    Parameters
    ----------
    k : int
        Nearest queries of the bank, which has to be at least twice as large.
    alpha : float
        Weight of the penalty, above 0 and up to 10.

    Examples
    --------
    >>> NNN(k=16).alpha
    0.75
    """

    k: int = 16
    alpha: float = 0.75

    kind: ClassVar[str] = "nnn"
