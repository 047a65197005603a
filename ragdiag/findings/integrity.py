"""IDX: is the index whole, and do its vectors belong together?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import Rule
from ragdiag.findings.words import at_least, at_most
from ragdiag.geometry.populations import APART
from ragdiag.numbers import counted, percent, spoken
from ragdiag.types import Measure, Metric, Severity

SEPARATE = 10.0  # Ashman's D; about 3 for one normal law, 5 to 12 for two languages under one model
STRANGERS = 0.25  # kinship of two groups: 0 for unrelated directions, 1 for the same
UNIT = 1e-3  # how far from 1 a length may be and still count as normalised


def _unusable(evidence: Evidence) -> Iterator[Finding]:
    usable = evidence.census.usable
    bad = np.flatnonzero(~usable)
    if len(bad):
        yield Finding(
            "IDX001",
            Severity.ERROR,
            NON_FINITE.title,
            f"{counted(len(bad), 'vector')} of {len(usable):,} hold NaN or infinity, or are longer than 1e18.",
            {"vectors.unusable": Measure.counted(len(bad) / len(usable), n=len(usable), null=0.0)},
            "These documents are never found, and some engines return them for every query.",
            Remedy("Embed these documents again and replace them; look for overflow in half precision."),
            evidence.notes(bad, ["not finite"] * len(bad)),
        )


NON_FINITE = Rule(
    "IDX001",
    "vectors that are not finite",
    Severity.ERROR,
    """A vector with NaN or an infinite value, or longer than 1e18, whose square is beyond float32.

Fires on the first one. Counted over all vectors; they are left out of every other measure.

Do: embed the documents again. The usual causes are half precision that overflowed and a failed
request that was stored as NaN.""",
    _unusable,
)


def _zeros(evidence: Evidence) -> Iterator[Finding]:
    census = evidence.census
    zero = np.flatnonzero(census.usable & (census.norms == 0))
    if len(zero):
        yield Finding(
            "IDX002",
            Severity.ERROR,
            ZERO.title,
            f"{counted(len(zero), 'vector')} of {census.n:,} are zero.",
            {"vectors.zero": Measure.counted(len(zero) / census.n, n=census.n, null=0.0)},
            "A zero vector has no direction: cosine is undefined and the document is found by accident or never.",
            Remedy("Embed these documents again and replace them."),
            evidence.notes(zero, ["zero"] * len(zero)),
        )


ZERO = Rule(
    "IDX002",
    "zero vectors",
    Severity.ERROR,
    """A vector of length 0. Fires on the first one; counted over all vectors.

Do: embed the documents again. The usual cause is a placeholder that was stored when embedding failed.""",
    _zeros,
)


def _counts(evidence: Evidence) -> Iterator[Finding]:
    info, read = evidence.seen.info, evidence.census.n
    counts = {**(info.counts or {"vectors promised": info.count}), "vectors read": read}
    if len(set(counts.values())) == 1 and not info.mismatches:
        return
    listed = ", ".join(f"{name} {value:,}" for name, value in {**counts, **info.mismatches}.items())
    share = Measure.counted(sum(info.mismatches.values()) / read, n=read, null=0.0)
    yield Finding(
        "IDX003",
        Severity.ERROR,
        COUNTS.title,
        f"The store disagrees with itself: {listed}.",
        {"store.mismatches": share},
        "Hits point at texts that are missing or belong to other vectors.",
        Remedy("Build the index again from the documents; write index and documents in one step."),
    )


COUNTS = Rule(
    "IDX003",
    "counts that disagree",
    Severity.ERROR,
    """The number of vectors in the index, of ids, of documents beside it and of vectors read must be equal.

For a LangChain FAISS folder these are `index.ntotal`, the id map, and the docstore, and every entry of
one needs its counterpart in the others. Fires on any difference; `store.mismatches` is the number of entries
without a counterpart, per vector. Vectors read differ from the count when somebody wrote to the store during the audit.

Do: build the index again; save index and docstore together.""",
    _counts,
)


def _lossy(evidence: Evidence) -> Iterator[Finding]:
    loss = evidence.seen.info.loss
    if loss:
        n = evidence.census.n
        yield Finding(
            "IDX008",
            Severity.INFO,
            LOSSY.title,
            f"The vectors read back are not the ones that were added: {loss}.",
            {"store.count": Measure.counted(float(n), n=n)},
            "Every measure here is of the vectors that were read; some of what it shows may be the loss's doing.",
            Remedy("Audit the vectors that were added too, where they are kept."),
        )


LOSSY = Rule(
    "IDX008",
    "vectors stored with loss",
    Severity.INFO,
    """The index keeps codes (PQ, scalar quantisation, LSH) and the vectors are rebuilt from them, or the store gives
no vectors back and some of its documents were embedded again.

For information: the geometry is that of the vectors that were read.""",
    _lossy,
)


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


def _constant(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("spectrum.constant_coordinates")
    if not share.value:
        return
    dim, many = evidence.seen.info.dim, share.value > 0.05
    if share.value == 1:
        yield Finding(
            "IDX011",
            Severity.ERROR,
            CONSTANT.title,
            "All vectors are one and the same, in every coordinate.",
            evidence.pick("spectrum.constant_coordinates", "duplicates.vectors"),
            "No query can tell one document from another: what comes back is chance.",
            Remedy("Embed the documents again, and look at what the embedding step was given: often one empty text."),
        )
        return
    yield Finding(
        "IDX011",
        Severity.WARNING if many else Severity.INFO,
        CONSTANT.title,
        f"{counted(round(share.value * dim), 'coordinate')} of {dim:,} have the same value in all vectors.",
        evidence.pick("spectrum.constant_coordinates"),
        "They take memory and change no ranking.",
        Remedy(
            "Look for vectors that were padded or cut at ingestion."
            if many
            else "Leave it alone: some models have a few."
        ),
    )


CONSTANT = Rule(
    "IDX011",
    "constant coordinates",
    Severity.ERROR,
    """A coordinate whose range over all vectors is below 1e-5 of the median range.

Some models have a few (all-MiniLM-L6-v2 has three): for information, and nothing to mend. A warning above 5 % of
the dimensions, which padding or cutting leaves behind; an error when all are constant: all vectors are then equal.

When it is wrong: coordinates of a sparse embedding can be constant over a small store and vary in a larger one.""",
    _constant,
)


RULES = (NON_FINITE, ZERO, COUNTS, LOSSY, LENGTHS, POPULATIONS, CONSTANT)
