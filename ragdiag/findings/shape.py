"""ANI and UNI: do the directions use the space they have?"""

from __future__ import annotations

from collections.abc import Iterator

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import Rule, page
from ragdiag.findings.words import at_least, at_most
from ragdiag.geometry.anisotropy import largest_by_chance, rogue_dimension
from ragdiag.numbers import percent
from ragdiag.numbers import spoken as number
from ragdiag.types import Severity

CONE = 0.5
ROGUE = 0.1
COMMON = 0.1  # mean cosine below which there is little to have a share in
COLLAPSED = 0.03
FEW = 12.0  # dimensions, in a space of any size
HALFWAY = 2.0
BEYOND = 0.5  # what a plain cone explains

_WEIGH = "Which remedy helps, if any, only labelled queries can say: geometry alone cannot choose one."


def _cone(evidence: Evidence) -> Iterator[Finding]:
    rho = evidence.measure("anisotropy.mean_cosine")
    if at_least(rho, CONE):
        yield Finding(
            "ANI001",
            Severity.INFO,
            CONE_RULE.title,
            f"Two documents that have nothing to do with each other have a cosine of {number(rho.value)} on average.",
            evidence.pick("anisotropy.mean_cosine"),
            "Scores of good and bad hits are close together, so that no score threshold works.",
            Remedy("Candidates: subtract the mean (centred, query-centred). " + _WEIGH),
        )


CONE_RULE = Rule(
    "ANI001",
    "a common mean: all vectors lie in a cone",
    Severity.INFO,
    page(
        measured="""`anisotropy.mean_cosine` = ρ̄ = (n‖mean x̂‖² − 1)/(n − 1), the mean cosine of two different
        documents, exact over all pairs; 0 when directions cancel.""",
        fires=f"it is at least {CONE} (lower end of the interval). Always for information.",
        wrong="""some models that retrieve well have .7 by design (many have 0 to .3), and a common mean changes few
        rankings. It is silent about a cone in a part of the store (IDX010), and about collapse without a common mean
        (ANI003).""",
        do="""set no absolute score threshold. With labelled queries, see whether another similarity ranks better
        (`ragdiag compare`); else leave the ranking alone. A high value is often a sign that the model does not know
        the language or the kind of text.""",
        source="Ethayarajh 2019, arXiv:1909.00512.",
    ),
    _cone,
)


def _rogue(evidence: Evidence) -> Iterator[Finding]:
    rho = evidence.measure("anisotropy.mean_cosine")
    share = evidence.portrait.measures["anisotropy.rogue_dimension"]  # undefined where nothing is common
    if at_least(share, max(ROGUE, largest_by_chance(evidence.seen.info.dim))) and at_least(rho, COMMON):
        _, i = rogue_dimension(evidence.seen.documents.moments)
        yield Finding(
            "ANI002",
            Severity.WARNING,
            ROGUE_RULE.title,
            f"Coordinate {i} alone makes {percent(share.value)} of the mean cosine; the largest of a"
            f" random direction makes {percent(share.null)}.",
            evidence.pick("anisotropy.rogue_dimension", "anisotropy.mean_cosine"),
            "What this one coordinate holds, often the frequency of words, moves every score.",
            Remedy("Candidates: z-score or centre the vectors. " + _WEIGH),
        )


ROGUE_RULE = Rule(
    "ANI002",
    "a rogue dimension",
    Severity.WARNING,
    page(
        measured="""`anisotropy.rogue_dimension` = max mean(x̂)ᵢ²/Σⱼ mean(x̂)ⱼ², the largest share of one coordinate
        in the mean cosine. The null is the median of that of a random direction.""",
        fires=f"""the share is at least {ROGUE} and what a random direction passes once in a thousand
        ({number(largest_by_chance(64))} in 64 dimensions, {number(largest_by_chance(384))} in 384), and the mean
        cosine at least {COMMON} (lower ends of the intervals). Always a warning.""",
        wrong="""many models have such a coordinate and retrieve well. It is silent where two or three share the
        mean, or where the vectors were rotated (by a PCA, say): it depends on the basis, as the phenomenon does.""",
        do="""try z-scored or centred vectors on labelled queries (`ragdiag compare`): geometry alone cannot choose a
        remedy.""",
        source="Timkey & van Schijndel 2021, arXiv:2109.04404.",
    ),
    _rogue,
)


def _collapse(evidence: Evidence) -> Iterator[Finding]:
    isoscore = evidence.measure("spectrum.isoscore")
    pr = evidence.measure("spectrum.participation_ratio")
    if at_most(isoscore, COLLAPSED):
        yield Finding(
            "ANI003",
            Severity.WARNING if at_most(pr, FEW) else Severity.INFO,
            COLLAPSE_RULE.title,
            f"The variance would fit in {number(pr.value)} dimensions of {evidence.seen.info.dim:,}.",
            evidence.pick("spectrum.participation_ratio", "spectrum.isoscore"),
            "Documents that differ in content have nearly the same vector; search cannot tell them apart.",
            Remedy("Look for a wrong pooling, a model far from your texts or a failed fine-tuning. " + _WEIGH),
        )


COLLAPSE_RULE = Rule(
    "ANI003",
    "dimensional collapse",
    Severity.WARNING,
    page(
        measured="""`spectrum.isoscore` = (PR − 1)/(d − 1), where `spectrum.participation_ratio` = PR = (tr Σ)²/tr Σ²
        counts the dimensions that would spread as much. Of directions, so that lengths play no part; tr Σ² is
        unbiased, since the naive one reads .5 on an isotropic space at n = d.""",
        fires=f"""the IsoScore is at most {COLLAPSED} (upper end of the interval): for information, a warning when PR
        is at most {FEW:.0f} (upper end), whatever the size of the space.""",
        wrong="""documents about one narrow thing vary little under any model. It is silent about a collapse of a
        part of the store, and about a common mean (ANI001), which it does not see.""",
        do="""look for a wrong pooling, a model far from your texts or a failed fine-tuning. Labelled queries tell
        whether anything is lost, and what helps.""",
        source="Rudman et al. 2022, arXiv:2108.07344.",
    ),
    _collapse,
)


def _uniformity(evidence: Evidence) -> Iterator[Finding]:
    u = evidence.measure("uniformity.document")
    sphere = u.null or -4.0
    by_cone = -4 * (1 - max(evidence.portrait.measures["anisotropy.mean_cosine"].value or 0.0, 0.0))
    if at_least(u, sphere + HALFWAY) and at_least(u, by_cone + BEYOND):
        yield Finding(
            "UNI001",
            Severity.INFO,
            UNIFORMITY_RULE.title,
            f"Uniformity is {number(u.value)}; evenly spread directions have {number(sphere)}, a single point 0, and"
            f" a cone of this mean cosine {number(by_cone)}.",
            evidence.pick("uniformity.document", "anisotropy.mean_cosine"),
            "The documents crowd in parts of the sphere, and small errors of a query vector reorder the hits.",
            Remedy("Candidates: query-centred, partial whitening. " + _WEIGH),
        )


UNIFORMITY_RULE = Rule(
    "UNI001",
    "directions crowd in parts of the sphere",
    Severity.INFO,
    page(
        measured="""`uniformity.document` = log mean exp(−2‖x̂ − ŷ‖²) over pairs of sampled documents: 0 at a single
        point, about −4 on the whole sphere (the null, for this dimension).""",
        fires=f"""it is at least {HALFWAY:.0f} above the null, half way to a single point, and at least {BEYOND}
        above −4(1 − ρ̄), what a plain cone of this mean cosine ρ̄ has, which ANI001 names (lower end of the
        interval). Always for information.""",
        wrong="""many copies (IDX006) or one narrow subject crowd by nature. It is nearly blind to collapse (ANI003):
        16 live dimensions of 128 read −3.5.""",
        do="""see IDX006, IDX010 and HUB001 for what crowds. Query-centred cosine and partial whitening are
        candidates; only labelled queries can say whether they help.""",
        source="Wang & Isola 2020, arXiv:2005.10242.",
    ),
    _uniformity,
)

RULES = (CONE_RULE, ROGUE_RULE, COLLAPSE_RULE, UNIFORMITY_RULE)
