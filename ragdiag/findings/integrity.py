"""IDX: is the index whole?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.engine.local import LONGEST
from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import COUNTED, Rule, page
from ragdiag.findings.words import limit
from ragdiag.geometry.portrait import NEARLY_CONSTANT
from ragdiag.numbers import counted
from ragdiag.types import Measure, Severity

MANY = 0.05  # of the dimensions constant: more than a model has by nature


def _unusable(evidence: Evidence) -> Iterator[Finding]:
    usable = evidence.census.usable
    bad = np.flatnonzero(~usable)
    if len(bad):
        yield Finding(
            "IDX001",
            Severity.ERROR,
            NON_FINITE.title,
            f"{counted(len(bad), 'vector')} of {len(usable):,} {'holds' if len(bad) == 1 else 'hold'} NaN or infinity,"
            f" or {'is' if len(bad) == 1 else 'are'} longer than {LONGEST:.0e}.",
            {"vectors.unusable": Measure.counted(len(bad) / len(usable), n=len(usable), null=0.0)},
            "These documents are never found, and some engines return them for every query.",
            Remedy("Embed these documents again and replace them; look for overflow in half precision."),
            evidence.notes(bad, ["not finite"] * len(bad)),
        )


NON_FINITE = Rule(
    "IDX001",
    "vectors that are not finite",
    Severity.ERROR,
    page(
        measured=f"""`vectors.unusable` = vectors with a NaN or infinite coordinate, or of a length of {LONGEST:.0e}
        or more (float32 cannot hold its square) / all vectors. They are left out of every other measure of vectors.""",
        fires="there is one (counted over all vectors). Always an error.",
        wrong="""hardly ever when it speaks, since no search can rank such a vector. It is silent where values were
        changed before they were read: an index that keeps codes (IDX008) may rebuild a NaN as a finite vector.""",
        do="""embed these documents again and replace their vectors. The usual causes are half precision that
        overflowed, and a failed request that was stored as NaN.""",
        source=COUNTED,
    ),
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
            f"{counted(len(zero), 'vector')} of {census.n:,} {'is' if len(zero) == 1 else 'are'} zero.",
            {"vectors.zero": Measure.counted(len(zero) / census.n, n=census.n, null=0.0)},
            "A zero vector has no direction: cosine is undefined and the document is found by accident or never.",
            Remedy("Embed these documents again and replace them."),
            evidence.notes(zero, ["zero"] * len(zero)),
        )


ZERO = Rule(
    "IDX002",
    "zero vectors",
    Severity.ERROR,
    page(
        measured="`vectors.zero` = vectors whose length ‖x‖ = 0 / all vectors.",
        fires="there is one (counted over all vectors). Always an error.",
        wrong="""a document that only its id should find, such as the parent of indexed chunks, may have a zero
        vector on purpose. It is silent about a placeholder that is not zero; IDX006 lists that one as a duplicate.""",
        do="""embed these documents again and replace their vectors. The usual cause is a placeholder that was stored
        when embedding failed.""",
        source=COUNTED,
    ),
    _zeros,
)


def _counts(evidence: Evidence) -> Iterator[Finding]:
    info, read = evidence.seen.info, evidence.census.n
    if len({info.count, *info.counts.values()}) == 1 and not info.mismatches:
        return
    counts = {**(info.counts or {"vectors promised": info.count}), "vectors read": read}
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
    page(
        measured="""`store.mismatches` = entries of index, id map and docstore that have no counterpart or share one
        / vectors read. The three counts are compared as well.""",
        fires="any two of the counts differ or one entry has a mismatch (counted, no threshold). Always an error.",
        wrong="""somebody wrote index and docstore just when the store was opened: run it again. It is silent where
        the counts agree and the texts belong to other vectors (IDX012 sees that); and stores other than LangChain's
        FAISS keep a single count, which can only differ from the vectors read (IDX014).""",
        do="build the index again from the documents, and save index and docstore in one step.",
        source=COUNTED,
    ),
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
    page(
        measured="""`store.count` = vectors rebuilt from codes (product or scalar quantisation, LSH) or from fewer
        dimensions. The index says what it keeps; how much is lost is not measured.""",
        fires="""the index type does not give back what was added, or the store gave no vectors and some of its
        documents were embedded again (read from the index, no threshold). Always for information.""",
        wrong="""eight or more bits for each coordinate lose little. It is silent about vectors that were quantised
        or cut before they were stored.""",
        do="""keep in mind that every measure is of the rebuilt vectors; audit the originals too, when they are kept.
        Labelled queries tell what the codes cost.""",
        source="product quantisation: Jégou, Douze & Schmid 2011, doi:10.1109/TPAMI.2010.57.",
    ),
    _lossy,
)


def _constant(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("spectrum.constant_coordinates")
    if not share.value:
        return
    dim, many = evidence.seen.info.dim, share.value > MANY
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
    page(
        measured=f"""`spectrum.constant_coordinates` = coordinates whose range over all vectors is at most
        {NEARLY_CONSTANT:.0e} of the median range / all d coordinates.""",
        fires=f"""there is one (counted over all vectors): for information, a warning above {limit(MANY)} of the
        dimensions, an error when all are constant, so that all vectors are equal.""",
        wrong="""some models have a few by nature (all-MiniLM-L6-v2 has three), and a sparse embedding has many over
        a small store. It is silent where a single odd vector, such as a zero one, gives a constant coordinate a
        range.""",
        do="""a few: leave them. Many: look for vectors that were padded or cut at ingestion. All: look at what the
        embedding step was given, often one empty text.""",
        source=COUNTED,
    ),
    _constant,
)


def _changed(evidence: Evidence) -> Iterator[Finding]:
    info, read, after = evidence.seen.info, evidence.census.n, evidence.seen.count_after
    counts = [info.count, read, *([] if after is None else [after])]
    apart = max(counts) - min(counts)
    if apart:
        later = "" if after is None else f", and afterwards {after:,}"
        yield Finding(
            "IDX014",
            Severity.WARNING,
            CHANGED.title,
            f"{counted(info.count, 'document')} when it was opened, {read:,} were read{later}.",
            {"store.changed": Measure.counted(apart / read, n=read, null=0.0)},
            "The numbers here are of the documents that were read, and some of those may be gone or changed.",
            Remedy("Audit it again when nobody writes, or a copy."),
        )


CHANGED = Rule(
    "IDX014",
    "written to while it was read",
    Severity.WARNING,
    page(
        measured="""`store.changed` = what the numbers of documents when the store was opened, read from it, and in it
        afterwards differ by at most / documents read.""",
        fires="any two of the three numbers differ (counted, no threshold). Always a warning.",
        wrong="""an engine may give a number that still counts deleted documents. It is silent about documents that
        were replaced one by one, and when as many came as went.""",
        do="audit it again when nobody writes, or audit a copy. When no one wrote, ask the engine for its own check.",
        source=COUNTED,
    ),
    _changed,
)

RULES = (NON_FINITE, ZERO, COUNTS, LOSSY, CONSTANT, CHANGED)
