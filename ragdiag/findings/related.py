"""RET: do the vectors relate the labelled queries to their documents?"""

from __future__ import annotations

from collections.abc import Iterator

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import NotApplicable, Rule
from ragdiag.findings.words import at_least
from ragdiag.numbers import percent, score, spoken
from ragdiag.retrieval.comparison import HARDLY_ABOVE, HIGH_NULL, LEXICAL_FAR, STILL_POOR, Comparison
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

Fires when the upper end of the mean's interval lies at most {HARDLY_ABOVE:.0%} of the way from the null to 1, or
{STILL_POOR:.0%} when the interval holds the null, as that of few queries may.
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
model works nearly none is: seen were 0 % (two English sets under an English model), 2 % (German under it), 13 %
(Chinese under it). Of documents that another model embedded about half are, or more when they also lie apart, so that
as a rule between once and twice the share have unrelated vectors. The null is ½: vectors that say nothing at all.

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


def _words(evidence: Evidence) -> Iterator[Finding]:
    comparison = _labelled(evidence)
    if comparison.lexical is None:
        no_texts = "the store keeps no texts"
        raise NotApplicable("the queries were made of the stored texts" if evidence.seen.info.has_texts else no_texts)
    if comparison.at_chance:
        raise NotApplicable("labelled retrieval is at chance altogether (RET002)")
    if comparison.lexical.scores[comparison.metric].delta.low is None:
        raise NotApplicable(f"fewer than {FEWEST} independent labelled queries")
    words = comparison.lexical_wins
    if words is None:
        return
    far, metric, base = comparison.lexical_far, comparison.metric, comparison.runs[0].scores[comparison.metric].mean
    yield Finding(
        "RET004",
        Severity.ERROR if far else Severity.INFO,
        WORDS_RULE.title,
        f"{metric} is {spoken(words.mean.value)} by BM25, which knows nothing but the words of the stored texts, and"
        f" {spoken(base.value)} under {comparison.baseline}, as the store ranks, for the same {comparison.queries:,}"
        " queries.",
        {f"{metric}.bm25_delta": words.delta, f"{metric}.bm25": words.mean, f"{metric}.baseline": base},
        "The vectors find less than a search for words would, which needs no model."
        if far
        else "Little or none: questions that were written beside their texts share that many words with them.",
        Remedy(
            "Try an embedding model made for the language and the subject of these texts; until then, search by words"
            " too (hybrid search). No similarity on these vectors makes up for it."
            if far
            else "Leave it alone, or try hybrid search.",
            tested=f"paired over {comparison.queries:,} labelled queries, {score(words.delta, sign=True)} {metric},"
            f" p = {spoken(words.p)} (Holm), {comparison.resamples:,} resamples",
        ),
    )


WORDS_RULE = Rule(
    "RET004",
    "words alone rank better than the vectors",
    Severity.ERROR,
    f"""The stored texts are ranked for each labelled query by BM25, in Lucene's form: the sum over the query's words
of ln(1 + (N − df + ½)/(df + ½))·tf/(tf + k₁·(1 − b + b·l/l̄)), k₁ = 1.5, b = .75; of scripts without spaces, pairs of
characters are the words. nDCG@10 is compared, query by query, with that of the store's own similarity.

Fires when the mean difference is at least the smallest effect that counts (`--min-effect`, .01), its bootstrap interval
excludes 0, a paired randomisation test, Holm-corrected, gives p < .05, and no similarity that was compared scores more.
An error when the lower end of the difference is at least {LEXICAL_FAR}; below that for information. Cannot look without
texts, at queries that `ragdiag queries` made of the texts themselves, nor where retrieval is at chance (RET002).

An embedding model is there to find what has other words than the question. One that loses to words does not know
the language or the subject, or was never made for search: an English model on Chinese texts scored .24 where BM25 had
.96, on German .70 and .91.

Do: choose a model for the language; hybrid search, which joins both rankings, in the meantime. `ragdiag compare` says
what another similarity would mend.

When it is wrong: BM25 is flattered where questions share words with their passages because people wrote them with the
passage before their eyes, as in SQuAD and XQuAD, or because pooled judgements were found by words: a model that fits
lost there by .015. Users who have not read the texts ask in other words. Labels from a query log are free of it.

Source: Robertson & Zaragoza 2009, doi:10.1561/1500000019; Thakur et al. 2021 (BEIR), arXiv:2104.08663, where BM25 is
better than many models outside the subject that they learnt.""",
    _words,
)

RULES = (CHANCE_RULE, MISPLACED_RULE, WORDS_RULE)
