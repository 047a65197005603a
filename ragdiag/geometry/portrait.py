"""All measures of a store, by name: the one place that says which exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ragdiag.geometry import duplicates, gap, hubs, isotropic, norms, outliers, spectrum
from ragdiag.geometry.anisotropy import mean_cosine, rogue_dimension
from ragdiag.geometry.intervals import Z, wilson
from ragdiag.geometry.intrinsic import two_nn
from ragdiag.geometry.matched import MatchedHubs
from ragdiag.geometry.partition import partition_isotropy
from ragdiag.geometry.populations import Populations, populations
from ragdiag.geometry.positives import misplaced
from ragdiag.geometry.sensitivity import axis_scaling
from ragdiag.geometry.texts import boilerplate
from ragdiag.geometry.uniformity import alignment, cross_uniformity, uniformity
from ragdiag.statistics.neighbors import occurrences
from ragdiag.statistics.observed import Documents, Observed, Queries
from ragdiag.types import Float32, Float64, IntArray, Measure
from ragdiag.vectors import unit

NO_QUERIES = "no queries were given"
NO_JUDGEMENTS = "no judgements were given"
NEARLY_CONSTANT = 1e-5  # of the median range of a coordinate
SAME_CHUNK = 0.9  # a text embedded again by the same model; another model gives about 0


@dataclass(frozen=True)
class Portrait:
    """All measures of a store.

    Attributes
    ----------
    measures : mapping of str to Measure
        Keyed ``family.name``.
    marks : mapping of str to positions
        The documents behind a measure, among those sampled: ``"population.minor"``,
        ``"texts.boilerplate"``, ``"outliers.far"``; ``"alignment.misplaced"`` among those judged.
    split : Populations or None
        The clearest split of the sampled documents in two.
    matched_hubs : mapping of str to MatchedHubs
        By side, ``"document"`` and ``"query"``: what a normal store of the same mean and spectrum has. Only where
        the hubness is notable.
    shape : Spectrum or None
        Of the directions; None where no vectors were read.
    """

    measures: Mapping[str, Measure]
    marks: Mapping[str, IntArray]
    split: Populations | None
    matched_hubs: Mapping[str, MatchedHubs]
    shape: spectrum.Spectrum | None = None


def portrait(seen: Observed, rng: np.random.Generator) -> Portrait:
    """Compute every measure; those that cannot be defined here say why."""
    docs = seen.documents
    X = unit(docs.sample.vectors)
    split = populations(X)
    furniture, is_furniture = boilerplate(docs.sample.texts)
    far, is_far = outliers.far_share(kth_distance(docs.cosines.scores))
    few = Measure.missing("fewer than forty distinct vectors", n=len(X), null=0.0)
    shape = spectrum.Spectrum.of(docs.moments, X.astype(np.float64))
    measures = _directions(docs, X, shape)
    measures |= {
        "population.separation": split.separation if split else few,
        "population.minor_share": split.minor_share if split else few,
        "population.kinship": split.kinship if split else few,
    }
    measures |= hubs.measures("document", docs.neighbors.positions, docs.census, seen.k, rng)
    measures |= _lengths(seen)
    rho = measures["anisotropy.mean_cosine"].value or 0.0
    measures |= _repeats(docs, rho) | {"texts.boilerplate": furniture}
    measures |= {"outliers.far": far, "intrinsic.two_nn": _intrinsic(docs, rho)}
    measures |= _query_measures(seen, rng)
    measures["alignment.misplaced"], lost = _misplaced(seen, X)
    measures["embedder.mismatch"] = _mismatch(seen)
    marks = {
        "population.minor": np.sort(docs.sample.positions[split.minor]) if split else docs.sample.positions[:0],
        "texts.boilerplate": np.sort(docs.sample.positions[is_furniture]),
        "outliers.far": np.sort(docs.queries.positions[is_far]),
        "alignment.misplaced": lost,
    }
    matched = hubs.matched(seen, X, shape, split, measures, rng)
    return Portrait(measures, marks, split, matched, shape)


def _directions(docs: Documents, X: Float32, shape: spectrum.Spectrum) -> dict[str, Measure]:
    moments = docs.moments
    spread = docs.census.largest - docs.census.smallest
    constant = int(np.sum(spread <= NEARLY_CONSTANT * float(np.median(spread))))
    return {
        "anisotropy.mean_cosine": mean_cosine(moments),
        "anisotropy.rogue_dimension": rogue_dimension(moments)[0],
        "spectrum.participation_ratio": spectrum.participation_ratio(shape),
        "spectrum.isoscore": spectrum.isoscore(shape),
        "spectrum.effective_rank": spectrum.effective_rank(shape),
        "spectrum.top_share": spectrum.top_share(shape),
        "spectrum.alpha_req": spectrum.alpha_req(shape),
        "spectrum.partition_isotropy": partition_isotropy(X.astype(np.float64), moments),
        "spectrum.constant_coordinates": Measure.counted(
            constant / moments.dim, n=int(docs.census.usable.sum()), null=0.0
        ),
        "uniformity.document": uniformity(X),
        "uniformity.w2": spectrum.w2_uniformity(moments, shape),
    }


def _lengths(seen: Observed) -> dict[str, Measure]:
    docs, census = seen.documents, seen.documents.census
    live = census.live
    counts = occurrences(docs.neighbors.positions[:, : seen.k], census.n).astype(np.float64)
    texts = live & (census.text_lengths >= 0)
    lengths = census.text_lengths.astype(np.float64)
    same = Measure.counted(1.0, n=len(docs.queries), null=1.0)
    probes = docs.probes
    measures = {
        "norms.variation": norms.variation(census.norms[live]),
        "norms.overlap_cosine_dot": norms.ranking_overlap(probes["cosine"], probes["dot"]) if probes else same,
        "norms.overlap_cosine_l2": norms.ranking_overlap(probes["cosine"], probes["l2"]) if probes else same,
        "norms.occurrence_correlation": norms.rank_correlation(census.norms[live], counts[live]),
        "norms.text_length_correlation": norms.rank_correlation(census.norms[texts], lengths[texts]),
        "texts.length_occurrence_correlation": norms.rank_correlation(lengths[texts], counts[texts]),
    }
    if docs.rescaled:
        base = docs.neighbors.positions[: len(docs.rescaled[0])]
        measures["sensitivity.axis_scaling"] = axis_scaling(
            base, docs.rescaled, n=int(live.sum()), dim=docs.moments.dim, similarity=seen.similarity
        )
    return measures


def _repeats(docs: Documents, rho: float) -> dict[str, Measure]:
    census = docs.census
    with_text = census.text_lengths >= 0
    n_texts = int(with_text.sum())
    no_texts = Measure.missing("the store keeps no texts", null=0.0)
    vectors = duplicates.groups(census.vector_hashes, census.live)
    texts = duplicates.groups(census.text_hashes, census.text_lengths > 0)
    cosines = docs.cosines.scores[:, 0]
    return {
        "duplicates.vectors": duplicates.redundant_share(vectors, int(census.live.sum())),
        "duplicates.texts": duplicates.redundant_share(texts, n_texts) if n_texts else no_texts,
        "duplicates.near": duplicates.near_share(
            cosines,
            mean_cosine=rho,
            sampled_share=len(cosines) / max(int(census.live.sum()), 1),
        ),
        "texts.empty": Measure.counted(float(np.sum(census.text_lengths == 0)) / n_texts, n=n_texts, null=0.0)
        if n_texts
        else no_texts,
    }


def chord(cosines: Float64) -> Float64:
    """Return the Euclidean distance of directions from their cosine, ‖x̂ − ŷ‖ = √(2 − 2cos)."""
    distances: Float64 = np.sqrt(np.maximum(2 - 2 * cosines, 0.0))
    # Float32 directions of equal vectors differ by less than this.
    distances[distances < 1e-3] = 0.0
    return distances


def _intrinsic(docs: Documents, mean_cosine: float) -> Measure:
    cosines, live = docs.cosines.scores, int(docs.census.live.sum())
    if cosines.shape[1] < 2 or not np.isfinite(cosines[:, 1]).any():
        return Measure.missing("fewer than three documents", n=len(cosines))
    # A near duplicate is no second sample of the neighbourhood.
    distances = chord(cosines[cosines[:, 0] <= duplicates.near_cosine(mean_cosine)])
    dim = docs.moments.dim
    null = isotropic.two_nn(live, dim) if dim > 1 else None
    return two_nn(distances[:, 0], distances[:, 1], null=null)


def kth_distance(cosines: Float64) -> Float64:
    """Return the distance to the last neighbour that exists, shape (m,)."""
    last = np.maximum(np.isfinite(cosines).sum(axis=1) - 1, 0)
    distances: Float64 = chord(np.where(np.isfinite(cosines), cosines, -1.0))[np.arange(len(cosines)), last]
    return distances


def _query_measures(seen: Observed, rng: np.random.Generator) -> dict[str, Measure]:
    queries = seen.queries
    if queries is None:
        names = ("gap.mean_distance", "gap.ratio", "gap.probe_auc", "uniformity.query", "uniformity.cross")
        occurring = ("skewness", "latent_skewness", "orphans", "top_1_percent", "largest", "bad_hub_share")
        labelled = ("alignment.positives", "norms.relevance_correlation")
        absent = [*names, *(f"hubness.query.{name}" for name in occurring), *labelled]
        return {name: Measure.missing(NO_QUERIES) for name in absent}
    measures = hubs.measures("query", queries.neighbors.positions, seen.documents.census, seen.k, rng)
    Q, X = unit(queries.vectors), unit(seen.documents.sample.vectors)
    moments = seen.documents.moments
    measures |= {
        "gap.mean_distance": gap.mean_distance(queries.unit_moments, moments),
        "gap.ratio": gap.gap_ratio(queries.unit_moments, moments),
        "gap.probe_auc": gap.probe_auc(Q, X, rng),
        "uniformity.query": uniformity(Q),
        "uniformity.cross": cross_uniformity(Q, X),
    }
    return measures | _labelled(seen, queries)


def _labelled(seen: Observed, queries: Queries) -> dict[str, Measure]:
    if queries.relevant is None or queries.positives is None:
        missing = Measure.missing(NO_JUDGEMENTS)
        names = ("alignment.positives", "hubness.query.bad_hub_share", "norms.relevance_correlation")
        return dict.fromkeys(names, missing)
    census = seen.documents.census
    is_relevant = np.zeros(census.n)
    for graded in queries.relevant:
        is_relevant[[position for position in graded if position >= 0]] = 1
    live = census.live
    return {
        "alignment.positives": alignment(unit(queries.vectors)[queries.positive_rows], queries.positives),
        "hubness.query.bad_hub_share": _bad_hubs(seen, queries, queries.relevant),
        "norms.relevance_correlation": norms.rank_correlation(census.norms[live], is_relevant[live]),
    }


def _misplaced(seen: Observed, X: Float32) -> tuple[Measure, IntArray]:
    queries = seen.queries
    if queries is None or queries.relevant is None or queries.positives is None:
        why = NO_QUERIES if queries is None else NO_JUDGEMENTS
        return Measure.missing(why, null=0.5), np.empty(0, dtype=np.int64)
    found = misplaced(unit(queries.vectors), X, queries.positives, queries.positive_rows, queries.positive_positions)
    return found.share, found.documents


def _bad_hubs(seen: Observed, queries: Queries, relevant: tuple[Mapping[int, int], ...]) -> Measure:
    """Share of the slots held by hubs (N ≥ 2μ) whose document is not relevant to the query.

    Null: the same share of all other slots. Ratio estimator over judged queries.
    """
    positions = queries.neighbors.positions[:, : seen.k]
    counts = occurrences(positions, seen.documents.census.n)
    is_hub = counts >= max(2 * counts.mean(), 5)
    judged = [i for i, graded in enumerate(relevant) if graded]
    slots = np.zeros((len(judged), 4))
    for row, i in enumerate(judged):
        found = positions[i][positions[i] >= 0]
        hub = is_hub[found]
        wrong = np.array([position not in relevant[i] for position in found.tolist()], dtype=bool)
        slots[row] = [(hub & wrong).sum(), hub.sum(), (~hub & wrong).sum(), (~hub).sum()]
    bad, held, other_bad, other = slots.sum(axis=0)
    null = float(other_bad / other) if other else None
    if held == 0:
        return Measure.missing("no document is a hub", n=len(judged), null=null)
    share = float(bad / held)
    half = Z * float(np.sqrt(np.sum((slots[:, 0] - share * slots[:, 1]) ** 2))) / float(held)
    return Measure(share, max(share - half, 0.0), min(share + half, 1.0), null, len(judged))


def _mismatch(seen: Observed) -> Measure:
    if seen.reembedded is None:
        return Measure.missing("no embedding model was given", null=0.0)
    return wilson(int(np.sum(seen.reembedded < SAME_CHUNK)), len(seen.reembedded), null=0.0)
