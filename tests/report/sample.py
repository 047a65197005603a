"""A report made by hand, with everything in it that a report can hold."""

from __future__ import annotations

import unicodedata

from ragdiag.findings.finding import DocumentNote, Finding, Remedy
from ragdiag.report.model import Report, RunInfo, Sampling
from ragdiag.retrieval.comparison import Comparison, PairedScore, SimilarityScores
from ragdiag.retrieval.losses import Cause, CauseLoss, Listed, Losses, Offender
from ragdiag.types import Measure, Metric, Severity, StoreInfo

SKEW = Measure(4.3123, 3.901, 4.802, 0.316, 2000)

DUPLICATES = Finding(
    code="DUP001",
    severity=Severity.ERROR,
    title="the index and the docstore disagree",
    message="The index holds 12,000 vectors and the docstore 11,998 documents: 2 vectors have no text.",
    evidence={"integrity.missing": Measure.counted(2, n=12_000, null=0.0)},
    cost="A query that hits one of them fails or returns nothing.",
    remedy=Remedy("Rebuild the index from the docstore. Nothing has to be embedded again."),
)

HUBS = Finding(
    code="HUB001",
    severity=Severity.WARNING,
    title="a few chunks are in most answers",
    message="7 chunks take 41 % of all top-10 places; by chance the first 7 would take 0.6 %.",
    evidence={
        "hubness.query.skewness": SKEW,
        "hubness.query.top_share": Measure(0.41, 0.38, 0.44, 0.019, 150),
    },
    cost="Readers get the same boilerplate whatever they ask, and better passages fall out of the context.",
    remedy=Remedy(
        "Delete the boilerplate chunks, or rank by centred cosine.",
        similarity="centred",
        tested="on 150 held-out queries, +0.043 nDCG@10 [+0.020, +0.066]",
    ),
    documents=tuple(
        DocumentNote(
            f"faq-{i:03d}",
            f"All rights reserved. Contact support, edition {i}. " * 3,
            f"in {99 - i} of 150 top tens",
        )
        for i in range(7)
    ),
)

NORMS = Finding(
    code="NRM002",
    severity=Severity.INFO,
    title="vectors do not have unit length",
    message="Norms lie between 0.8 and 1.3.",
    evidence={"norms.cv": Measure(0.0512, 0.0498, 0.0527, None, 12_000)},
    cost="",
    remedy=Remedy("Normalise them if the model's card says so."),
)


def paired(mean: float, delta: float, p: float | None, null: float | None = 0.008) -> PairedScore:
    return PairedScore(
        Measure(mean, mean - 0.04, mean + 0.04, null, 150),
        Measure(delta, delta - 0.02, delta + 0.02, 0.0, 150),
        p,
    )


def _cause(cause: Cause, pairs: int = 0, loss: float = 0.0, expected: float | None = None, **via: int) -> CauseLoss:
    return CauseLoss(cause, pairs, loss, expected, via)


LOSSES = Losses(
    metric="nDCG@10",
    k=10,
    queries=150,
    pairs=180,
    missing=41,
    attainable=1.0,
    score=0.612,
    total=0.388,
    low_ranked=0.1,
    causes=(
        _cause(Cause.ABSENT, 1, 0.008),
        _cause(Cause.FULL),
        _cause(Cause.APPROXIMATE),
        _cause(Cause.HUBS, 20, 0.15, 1.24),
        _cause(Cause.DUPLICATES),
        _cause(Cause.SIMILARITY, 15, 0.11, cosine=12, dot=3),
        _cause(Cause.LEXICAL),
        _cause(Cause.HARD, 5, 0.02),
    ),
    untested=(Cause.APPROXIMATE, Cause.LEXICAL),
    hubs=tuple(Listed(f"faq-{i:03d}", 90 - i) for i in range(5)),
    offenders={
        **dict.fromkeys(Cause, ()),
        Cause.ABSENT: (Offender("q-9", "where is it?", "gone", None, 1.0, "", ()),),
        Cause.HUBS: (
            Offender(
                "q-1", "how do I reset it?", "reset-01", 12, 1.0, "", (Listed("faq-000", 90), Listed("faq-001", 89))
            ),
        ),
        Cause.SIMILARITY: (Offender("q-2", "", "size-07", 13, 0.5, "cosine", (Listed("size-01", 3),)),),
    },
    texts={"faq-000": "All rights reserved.", "reset-01": "Press the ring for ten seconds.", "size-07": "Three rooms."},
)

COMPARISON = Comparison(
    baseline="l2",
    metric="nDCG@10",
    runs=(
        SimilarityScores("l2", {"nDCG@10": paired(0.612, 0.0, None), "R@10": paired(0.7, 0.0, None)}),
        SimilarityScores("cosine", {"nDCG@10": paired(0.655, 0.043, 0.0012), "R@10": paired(0.71, 0.01, 0.2)}),
        SimilarityScores(
            "whitened(k=128, gamma=0.5)",
            {"nDCG@10": paired(0.4, -0.212, 0.0003), "R@10": paired(0.5, -0.2, 0.0003)},
        ),
    ),
    winner="cosine",
    min_effect=0.01,
    resamples=9_999,
    queries=150,
    clusters=140,
    folds=5,
    seed=0,
    chosen=Measure(0.041, 0.02, 0.062, 0.0, 150),
    losses=LOSSES,
    note="7 queries have no relevant document in the store and were left out.",
)

MEASURES = {
    "anisotropy.mean_cosine": Measure(0.41234, 0.401, 0.4229, 0.0, 12_000),
    "anisotropy.rogue_share": Measure(0.0123, 0.0119, 0.0128, 1 / 384, 12_000),
    "hubness.document.skewness": Measure(1.2, 1.1, 1.35, 0.316, 2000),
    "hubness.query.skewness": SKEW,
    "spectrum.participation_ratio": Measure.missing("n is below 2d", n=500),
    "duplicates.exact": Measure.counted(31, n=12_000, null=0.0),
}

STORE = StoreInfo(
    name="faiss:./handbook",
    kind="langchain-faiss",
    count=12_000,
    dim=384,
    metric=Metric.L2,
    index="IndexFlatL2",
    counts={"index": 12_000, "docstore": 11_998},
    has_texts=True,
    has_metadata=True,
)

SAMPLING = Sampling(documents=12_000, document_queries=2000, moment_documents=10_000, queries=150, k=10, seed=0)

RUN = RunInfo(started="2026-01-02T03:04:05Z", seconds=12.345, host="host", versions={"ragdiag": "0.1.0", "numpy": "2"})

FULL = Report(
    store=STORE,
    measures=MEASURES,
    findings=(DUPLICATES, HUBS, NORMS),
    passed=("IDX001", "IDX002", "ANI001"),
    skipped={
        "GAP001": "no query vectors were given",
        "EMB001": "no embedding model was named",
        "GAP002": "no query vectors were given",
    },
    comparison=COMPARISON,
    sampling=SAMPLING,
    run=RUN,
    notes=("Ties were broken at random.",),
)

CLEAN = Report(
    store=StoreInfo(name="./vectors.npy", kind="npy", count=1000, dim=8, metric=None),
    measures={},
    findings=(),
    passed=("IDX001", "IDX002"),
    skipped={},
    comparison=None,
    sampling=Sampling(documents=1000, document_queries=1000, moment_documents=1000, queries=0, k=10, seed=3),
    run=RUN,
)


def columns(line: str) -> int:
    """Columns that a terminal gives a line, counted without rich."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line
    )
