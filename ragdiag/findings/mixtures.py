"""IDX: do the vectors of the index belong together?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import COUNTED, Rule, page
from ragdiag.findings.words import at_least, at_most, limit
from ragdiag.geometry.populations import APART, INNER
from ragdiag.numbers import percent, spoken
from ragdiag.types import Measure, Metric, Severity

SEPARATE = 10.0  # Ashman's D; about 3 for one normal law, 5 to 12 for two languages under one model
STRANGERS = 0.25  # kinship of two groups: 0 for unrelated directions, 1 for the same
A_PART = 0.01  # of the vectors, on either side: fewer are single accidents
UNIT = 1e-3  # how far from 1 a length may be and still count as normalised


def _lengths(evidence: Evidence) -> Iterator[Finding]:
    census = evidence.census
    norms, live = census.norms, census.live
    is_unit = np.abs(norms - 1) < UNIT
    share = float(np.mean(is_unit[live]))
    if not A_PART <= share <= 1 - A_PART:
        return
    odd = np.flatnonzero(live & ~is_unit) if share > 0.5 else np.flatnonzero(is_unit)
    measure = Measure.counted(1 - share, n=int(live.sum()), null=0.0)
    low, high = np.quantile(norms[live & ~is_unit], [0.05, 0.95])
    by_cosine = evidence.seen.info.metric is Metric.COSINE
    yield Finding(
        "IDX009",
        Severity.WARNING,
        LENGTHS.title,
        f"{percent(share)} of the vectors have length 1, the others from {spoken(low)} to {spoken(high)}.",
        {"norms.not_normalised": measure, **evidence.pick("norms.variation")},
        "Under dot product and L2 the two parts do not compete on equal terms: one is found too often, or never."
        + (" The store ranks by cosine, which is spared." if by_cosine else ""),
        Remedy("Scale all vectors to length 1.")
        if by_cosine
        else Remedy(
            "Scale all vectors to length 1, or rank by cosine.",
            similarity="cosine",
            tested=evidence.tested("cosine"),
        ),
        evidence.notes(odd, [f"length {norms[i]:.3g}" for i in odd[:10]]),
    )


LENGTHS = Rule(
    "IDX009",
    "a part is not normalised",
    Severity.WARNING,
    page(
        measured=f"`norms.not_normalised` = 1 − vectors with |‖x‖ − 1| < {UNIT} / vectors that are not zero.",
        fires=f"""between {limit(A_PART)} and {limit(1 - A_PART)} of the vectors have length 1, to {UNIT} (counted
        over all vectors). Always a warning.""",
        wrong="""lengths that vary closely around 1 can have that many at 1 by chance; and where the store ranks by
        cosine no ranking suffers. It is silent about parts of different lengths none of which is 1.""",
        do="""scale all vectors to length 1, and find the ingestion job that did not. Where the model means its
        lengths, embed the normalised part again instead.""",
        source=COUNTED,
    ),
    _lengths,
)


def _populations(evidence: Evidence) -> Iterator[Finding]:
    separation = evidence.measure("population.separation")
    split = evidence.portrait.split
    if split is None or not split.apart:
        return
    kinship, share = evidence.portrait.measures["population.kinship"], evidence.measure("population.minor_share")
    strangers = kinship.value is not None and at_most(kinship, STRANGERS)
    if not strangers and not at_least(separation, SEPARATE):
        return
    marked = evidence.portrait.marks["population.minor"]
    yield Finding(
        "IDX010",
        Severity.WARNING if strangers else Severity.INFO,
        POPULATIONS.title,
        f"{percent(share.value)} of the vectors lie in a region of their own, {spoken(separation.value)} spreads"
        " away from the rest, with nothing between"
        + (", and vary along directions of their own, as vectors of another model do." if strangers else "."),
        evidence.pick("population.minor_share", "population.separation", "population.kinship"),
        "A query is near one of the two regions: the documents of the other are not found, whatever they say.",
        Remedy(
            "Embed that part again with the model that embeds the queries."
            if strangers
            else "Nothing, when it is another genre or language; another model, when the texts are like the others."
        ),
        evidence.notes(marked, ["in the smaller population"] * len(marked)),
    )


POPULATIONS = Rule(
    "IDX010",
    "two populations that do not mix",
    Severity.WARNING,
    page(
        measured="""`population.separation` = √2·|mean₁ − mean₂|/√(var₁ + var₂), Ashman's D, of the best split of the
        sampled directions, along the line through both means. `population.kinship` = (r − r₀)/(1 − r₀) with r =
        tr(Σ₁Σ₂)/√(tr Σ₁²·tr Σ₂²) and r₀ = √(PR₁·PR₂)/d, what unrelated eigenvectors give: 1 for proportional
        covariances, else down to 0.""",
        fires=f"""the separation is at least {APART:.0f} (lower end of the interval) and the best split within either
        part at most {INNER} times as good (the value): a warning when the kinship is at most {STRANGERS} (upper
        end), as of another model's vectors; else for information from a separation of {SEPARATE:.0f} (lower end).""",
        wrong="""a small part about a single thing, far from all else, can look like another model. It is silent
        about a part of another model as wide and as centred as the rest, or one below about 8 % of a few hundred
        documents; `--embeddings` sees both (IDX012).""",
        do="""read the texts listed. Another model: embed that part again with the model that embeds the queries.
        Another genre or language under the same model, which separates too but keeps its kinship (.3 to 1): leave
        it.""",
        source="Ashman, Bird & Zepf 1994, doi:10.1086/117248.",
    ),
    _populations,
)

RULES = (LENGTHS, POPULATIONS)
