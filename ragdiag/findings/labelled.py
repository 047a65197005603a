"""GAP, SIM and RET: queries against documents, and what labels prove."""

from __future__ import annotations

from collections.abc import Iterator

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import COUNTED, NotApplicable, Rule, page
from ragdiag.findings.words import at_least, at_most, limit
from ragdiag.geometry.intervals import wilson
from ragdiag.numbers import counted, percent, spoken
from ragdiag.retrieval.comparison import MIN_EFFECT
from ragdiag.retrieval.significance import SIGNIFICANT
from ragdiag.types import Metric, Severity

FAR = 0.3
WIDE = 0.15
NOTABLE = 0.08
LENGTHS_DECIDE = 0.9
MISSING = 0.01  # of the judged documents


def _gap(evidence: Evidence) -> Iterator[Finding]:
    ratio, distance = evidence.measure("gap.ratio"), evidence.measure("gap.mean_distance")
    if not (at_least(ratio, NOTABLE) and at_least(distance, FAR)):
        return
    auc = evidence.portrait.measures["gap.probe_auc"]
    yield Finding(
        "GAP001",
        Severity.WARNING if at_least(ratio, WIDE) else Severity.INFO,
        GAP_RULE.title,
        f"The mean query and the mean document are {spoken(distance.value)} apart; the squared gap is"
        f" {percent(ratio.value)} of the spread, and a linear probe tells them apart with AUC {spoken(auc.value)}.",
        evidence.pick("gap.ratio", "gap.mean_distance", "gap.probe_auc"),
        "Documents on the side of the queries are ranked first, whatever is asked: a source of hubs.",
        Remedy(
            "Candidate: query-centred (documents minus their mean, queries minus theirs); 30 queries are enough to"
            " fit it, labelled ones to prove it. A wide gap is also what a model shows that does not know the"
            " language.",
            similarity="query-centred",
        ),
    )


GAP_RULE = Rule(
    "GAP001",
    "a gap between queries and documents",
    Severity.WARNING,
    page(
        measured="""`gap.mean_distance` = ‖μ_q − μ_d‖ between the mean directions of queries and documents, freed
        from sampling error; `gap.ratio` = its square over the spread, Δ²/(tr S_q + tr S_d).""",
        fires=f"""the distance is at least {FAR} and the ratio at least {NOTABLE} (lower ends of the intervals): for
        information, a warning from a ratio of {WIDE} (lower end).""",
        wrong="""questions differ from passages under every model, and many retrieve well across a gap:
        `gap.probe_auc` is nearly always near 1 and means nothing alone. It is silent where only a part of the
        queries, such as one language, lies apart.""",
        do="""try query-centred cosine, which subtracts each side's own mean: 30 queries fit it, labelled ones must
        prove it (`ragdiag compare`). Check that both sides have the model and the prompt that they need.""",
        source="Liang et al. 2022, arXiv:2203.02053.",
    ),
    _gap,
)


def _lengths_decide(evidence: Evidence) -> Iterator[Finding]:
    metric = evidence.seen.info.metric
    if metric is None or metric is Metric.COSINE:
        raise NotApplicable("the store ranks by cosine" if metric else "the store does not say how it ranks")
    name = f"norms.overlap_cosine_{metric.value}"
    overlap = evidence.measure(name)
    if not at_most(overlap, LENGTHS_DECIDE):
        return
    comparison, trial = evidence.comparison, evidence.trial("cosine")
    if comparison is not None and comparison.winner is not None:
        raise NotApplicable(f"the labels prove that {comparison.winner} ranks better (SIM002)")
    tested = evidence.tested("cosine")
    harmless = (
        comparison is not None
        and trial is not None
        and trial.delta.high is not None
        and trial.delta.high < comparison.min_effect
        and not comparison.at_chance
    )
    engine = " LangChain's FAISS builds an L2 index by default, and for DistanceStrategy.COSINE too."
    yield Finding(
        "SIM001",
        Severity.INFO if harmless else Severity.WARNING,
        LENGTHS_RULE.title,
        f"The store ranks by {_SPOKEN[metric]}, and its vectors differ in length: only {percent(overlap.value)} of"
        f" the top {evidence.seen.k} are those that cosine gives."
        + (engine if "langchain" in evidence.seen.info.kind and metric is Metric.L2 else ""),
        evidence.pick(name, "norms.variation"),
        "None that the labelled queries show: ranked by cosine they would find no more."
        if harmless
        else "Long or short documents are preferred, whatever they say; most models mean length to play no part.",
        Remedy("Leave it alone: this model means its lengths, or these queries do not suffer.", "cosine", tested)
        if harmless
        else Remedy(
            "Scale vectors to length 1, or rank by cosine, if the model was trained for cosine: its card says."
            + (
                " More labelled queries would decide."
                if tested
                else " Labelled queries (--queries) show what it is worth."
            ),
            similarity="cosine",
            tested=tested,
        ),
    )


_SPOKEN = {Metric.DOT: "dot product", Metric.L2: "Euclidean distance", Metric.COSINE: "cosine"}

LENGTHS_RULE = Rule(
    "SIM001",
    "lengths decide the ranking",
    Severity.WARNING,
    page(
        measured="""`norms.overlap_cosine_l2` (or `_dot`) = mean of |top k by the store's metric ∩ top k by
        cosine|/k, with sampled documents as queries against all documents. Not for stores that rank by cosine.""",
        fires=f"""it is at most {limit(LENGTHS_DECIDE)} (upper end of the interval): a warning; for information when
        labelled queries show that cosine gains less than `--min-effect` (upper end). When they prove another
        similarity better, SIM002 says so instead.""",
        wrong="""a model trained by dot product may mean its lengths; geometry cannot tell. It is silent about few
        documents of odd length that documents as queries do not meet (IDX009 counts a part that is not normalised).""",
        do="""look at the model's card: if it was trained for cosine, scale vectors to length 1 or rank by cosine.
        Labelled queries (`--queries`) show what that is worth.""",
        source="Steck, Ekanadham & Kallus 2024, arXiv:2403.05440.",
    ),
    _lengths_decide,
)


def _better(evidence: Evidence) -> Iterator[Finding]:
    comparison = evidence.comparison
    if comparison is None:
        raise NotApplicable("no judgements were given")
    if comparison.winner is None:
        return
    run = next(run for run in comparison.runs if run.similarity == comparison.winner)
    score = run.scores[comparison.metric]
    base = comparison.runs[0].scores[comparison.metric].mean
    chosen = comparison.chosen
    assert chosen is not None  # without it nothing wins
    yield Finding(
        "SIM002",
        Severity.ERROR,
        BETTER_RULE.title,
        f"{comparison.metric} is {spoken(base.value)} under {comparison.baseline}, as the store ranks, and"
        f" {spoken(score.mean.value)} under {run.similarity}, for the same vectors and {comparison.queries:,} queries;"
        f" choosing on some of them gains {spoken(chosen.value)} on the others.",
        {f"{comparison.metric}.chosen": chosen, f"{comparison.metric}.baseline": base},
        "Relevant documents that are in the store are ranked too low to be read.",
        Remedy(
            f"Rank by {run.similarity}: build the index with that metric"
            + (", or normalise the vectors." if run.similarity == "cosine" else "."),
            similarity=run.similarity,
            tested=f"paired over {comparison.queries:,} labelled queries, p = {spoken(score.p)} (Holm),"
            f" {comparison.resamples:,} resamples",
        ),
    )


BETTER_RULE = Rule(
    "SIM002",
    "another similarity ranks better",
    Severity.ERROR,
    page(
        measured="""`nDCG@10.chosen` = mean gain in nDCG@10 over the store's metric when each fold of the labelled
        queries is ranked by what is best on the other folds; candidates are cosine, dot product and L2 on the same
        vectors. No query judges a choice it had a part in.""",
        fires=f"""the mean paired difference of a candidate is at least `--min-effect` ({MIN_EFFECT} unless set; the
        value), the lower end of its bootstrap interval is above 0, a paired randomisation test gives p <
        {SIGNIFICANT} after Holm's correction, and `chosen` is as large with its lower end above 0. Always an error,
        since the loss is proven.""",
        wrong="""the queries are not those of your users, or the judgements were found by the similarity that wins.
        It is silent with few queries: not being proven better is no proof of being as good.""",
        do="""rank by the similarity named: build the index with that metric, or scale the vectors to length 1 for
        cosine.""",
        source="Smucker, Allan & Carterette 2007, doi:10.1145/1321440.1321528.",
    ),
    _better,
)


def _unknown(evidence: Evidence) -> Iterator[Finding]:
    relevant = evidence.queries.relevant
    if relevant is None:
        raise NotApplicable("no judgements were given")
    judged = {p for graded in relevant for p in graded}
    missing = sum(p < 0 for p in judged)
    if missing == 0:
        return
    share = wilson(missing, len(judged), null=0.0)
    lost = sum(bool(graded) and all(p < 0 for p in graded) for graded in relevant)
    yield Finding(
        "RET001",
        Severity.WARNING if (share.value or 0.0) >= MISSING else Severity.INFO,
        UNKNOWN_RULE.title,
        f"{counted(missing, 'judged document')} of {len(judged):,} {'is' if missing == 1 else 'are'} not in the store;"
        f" {counted(lost, 'query has', 'queries have')} no relevant document there at all.",
        {"judgements.unknown": share},
        "No similarity can find them; they count as missed in every figure here.",
        Remedy("Ingest the missing documents, or compare the ids of the judgements with those of the store."),
    )


UNKNOWN_RULE = Rule(
    "RET001",
    "judged documents that are not in the store",
    Severity.WARNING,
    page(
        measured="""`judgements.unknown` = ids judged relevant that the store does not hold / ids judged relevant.
        They count as missed in every score.""",
        fires=f"""there is one (counted over all judgements): for information, a warning from {limit(MISSING)} (the
        value). When none is in the store, the audit refuses the judgements.""",
        wrong="""the store holds a part of the collection on purpose, or chunks under other ids than the documents
        that were judged. It is silent about an id that is there and names another text.""",
        do="ingest the missing documents, or compare the ids of the judgements with those of the store.",
        source=COUNTED,
    ),
    _unknown,
)

RULES = (GAP_RULE, LENGTHS_RULE, BETTER_RULE, UNKNOWN_RULE)
