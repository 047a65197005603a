"""RET: do the vectors relate the labelled queries to their documents?"""

from __future__ import annotations

from collections.abc import Iterator

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import WILSON, NotApplicable, Rule, page
from ragdiag.findings.words import at_least, limit
from ragdiag.numbers import percent, score, spoken
from ragdiag.retrieval.comparison import (
    HARDLY_ABOVE,
    HIGH_NULL,
    LEXICAL_FAR,
    MIN_EFFECT,
    STILL_POOR,
    Comparison,
)
from ragdiag.retrieval.lexical import K1, B
from ragdiag.retrieval.significance import FEWEST, SIGNIFICANT
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
    page(
        measured="""`nDCG@10` = its mean over the labelled queries, as the store ranks. Its null = the mean of the
        same lists when each query is given the judgements of another one, drawn at random.""",
        fires=f"""the mean lies at most {limit(HARDLY_ABOVE)} of the way from the null to 1, or {limit(STILL_POOR)}
        when its interval holds the null (upper end of the interval). Cannot tell below {FEWEST} independent queries,
        nor where the null is above {HIGH_NULL}: queries that share their relevant documents, or a very small store.
        Always an error.""",
        wrong="""in a very large store with one judged document for each query, a weak model can rank it behind good
        documents that nobody judged; `alignment.misplaced` is then near 0. It is silent where a part of the
        documents is lost (RET003).""",
        do="""look for query vectors in another order than the queries, another model or prompt for queries than for
        documents, ids that were shifted at ingestion. `alignment.misplaced` near ½ blames the vectors; near 0, look
        for hubs and copies.""",
        source="permutation null: Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses.",
    ),
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
    page(
        measured="""`alignment.misplaced` = relevant documents farther, by cosine, from their query than the median
        document / relevant documents. Each counts once; the null is ½, vectors that say nothing. Between once and
        twice the share have unrelated vectors. Seen: 0 % where the model fits, 2 % of German and 13 % of Chinese
        documents under an English one.""",
        fires=f"""it is at least {limit(NOTABLE)} (lower end of the interval): for information, an error from
        {limit(MISPLACED)} (lower end). Needs {FEWEST} queries and {FEWEST} relevant documents; does not look where
        RET002 fires, which says the same of all.""",
        wrong="""judgements are noise, or call documents relevant that share no content with the question. It is
        silent about documents that are nearer than the median and still far from the first ten.""",
        do="""find out which model wrote the vectors of the documents listed, and embed them again. When it was the
        right one, it cannot relate these questions to these texts: try another model.""",
        source=WILSON,
    ),
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
    page(
        measured=f"""`nDCG@10.bm25_delta` = mean gain in nDCG@10 of BM25 on the stored texts over the store's
        similarity, query by query. BM25 = Σ ln(1 + (N − df + ½)/(df + ½))·tf/(tf + k₁·(1 − b + b·l/l̄)) over the
        query's words, k₁ = {K1}, b = {B}.""",
        fires=f"""the gain is at least `--min-effect` ({MIN_EFFECT} unless set; the value), the lower end of its
        bootstrap interval is above 0, a paired randomisation test gives p < {SIGNIFICANT} after Holm's correction,
        and no similarity compared scores more: for information, an error from {LEXICAL_FAR} (lower end). Needs
        texts, and labels that were not made of them; does not look where RET002 fires.""",
        wrong="""questions written beside their passages (SQuAD, XQuAD), or pooled by words, flatter BM25: a model
        that fits lost by .015 there. It is silent where vectors and words are both poor.""",
        do="""choose a model made for search in your language and subject; until then, search by words too (hybrid
        search). `ragdiag compare` says what another similarity would mend.""",
        source="Robertson & Zaragoza 2009, doi:10.1561/1500000019; Thakur et al. 2021 (BEIR), arXiv:2104.08663.",
    ),
    _words,
)

RULES = (CHANCE_RULE, MISPLACED_RULE, WORDS_RULE)
