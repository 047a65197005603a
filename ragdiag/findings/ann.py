"""ANN: does the index find what is nearest?"""

from __future__ import annotations

from collections.abc import Iterator

from ragdiag.findings.evidence import Evidence
from ragdiag.findings.finding import Finding, Remedy
from ragdiag.findings.rule import WILSON, NotApplicable, Rule, page
from ragdiag.findings.words import at_least, limit
from ragdiag.numbers import counted, interval, percent
from ragdiag.retrieval.ann import TARGET, UNREACHABLE, AnnCheck
from ragdiag.types import Measure, Severity

BAD = 0.8  # recall below which every answer is short of what is there
LOST = 0.005  # of the documents


def _check(evidence: Evidence) -> AnnCheck:
    if evidence.ann is None:
        raise NotApplicable("the store's own search was not asked")
    return evidence.ann


def _recall(evidence: Evidence) -> Iterator[Finding]:
    check = _check(evidence)
    recall = evidence.measure(check.main)
    high = recall.high if recall.high is not None else recall.value
    if high is None or high >= check.wanted:
        return
    shown = {name: measure for name, measure in check.measures.items() if measure.value is not None}
    whose = "the queries" if check.main == "ann.query.recall" else "documents taken as queries"
    yield Finding(
        "ANN001",
        Severity.ERROR if high < BAD else Severity.WARNING,
        RECALL.title,
        f"For {whose}, the index finds {percent(recall.value)} of the nearest documents; {limit(check.wanted)} is "
        "wanted.",
        {check.main: recall, **shown},
        "Relevant documents are in the store and rank high, and the application never sees them.",
        _remedy(check),
    )


def _remedy(check: AnnCheck) -> Remedy:
    knob, settings = check.knob, check.settings
    now = "" if check.value is None else f" (now {check.value})"
    rebuild = "build the index again with more links or finer lists, or search exactly"
    if check.reached is not None:
        found = next(setting.recall for setting in settings if setting.effort == check.reached)
        tested = f"recall {percent(found.value)} {interval(found)} over {counted(found.n, 'query', 'queries')}"
        return Remedy(f"Set {knob} to {check.reached}{now}, the smallest of those tried that does.", tested=tested)
    if settings:
        most = settings[-1]
        tested = f"at {knob} {most.effort} recall is {percent(most.recall.value)} {interval(most.recall)}"
        return Remedy(f"No {knob} that was tried reaches {check.wanted:g}: {rebuild}.", tested=tested)
    if knob:
        return Remedy(f"Raise {knob}{now}; --ann-target {check.wanted:g} finds the smallest that does.")
    return Remedy(f"{rebuild[0].upper()}{rebuild[1:]}.")


RECALL = Rule(
    "ANN001",
    "the index misses neighbours",
    Severity.ERROR,
    page(
        measured="""`ann.query.recall` = documents of the store's own top k that score at least as high as the k-th of
        exact search, up to rounding in float32 / k, mean over the queries given, at the present setting. Without
        queries `ann.document.recall` decides: the same for documents drawn as queries, themselves left out. The
        interval is the wider of Student's and Agresti and Coull's.""",
        fires=f"""recall is below the target, {TARGET} unless `--ann-target` gives another (upper end of the
        interval): a warning; an error when it is below {BAD} too (upper end).""",
        wrong="""an application may not need all of the nearest. Documents are easier to find than queries that lie
        apart from them (GAP001): without queries it is silent about an index that fails on those. What codes have lost
        (IDX008) is not counted.""",
        do="""give the engine's knob the smallest setting that `--ann-target` shows to be enough. Where none is,
        build the index again with more links (M, efConstruction) or rebuild its lists from today's vectors.""",
        source="""recall against exact search: Aumüller, Bernhardsson & Faithfull 2020, doi:10.1016/j.is.2019.02.006;
        interval: Agresti & Coull 1998, doi:10.1080/00031305.1998.10480550.""",
    ),
    _recall,
)


def _unreachable(evidence: Evidence) -> Iterator[Finding]:
    check = _check(evidence)
    share = evidence.measure(UNREACHABLE)
    lost = len(check.unreached)
    if lost:
        not_found = "is not found by its own vector" if lost == 1 else "are not found by their own vectors"
        yield Finding(
            "ANN002",
            Severity.WARNING if at_least(share, LOST) else Severity.INFO,
            LOST_DOCUMENTS.title,
            f"Of {share.n:,} documents drawn, {lost:,} {not_found}.",
            {UNREACHABLE: share},
            "No query finds these documents, or hardly any: the one that suits them best does not.",
            Remedy(f"Add these documents to the index again{_or_raise(check)}; build it anew if there are many."),
            evidence.notes(check.unreached, ["not found by its own vector"] * len(check.unreached)),
        )


def _or_raise(check: AnnCheck) -> str:
    return f", or raise {check.knob}" if check.knob else ""


LOST_DOCUMENTS = Rule(
    "ANN002",
    "documents that no query reaches",
    Severity.WARNING,
    page(
        measured="""`ann.unreachable` = drawn documents that a search for their own vector does not list in its top k
        / drawn documents that exact search does list there. One whose list is full of others that score as high, such
        as copies, is excused.""",
        fires=f"""there is one (counted in the sample): for information, a warning when at least {limit(LOST)} are
        such (lower end of the interval).""",
        wrong="""a query from another side may still reach such a document, along other links. It is silent about
        documents that their own vectors find and real queries miss; ANN001 counts those.""",
        do="""add the documents listed to the index again; build it anew if there are many. In a graph they are nodes
        that no link leads to, often after deletions; in lists they lie in one that is not looked into.""",
        source=WILSON,
    ),
    _unreachable,
)


def _metric(evidence: Evidence) -> Iterator[Finding]:
    info = evidence.seen.info
    if info.index_metric is None or info.metric is None or info.index_metric is info.metric:
        return
    n = evidence.census.n
    known = evidence.ann.measures if evidence.ann is not None else {}
    recalls = {name: measure for name, measure in known.items() if measure.value is not None}
    yield Finding(
        "ANN003",
        Severity.ERROR,
        METRIC.title,
        f"The index was built for {info.index_metric.value}, and its queries rank by {info.metric.value}.",
        {"store.count": Measure.counted(float(n), n=n), **recalls},
        "The engine ranks by the wrong metric, or does not use the index and reads the whole table for each query.",
        Remedy(f"Build the index for {info.metric.value}, or let the queries ask by {info.index_metric.value}."),
    )


METRIC = Rule(
    "ANN003",
    "the index was built for another metric",
    Severity.ERROR,
    page(
        measured="""`store.count` = vectors in an index that was built for another metric than the one by which its
        queries rank.""",
        fires="""the engine says both, and they differ (read from the index, no threshold). Always an error.""",
        wrong="""vectors that all have one length are ranked alike by cosine, dot product and L2, so that an engine
        that uses the index all the same loses nothing; ANN001 tells. It is silent where an engine knows but one metric,
        and about a metric that the embedding model was not trained for (SIM001, SIM002).""",
        do="build the index for the metric of the queries, or let the queries ask by that of the index.",
        source="""a comparison of two settings, for which no literature is needed. LanceDB warns and goes on,
        PostgreSQL leaves the index aside without a word.""",
    ),
    _metric,
)

RULES = (RECALL, LOST_DOCUMENTS, METRIC)
