"""HUB: do a few documents take the places of all others?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import NotApplicable, Rule, page
from ragdiag.findings.words import at_least, limit
from ragdiag.geometry import matched as drawn
from ragdiag.geometry.hubness import FEWEST, FEWEST_SAMPLED, TOO_FEW
from ragdiag.geometry.matched import CAPTURED, SKEWED, TIMES, UNSEEN
from ragdiag.numbers import percent
from ragdiag.numbers import spoken as number
from ragdiag.statistics.neighbors import occurrences
from ragdiag.types import IntArray, Measure, Severity

HALF = 0.5  # of all lists: too many, whatever makes it
UNREACHED = 0.25
BY_CHANCE = 3  # times what lists at random have

_MATCHED = f"""A matched store is a normal law with the mean and spectrum of this one (two laws for
two populations), as many documents (up to {drawn.LARGEST:,}) and queries;
{drawn.FEWEST} to {drawn.MOST} are drawn and ranked by cosine."""


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
    page(
        measured=f"""`hubness.query.largest` (or `.document.`) = max N_k/m; N_k is how many of m top-k lists a
        document is in. The null: random lists. {_MATCHED} `largest.matched` is its largest share, with a 98 %
        range.""",
        fires=f"""one document is in at least {limit(CAPTURED)} of the lists and at least {TIMES} times the even
        share k/n (lower end of an interval that knows it was picked as the largest), and either reaches the upper
        end of the matched range (the value) or is in at least {limit(HALF)} of the lists (lower end). Given queries
        are looked at first, then documents as queries; {FEWEST} are needed. Always a warning.""",
        wrong=f"""given queries may all ask for one document. It is silent about a hub that noise around a strong
        common mean (ANI001) makes too, below {limit(HALF)} of the lists.""",
        do="""read the texts listed. Delete page furniture and empty chunks. For real content: another similarity,
        proven on labelled queries, or another model. `hubness.query.bad_hub_share` is the share of their places that
        is wrong.""",
        source="Radovanović et al. 2010, JMLR 11:2487.",
    ),
    _hubs,
)


def _skew(evidence: Evidence) -> Iterator[Finding]:
    for side, plural, positions in _sides(evidence):
        if _is_hub(evidence, side):
            return  # HUB001 says it, with the documents that do it
        skewness = evidence.portrait.measures[f"hubness.{side}.skewness"]
        if skewness.value is None or not at_least(skewness, max(SKEWED, BY_CHANCE * (skewness.null or 0.0))):
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
    page(
        measured=f"""`hubness.query.skewness` (or `.document.`) = E(N_k − μ)³/σ³ of the k-occurrence N_k (see
        HUB001), as all queries would give it: from thinned factorial moments, free of the bias of the plain figure.
        The null, lists at random, is about 1/√μ. {_MATCHED} `skewness.matched` is its skewness, with a 98 % range.""",
        fires=f"""the skewness is at least {SKEWED:.0f}, at least {BY_CHANCE} times its null and at least the upper
        end of the matched range (lower end of the interval), where HUB001 has not named the documents that do it.
        Given queries are looked at first, then documents as queries. Always a warning.""",
        wrong=f"""given queries may rightly ask for a few documents again and again. It is silent where documents are
        the queries and fewer than {FEWEST_SAMPLED:,} of more are sampled, and about what a common mean explains
        (ANI001).""",
        do="compare similarities on labelled queries: centring, CSLS and whitening reduce hubness.",
        source="Radovanović et al. 2010, JMLR 11:2487.",
    ),
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
    page(
        measured=f"""`hubness.document.orphans` = documents that no sampled document has among its k nearest / all
        documents. The null is what even use would leave, (1 − k/n)^m. {_MATCHED} `orphans.matched` is its share
        beyond the null, with a 98 % range.""",
        fires=f"""the share is at least {limit(UNSEEN)} of the documents above its null (lower end of the interval):
        for information, a warning from {limit(UNREACHED)} above it when that also reaches the upper end of the
        matched range (lower end).""",
        wrong="""documents are asked for, not questions: what no document lists may still be found by real queries.
        It is silent about what given queries do not reach: they are rarely enough to reach every document.""",
        do="""see HUB001 and HUB002: what hubs take, orphans lack. Labelled queries tell whether these documents are
        missed.""",
        source="Radovanović et al. 2010, JMLR 11:2487.",
    ),
    _orphans,
)

RULES = (HUB_RULE, SKEW_RULE, ORPHAN_RULE)
