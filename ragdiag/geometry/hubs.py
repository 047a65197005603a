"""Hubness of a store, by the side that asks: its own documents, or the queries that were given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ragdiag.geometry import hubness
from ragdiag.geometry.largest import largest_share
from ragdiag.geometry.matched import MatchedHubs, matched_hubs, notable
from ragdiag.geometry.normal_store import NormalStore
from ragdiag.geometry.populations import LARGEST_SAMPLE, Populations
from ragdiag.geometry.spectrum import Spectrum
from ragdiag.statistics.census import Census
from ragdiag.statistics.observed import Observed
from ragdiag.types import Float32, IntArray, Measure
from ragdiag.vectors import unit

NAMES = (
    "skewness",
    "latent_skewness",
    "robin_hood",
    "gini",
    "orphans",
    "hub_share",
    "top_1_percent",
    "largest",
)


def measures(side: str, positions: IntArray, census: Census, k: int, rng: np.random.Generator) -> dict[str, Measure]:
    """Return the hubness of the top k lists `positions`, keyed ``hubness.{side}.{name}``."""
    # A vector that no search can return is no orphan: count among the usable ones.
    rank = np.append(np.cumsum(census.usable) - 1, -1)
    population = int(census.live.sum()) if side == "document" else None
    found = rank[positions[:, :k]]
    if not (found >= 0).any():
        nothing = Measure.missing("no list holds a document of the store", n=len(found))
        return {f"hubness.{side}.{name}": nothing for name in NAMES}
    occ = hubness.Occurrences.of(found, int(census.usable.sum()), population=population, rng=rng)
    measured = {
        "skewness": hubness.skewness(occ),
        "latent_skewness": hubness.latent_skewness(occ),
        "robin_hood": hubness.robin_hood(occ),
        "gini": hubness.gini(occ),
        "orphans": hubness.orphans(occ),
        "hub_share": hubness.hub_share(occ),
        "top_1_percent": hubness.top_percent_share(occ),
        "largest": largest_share(occ),
    }
    return {f"hubness.{side}.{name}": measure for name, measure in measured.items()}


def matched(
    seen: Observed,
    X: Float32,
    spectrum: Spectrum,
    split: Populations | None,
    measured: Mapping[str, Measure],
    rng: np.random.Generator,
) -> dict[str, MatchedHubs]:
    """Return what normal stores like this one have, by side; only where there is something to compare.

    Parameters
    ----------
    seen : Observed
    X : ndarray of float32, shape (s, d)
        Sampled documents at unit length.
    spectrum : Spectrum
        Of all of them.
    split : Populations or None
        Of X; two laws are drawn from where it found two populations.
    measured : mapping of str to Measure
        With what `measures` returned for each side.
    rng : numpy.random.Generator
    """
    usable, k = int(seen.documents.census.usable.sum()), seen.k
    asked: dict[str, tuple[int, Float32 | None]] = {"document": (len(seen.documents.queries), None)}
    if seen.queries is not None:
        vectors = seen.queries.vectors
        lists = len(seen.queries.neighbors.positions)
        # Lists that were recorded without vectors: documents serve as queries instead.
        asked["query"] = (len(vectors), unit(vectors)) if len(vectors) else (lists, None)
    # Each side has a stream of its own: that of the documents does not hang on whether queries were given.
    of_store, *of_sides = rng.spawn(1 + len(asked))
    wanted = [side for side in asked if notable(measured, side, k / usable)]
    if not wanted:
        return {}
    if split is not None and split.apart:
        store = NormalStore.of(X[:LARGEST_SAMPLE], spectrum, split.minor[:LARGEST_SAMPLE], of_store)
    else:
        store = NormalStore.of(X, spectrum, None, of_store)
    streams = dict(zip(asked, of_sides, strict=True))
    return {
        side: matched_hubs(store, n=usable, m=asked[side][0], k=k, queries=asked[side][1], rng=streams[side])
        for side in wanted
    }
