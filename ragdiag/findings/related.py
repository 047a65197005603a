"""RET: do the vectors relate the labelled queries to their documents?"""

from __future__ import annotations

from collections.abc import Iterator

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import NotApplicable, Rule
from ragdiag.findings.words import at_least
from ragdiag.numbers import percent, spoken
from ragdiag.retrieval.comparison import HARDLY_ABOVE, HIGH_NULL, Comparison
from ragdiag.retrieval.significance import FEWEST
from ragdiag.types import Severity

MISPLACED = 0.05  # of the relevant documents, in the farther half
NOTABLE = 0.01
UNRELATED = 0.25


def _labelled(evidence: Evidence) -> Comparison:
    if evidence.comparison is None:
        raise NotApplicable("no judgements were given")
    return evidence.comparison


def _chance(evidence: Evidence) -> Iterator[Finding]:
    comparison = _labelled(evidence)
    mean = comparison.runs[0].scores[comparison.metric].mean
    if comparison.at_chance is None:
        few = f"fewer than {FEWEST} labelled queries"
        shared = f"dealt at random, the judgements score {spoken(mean.null)}: chance and skill cannot be told apart"
        raise NotApplicable(few if comparison.queries < FEWEST else shared)
    if not comparison.at_chance:
        return
    misplaced, alignment = (evidence.portrait.measures[f"alignment.{name}"] for name in ("misplaced", "positives"))
    unrelated = at_least(misplaced, UNRELATED)
    yield Finding(
        "RET002",
        Severity.ERROR,
        CHANCE_RULE.title,
        f"{comparison.metric} is {spoken(mean.value)} over {comparison.queries:,} labelled queries; the same lists"
        f" score {spoken(mean.null)} when the judgements are dealt to the queries at random."
        + (
            f" {percent(misplaced.value)} of the relevant documents are farther from their query than the median"
            " document, as half of unrelated ones are."
            if unrelated
            else ""
        ),
        {
            comparison.metric: mean,
            "alignment.misplaced": misplaced,
            "alignment.positives": alignment,
        },
        "What is found has nothing to do with what was asked.",
        Remedy(
            "Look for query vectors in another order than the queries, queries embedded by another model or with"
            " another prompt than the documents, and ids that were shifted by one at ingestion."
            if unrelated
            else "The vectors still place relevant documents nearer than others, so look for what takes the first"
            " places instead: hubs, copies, documents that are not in the judgements; then for a better model."
        ),
    )


CHANCE_RULE = Rule(
    "RET002",
    "labelled retrieval is at chance",
    Severity.ERROR,
    f"""The mean nDCG@10 of the labelled queries, as the store ranks, against its null: the mean that the same result
lists reach when each query is given the judgements of another one, drawn at random. What is found for one query
is then judged by what another asked.

Fires when the upper end of the mean's interval lies at most {HARDLY_ABOVE:.0%} of the way from the null to 1.
Cannot tell below {FEWEST} queries, nor where the null is over {HIGH_NULL}: queries that share their relevant documents,
or a store of a few dozen documents.

`alignment.misplaced` (see RET003; ½ for unrelated vectors) and `alignment.positives`, mean ‖q̂ − d̂⁺‖² (2 for
unrelated vectors), say whether the vectors are at fault or the ranking.

Do: look for query vectors in another order than queries.jsonl, another model or prompt for the queries than
for the documents, ids that were shifted at ingestion.

When it is wrong: in a very large store with a single judged document for each query, a weak model can rank it
behind good documents that nobody judged. `alignment.misplaced` is then near 0.

Source: permutation null, Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses.""",
    _chance,
)


def _misplaced(evidence: Evidence) -> Iterator[Finding]:
    comparison = _labelled(evidence)
    share = evidence.measure("alignment.misplaced")
    if share.n < FEWEST:
        raise NotApplicable(f"fewer than {FEWEST} labelled queries or relevant documents")
    if comparison.at_chance:
        raise NotApplicable("labelled retrieval is at chance altogether (RET002)")
    if not at_least(share, NOTABLE):
        return
    lost = evidence.portrait.marks["alignment.misplaced"]
    value = share.value or 0.0
    yield Finding(
        "RET003",
        Severity.ERROR if at_least(share, MISPLACED) else Severity.INFO,
        MISPLACED_RULE.title,
        f"{percent(value)} of the relevant documents are farther from their query than the median document. Half of"
        f" unrelated ones are: the vectors of {percent(value)} to {percent(min(2 * value, 1.0))} of them say nothing of"
        " what is asked.",
        evidence.pick("alignment.misplaced", "alignment.positives"),
        "No similarity finds these documents for the questions that they answer.",
        Remedy(
            "Check what model wrote these vectors, and embed the documents again with the one that embeds the"
            " queries. When it was the same model, it cannot relate such questions to such texts (another language,"
            " another kind of text): try another one."
        ),
        evidence.notes(lost, ["farther than the median document"] * len(lost)),
    )


MISPLACED_RULE = Rule(
    "RET003",
    "relevant documents with unrelated vectors",
    Severity.ERROR,
    f"""Share of the relevant documents that are farther, by cosine, from their query than the median document. Where a
model works nearly none is: seen were 0 to 1 % (English under an English model), 2 % (German under it), 13 % (Chinese
under it). Of documents that another model embedded about half are, or more when they also lie apart, so that between
once and twice the share have unrelated vectors. The null is ½: vectors that say nothing at all.

An error when the lower end of the Wilson interval is at least {MISPLACED:.0%}, some {2 * MISPLACED:.0%} unrelated; for
information from {NOTABLE:.0%}. A document with several queries counts once; n is the smaller of the numbers of
documents and of queries. Needs {FEWEST} of each, and does not look where RET002 says the same of all.

Lists documents that are misplaced for most of their queries, the farthest first.

Do: find out what wrote those vectors; embed again. When the model is the right one, it cannot relate these queries
to these documents.

When it is wrong: judgements that are noise, or that call documents relevant which share no content with the
question.""",
    _misplaced,
)

RULES = (CHANCE_RULE, MISPLACED_RULE)
