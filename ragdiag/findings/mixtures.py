"""IDX: do the vectors of the index belong together?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import Rule
from ragdiag.findings.words import at_least, at_most
from ragdiag.geometry.populations import APART
from ragdiag.numbers import percent, spoken
from ragdiag.types import Measure, Metric, Severity

SEPARATE = 10.0  # Ashman's D; about 3 for one normal law, 5 to 12 for two languages under one model
STRANGERS = 0.25  # kinship of two groups: 0 for unrelated directions, 1 for the same
UNIT = 1e-3  # how far from 1 a length may be and still count as normalised


def _lengths(evidence: Evidence) -> Iterator[Finding]:
    census = evidence.census
    norms, live = census.norms, census.live
    is_unit = np.abs(norms - 1) < UNIT
    share = float(np.mean(is_unit[live]))
    if not 0.01 <= share <= 0.99:
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
    """Fires when between 1 % and 99 % of the vectors have length 1 (to 0.001): two ingestion jobs, of which one
normalised.

Counted over all vectors. Under cosine rankings are not touched, but scores of other tools may be.

Do: normalise all of them.""",
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
    f"""The sampled directions split into two groups that are far apart, and neither splits again nearly as well.

Formulas: Ashman's D = √2·|mean₁ − mean₂|/√(var₁ + var₂) along the line through both means, for the best
split found; about 4 to 7 on corpora embedded by one model, 5 to 12 for two languages under one model. Kinship: how
alike the covariances of both groups are, r = tr(Σ₁Σ₂)/√(tr Σ₁²·tr Σ₂²), 0 for what unrelated eigenvectors give and
1 for proportional ones.

A warning when D ≥ {APART:.0f} (lower end), the best split within either part is at most .6 as good, and the kinship is
at most {STRANGERS} (upper end): another genre or language under the same model varies along the same directions
(.3 to 1), a part embedded by another model does not (0 to .1). For information when D ≥ {SEPARATE:.0f} and the
kinship is larger, or cannot be told since both spectra are nearly flat.

It cannot see a part of another model that is as wide and as centred as the others, nor one below about 8 % of a few
hundred documents; `--embeddings` sees both (IDX012). A small part about a single thing, far from all else, can
look like another model: read the texts listed.

Source: Ashman, Bird & Zepf 1994, doi:10.1086/117248.""",
    _populations,
)

RULES = (LENGTHS, POPULATIONS)
