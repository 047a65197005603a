"""ANI and UNI: do the directions use the space they have?"""

from __future__ import annotations

from collections.abc import Iterator

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import Rule
from ragdiag.findings.words import at_least, at_most, number, percent
from ragdiag.geometry.anisotropy import largest_by_chance, rogue_dimension
from ragdiag.types import Severity

CONE = 0.5
ROGUE = 0.1
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
    f"""Mean cosine of two different documents, ρ̄ = (n‖mean x̂‖² − 1)/(n − 1), exact over all pairs; 0 when
directions cancel. Fires at {CONE} (lower end of the interval).

A cone by itself changes no ranking much; it spoils score thresholds, and it is often a sign that the model
does not know the language or the kind of text. Many models read .0 to .3, but some that retrieve well have .7
by design: for information.

Do: with labelled queries, see whether another similarity ranks better. Else leave the ranking alone and
set no absolute threshold.

Source: Ethayarajh 2019, arXiv:1909.00512.""",
    _cone,
)


def _rogue(evidence: Evidence) -> Iterator[Finding]:
    rho = evidence.measure("anisotropy.mean_cosine")
    share = evidence.portrait.measures["anisotropy.rogue_dimension"]  # undefined where nothing is common
    if at_least(share, max(ROGUE, largest_by_chance(evidence.seen.info.dim))) and at_least(rho, 0.1):
        _, i = rogue_dimension(evidence.seen.documents.moments.unit)
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
    f"""Largest share of one coordinate in the squared mean direction, mean(x̂)ᵢ²/Σⱼ mean(x̂)ⱼ².
The null is the median of that of a random direction.

Fires when the share is at least {ROGUE} and what a random direction passes once in a thousand (.26 in 64 dimensions,
.06 in 384), and the mean cosine at least .1 (lower ends).
It depends on the basis, as the phenomenon does.

Source: Timkey & van Schijndel 2021, arXiv:2109.04404.""",
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
    f"""IsoScore = (PR − 1)/(d − 1), where PR = (tr Σ)²/tr Σ² counts the dimensions that would spread as much.

tr Σ² is unbiased: the naive figure falls with n and reads .5 on an isotropic space at n = d. Fires at
{COLLAPSED} or less (upper end), and is a warning when PR itself is at most {FEW:.0f}: the share depends on how
large the space is, and vectors that a healthy model makes in 384 dimensions are no worse in 3,072. For information
else. Directions are used, so that lengths play no part.

Source: Rudman et al. 2022, arXiv:2108.07344.""",
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
    f"""Uniformity, log mean exp(−2‖x̂ − ŷ‖²) over pairs, against that of the uniform law on the sphere of this
dimension, about −4. Fires when it is at least {HALFWAY:.0f} above (lower end), half way to a single point, and at least
{BEYOND} above −4(1 − ρ̄), the least that a store with mean cosine ρ̄ can have and what a plain cone has (ANI001 names
that). For information.

Source: Wang & Isola 2020, arXiv:2005.10242.""",
    _uniformity,
)

RULES = (CONE_RULE, ROGUE_RULE, COLLAPSE_RULE, UNIFORMITY_RULE)
