"""HUB: do a few documents take the places of all others?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import NotApplicable, Rule
from ragdiag.findings.words import at_least, number, percent
from ragdiag.geometry.hubness import FEWEST, TOO_FEW
from ragdiag.geometry.matched import CAPTURED, SKEWED, TIMES, UNSEEN
from ragdiag.statistics.neighbors import occurrences
from ragdiag.types import IntArray, Measure, Severity

HALF = 0.5  # of all lists: too many, whatever makes it
UNREACHED = 0.25

_MATCHED = """A matched store is a normal law with the mean and the spectrum of this one (with two of each, where two
populations lie apart), of as many documents, up to 20,000, and asked as many queries; 4 to 24 are drawn, and ranked
by cosine. A cone or a steep spectrum makes hubs in a store without any flaw."""


def _sides(evidence: Evidence) -> list[tuple[str, str, IntArray]]:
    """Return the real queries first when there are any, then the documents as queries; no side with too few."""
    k = evidence.seen.k
    sides = [("document", "documents", evidence.seen.documents.neighbors.positions[:, :k])]
    if evidence.seen.queries is not None:
        sides.insert(0, ("query", "queries", evidence.seen.queries.neighbors.positions[:, :k]))
    enough = [side for side in sides if len(side[2]) >= FEWEST]
    if not enough:
        raise NotApplicable(TOO_FEW)
    return enough


def _even_share(evidence: Evidence) -> float:
    """Return the share of all lists that each document would be in if all were listed alike."""
    return evidence.seen.k / int(evidence.census.usable.sum())


def _is_hub(evidence: Evidence, side: str) -> bool:
    largest = evidence.measure(f"hubness.{side}.largest")
    if not at_least(largest, max(CAPTURED, TIMES * _even_share(evidence))):
        return False
    # The drawn stores were asked as many queries, so that their largest share errs as this one does.
    matched = _matched(evidence, side, "largest")
    return at_least(largest, HALF) or (largest.value or 0.0) >= (matched.high or 0.0)


def _matched(evidence: Evidence, side: str, name: str) -> Measure:
    """Return what matched stores have; missing where only lists are known, and no store to match."""
    drawn = evidence.portrait.matched_hubs.get(side)
    return Measure.missing("no vectors are known") if drawn is None else getattr(drawn, name)


def _hubs(evidence: Evidence) -> Iterator[Finding]:
    for side, plural, positions in _sides(evidence):
        if not _is_hub(evidence, side):
            continue
        name = f"hubness.{side}.largest"
        m, k = positions.shape
        even = _even_share(evidence)
        counts = occurrences(positions, evidence.census.n)
        order = np.argsort(-counts, kind="stable")
        hubs = [i for i in order[:100] if counts[i] >= max(CAPTURED, TIMES * even) * m] or [order[0]]
        held = f"{len(hubs):,} documents are" if len(hubs) > 1 else "One document is"
        names = [name, f"hubness.{side}.skewness", f"hubness.{side}.top_1_percent"]
        cost = f"Whatever is asked, the same {'chunks come' if len(hubs) > 1 else 'chunk comes'} back."
        bad = evidence.portrait.measures["hubness.query.bad_hub_share"]
        if side == "query" and bad.value is not None:
            names.append("hubness.query.bad_hub_share")
            cost += f" {percent(bad.value)} of the places that hubs hold go to queries they do not answer."
        yield Finding(
            "HUB001",
            Severity.WARNING,
            HUB_RULE.title,
            f"{held} each in over {percent(max(CAPTURED, TIMES * even))} of the top {k} lists of the {plural};"
            f" the first is in {counts[order[0]]:,} of {m:,}, where an even share is {number(m * even)}."
            if len(hubs) > 1
            else f"{held} in {counts[order[0]]:,} of {m:,} top {k} lists of the {plural}, where an even share is"
            f" {number(m * even)}.",
            {**evidence.pick(*names), f"{name}.matched": _matched(evidence, side, "largest")},
            cost,
            Remedy(
                "Read the texts listed. Delete page furniture and empty chunks; when they are real content, the"
                " model may not know the language, or query-centring may help: labelled queries decide."
            ),
            evidence.notes(hubs, [f"in {counts[i]:,} of {m:,} top {k} lists" for i in hubs]),
        )
        return


HUB_RULE = Rule(
    "HUB001",
    "hubs: one document in very many result lists",
    Severity.WARNING,
    f"""k-occurrence N_k: in how many of m top-k lists a document stands. Fires when one document is in at
least {CAPTURED:.0%} of them and at least {TIMES} times its even share k/n (lower end of an interval that knows it was
picked as the largest), and in more of them than the first document of a matched store would be, or in half of
them (lower end) in any case. Needs {FEWEST} queries. `null` is that of lists at random.

{_MATCHED}
`largest.matched` is what its first document has, and the range that one in a hundred leaves on either side.
Given queries are asked in the matched store too, moved to the mean of its documents: hubs that come from a gap
between queries and documents (GAP001) are reported, and so are those that lengths make.

Given queries are looked at first, else documents serve as queries, each without itself. All documents are
searched: a sample of them would show fewer hubs than there are. Equal scores are broken at random.

Lists the hubs with their texts. With judgements, `hubness.query.bad_hub_share` says how many of the places
that hubs take are wrong; its null is that share for all other documents.

Do: first read the hubs. Boilerplate and empty chunks are deleted. Hubs of real content call for another
similarity, proven on labelled queries, or another model.

Source: Radovanović et al. 2010, JMLR 11:2487.""",
    _hubs,
)


def _skew(evidence: Evidence) -> Iterator[Finding]:
    for side, plural, positions in _sides(evidence):
        if _is_hub(evidence, side):
            return  # HUB001 says it, with the documents that do it
        skewness = evidence.portrait.measures[f"hubness.{side}.skewness"]
        if skewness.value is None or not at_least(skewness, max(SKEWED, 3 * (skewness.null or 0.0))):
            continue
        matched = _matched(evidence, side, "skewness")
        if not at_least(skewness, matched.high or 0.0):
            continue
        top = evidence.portrait.measures[f"hubness.{side}.top_1_percent"]
        counts = occurrences(positions, evidence.census.n)
        order = np.argsort(-counts, kind="stable")[:10]
        yield Finding(
            "HUB002",
            Severity.WARNING,
            SKEW_RULE.title,
            f"The skewness of how often a document is listed by {plural} is {number(skewness.value)}"
            f" ({number(skewness.null)} by chance"
            + (f", {number(matched.value)} in a normal store with this mean and spectrum" if matched.value else "")
            + f"); the top 1 % of documents hold {percent(top.value)} of the places.",
            {
                **evidence.pick(f"hubness.{side}.skewness", f"hubness.{side}.top_1_percent"),
                f"hubness.{side}.skewness.matched": matched,
            },
            "A few documents come back for many questions, and others hardly ever.",
            Remedy("Compare similarities on labelled queries: centring, CSLS and whitening reduce hubness."),
            evidence.notes(order, [f"in {counts[i]:,} of {len(positions):,} top lists" for i in order]),
        )
        return


SKEW_RULE = Rule(
    "HUB002",
    "uneven use of the documents",
    Severity.WARNING,
    f"""Skewness of the k-occurrence, E(N − μ)³/σ³, as all queries of the population would give it: factorial
moments thinned from the sample, free of the bias of the plain figure. About 1/√μ by chance.

Fires at {SKEWED:.0f}, at three times chance and beyond a matched store (lower end), unless HUB001 has named the
documents that do it. 1.2 is notable and common in healthy stores. `null` is that of lists at random.

{_MATCHED}
`skewness.matched` is its skewness, and the range that one in a hundred leaves on either side.

Source: Radovanović et al. 2010, JMLR 11:2487.""",
    _skew,
)


def _orphans(evidence: Evidence) -> Iterator[Finding]:
    share = evidence.measure("hubness.document.orphans")
    expected = share.null or 0.0
    if not at_least(share, expected + UNSEEN):
        return
    matched = _matched(evidence, "document", "orphans")
    beyond = at_least(share, expected + max(UNREACHED, matched.high or 0.0))
    excess = (share.value or 0.0) - expected
    yield Finding(
        "HUB003",
        Severity.WARNING if beyond else Severity.INFO,
        ORPHAN_RULE.title,
        f"{percent(share.value)} of the documents are in no top {evidence.seen.k} list, where even use would leave"
        f" {percent(expected)}.",
        {**evidence.pick("hubness.document.orphans"), "hubness.document.orphans.matched": matched},
        f"About {percent(excess)} of the documents are hard to find by any query.",
        Remedy("See HUB001 and HUB002: what hubs take, orphans lack."),
    )


ORPHAN_RULE = Rule(
    "HUB003",
    "orphans beyond chance",
    Severity.WARNING,
    f"""Share of documents that no sampled document lists among its k nearest (antihubs), against the share that even
use would leave, (1 − k/n)^m: 61 % unseen can be 56 % expected.

For information when the excess is at least 10 points; a warning from {UNREACHED:.0%}, when a matched store has less
(lower end).

{_MATCHED}
`orphans.matched` is its share beyond chance.

Source: Radovanović et al. 2010, JMLR 11:2487.""",
    _orphans,
)

RULES = (HUB_RULE, SKEW_RULE, ORPHAN_RULE)
