"""IDX: is each document in the store once?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import COUNTED, WILSON, Rule, page
from ragdiag.findings.words import at_least, limit
from ragdiag.geometry.duplicates import NEAR as CLOSENESS
from ragdiag.geometry.duplicates import groups, near_cosine
from ragdiag.numbers import percent
from ragdiag.types import IntArray, Severity

REPEATED = 0.01  # of the documents
SOME = 0.005  # of the documents have a near duplicate
CROWDED = 0.02


def _exact(evidence: Evidence) -> Iterator[Finding]:
    census = evidence.census
    vectors = evidence.measure("duplicates.vectors")
    with_texts = bool((census.text_lengths >= 0).any())
    texts = evidence.measure("duplicates.texts").value if with_texts else None
    share = max(vectors.value or 0.0, texts or 0.0)
    if share == 0:
        return
    found = groups(census.vector_hashes, census.live) or groups(census.text_hashes, census.text_lengths > 0)
    yield Finding(
        "IDX006",
        Severity.WARNING if share >= REPEATED else Severity.INFO,
        EXACT.title,
        f"{percent(vectors.value)} of the vectors"
        + (f" and {percent(texts)} of the texts" if texts else "")
        + " repeat an earlier one.",
        evidence.pick("duplicates.vectors", "duplicates.texts"),
        "Copies of one chunk fill the result list, and the answer sees one passage instead of several.",
        Remedy("Keep one of each; make the id a hash of the text, so that ingesting twice changes nothing."),
        evidence.notes([int(g[0]) for g in found], [f"there {len(g):,} times" for g in found]),
    )


EXACT = Rule(
    "IDX006",
    "exact duplicates",
    Severity.WARNING,
    page(
        measured="""`duplicates.vectors` = (members − groups)/n over the groups of vectors that are equal to the last
        bit, the share that repeats an earlier one. `duplicates.texts` = the same of texts, equal but for case and
        white space.""",
        fires=f"""either is above 0 (counted over all documents): for information, a warning when the larger one is
        at least {limit(REPEATED)}.""",
        wrong="""copies may be meant, one for each tenant or filter; and texts that differ only beyond what the model
        reads have equal vectors. It is silent about a copy embedded on another machine, whose last bits differ;
        IDX007 sees that.""",
        do="keep one of each. Make the id a hash of the text, so that ingesting twice changes nothing.",
        source=COUNTED,
    ),
    _exact,
)


def _near(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("duplicates.near")
    queries, cosines = evidence.seen.documents.queries, evidence.seen.documents.cosines
    if not at_least(share, SOME):
        return
    near = cosines.scores[:, 0] > near_cosine(evidence.portrait.measures["anisotropy.mean_cosine"].value or 0.0)
    order = [i for i in np.argsort(-cosines.scores[:, 0], kind="stable") if near[i]]
    distinct = _once(queries.positions, cosines.positions[:, 0], order)
    distinct = [i for i in distinct if cosines.scores[i, 0] < 0.99999] or distinct
    ids = evidence.census.ids
    yield Finding(
        "IDX007",
        Severity.WARNING if at_least(share, CROWDED) else Severity.INFO,
        NEAR.title,
        f"{percent(share.value)} of the documents have another one nearly in the same place.",
        evidence.pick("duplicates.near"),
        "Revisions and copies of one passage crowd other passages out of the result list.",
        Remedy("Keep the newest revision; or search with maximal marginal relevance (MMR)."),
        evidence.notes(
            queries.positions[distinct],
            [f"cosine {_near_one(cosines.scores[i, 0])} to {ids[cosines.positions[i, 0]]}" for i in distinct],
        ),
    )


def _near_one(cosine: float) -> str:
    # Those that are not equal must not read as if they were.
    return "> .9995" if 0.9995 <= cosine < 0.99999 else f"{cosine:.3f}"


def _once(documents: IntArray, nearest: IntArray, order: list[int]) -> list[int]:
    """Return `order` without the second of two rows that name each other."""
    seen: set[frozenset[int]] = set()
    kept = []
    for i in order:
        pair = frozenset((int(documents[i]), int(nearest[i])))
        if pair not in seen:
            seen.add(pair)
            kept.append(i)
    return kept


NEAR = Rule(
    "IDX007",
    "near duplicates",
    Severity.WARNING,
    page(
        measured=f"""`duplicates.near` = sampled documents whose nearest other one has (cos − ρ̄)/(1 − ρ̄) >
        {CLOSENESS} / sampled documents. ρ̄ is the mean cosine of the store, 0 where negative, so that it is a cosine
        above {CLOSENESS} where unrelated documents have 0. All documents are searched for each; exact duplicates
        count too.""",
        fires=f"""at least {limit(SOME)} of the documents have one (lower end of the interval): for information, a
        warning from {limit(CROWDED)} (lower end).""",
        wrong="""in a catalogue texts may differ in one number, the one that is asked for. It is silent about chunks
        that overlap by half, whose cosine is lower.""",
        do="keep the newest revision of each, or diversify the result list (maximal marginal relevance, MMR).",
        source=WILSON,
    ),
    _near,
)

RULES = (EXACT, NEAR)
