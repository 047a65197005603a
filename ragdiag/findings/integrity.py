"""IDX: is the index whole?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import Rule
from ragdiag.numbers import counted
from ragdiag.types import Measure, Severity


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
            "Every measure here is of the codes; some of what it shows may be the compression's doing.",
            Remedy("Audit the vectors before compression too, when they are kept."),
        )


LOSSY = Rule(
    "IDX008",
    "vectors stored with loss",
    Severity.INFO,
    """The index keeps codes (PQ, scalar quantisation, LSH) and the vectors are rebuilt from them.

For information: the geometry is that of the codes.""",
    _lossy,
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


RULES = (NON_FINITE, ZERO, COUNTS, LOSSY, CONSTANT)
