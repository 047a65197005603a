"""IDX: is each document in the store once?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import Rule
from ragdiag.findings.words import at_least
from ragdiag.geometry.duplicates import groups, near_cosine
from ragdiag.numbers import percent
from ragdiag.types import IntArray, Severity


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
        Severity.WARNING if share >= 0.01 else Severity.INFO,
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
    """Vectors that are equal to the last bit, and texts that are equal but for case and white space.

Share of documents that repeat an earlier one, (members − groups)/n, counted over all documents. A
warning from 1 %, else for information.

Do: remove them; use a hash of the text as id.""",
    _exact,
)


def _near(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("duplicates.near")
    queries, cosines = evidence.seen.documents.queries, evidence.seen.documents.cosines
    if not at_least(share, 0.005):
        return
    near = cosines.scores[:, 0] > near_cosine(evidence.portrait.measures["anisotropy.mean_cosine"].value or 0.0)
    order = [i for i in np.argsort(-cosines.scores[:, 0], kind="stable") if near[i]]
    distinct = _once(queries.positions, cosines.positions[:, 0], order)
    distinct = [i for i in distinct if cosines.scores[i, 0] < 0.99999] or distinct
    ids = evidence.census.ids
    yield Finding(
        "IDX007",
        Severity.WARNING if at_least(share, 0.02) else Severity.INFO,
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
    """A document whose nearest other document is within 2 % of the way to an unrelated one.

Formula: (cos − ρ̄)/(1 − ρ̄) > 0.98 for the nearest neighbour, ρ̄ the mean cosine of the store: cosine
above 0.98 where unrelated documents have cosine 0. Every document is searched for each sampled one.
A warning when at least 2 % of the documents have one (lower end), for information from 0.5 %. Exact
duplicates count too; IDX006 names those.

Do: keep one revision, or diversify the result list.""",
    _near,
)

RULES = (EXACT, NEAR)
